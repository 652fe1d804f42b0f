"""`evaluate` with readers and comparators gives on arrays what the commands give on files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from btxrd_explain import evaluate

RANDOM = np.random.default_rng(3)
HEATS = [RANDOM.random((12, 10 + number)) for number in range(5)]
MASKS = [heat > 0.7 for heat in HEATS]
READERS: dict[str, list[Any]] = {
    "A": [heat > 0.6 for heat in HEATS],
    "B": [None if number == 1 else (heat > 0.8) & (number != 2) for number, heat in enumerate(HEATS)],
}


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_readers_are_scored_against_the_masks() -> None:
    found = evaluate(HEATS, MASKS, readers=READERS, baselines=False)
    assert found.readers is not None
    assert found.benchmark is not None
    rows = {(row["image_id"], row["reader"]): row for row in found.readers.to_pylist()}
    for number, mask in enumerate(MASKS):
        assert rows[str(number), "A"]["reader_iou"] == pytest.approx(_iou(READERS["A"][number], mask))
        assert rows[str(number), "A"]["heat_map_iou"] == pytest.approx(_iou(HEATS[number] >= 0.5, mask))
    assert [rows[str(number), "B"]["fate"] for number in (1, 2)] == [
        "not annotated by the reader",
        "left empty by the reader",
    ]
    assert found.benchmark.readers["B"].scores["iou"].reader.n == 3


def test_without_masks_each_reader_is_compared_with_the_others() -> None:
    found = evaluate(HEATS, readers=READERS, consensus="union", baselines=False)
    assert found.readers is not None
    rows = {(row["image_id"], row["reader"]): row for row in found.readers.to_pylist()}
    agreed = _iou(READERS["A"][0], READERS["B"][0])
    assert rows["0", "A"]["reader_iou"] == rows["0", "B"]["reader_iou"] == pytest.approx(agreed)
    assert rows["2", "A"]["fate"] == "nothing to compare with"
    whole = found.per_image.column("iou").to_pylist()
    assert whole[0] == pytest.approx(_iou(HEATS[0] >= 0.5, READERS["A"][0] | READERS["B"][0]))
    assert found.per_image.column("excluded").to_pylist()[1] == "annotation without a lesion"  # one reader alone


def test_comparators_are_scored_next_to_the_heat_maps() -> None:
    maps = [0.4 * mask for mask in MASKS]
    found = evaluate(HEATS, MASKS, comparators={"net": [*maps[:-1], None]}, baselines=False)
    iou = next(row for row in found.summary.to_pylist() if row["metric"] == "iou")
    assert iou["comparator_net"] == 1.0  # divided by its highest score
    own = found.per_image.column("iou").to_pylist()
    assert iou["comparator_net_difference"] == pytest.approx(np.mean(own[:-1]) - 1)
    assert found.per_image.column("comparator_net_iou").to_pylist() == [1.0] * 4 + [None]
    for end in ("agreement", "agreement_otsu"):  # with the mask, as the scores of the heat map are
        agreed = found.per_image.column(f"comparator_net_{end}").to_pylist()
        assert agreed == [*found.per_image.column(end.replace("agreement", "iou")).to_pylist()[:-1], None]
    curves = found.per_image.column("comparator_net_agreement_curve").to_pylist()
    assert curves == [*found.per_image.column("iou_curve").to_pylist()[:-1], None]
    hottest = zip(*(found.per_image.column(f"hottest_{of}").to_pylist() for of in ("row", "column")), strict=True)
    assert list(hottest) == [np.unravel_index(heat.argmax(), heat.shape) for heat in HEATS]
    assert found.readers is found.benchmark is None


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"masks": None}, "at least two readers"),
        ({"masks": None, "readers": {"A": READERS["A"]}}, "at least two readers"),
        ({"masks": MASKS, "readers": {"A": MASKS[:2]}}, r"readers\['A'\]: expected 5, one per heat map"),
        ({"masks": MASKS, "comparators": {"n": HEATS[::-1]}}, r"comparators\['n'\]\[0\]: expected shape"),
        ({"masks": MASKS, "comparators": dict.fromkeys(("n", "n_difference"), HEATS)}, "would share the column"),
        ({"masks": None, "readers": READERS, "consensus": "most"}, "consensus"),
    ],
)
def test_what_does_not_fit_is_an_error(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(HEATS, **keywords)  # type: ignore[arg-type]


def test_the_hottest_pixel_of_findings_is_the_centre_of_the_surest() -> None:
    heat, mask = np.linspace(0, 1, 400).reshape(20, 20), np.zeros((20, 20), bool)
    mask[8:11, 8:11] = True
    net = 0.2 * np.ones((20, 20))
    net[4:15, 4:15] = 0.9  # its first pixel is not on the lesion, and its centre is
    found = evaluate([heat], [mask], comparators={"net": [net]}, baselines=False)
    assert found.per_image.column("comparator_net_pointing_hit").to_pylist() == [True]


def test_names_that_are_numbers_and_masks_of_a_segmenter_are_taken() -> None:
    found = evaluate(HEATS, MASKS, readers={1: MASKS}, comparators={2: MASKS}, baselines=False)  # type: ignore[dict-item]
    assert found.benchmark is not None
    assert set(found.benchmark.readers) == {"1"}
    (iou,) = [row for row in found.summary.to_pylist() if row["metric"] == "iou"]
    assert iou["comparator_2"] == 1


def test_columns_that_only_predictions_have_are_left_out() -> None:
    columns = set(evaluate(HEATS, MASKS, baselines=False).per_image.column_names)
    assert columns.isdisjoint({"class", "true_class_std", "map_agreement", "seen_fraction", "lesion_seen_fraction"})
    assert {"image_id", "lesion_share", "iou"} <= columns
