"""The study in Markdown: a row per method, a section per criterion, each warning once."""

from __future__ import annotations

import re

import pytest

from btxrd_explain.commands.study.criteria import QUESTIONS, Name
from btxrd_explain.commands.study.markdown import write_markdown
from btxrd_explain.synthetic import SYNTHETIC
from tests.support.made_up_study import WARNING, make_report


def _section(text: str, heading: str) -> str:
    found = re.search(rf"^#+ {heading}\n\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1].strip()


def test_the_overview_has_a_cell_for_each_method_and_criterion() -> None:
    lines = _section(write_markdown(make_report()), "Results").splitlines()
    assert lines[0] == "| method | localisation | sensitivity | repeatability | reproducibility | intervention |"
    assert lines[2] == "| gradcam | " + " | ".join(["pass: 0.700 [0.600, 0.800]"] * 5) + " |"
    assert lines[3] == (
        "| layercam | fail: 0.100 | pass: 0.700 [0.600, 0.800] | not computed | pass: 0.700 [0.600, 0.800] | "
        "unclear: 0.000 [-0.500, 0.500] |"
    )
    assert "The classifier: It depends." in lines


@pytest.mark.parametrize("name", Name)
def test_each_criterion_has_its_question_and_a_line_per_method(name: Name) -> None:
    section = _section(write_markdown(make_report()), name.capitalize())
    assert section.startswith(QUESTIONS[name])
    rows = section.splitlines()[-2:]
    assert rows[0] == "| gradcam | pass | 0.250 | ss\\_im 0.500 | because of \\*this\\* \\| that |"
    assert rows[1].startswith("| layercam | ")


def test_what_is_unknown_is_a_dash_and_not_a_zero() -> None:
    text = write_markdown(make_report())
    assert "| layercam | fail | – |  | because" in _section(text, "Localisation")
    assert "| layercam | not computed | – |  | no second checkpoint |" in _section(text, "Repeatability")
    assert "| layercam | unclear | 0.000 | ss\\_im 0.500 |" in _section(text, "Intervention")


def test_a_warning_of_several_methods_is_told_once() -> None:
    warnings = _section(write_markdown(make_report()), "Warnings")
    assert warnings.count("\n") == 0
    assert warnings == f"- all radiographs are said to be 'a\\_b': {WARNING.advice} (one-class)"


def test_synthetic_data_are_said_at_the_top_and_others_are_not() -> None:
    assert write_markdown(make_report(synthetic=True)).split("\n\n")[1] == f"**{SYNTHETIC}.**"
    assert SYNTHETIC not in write_markdown(make_report())


def test_without_interventions_nothing_is_said_of_the_classifier() -> None:
    assert "The classifier" not in write_markdown(make_report(classifier=None))
    assert write_markdown(make_report()).endswith("- a source\n")
