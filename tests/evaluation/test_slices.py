"""How evaluated images are cut into slices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from btxrd_explain.core.class_names import BY_NAME
from btxrd_explain.evaluation.sample import Sample, by_values, terciles
from btxrd_explain.outputs.score_figures import PairScatter, build_pair_scatters


def test_few_values_are_slices_of_their_own_in_natural_order() -> None:
    slices = by_values(["10", "2", None, "2", "left", "10", "left"])
    assert [(part.name, part.rows.tolist()) for part in slices] == [("2", [1, 3]), ("10", [0, 5]), ("left", [4, 6])]


@pytest.mark.parametrize(
    ("values", "slices"),
    [
        (["31", "64", "9", "47"], [("9 to 64", 4)]),  # ages: terciles would be of one image
        (["31", "31", "64", "64", "9", "47"], [("9 to 64", 6)]),
        (["31", "30", "64", "64", "9", "9", "47", "46"], [("low", 3), ("middle", 2), ("high", 3)]),
        (["hip", "hip", "rib", "jaw"], [("hip", 2), ("2 values of one image each", 2)]),
        (["1", "1", "2"], [("1", 2), ("2", 1)]),  # codes, of which one image has the other
    ],
)
def test_values_of_one_image_each_are_put_together(values: list[str], slices: list[tuple[str, int]]) -> None:
    found = [(part.name, len(part.rows)) for part in by_values(values)]
    assert sum(count for _, count in found) == len(values)
    assert [count for _, count in found] == [count for _, count in slices]
    assert all(name.startswith(expected) for (name, _), (expected, _) in zip(found, slices, strict=True))


def test_classes_are_never_put_together() -> None:
    sample: Any = SimpleNamespace(scores=["10", "2", None, "osteoma", "2"])
    slices = Sample.by(sample, lambda score: score)  # type: ignore[arg-type,return-value]
    assert [(part.name, part.rows.tolist()) for part in slices] == [("2", [1, 4]), ("10", [0]), ("osteoma", [3])]


def test_what_was_not_predicted_is_not_called_missed() -> None:
    """As in tables of imported heat maps, which may come without probabilities."""
    facts: dict[str, Any] = {"no_lesion": BY_NAME, "case": None}
    scores = [
        SimpleNamespace(true=true, row=SimpleNamespace(predicted=predicted), **facts)
        for true, predicted in ((0, 0), (0, None), (1, 0), (None, None))
    ]
    sample: Any = SimpleNamespace(scores=scores, class_names=("Benign", "Malignant"))
    assert {part.name: part.rows.tolist() for part in Sample.by_class_and_outcome(sample)} == {
        "Benign, TP": [0],
        "Benign, FP": [2],
        "Malignant, FN": [2],
    }


def test_a_column_of_many_numbers_is_cut_into_terciles() -> None:
    ages = [str(age) for age in range(12, 0, -1)]
    slices = by_values([*ages, None])
    assert [part.name for part in slices] == [
        "low (up to 4.667)",
        "middle (4.667 to 8.333)",
        "high (above 8.333)",
    ]
    assert [part.rows.tolist() for part in slices] == [[8, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]]


def test_many_texts_stay_as_they_are() -> None:
    assert len(by_values([f"clinic {number}" for number in range(15)] * 2)) == 15


def test_terciles_leave_out_what_is_not_known_and_what_is_empty() -> None:
    names = ("small", "medium", "large")
    values = np.array([0.1, np.nan, 0.1, 0.1, 0.9])
    slices = terciles(values, lambda value: f"{value:.1f}", names)
    assert [(part.name, part.rows.tolist()) for part in slices] == [
        ("small (up to 0.1)", [0, 2, 3]),
        ("large (above 0.1)", [4]),
    ]
    assert terciles(np.full(3, np.nan), str, names) == []


def test_a_scatter_counts_the_images_that_both_have() -> None:
    x, y = np.array([0.1, np.nan, 0.5, 0.2]), np.array([0.3, 0.4, np.nan, 0.2])
    pair = PairScatter("difference", "one", "other", x, y, ["Benign", "Benign", "Malignant", "Malignant"])
    figure = build_pair_scatters([pair], ["Benign", "Malignant"], title="t", score="IoU")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["no difference", "Benign (1)", "Malignant (1)"]
    assert figure.axes[0].get_xlabel() == "IoU, one"
    with pytest.raises(ValueError, match="4 and 3 scores"):
        PairScatter("", "one", "other", x, y[:3], [""] * 4)
