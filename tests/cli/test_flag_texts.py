"""What ``--help`` says: flags with values and defaults, examples that can be pasted, commands by question."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from btxrd_explain.cli import app
from btxrd_explain.cli.flag_texts import FLAG_TEXTS, notes_of, text_of
from btxrd_explain.cli.once import QUESTIONS
from btxrd_explain.settings import SETTINGS
from btxrd_explain.settings.flags import FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP: Any = get_command(app)
COMMANDS = sorted(GROUP.commands)


@pytest.fixture(scope="module")
def help_of() -> Callable[..., str]:
    """The help of a command on a terminal of 80 columns, or of more."""

    def show(*command: str, flag: str = "--help", columns: int = 80) -> str:
        result = CliRunner().invoke(app, [*command, flag], env={"COLUMNS": str(columns), "TERM": "dumb"})
        assert result.exit_code == 0
        return result.output

    return show


def _joined(text: str) -> str:
    """Return a help as one line, without the frames of its panels."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("command", sorted(FLAGS))
def test_every_flag_has_its_values_and_its_default(command: str, help_of: Callable[..., str]) -> None:
    shown = help_of(command, flag="--help-all")
    said = _joined(shown)
    assert "null" not in said
    assert "<bool>" not in said
    assert "docs/reference/settings.md" in said
    for name in FLAGS[command]:
        if name != "data.inputs":
            assert SETTINGS[name].flag in said
    narrow = (line for line in shown.splitlines() if "threshold-rule" in line or "--split " in line)
    assert all(len(line) <= 80 for line in narrow)


@pytest.mark.parametrize("arguments", ["--help", "infer --help", "infer --help-all"])
def test_a_help_leaves_the_flags_as_they_are_for_the_next_command_line(arguments: str) -> None:
    def flags() -> list[dict[str, Any]]:
        every = [*GROUP.params, *GROUP.commands["infer"].params]
        return [{name: value for name, value in vars(each).items() if name[0] != "_"} for each in every]

    before = flags()
    assert any("--no-overlay" in each["secondary_opts"] for each in before)
    assert GROUP.main(arguments.split(), standalone_mode=False) == 0
    assert flags() == before


def test_the_first_panel_has_what_most_runs_need(help_of: Callable[..., str]) -> None:
    first = help_of("annotate-iou").partition("─ Options ─")[2].partition("╰")[0]
    for flag in ("--annotations", "--split-csv", "--split", "--checkpoint", "--directory", "--threshold", "--config"):
        assert flag in first
    assert "--dpi" not in first
    assert "--help-all" in first


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 40)])
@pytest.mark.parametrize("command", [*COMMANDS, None])
def test_each_help_ends_within_two_screens(
    command: str | None, columns: int, lines: int, help_of: Callable[..., str]
) -> None:
    shown = help_of(*filter(None, [command]), columns=columns)
    assert len(shown.splitlines()) <= 2 * lines


def test_all_flags_are_shown_where_that_is_asked_for_and_only_then(help_of: Callable[..., str]) -> None:
    whole = help_of("gallery", flag="--help-all")
    assert "--dpi" in whole
    assert "─ Network ─" in whole
    assert "--dpi" not in help_of("gallery")
    assert "--help-all" not in help_of("methods")  # which has no others


def test_notes_tell_choices_ranges_and_defaults() -> None:
    assert notes_of(SETTINGS["output.format"]) == "[png, svg or pdf; default: png]"
    assert notes_of(SETTINGS["preprocess.image_size"]).startswith("[16 to 4096 or 384x320; default: what")
    assert notes_of(SETTINGS["gradcam.method"]) == "[default: gradcam]"  # a command of its own lists them
    assert notes_of(SETTINGS["intervention.margins"]) == "[a list of 1 to 5 numbers from 0 to 100; default: 0]"
    assert notes_of(SETTINGS["data.root"]) == ""
    assert notes_of(SETTINGS["evaluation.baselines"]) == "[default: on]"


def test_a_flag_without_a_line_has_the_first_sentence_of_its_description() -> None:
    """A new setting is told of at once, without the words of settings files."""
    assert set(FLAG_TEXTS) <= set(SETTINGS)
    assert all(len(each.text) <= 90 for each in FLAG_TEXTS.values())
    said = text_of(SETTINGS["annotation.operator"])
    assert said.metavar == "OPERATOR"
    assert said.text.startswith("Whether a pixel that equals the threshold counts")


def test_brackets_of_extras_are_shown_and_not_taken_for_markup(help_of: Callable[..., str]) -> None:
    assert "the extra [ray]" in _joined(help_of("infer", flag="--help-all"))


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_can_be_pasted_and_are_taken(command: str, help_of: Callable[..., str]) -> None:
    epilog = GROUP.commands[command].epilog or ""
    examples = [line for line in epilog.splitlines() if line.startswith("btxrd-explain ")]
    shown = [line.strip() for line in help_of(command).splitlines()]
    assert examples or command == "config"
    for example in examples:
        assert example.replace("\\[", "[") in shown  # whole, in one line
        name, *words = shlex.split(example.partition(" | ")[0].partition(" < ")[0])[1:]
        assert name == command
        GROUP.commands[command].make_context(name, words)


def test_commands_are_listed_by_the_question_that_they_answer(help_of: Callable[..., str]) -> None:
    assert set(COMMANDS) <= {name for names in QUESTIONS.values() for name in names}
    said = help_of()
    places = [said.index(f"─ {question} ─") for question in QUESTIONS]
    assert places == sorted(places)
    assert said.index("│ demo") < said.index("│ infer") < said.index("│ annotate-iou") < said.index("│ check")
