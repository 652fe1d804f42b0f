"""What the terminal shows of reports: numbers with their intervals, what is undefined, and what was left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.commands.compare import CompareResult
from btxrd_explain.commands.compare.differences import BoundedMean, Compared, Comparison, Difference
from btxrd_explain.commands.export import ExportResult
from btxrd_explain.commands.gallery import ClassGallery, Example, GalleryReport, GalleryResult, Shown
from btxrd_explain.commands.performance import ClassReport, PerformanceReport, PerformanceResult
from btxrd_explain.commands.performance.calibration import Calibration
from btxrd_explain.console.analysis import bounds, show_compare, show_export, show_gallery, show_performance
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.evaluation.parts import Estimate, Statistics
from btxrd_explain.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

UNDEFINED = Estimate(mean=None, low=None, high=None, n=0, units=0)
ALONE = Estimate(mean=0.5, low=None, high=None, n=1, units=1)
SURE = Estimate(mean=0.25, low=0.125, high=0.375, n=8, units=8)
UNSURE = Estimate(mean=0.1, low=-0.1, high=0.3, n=8, units=8)
WORSE = Estimate(mean=-0.25, low=-0.5, high=-0.125, n=7, units=7)
STATISTICS = Statistics(level=0.95, resamples=1000, seed=0, unit="images", units=8)


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a view writes to stdout, with runs of spaces as one."""
    monkeypatch.setenv("COLUMNS", "100")

    def show(view: Callable[..., None], *arguments: object, as_json: bool = False) -> str:
        view(Terminal(json=as_json), *arguments)
        text = capsys.readouterr().out
        return text if as_json else "\n".join(" ".join(line.split()) for line in text.splitlines())

    return show


@pytest.mark.parametrize(
    ("found", "text"), [(SURE, "0.250 [0.125, 0.375]"), (ALONE, "0.500"), (UNDEFINED, "undefined")], ids=str
)
def test_bounds(found: Estimate, text: str) -> None:
    assert bounds(found) == text


def _table(difference: dict[str, Estimate] | None, **changed: Any) -> Compared:  # noqa: ANN401 -- fields of the model
    means = {
        name: BoundedMean(**SURE.document() | {"chance": 0.0625, "ceiling": None, "baselines": {}})
        for name in ("iou", "dice", "recall", "precision")
    }
    tested = {"p": 0.01, "p_adjusted": 0.02, "equivalent": None, "units_needed": 9}
    by = {name: Difference(**each.document() | tested) for name, each in (difference or {}).items()}
    facts: dict[str, Any] = {
        "agreement": None,
        "path": "t",
        "threshold": "heat map >= 0.5",
        "n_undefined": 0,
        "not_computed": {},
        "warnings": [],
        "provenance": {},
    }
    return Compared(**facts | {"means": means, "difference": by or None, "only_here": []} | changed)


def _comparison() -> CompareResult:
    difference = {"iou": WORSE, "dice": UNSURE, "recall": UNDEFINED, "precision": SURE}
    report = Comparison(
        conclusion=["'a' [b] is \x1b more."],
        reference="gradcam",
        n=8,
        tables={"gradcam": _table(None), "layercam": _table(difference, only_here=["x", "y"], n_undefined=3)},
        changed=["c"],
        relabelled=[],
        excluded={"annotation cannot be used": 4},
        target_class="true",
        space="original",
        mask_policy="all",
        mask_inverted=False,
        label_map={},
        statistics=STATISTICS,
        margin=None,
        files={},
        sha256={},
    )
    return CompareResult(report, {}, {})


def test_differences_have_their_sign_and_a_star_where_the_interval_leaves_0_out(shown: Callable[..., str]) -> None:
    lines = shown(show_compare, _comparison()).splitlines()
    assert lines[:3] == ["- 'a' [b] is \\x1b more.", "", "n = 8, paired bootstrap over 8 images"]
    assert "gradcam 8 0.062 0.250 undefined 0" in lines
    assert "layercam 8 0.062 0.250 undefined 3" in lines
    assert "iou 7 0.250 0.250 -0.250 [-0.500, -0.125] * 0.0200" in lines
    assert "dice 8 0.250 0.250 +0.100 [-0.100, 0.300] 0.0200" in lines
    assert "recall 0 0.250 0.250 undefined 0.0200" in lines
    assert "precision 8 0.250 0.250 +0.250 [0.125, 0.375] * 0.0200" in lines
    assert lines.count("gradcam against gradcam") == 0


def test_what_is_not_compared_is_counted_with_its_reason(shown: Callable[..., str]) -> None:
    lines = shown(show_compare, _comparison()).splitlines()
    assert [line for line in lines if line.startswith("excluded")] == [
        "excluded: 2 images only in layercam",
        "excluded: 1 (the file is not the same)",
        "excluded: 4 (annotation cannot be used)",
    ]


def test_the_json_is_the_report(shown: Callable[..., str]) -> None:
    result = _comparison()
    assert json.loads(shown(show_compare, result, as_json=True)) == result.report.document()


def test_scores_of_classes_have_two_digits_and_undefined_ones_a_word(shown: Callable[..., str]) -> None:
    calibration = Calibration(calibration_error=SURE, brier=ALONE, bins=[])
    apart = Estimate(mean=1.0, low=1.0, high=1.0, n=8, units=8)
    scores: dict[str, Any] = {"auroc": UNDEFINED, "average_precision": apart, "sensitivity": SURE}
    single = Estimate(mean=1.0, low=None, high=None, n=1, units=1)
    scores |= {"specificity": ALONE, "precision": SURE, "f1": single}
    report = PerformanceReport(
        conclusion=["It is right."],
        num_images=8,
        excluded={"no prediction": 2},
        accuracy=SURE,
        balanced_accuracy=ALONE,
        macro_f1=UNDEFINED,
        calibration=calibration,
        per_class={"Benign": ClassReport(n=0, prevalence=0.0, calibration=calibration, **scores)},
        confusion={},
        statistics=STATISTICS,
        warnings=[],
        definitions={},
        provenance={},
        failed_images=[],
        sha256={},
    )
    result = PerformanceResult(report, Path("performance.json"), {})
    lines = shown(show_performance, result, load_settings(environ={})).splitlines()
    assert lines[:2] == ["- It is right.", ""]
    assert "accuracy 0.25 [0.12, 0.38]" in lines
    assert "balanced accuracy 0.50" in lines
    assert "macro F1 undefined" in lines
    assert "Benign (n = 0) AUROC undefined" in lines
    assert "Benign (n = 0) AP 1.00 no spread" in lines  # and the images are not all alike
    assert "Benign (n = 0) F1 1.00" in lines
    assert "Benign (n = 0) sensitivity 0.25 [0.12, 0.38]" in lines
    assert "Benign (n = 0) specificity 0.50" in lines
    assert "excluded: 2 (no prediction)" in lines


def test_examples_are_counted_of_those_that_there_are(shown: Callable[..., str]) -> None:
    example = Example(
        line=1, column=1, image_id="a.png", true="Benign", predicted="Benign", confidence=0.9,
        probability_of_class=0.9, maps=["Benign"],
    )  # fmt: skip
    found = ClassGallery(
        figure="gallery_Benign.png",
        TP=Shown(available=5, shown=[example]),
        FP=Shown(available=2, shown=[example, example]),
        FN=Shown(available=0, shown=[]),
    )
    facts: dict[str, Any] = {"order": {}, "warnings": [], "failed_images": [], "sha256": {}}
    for several in (False, True):
        report = GalleryReport(classes={"Benign": found}, provenance={"multi_label": several}, **facts)
        result = GalleryResult(
            {"Benign": Path("gallery_Benign.png")}, report, Path("gallery.json"), {}, annotated=False
        )
        said = shown(show_gallery, result)
        assert "Benign 1 of 5 2 of 2 0 of 0" in said.splitlines()
        assert ("another class" in said) is not several  # whose classes exclude no other
        assert json.loads(shown(show_gallery, result, as_json=True)) == report.document()


def test_an_export_leads_to_its_program_with_the_radiographs_where_they_are_in_one_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for images in (Path("a b", "..", "images"), None):
        show_export(Terminal(), ExportResult("labelme", Path("out", "labelme"), 3, {}, images))
    assert capsys.readouterr().err == "next: labelme images --output out/labelme\n"
