"""What numbers say in sentences, for made-up numbers of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from btxrd_explain.evaluation.conclusion import (
    interval,
    of_maps,
    of_predictions,
    of_slice,
    of_tables,
    signed,
    sum_of_outcomes,
)
from btxrd_explain.evaluation.parts import Estimate
from btxrd_explain.evaluation.schema import Baseline, Metric, SliceSummary, Summary


def _estimate(mean: float | None, low: float | None = None, high: float | None = None, n: int = 40) -> Estimate:
    return Estimate(mean=mean, low=low, high=high, n=n, units=n)


def _baseline(difference: Estimate) -> Baseline:
    return Baseline(**_estimate(0.2).document(), difference=difference)


def _metric(found: Estimate, **more: Any) -> Metric:  # noqa: ANN401 -- fields of the model
    facts: dict[str, Any] = {"n_undefined": 0, "chance": None, "chance_from": None, "ceiling": None, "baselines": {}}
    return Metric(**found.document() | facts | more)


def _part(iou: Metric, hit: Metric | None = None) -> SliceSummary:
    of_images = dict.fromkeys(("median_iou", "mean_dice", "pointing_hits", "mean_energy_in_mask", "mean_lesion_share"))
    metrics = {"iou": iou, "pointing_hit": hit or _metric(_estimate(None, n=0))}
    return SliceSummary(n=iou.n, n_undefined=0, units=iou.units, mean_iou=iou.mean, **of_images, metrics=metrics)


def _summary(overall: SliceSummary, **slices: dict[str, SliceSummary]) -> Summary:
    none: dict[str, Any] = {key: {} for key in ("by_class", "by_outcome", "by_class_and_outcome", "by_lesion_size")}
    return Summary(overall=overall, **none | slices, by_metadata={}, excluded={}, num_attention_patterns=0)


BETTER, WORSE, OPEN, FEW = (
    _estimate(0.2, 0.1, 0.3),
    _estimate(-0.1, -0.2, -0.05),
    _estimate(0.01, -0.1, 0.1),
    _estimate(0.3),
)


def test_each_baseline_is_beaten_or_not_or_not_told_apart() -> None:
    baselines = {"random": BETTER, "centre": _estimate(0.1, 0.05, 0.15), "edges": WORSE, "average": OPEN}
    iou = _metric(_estimate(0.4, 0.3, 0.5), baselines={name: _baseline(by) for name, by in baselines.items()})
    assert of_maps(_summary(_part(iou))) == [
        (
            "The heat maps overlap the annotations more than the baselines random and centre (nearest: centre, "
            "difference in mean IoU +0.100 [0.050, 0.150])."
        ),
        (
            "The heat maps overlap the annotations less than the baseline edges, which knows nothing of the classifier "
            "(difference in mean IoU -0.100 [-0.200, -0.050])."
        ),
        "The sample does not tell the heat maps apart from the baseline average (+0.010 [-0.100, 0.100]).",
    ]


def test_what_is_made_of_the_network_is_not_said_to_know_nothing_of_it() -> None:
    baselines = {"random": _baseline(BETTER), "random-channels": _baseline(WORSE), "other-class": _baseline(WORSE)}
    _, channels, other, *_ = of_maps(_summary(_part(_metric(_estimate(0.4, 0.3, 0.5), baselines=baselines))))
    assert "less than the baseline random-channels, the network's activations with random channel weights (" in channels
    assert "less than the baseline other-class, the network's map of the least probable class (" in other


def test_all_baselines_none_of_them_and_too_few_images() -> None:
    both = {"random": _baseline(BETTER), "centre": _baseline(BETTER)}
    first = of_maps(_summary(_part(_metric(_estimate(0.4), baselines=both))))[0]
    assert "more than each of the baselines: random and centre" in first
    first = of_maps(_summary(_part(_metric(_estimate(0.4)))))[0]
    assert first.endswith("is not known: none was scored.")
    found = of_maps(_summary(_part(_metric(_estimate(0.4, n=1), baselines={"random": _baseline(FEW)}))))
    assert found[0] == "There are too few independent radiographs to compare the heat maps with random."
    assert found[-1].startswith("The sample is small (n = 1)")
    assert of_maps(_summary(_part(_metric(_estimate(None, n=0))))) == [
        "No radiograph has an IoU, so that nothing can be said of the heat maps."
    ]


def test_the_ceiling_and_the_hottest_pixel() -> None:
    iou = _metric(_estimate(0.3, 0.2, 0.4), ceiling=_estimate(0.6, 0.5, 0.7))
    found = of_maps(_summary(_part(iou, _metric(_estimate(0.75, 0.6, 0.9), chance=0.12))))
    assert found[1:] == [
        (
            "The heat maps reach 50 % of what an ideal map of this grid reaches: mean IoU 0.300 [0.200, 0.400] of "
            "0.600 [0.500, 0.700]."
        ),
        "The hottest pixel is on a lesion in 30 of 40 heat maps; by chance it would be in 12 %.",
    ]


def test_where_they_are_worst_and_of_what_nothing_is_said() -> None:
    overall = _part(_metric(_estimate(0.4, 0.3, 0.5)))
    low = _part(_metric(_estimate(0.1, 0.05, 0.2, n=9), ceiling=_estimate(0.3, 0.2, 0.4)))
    lower, tiny = _part(_metric(_estimate(0.2, 0.1, 0.39, n=9))), _part(_metric(_estimate(0.0, 0.0, 0.0, n=3)))
    found = of_maps(_summary(overall, by_class={"Benign": lower, "Rare": tiny}, by_lesion_size={"small": low}))
    assert found[1:] == [
        (
            "The heat maps are worst for small lesions: mean IoU 0.100 [0.050, 0.200] of 9, where an ideal "
            "map reaches "
            "0.300 [0.200, 0.400]."
        ),
        "There are too few heat maps to say anything of the class Rare (n = 3).",
    ]
    same = _part(_metric(_estimate(0.35, 0.2, 0.5, n=9)))
    found = of_maps(_summary(overall, by_class={"Benign": same}))
    assert found[1:] == ["No class, outcome or lesion size of at least 5 heat maps is clearly worse than the whole."]


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        (_estimate(0.0, -0.3, 0.3), "not told apart: difference 0.000 [-0.300, 0.300]"),
        (_estimate(-0.2, -0.3, -0.1), "more often: difference -0.200 [-0.300, -0.100]"),
        (_estimate(0.2, 0.1, 0.3), "less often: difference +0.200 [0.100, 0.300]"),
        (_estimate(0.2), "not told apart: difference +0.200"),
    ],
)
def test_the_hottest_pixel_is_compared_with_the_best_baseline(difference: Estimate, told: str) -> None:
    baselines = {"random": _baseline(BETTER), "centre": Baseline(**_estimate(0.3).document(), difference=difference)}
    hit = _metric(_estimate(0.3, 0.1, 0.5, n=10), chance=0.02, baselines=baselines)
    found = of_maps(_summary(_part(_metric(_estimate(0.4, 0.3, 0.5)), hit)))
    assert found[1] == (
        "The hottest pixel is on a lesion in 3 of 10 heat maps; by chance it would be in 2 %; that of the baseline "
        f"centre is in 30 % ({told})."
    )


def test_how_often_the_classifier_is_right_is_said_where_it_is_wrong() -> None:
    overall, some = _part(_metric(_estimate(0.4, 0.3, 0.5))), _part(_metric(_estimate(0.4, 0.3, 0.5, n=6)))
    found = of_maps(_summary(overall, by_outcome={"TP": some, "FN": some}))
    assert found[1].startswith("The classifier predicts 6 of the 12 tumour classes that are true here; ")
    undefined = some.model_copy(update={"n_undefined": 3})  # maps without an IoU; their predictions count
    found = of_maps(_summary(overall, by_outcome={"TP": some, "FN": undefined}))
    assert found[1].startswith("The classifier predicts 6 of the 15 tumour classes that are true here; ")
    assert not any("predicts" in line for line in of_maps(_summary(overall, by_outcome={"TP": some, "FP": some})))


def test_a_slice_of_very_few_images_has_no_interval() -> None:
    assert of_slice(_estimate(0.264, 0.204, 0.324, n=2), interval) == "0.264 (n below 5)"
    assert of_slice(_estimate(0.264, 0.204, 0.324, n=5), interval) == "0.264 [0.204, 0.324]"
    assert of_slice(_estimate(None, n=0), interval) == "undefined"


def test_a_rate_of_images_that_are_all_alike_has_no_interval() -> None:
    fair = _estimate(0.5, 0.4, 0.6)
    classes = {"Benign": (5, fair, _estimate(0.0, 0.0, 0.0, n=5)), "Normal": (35, fair, fair)}
    (said,) = (line for line in of_predictions(None, classes, 40) if "least often" in line)
    assert said == (
        "Of the classes, the classifier finds Benign least often: sensitivity 0.000 (all alike, so that no interval "
        "can be told) on 5 radiographs."
    )


def test_tables_are_better_worse_or_not_told_apart() -> None:
    differences = {"b": (BETTER, False, 12), "c": (WORSE, None, 12), "d": (OPEN, True, 160), "e": (FEW, None, None)}
    assert of_tables("a", differences, 0.02) == [
        (
            "The heat maps of 'b' overlap the annotations more than those of 'a' (difference in mean IoU "
            "+0.200 [0.100, 0.300], n = 40)."
        ),
        "The two are not shown to be alike within 0.02 of each other.",
        (
            "The heat maps of 'c' overlap the annotations less than those of 'a' (difference in mean IoU "
            "-0.100 [-0.200, -0.050], n = 40)."
        ),
        (
            "The sample does not tell 'd' and 'a' apart (difference in mean IoU +0.010 [-0.100, 0.100], n = 40); "
            "about 160 independent radiographs would settle it to within 0.05."
        ),
        "The two are alike within 0.02 of each other.",
        "There are too few independent radiographs in common to compare 'e' with 'a'.",
    ]
    assert of_tables("a", {"b": (_estimate(0.0, 0.0, 0.0), None, 2)}, None) == [
        "'b' and 'a' score the same IoU (n = 40)."
    ]
    assert of_tables("a", {"b": (_estimate(0.1, 0.05, 0.2, n=8), None, 2)}, None)[-1].startswith(
        "The sample is small (n = 8)"
    )


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        (
            _estimate(0.8, 0.7, 0.9),
            ", more often than a guess: always saying A, one of the most frequent classes, is right in 50 %.",
        ),
        (_estimate(0.4, 0.3, 0.45), ", less often than a guess: always saying A"),
        (_estimate(0.55, 0.4, 0.7), ", which is not shown to be better than a guess: always saying A"),
        (_estimate(0.55), "(0.550); always saying A"),
    ],
)
def test_accuracy_is_compared_with_the_most_frequent_class(accuracy: Estimate, said: str) -> None:
    classes = {"A": (20, _estimate(None), _estimate(None)), "B": (20, _estimate(None), _estimate(None))}
    (sentence,) = of_predictions(accuracy, classes, 40)
    assert said in sentence
    classes["B"] = (19, _estimate(None), _estimate(None))
    (sentence,) = of_predictions(accuracy, classes, 39)
    assert "always saying A, the most frequent class, is right in 51 %." in sentence


def test_classes_are_told_from_the_rest_or_not() -> None:
    classes = {
        "A": (20, _estimate(0.9, 0.8, 1.0), _estimate(0.9, 0.8, 1.0, n=20)),
        "B": (16, _estimate(0.6, 0.4, 0.8), _estimate(0.5, 0.3, 0.7, n=16)),
        "C": (4, _estimate(0.1, 0.0, 0.2), _estimate(0.0, 0.0, 0.0, n=4)),
        "D": (16, _estimate(0.1, 0.0, 0.4), _estimate(0.6, 0.3, 0.8, n=16)),
    }
    assert of_predictions(None, classes, 40) == [
        "The classifier tells A from the rest better than chance (AUROC above 0.5).",
        "The classifier ranks other radiographs above those of D (0.100 [0.000, 0.400]): AUROC below 0.5.",
        "The classifier is not shown to tell from the rest: B (0.600 [0.400, 0.800]), by AUROC.",
        "Of the classes, the classifier finds B least often: sensitivity 0.500 [0.300, 0.700] on 16 radiographs.",
        "There are too few radiographs to say anything of C (n = 4).",
    ]


def test_of_many_small_classes_a_few_are_named() -> None:
    classes = {f"C{number:02d}": (1, _estimate(None), _estimate(None)) for number in range(30)}
    (said,) = (line for line in of_predictions(None, classes, 40) if "too few" in line)
    assert said.endswith("C06 (n = 1), C07 (n = 1) and 22 more.")


def test_intervals_are_written_where_there_are_any() -> None:
    assert [interval(_estimate(None)), interval(FEW), signed(BETTER)] == ["undefined", "0.300", "+0.200 [0.100, 0.300]"]
    assert interval(_estimate(0.0, -0.0001, 0.2)) == "0.000 [0.000, 0.200]"


def test_outcomes_add_up_or_it_is_said_why_not() -> None:
    overall, some = _part(_metric(_estimate(0.4, n=9))), _part(_metric(_estimate(0.4, n=6)))
    three = _part(_metric(_estimate(0.4, n=3)))
    whole = _summary(overall, by_outcome={"TP": some, "FN": three})
    assert sum_of_outcomes(whole, multi_label=False) == "TP 6, FN 3 add up to 9, which is all of them."
    more = _summary(overall, by_outcome={"TP": some, "FN": three, "FP": three})
    said = sum_of_outcomes(more, multi_label=False)
    assert said.startswith("TP 6, FN 3, FP 3 add up to 12, and not to 9. A radiograph of one tumour class")
    fewer = _summary(overall, by_outcome={"TP": three})
    assert sum_of_outcomes(fewer, multi_label=True) == (
        "TP 3 add up to 3, and not to 9. True negatives count in none, and neither do radiographs whose class "
        "or prediction is not known."
    )
    assert sum_of_outcomes(_summary(overall), multi_label=False).startswith("Nothing is TP, FN or FP: predictions ")


def test_each_sentence_says_what_it_is_about() -> None:
    """Whichever baselines there are, and whether or not an accuracy comes first."""
    for difference in (BETTER, WORSE, OPEN, FEW):
        first = of_maps(_summary(_part(_metric(_estimate(0.4), baselines={"random": _baseline(difference)}))))[0]
        assert "heat maps" in first
    classes = {"A": (20, _estimate(0.6, 0.4, 0.8), _estimate(None)), "B": (20, _estimate(None), _estimate(None))}
    assert of_predictions(None, classes, 40)[0].startswith("The classifier ")
