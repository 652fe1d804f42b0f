"""`methods`: the catalogue, as text and as JSON."""

from __future__ import annotations

import btxrd_explain
from btxrd_explain.core.methods import METHODS
from tests.support.command_line import run, told


def test_the_methods_are_those_of_the_catalogue() -> None:
    assert btxrd_explain.methods() == tuple(METHODS.values())


def test_each_method_begins_a_line() -> None:
    listed, lines = told("methods"), run("methods").stdout.splitlines()
    assert [one["name"] for one in listed] == list(METHODS)
    begins = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert [name for name in METHODS if not any(name.startswith(begin) for begin in begins)] == []
