"""A flag that takes one value and is given twice with different values is an error, whichever flag it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.main import get_command

from btxrd_explain.cli import app
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 -- click's
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))


COMMANDS = dict(_commands(get_command(app)))


def _options(path: tuple[str, ...]) -> list[Any]:
    return [option for option in COMMANDS[path].params if option.param_type_name == "option"]


def _message(path: tuple[str, ...], *flags: str) -> str:
    parser = COMMANDS[path].make_parser(COMMANDS[path].context_class(COMMANDS[path]))
    with pytest.raises(typer.BadParameter) as caught:
        parser.parse_args(list(flags))
    return str(caught.value)


def test_there_are_flags_of_all_kinds() -> None:
    options = [option for path in COMMANDS for option in _options(path)]
    assert len(options) > 150
    assert {option.multiple for option in options} == {option.is_flag for option in options} == {False, True}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_flag_of_one_value(path: tuple[str, ...]) -> None:
    for option in _options(path):
        if not option.is_flag and not option.multiple:
            first, last = option.opts[0], option.opts[-1]
            assert "it is given twice, as 'one' and as 'two': give it once" in _message(path, first, "one", last, "two")
        elif option.secondary_opts:
            assert "it is given twice, on and off" in _message(path, option.opts[0], option.secondary_opts[0])


@pytest.mark.parametrize(
    "flags",
    [
        ("infer", "a.png", "--factory", "a:b", "--factory=b:b"),
        ("layers", "--class-names", "a,b", "--class-names", "b,a"),
        ("merge", "part", "-o", "a.parquet", "--output", "b.parquet"),
        ("config", "--config", "a.yaml", "--config", "b.yaml"),
    ],
)
def test_it_ends_with_2_and_names_flag_and_values(flags: tuple[str, ...]) -> None:
    result = run(*flags, code=2)
    assert result.stdout == ""
    assert "is given twice, as 'a" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    "flags",
    [
        ("--device", "cpu", "--device", "cpu"),
        ("--json", "--json"),
        ("--set", "run.strict=true", "--set", "output.dpi=100"),
        ("--no-overlay", "--no-overlay"),
    ],
)
def test_what_is_said_twice_alike_or_takes_several_is_none(flags: tuple[str, ...], tmp_path: Path) -> None:
    result = run("infer", tmp_path / "nothing.png", *flags, code=4)
    assert "there is no" in result.stderr


@pytest.mark.parametrize("name", ["check", "annotate-iou"])
def test_readers_are_advised_where_a_command_takes_them(name: str) -> None:
    takes_readers = any("--reader" in option.opts for option in _options((name,)))
    said = _message((name,), "--annotations", "a", "--annotations", "b")
    assert ("--reader NAME=PATH" in said) == takes_readers == (name == "annotate-iou")
