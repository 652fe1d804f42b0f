"""Effects of interventions in columns, against each image's own arithmetic."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.special import expit, logit

from btxrd_explain.core.choices import Looks
from btxrd_explain.core.intervention import OTHERS, Condition, Design, Fill, Kind, Readings
from btxrd_explain.core.statistics import Resampling
from btxrd_explain.evaluation.intervention import (
    CELLS,
    Effects,
    Intervened,
    cells_of,
    counted_as,
    effect_name,
    effect_names,
    energies,
    fractions_of_cells,
    looks_at_lesion,
    probability_of,
)
from btxrd_explain.evaluation.protocol import MapKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

DESIGN = Design(controls=6, margins=(10.0, 0.0))
ORIGINAL = Condition(Kind.ORIGINAL)


def _image(seed: int, *, controls: int = 6, lesion: bool = True, **score: Any) -> Intervened:  # noqa: ANN401
    """Return an image of three classes with random log-odds under each condition."""
    random = np.random.default_rng(seed)
    conditions = [ORIGINAL, *(Condition(kind) for kind in OTHERS)]
    for fill in Fill if lesion else ():
        for margin in DESIGN.margins:
            conditions.append(Condition(Kind.LESION, fill, margin))
            conditions += [Condition(Kind.CONTROL, fill, margin, number) for number in range(controls)]
    readings = Readings({condition: random.normal(0, 2, 3) for condition in conditions})
    facts: dict[str, Any] = {"case": None, "model": None, "iou": None, "metrics": {}}
    return Intervened(SimpleNamespace(**facts | score), seed % 3, readings)  # type: ignore[arg-type]


IMAGES = [*(_image(seed) for seed in range(5)), _image(5, controls=4), _image(6, lesion=False)]


def _log_odds(image: Intervened, condition: Condition) -> float:
    return float(image.readings.log_odds[condition][image.target])


@pytest.mark.parametrize("fill", Fill)
@pytest.mark.parametrize("margin", DESIGN.margins)
def test_lesion_control_and_excess_are_differences_image_by_image(fill: Fill, margin: float) -> None:
    effects = Effects.of(IMAGES, DESIGN)
    for row, image in enumerate(IMAGES[:6]):
        before = _log_odds(image, ORIGINAL)
        made = [one for one in image.readings.log_odds if one[:3] == (Kind.CONTROL, fill, margin)]
        controls = [_log_odds(image, one) - before for one in made]
        lesion = _log_odds(image, Condition(Kind.LESION, fill, margin)) - before
        expected = {"lesion": lesion, "control": np.mean(controls), "excess": lesion - np.mean(controls)}
        found = {part: effects.values[effect_name(part, fill, margin, first=10)][row, 0] for part in expected}
        assert found == pytest.approx(expected)
        rank = 1 + sum(one < lesion for one in controls)
        assert effects.ranks[fill, margin][row] == (rank if len(controls) >= 5 else pytest.approx(np.nan, nan_ok=True))


def test_an_image_without_a_lesion_has_effects_of_its_surroundings_alone() -> None:
    effects = Effects.of(IMAGES, DESIGN)
    assert np.isnan(effects.values["lesion"][6]).all()
    assert np.isnan(effects.values["excess_blur_margin_0"][6]).all()
    assert np.isfinite(effects.values["border"][6]).all()
    assert np.isnan(effects.depends()[6])


def test_probability_and_flip_are_those_of_the_class() -> None:
    image = IMAGES[0]
    condition = Condition(Kind.BORDER)
    before, after = (image.readings.log_odds[one] for one in (ORIGINAL, condition))
    change, chance, flip = image.change(condition)
    assert change == pytest.approx(after[image.target] - before[image.target])
    assert chance == pytest.approx(expit(after[image.target]) - expit(before[image.target]))
    assert flip == float(before.argmax() != after.argmax())


@pytest.mark.parametrize(("after", "flips"), [(0.29, 1.0), (0.31, 0.0)])
def test_classes_with_a_threshold_of_their_own_flip_where_it_is_passed(after: float, flips: float) -> None:
    log_odds = {ORIGINAL: logit([0.9, 0.4]), Condition(Kind.BORDER): logit([0.9, after])}
    image = Intervened(SimpleNamespace(case=1), 1, Readings(log_odds))  # type: ignore[arg-type]
    assert image.change(Condition(Kind.BORDER), np.array([0.5, 0.3]))[2] == flips
    assert image.change(Condition(Kind.BORDER))[2] == 0.0  # the most probable class stays


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_changes_nothing_that_can_be_told(value: float) -> None:
    for broken in (ORIGINAL, Condition(Kind.BORDER)):
        log_odds = {ORIGINAL: np.zeros(2), Condition(Kind.BORDER): np.ones(2), broken: np.array([0.0, value])}
        image = Intervened(SimpleNamespace(), 0, Readings(log_odds))  # type: ignore[arg-type]
        assert np.isnan(image.change(Condition(Kind.BORDER))).all()
    assert np.isnan(IMAGES[6].change(Condition(Kind.LESION, Fill.BLUR, 0.0))).all()


def test_probabilities_of_extreme_log_odds_are_their_limits_without_a_warning() -> None:
    values = np.array([-1e4, -3.0, 0.0, 3.0, 1e4])
    np.testing.assert_allclose(probability_of(values), expit(values))


def test_depending_is_the_first_rank_and_its_chance_that_of_the_controls() -> None:
    effects = Effects.of(IMAGES, DESIGN)
    ranks = effects.ranks[Fill.INPAINT, 10.0]
    np.testing.assert_array_equal(effects.depends()[:5], ranks[:5] == 1)
    np.testing.assert_allclose(effects.by_chance(), [1 / 7] * 5 + [np.nan] * 2)
    np.testing.assert_array_equal(effects.depends(Fill.BLUR, 0.0)[:5], effects.ranks[Fill.BLUR, 0.0][:5] == 1)


def test_fills_agree_where_both_say_the_same() -> None:
    effects = Effects.of(IMAGES, DESIGN)
    painted, soft = effects.depends(Fill.INPAINT), effects.depends(Fill.BLUR)
    expected = [np.nan if np.isnan(a) or np.isnan(b) else float(a == b) for a, b in zip(painted, soft, strict=True)]
    np.testing.assert_array_equal(effects.agreement(), expected)


def test_means_are_over_the_images_in_which_an_effect_is_defined() -> None:
    effects = Effects.of(IMAGES, DESIGN)
    rows = np.array([1, 3, 6])
    found = effects.estimates(rows, Resampling.of_images(3, resamples=10))
    assert set(found) == {*effect_names(DESIGN), "depends", "chance"}
    assert found["excess"][0].value == pytest.approx(effects.values["excess"][[1, 3], 0].mean())
    assert (found["excess"][0].n, found["border"][0].n) == (2, 3)
    assert len(found["lesion"]) == 3
    assert len(found["depends"]) == 1


def test_no_image_at_all_has_columns_without_rows() -> None:
    effects = Effects.of([], DESIGN)
    assert {values.shape for values in effects.values.values()} == {(0, 3)}
    found = effects.estimates(np.array([], np.intp), Resampling.of_images(0))
    assert {one.value for ones in found.values() for one in ones} == {None}


def test_names_of_effects_are_those_of_the_columns_in_their_order() -> None:
    names = effect_names(DESIGN)
    assert list(Effects.of(IMAGES, DESIGN).values) == names
    assert names[:6] == ["lesion", "control", "excess", "lesion_blur", "control_blur", "excess_blur"]
    assert names[6] == "lesion_margin_0"
    assert names[-4:] == [str(kind) for kind in OTHERS]


def _score(hit: bool | None, iou: float | None, ceiling: float | None) -> Any:  # noqa: ANN401 -- a score
    return SimpleNamespace(
        model=SimpleNamespace(pointing_hit=hit, energy_in_mask=iou),
        iou=iou,
        metrics={MapKind.CEILING: SimpleNamespace(iou=ceiling)},
        case=None,
        excluded=None,
    )


@pytest.mark.parametrize(
    ("iou", "ceiling", "looks"),
    [(0.4, 0.8, True), (0.39, 0.8, False), (None, 0.8, None), (0.4, None, None), (0.0, 0.0, None)],
)
def test_a_map_is_on_the_lesion_by_a_fraction_of_what_its_grid_can_reach(
    iou: float | None, ceiling: float | None, looks: bool | None
) -> None:
    assert looks_at_lesion(_score(True, iou, ceiling), Looks.IOU, 0.5) is looks


@pytest.mark.parametrize("hit", [True, False, None])
def test_a_map_is_on_the_lesion_by_its_hottest_pixel(hit: bool | None) -> None:
    assert looks_at_lesion(_score(hit, None, None), Looks.POINTING, 0.5) is hit
    nothing: Any = SimpleNamespace(model=None, excluded=None)
    assert looks_at_lesion(nothing, Looks.POINTING, 0.5) is None


def test_each_image_with_map_and_rank_is_in_one_of_four_cells() -> None:
    effects = Effects.of(IMAGES, DESIGN)
    looks: list[bool | None] = [True, False, True, False, None, True, True]
    cells = cells_of(effects, looks)
    for cell, look, depend in zip(cells, looks, effects.depends(), strict=True):
        if look is None or np.isnan(depend):
            assert cell is None
        else:
            assert cell is not None
            assert (cell.looks, cell.depends) == (look, bool(depend))
    assert cells[4:] == [None, None, None]


def test_fractions_of_cells_sum_to_one_over_the_images_in_them() -> None:
    cells = [CELLS[0], None, CELLS[3], CELLS[3]]
    found = dict(fractions_of_cells(cells, Resampling.of_images(4, resamples=10)))
    assert [found[cell].value for cell in CELLS] == pytest.approx([1 / 3, 0, 0, 2 / 3])
    assert {one.n for one in found.values()} == {3}
    nothing = dict(fractions_of_cells([None], Resampling.of_images(1, resamples=10)))
    assert {one.value for one in nothing.values()} == {None}


def test_energies_are_undefined_without_a_map() -> None:
    scores = [_score(True, 0.25, None), _score(True, None, None), SimpleNamespace(model=None)]
    images = [Intervened(score, 0, Readings({ORIGINAL: np.zeros(2)})) for score in scores]
    found: NDArray[np.float64] = energies(Effects(images, DESIGN, {}, {}, {}))
    np.testing.assert_array_equal(found, [0.25, np.nan, np.nan])


def test_classes_of_images_are_counted_where_one_image_may_have_several() -> None:
    one, several = _score(True, None, None), _score(True, None, None)
    several.case = 2
    assert counted_as([one, one]) == "images"
    assert counted_as([one, several]) == "classes of images"
    assert counted_as([]) == "images"
