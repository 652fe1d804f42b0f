"""`btxrd_explain.intervene` on networks whose use of the radiograph is known, and on arguments of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import btxrd_explain
from btxrd_explain.synthetic.shortcuts import Shortcut, marker_place, plant

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.commands.intervene.arrays import ArrayInterventions

SIDE, COUNT = 100, 12
LESION = (slice(44, 60), slice(46, 58))
MARKER = marker_place((SIDE, SIDE))


def radiographs() -> tuple[NDArray[np.float32], list[NDArray[np.bool_]]]:
    """Grey limbs on black, each with a dark lesion at one place and a letter in the corner, values in [0, 1]."""
    random = np.random.default_rng(0)
    pixels = random.integers(4, 10, (COUNT, SIDE, SIDE)).astype(np.uint8)
    pixels[:, :, 30:84] = random.integers(116, 124, (COUNT, SIDE, 54))
    pixels[:, *LESION] = random.integers(92, 100, (COUNT, 16, 12))
    marked = np.stack([plant(image, Shortcut.MARKER) for image in pixels])
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[LESION] = True
    images: NDArray[np.float32] = marked[:, None].astype(np.float32) / np.float32(255)
    return images, [mask] * COUNT


class Known(nn.Module):
    """A network whose score of class 1 is a sum of means of regions, each times a weight."""

    def __init__(self, **weights: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))
        self.weights = weights

    def forward(self, batch: Tensor) -> Tensor:
        levels = batch[:, 0] * 255
        score = self.bias.expand(len(batch))
        if "lesion" in self.weights:
            score = score + self.weights["lesion"] * (120 - levels[:, *LESION].mean(dim=(1, 2))) / 24
        if "marker" in self.weights:
            score = score + self.weights["marker"] * (levels[:, *MARKER].mean(dim=(1, 2)) / 35 - 0.6)
        if "edge" in self.weights:
            score = score + self.weights["edge"] * (levels[:, 0].mean(dim=1) - 128) / 127
        if "everything" in self.weights:
            score = score + self.weights["everything"] * levels.mean(dim=(1, 2)) / 100
        return torch.stack([torch.zeros_like(score), score], dim=1)


def mean(result: ArrayInterventions, effect: str, measure: str = "probability") -> dict[str, Any]:
    rows = result.summary.to_pylist()
    return next(row for row in rows if (row["slice"], row["effect"], row["measure"]) == ("all", effect, measure))


def intervene(network: nn.Module, **options: Any) -> ArrayInterventions:  # noqa: ANN401 -- any option
    images, masks = radiographs()
    return btxrd_explain.intervene(network, torch.from_numpy(images), masks, targets=[1] * COUNT, **options)


def test_a_network_that_uses_the_lesion_alone_is_recognised() -> None:
    result = intervene(Known(lesion=3))
    assert result.outcome == "depends"
    excess = mean(result, "excess")
    assert excess["mean"] <= -0.25
    assert excess["high"] < 0
    assert abs(mean(result, "control")["mean"]) <= 0.03
    assert abs(mean(result, "markers")["mean"]) <= 0.01
    assert abs(mean(result, "border")["mean"]) <= 0.01
    assert mean(result, "markers")["n"] == COUNT
    assert mean(result, "depends", "fraction")["mean"] == 1
    # the score is the log-odds: 3 where the lesion is, 0 where the limb is
    assert mean(result, "lesion", "log_odds")["mean"] == pytest.approx(-3, abs=0.3)
    assert abs(mean(result, "lesion_alone")["mean"]) <= 0.01


def test_a_network_that_uses_the_marker_alone_is_recognised() -> None:
    result = intervene(Known(marker=8))
    assert result.outcome == "independent"
    assert abs(mean(result, "excess")["mean"]) <= 0.01
    assert mean(result, "markers", "log_odds")["high"] < -2
    assert mean(result, "markers")["mean"] <= -0.5
    assert mean(result, "depends", "fraction")["mean"] == 0


def test_a_network_that_uses_both_shows_both() -> None:
    result = intervene(Known(lesion=2, marker=4))
    assert result.outcome == "depends"
    assert mean(result, "excess", "log_odds")["high"] < -1
    assert mean(result, "markers", "log_odds")["high"] < -1
    assert mean(result, "lesion", "log_odds")["mean"] == pytest.approx(-2, abs=0.2)


def test_a_network_that_uses_the_border_is_recognised() -> None:
    images, masks = radiographs()
    framed = np.stack([plant((image[0] * 255).round().astype(np.uint8), Shortcut.BORDER) for image in images])
    framed[:, 0] = framed[:, -1] = 255  # so that not all of the border is its median
    values = torch.from_numpy(framed[:, None].astype(np.float32) / 255)
    result = btxrd_explain.intervene(Known(edge=5), values, masks, targets=[1] * COUNT)
    assert result.outcome == "independent"
    assert mean(result, "border", "log_odds")["high"] < -1
    assert abs(mean(result, "excess")["mean"]) <= 0.01


def test_grey_levels_of_the_whole_image_belong_to_no_region() -> None:
    result = intervene(Known(everything=3))
    assert abs(mean(result, "excess")["mean"]) <= 0.03
    assert mean(result, "depends", "fraction")["mean"] == 0  # the dark lesion is painted over with brighter tissue


def test_a_network_that_ignores_the_radiograph_changes_nowhere() -> None:
    result = intervene(Known())
    assert result.outcome == "independent"
    changes = [row for row in result.summary.to_pylist() if row["effect"] != "depends"]
    assert {row["mean"] for row in changes} == {0.0}
    assert set(result.per_image.column("rank").to_pylist()) == {10}  # equal effects are not below


def test_probabilities_saturate_and_log_odds_do_not() -> None:
    result = intervene(Known(lesion=40))
    assert mean(result, "lesion", "log_odds")["mean"] == pytest.approx(-40, rel=0.1)
    assert mean(result, "lesion")["mean"] == pytest.approx(-0.5, abs=0.3)


def test_sigmoid_and_softmax_agree_where_the_scores_do() -> None:
    softmax, sigmoid = intervene(Known(lesion=3)), intervene(Known(lesion=3), activation="sigmoid")
    for name in ("lesion_log_odds", "excess_log_odds", "border_log_odds"):
        assert softmax.per_image.column(name).to_pylist() == pytest.approx(sigmoid.per_image.column(name).to_pylist())


def test_images_without_a_lesion_change_in_their_surroundings_alone() -> None:
    images, masks = radiographs()
    masks[3] = np.zeros((SIDE, SIDE), dtype=bool)
    result = btxrd_explain.intervene(Known(lesion=3), images, masks, targets=[1] * COUNT)
    row = result.per_image.to_pylist()[3]
    assert row["lesion_log_odds"] is row["excess_log_odds"] is row["rank"] is row["n_controls"] is None
    assert row["lesion_share"] is None
    assert row["border_log_odds"] == 0
    assert mean(result, "lesion")["n"] == COUNT - 1
    assert mean(result, "border")["n"] == COUNT


def test_too_few_controls_leave_an_image_without_a_rank() -> None:
    result = intervene(Known(lesion=3), controls=4)
    assert set(result.per_image.column("depends").to_pylist()) == {None}
    assert mean(result, "depends", "fraction")["mean"] is None
    assert result.outcome == "depends"
    assert (
        "12 images with a lesion have fewer than 5 controls: they have no rank, and no cell counts them."
        in result.remarks
    )


def test_margins_are_reported_beside_each_other() -> None:
    result = intervene(Known(lesion=3), margins=[0, 25], controls=5)
    assert mean(result, "excess_margin_25", "log_odds")["mean"] == pytest.approx(
        mean(result, "excess", "log_odds")["mean"], abs=0.3
    )
    assert {"n_controls_margin_25", "rank_blur_margin_25"} <= set(result.per_image.column_names)


def test_the_same_seed_gives_the_same_numbers_in_any_order() -> None:
    images, masks = radiographs()
    names = [f"{number}.png" for number in range(COUNT)]
    network, classes = Known(everything=3), [1] * COUNT
    first = btxrd_explain.intervene(network, images, masks, targets=classes, names=names, controls=5)
    again = btxrd_explain.intervene(network, images[::-1].copy(), masks, targets=classes, names=names[::-1], controls=5)
    assert first.per_image.to_pylist() == again.per_image.to_pylist()[::-1]
    other = btxrd_explain.intervene(network, images, masks, targets=classes, names=names, controls=5, seed=1)
    assert first.per_image.to_pylist() != other.per_image.to_pylist()


def test_groups_and_slices() -> None:
    result = intervene(Known(lesion=3), groups=["a", "b"] * 6, by={"center": [1, 2, 2] * 4}, controls=5)
    assert mean(result, "excess")["units"] == 2
    slices = {row["slice"]: row["n"] for row in result.summary.to_pylist() if row["effect"] == "excess"}
    assert slices == {"all": 12, "center: 1": 4, "center: 2": 8}
    assert result.per_image.column("meta_center").to_pylist() == ["1", "2", "2"] * 4


def test_a_loaded_classifier_takes_radiographs_of_any_size() -> None:
    classifier = btxrd_explain.load_classifier("demo", device="cpu")
    random = np.random.default_rng(0)
    pictures = [random.integers(90, 130, size).astype(np.uint8) for size in ((120, 90), (200, 260))]
    masks = [np.zeros(picture.shape, dtype=bool) for picture in pictures]
    for mask in masks:
        mask[40:60, 40:60] = True
    result = btxrd_explain.intervene(classifier, pictures, masks, controls=5)
    assert result.per_image.column("n_controls").to_pylist() == [5, 5]
    explained = btxrd_explain.explain(classifier, pictures)
    said = torch.sigmoid(torch.tensor(result.per_image.column("log_odds").to_pylist()))
    assert said.tolist() == pytest.approx(explained.probabilities.max(axis=1).tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"masks": []}, ValueError, "masks: expected 12 values, one per image, got 0"),
        ({"names": ["a"]}, ValueError, "names: expected 12 values, one per image, got 1"),
        ({"names": ["a"] * COUNT}, ValueError, "names: expected each of them once, got one twice"),
        ({"by": {"x": [1]}}, ValueError, "x: expected 12 values"),
        ({"controls": 0}, ValueError, "controls"),
        ({"margins": [101]}, ValueError, "margins"),
        ({"margins": [0, 0]}, ValueError, "margins: expected at least one, and each of them once"),
        ({"activation": "relu"}, ValueError, "activation"),
        ({"targets": [2] * COUNT}, ValueError, "targets"),
        ({"targets": [-1] * COUNT}, ValueError, "targets"),
        ({"model": "best.pt"}, TypeError, "model"),
        ({"masks": [np.zeros((3, 3), dtype=bool)] * COUNT}, ValueError, r"masks\[0\]"),
        ({"images": []}, ValueError, "images: expected at least one"),
    ],
)
def test_wrong_arguments_are_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    images, masks = radiographs()
    given: dict[str, Any] = {"model": Known(), "images": images, "masks": masks, "targets": [1] * COUNT} | options
    with pytest.raises(error, match=message):
        btxrd_explain.intervene(given.pop("model"), given.pop("images"), given.pop("masks"), **given)
