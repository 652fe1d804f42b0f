from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.text import Text

from btxrd_explain.core.classification import measure_performance
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.outputs.performance_figure import build_precision_recall, build_reliability, build_roc
from btxrd_explain.predictions.record import Prediction, RowStatus
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

pytestmark = pytest.mark.usefixtures("small_figures")

LONG = "Multiple osteochondromas with a secondary peripheral chondrosarcoma"


@pytest.fixture
def results(tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]) -> Path:
    """Six images of two classes, of a classifier that knows a third, and two that cannot be scored.

    Predicted Normal: two Normal, one Benign. Predicted Benign: two Benign. Predicted Malignant: one Benign.
    """
    rows = [
        make_row("IMG000000.jpeg", "Normal", (0.8, 0.1, 0.1)),
        make_row("IMG000001.jpeg", "Normal", (0.6, 0.3, 0.1)),
        make_row("IMG000002.jpeg", "Benign", (0.7, 0.2, 0.1)),
        make_row("IMG000003.jpeg", "Benign", (0.1, 0.9, 0.0)),
        make_row("IMG000004.jpeg", "Benign", (0.2, 0.8, 0.0)),
        make_row("IMG000005.jpeg", "Benign", (0.0, 0.3, 0.7)),
        make_row("IMG000006.jpeg", None, (0.0, 0.3, 0.7)),
        Prediction("IMG000007.jpeg", "x", "Normal", "test", RowStatus.UNREADABLE, error="it is empty"),
    ]
    make_table(tmp_path / "predictions.parquet", ("Normal", "Benign", "Malignant"), rows)
    return tmp_path


def test_the_report_says_what_was_counted_by_hand(results: Path) -> None:
    result = run("performance", "-o", results, "--json", code=1)  # one image is unreadable, and named
    report = json.loads(result.stdout)
    assert report == json.loads((results / "performance.json").read_text())
    assert report["num_images"] == 6
    assert report["excluded"] == {"no known true class": 1, "no prediction": 1}
    assert report["failed_images"] == [{"image_id": "IMG000007.jpeg", "reason": "it is empty"}]
    assert report["accuracy"]["mean"] == pytest.approx(4 / 6)
    assert report["balanced_accuracy"]["mean"] == pytest.approx((1 + 1 / 2) / 2)
    assert report["confusion"]["Benign"] == {"Normal": 1, "Benign": 2, "Malignant": 1}
    benign, malignant = report["per_class"]["Benign"], report["per_class"]["Malignant"]
    assert benign["auroc"]["mean"] == pytest.approx((1 + 1 + 1 + 0.5 + 1 + 1 + 1 + 0) / 8)
    assert benign["sensitivity"]["mean"] == pytest.approx(2 / 4)
    assert benign["precision"]["mean"] == 1
    assert benign["specificity"]["mean"] == 1
    assert malignant["auroc"]["mean"] is None
    assert malignant["average_precision"]["mean"] is None
    assert malignant["sensitivity"]["mean"] is None
    assert malignant["precision"]["mean"] == 0  # it was predicted, and wrong
    assert sum(part["n"] for part in report["calibration"]["bins"]) == 6
    assert report["calibration"]["bins"][0] == {
        "mean": None, "low": None, "high": None, "n": 0, "units": 0, "probability": None
    }  # fmt: skip
    assert report["provenance"]["checkpoint"] == "best.pt"


def test_intervals_draw_groups_where_there_are_some(results: Path) -> None:
    """All images of one patient: there is nothing to draw."""
    lines = [f"IMG{number:06d}.jpeg,{'one' if number < 6 else 'two'}" for number in range(8)]
    (results / "patients.csv").write_text("\n".join(["image_id,patient", *lines]))
    grouped = ("--group-column", "patient", "--metadata", results / "patients.csv")
    result = run("performance", "-o", results, "--json", *grouped, code=1)
    report = json.loads(result.stdout)
    assert report["statistics"]["unit"] == "patient"
    assert report["accuracy"]["mean"] == pytest.approx(4 / 6)
    assert (report["accuracy"]["units"], report["accuracy"]["low"]) == (1, None)
    run("report", "-o", results, *grouped, code=1)
    page = (results / "report.html").read_text()
    data = json.loads(page.partition('id="report-data">')[2].partition("</script>")[0])
    (tile,) = (one["estimate"] for one in data["tiles"] if one["label"] == "Accuracy")
    assert {key: report["accuracy"][key] for key in tile} == tile


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_figures_are_written_in_the_format_asked_for(results: Path, kind: str) -> None:
    result = run("performance", "-o", results, "--format", kind, code=1)  # one image is unreadable, and named
    for name in ("calibration", "roc", "precision_recall"):
        assert (results / f"performance_{name}.{kind}").stat().st_size > 1000
        assert f"performance_{name}.{kind}" in result.stdout
    assert "undefined" in result.stdout
    assert all(line.count("[") == line.count("]") for line in result.stdout.splitlines())  # no interval is broken
    assert "excluded: 1 (no known true class)" in result.stdout
    assert "next: btxrd-explain report" in result.stderr  # no radiograph is there, of which `gallery` needs some


def test_labels_are_needed(
    tmp_path: Path, make_row: Callable[..., Prediction], make_table: Callable[..., None]
) -> None:
    make_table(tmp_path / "predictions.parquet", ("a", "b"), [make_row("IMG000000.jpeg", None, (0.5, 0.5))])
    result = run("performance", "-o", tmp_path, code=4)
    assert "known true class" in result.stderr


@pytest.mark.parametrize("build", [build_reliability, build_roc, build_precision_recall])
@pytest.mark.parametrize("classes", [2, 5])
def test_figures_with_long_class_names_are_readable(build: Callable[..., Figure], classes: int) -> None:
    random = np.random.default_rng(classes)
    labels = random.integers(0, classes, 30)
    labels[labels == classes - 1] = 0  # a class without images has no curve, and does not stop the others
    performance = measure_performance(
        random.dirichlet(np.ones(classes), 30), labels, Resampling.of_images(30, resamples=10)
    )
    figure = build(performance, [f"{LONG} {number}" for number in range(classes)], footer=LONG * 2)
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [text.get_window_extent() for text in texts]
    assert all(min(box.x0, box.y0) >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    assert len([text for text in texts if "n = 0" in text.get_text()]) == (0 if build is build_reliability else 1)
