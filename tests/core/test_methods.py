"""What is told of each method, against what computes it."""

from __future__ import annotations

import re
from importlib import util

import pytest

from btxrd_explain.core import methods
from btxrd_explain.core.methods import METHODS, Method, check_installed
from btxrd_explain.errors import ExitCode, SettingsError

PIXELS = sorted(name for name, method in METHODS.items() if method.pixels)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_is_described_in_a_line_that_fits_a_terminal(method: Method) -> None:
    assert METHODS[method.name] is method
    assert 10 < len(method.summary) <= 100
    assert not method.summary.endswith(".")
    assert re.match(r"\d+( |$)", method.cost)
    assert re.search(r"\d{4}$|pytorch-grad-cam$", method.source)


def test_those_of_one_pass_come_first_and_those_of_pixels_last() -> None:
    order = [(not method.native, method.pixels) for method in METHODS.values()]
    assert order == sorted(order)
    assert {method.cost for method in METHODS.values() if method.native} == {"1"}
    assert not any(method.native for method in METHODS.values() if method.pixels)
    assert all(method.layer for method in METHODS.values() if not method.pixels)


@pytest.mark.parametrize("name", PIXELS)
def test_a_method_of_pixels_needs_captum_and_says_how_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=f"method '{name}' needs captum, which is not installed") as caught:
        check_installed(name)
    assert "captum" in str(caught.value.hint)
    assert caught.value.exit_code is ExitCode.USAGE


def test_other_methods_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "find_spec", lambda _: None)
    for name in METHODS.keys() - PIXELS:
        check_installed(name)


def test_captum_is_found_where_it_is_installed() -> None:
    assert util.find_spec("captum") is not None
    check_installed("integrated-gradients")
