"""What shells complete the values of flags with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import timm
from typer.main import get_command

from btxrd_explain.cli import app
from btxrd_explain.cli.completion import architectures, complete_assignment

if TYPE_CHECKING:
    from pathlib import Path


def _completed(flag: str, incomplete: str, *before: str) -> list[str]:
    """Return what a flag of annotate-iou is completed with, after other words."""
    command: Any = get_command(app)
    command = command.commands["annotate-iou"]
    context = command.make_context("annotate-iou", list(before), resilient_parsing=True)
    (parameter,) = (each for each in command.params if flag in each.opts)
    return [item.value for item in parameter.shell_complete(context, incomplete)]


def test_choices_are_completed() -> None:
    assert _completed("--threshold-rule", "ot") == ["otsu", "otsu-chexlocalize"]
    assert "layercam" in _completed("--methods", "")


def test_assignments_are_completed_with_settings_and_their_choices() -> None:
    assert complete_assignment("output.d") == ["output.directory=", "output.dpi="]
    assert complete_assignment("output.format=p") == ["output.format=png", "output.format=pdf"]
    assert complete_assignment("no.such=") == []


def test_splits_are_completed_from_the_table_that_is_named(tmp_path: Path) -> None:
    table = tmp_path / "split.csv"
    table.write_text("image_id,split,label\na.png,val,A\nb.png,test,A\nc.png,test,B\n")
    assert _completed("--split", "", "--split-csv", str(table)) == ["val", "test"]
    assert _completed("--split", "t", "--split-csv", str(table)) == ["test"]
    assert _completed("--tune-split", "v", "--tune-on", str(table)) == ["val"]
    assert _completed("--decision-tune-split", "", "--decision-tune-on", str(table)) == ["val", "test"]
    assert _completed("--split", "") == []
    assert _completed("--split", "", "--split-csv", str(tmp_path / "absent.csv")) == []


def test_architectures_are_those_of_timm_without_importing_it() -> None:
    assert architectures() == sorted(set(timm.list_models()))
    assert "resnet18" in _completed("--architecture", "resnet1")
