"""The report of `intervene`: verdict, cells, slices and what cannot be said, from made-up networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from btxrd_explain.commands.intervene.report import (
    Measured,
    changed,
    describe_images,
    describe_surroundings,
    describe_table,
    energy_with_excess,
    limits_of,
    ranking,
    summarise_all,
    verdict_of,
)
from btxrd_explain.core.class_names import BY_NAME
from btxrd_explain.core.reliance import Reliance
from btxrd_explain.settings.analysis_sections import InterventionSettings
from tests.support.intervened import make_effects, make_intervened
from tests.support.small_table import PROVENANCE

if TYPE_CHECKING:
    from btxrd_explain.evaluation.intervention import Intervened

POINTING = InterventionSettings()


def _measured(*images: Intervened, wanted: InterventionSettings = POINTING) -> Measured:
    return Measured.of(*make_effects(images), wanted)


DEPENDING = [make_intervened(number, lesion=-2.0 - number / 10, energy=0.2 + number / 20) for number in range(8)]
INDIFFERENT = [make_intervened(number, lesion=(-0.05, 0.05)[number % 2]) for number in range(8)]


def test_a_class_whose_log_odds_fall_without_the_lesion_depends_on_it() -> None:
    outcome, text, remarks = verdict_of(_measured(*DEPENDING))
    assert outcome is Reliance.DEPENDS
    assert text.startswith("The class depends on the lesion")
    assert remarks[0] == "Without the lesion the prediction changes in 8 of 8 images."
    assert remarks[1].startswith("In 8 of 8 images the log-odds fall by more")
    assert remarks[1].endswith("; 1.3 are expected by chance.")


def test_a_class_that_does_not_care_is_independent() -> None:
    outcome, _, remarks = verdict_of(_measured(*INDIFFERENT))
    assert outcome is Reliance.INDEPENDENT
    assert remarks[0] == "Without the lesion the prediction changes in 0 of 8 images."


def test_images_with_few_controls_have_no_rank_and_are_said() -> None:
    few = [make_intervened(number, controls=(0.0, 0.1)) for number in range(8, 11)]
    _, _, remarks = verdict_of(_measured(*DEPENDING, *few))
    assert remarks[-1].startswith("3 images with a lesion have fewer than 5 controls: they have no rank, and no cell")
    found = ranking(_measured(*DEPENDING, *few).effects, 9)
    assert found == {"n_controls": 2, "rank": None, "depends": None}


def test_the_rank_of_a_lesion_is_among_its_controls() -> None:
    images = [
        make_intervened(1, lesion=-0.15),
        make_intervened(2, lesion=-0.3),
        make_intervened(3, lesion=None),
    ]
    effects = _measured(*images).effects
    assert ranking(effects, 0) == {"n_controls": 5, "rank": 2, "depends": False}
    assert ranking(effects, 1) == {"n_controls": 5, "rank": 1, "depends": True}
    assert ranking(effects, 2) == {"n_controls": None, "rank": None, "depends": None}


def test_each_image_with_a_lesion_is_in_a_cell_or_counted_as_undefined() -> None:
    images = [
        make_intervened(1),
        make_intervened(2, hit=False),
        make_intervened(3, lesion=0.0),
        make_intervened(4, lesion=0.0, hit=False),
        make_intervened(5, hit=None),
        make_intervened(6, controls=(0.0,)),
        make_intervened(7, lesion=None),
    ]
    table = describe_table(_measured(*images), POINTING)
    assert [(cell.looks, cell.depends, cell.count) for cell in table.cells] == [
        (True, True, 1),
        (True, False, 1),
        (False, True, 1),
        (False, False, 1),
    ]
    assert table.cells[1].images == [images[2].score.row.image_id]
    assert (table.n, table.n_undefined) == (4, 2)
    assert sum(cell.fraction.mean or 0 for cell in table.cells) == pytest.approx(1)
    assert table.looks_fraction is None


def test_a_cell_means_something_for_certain_where_the_verdict_is_decided_alone() -> None:
    undecided = [make_intervened(number, lesion=(-2.0, 2.0)[number % 2]) for number in range(8)]
    assert verdict_of(_measured(*undecided))[0] is Reliance.UNDECIDED
    for images, certain in ((undecided, False), (DEPENDING, True), (INDIFFERENT, True)):
        meanings = [cell.meaning for cell in describe_table(_measured(*images), POINTING).cells]
        assert [meaning.startswith("perhaps ") for meaning in meanings] == [not certain] * 4


def test_a_fraction_of_the_ceiling_is_told_where_it_decides() -> None:
    wanted = InterventionSettings(looks="iou", looks_fraction=0.25)
    assert describe_table(Measured.of(*make_effects([]), wanted), wanted).looks_fraction == 0.25


def test_every_image_is_described_and_undefined_is_null() -> None:
    images = [make_intervened(1), make_intervened(2, lesion=None), make_intervened(3, controls=(0.0,))]
    first, second, third = describe_images(_measured(*images))
    assert (first.log_odds, first.lesion, first.control, first.excess) == pytest.approx((1.0, -2.0, 0.0, -2.0))
    assert (first.rank, first.depends, first.looks, first.cell) == (1, True, True, "looks, depends")
    assert (first.class_, first.predicted, first.target_class, first.outcome) == ("Benign", "Benign", "Benign", "TP")
    unknown = (second.lesion, second.control, second.excess, second.excess_blur, second.n_controls, second.cell)
    assert unknown == (None,) * 6
    assert (third.n_controls, third.rank, third.reasons) == (1, None, {"control:0": "little room"})


def test_slices_are_means_over_their_images() -> None:
    summary = summarise_all(_measured(*DEPENDING), {"center": ["a"] * 4 + ["b"] * 4})
    assert summary.overall.n_images == 8
    assert summary.overall.effects["lesion"].log_odds.mean == pytest.approx(-2.35)
    by_center = summary.by_metadata["center"]
    assert by_center["a"].effects["excess"].log_odds.mean == pytest.approx(-2.15)
    assert by_center["b"].effects["excess"].log_odds.mean == pytest.approx(-2.55)
    assert by_center["a"].effects["lesion_alone"].log_odds.mean == pytest.approx(0.5)
    assert summary.overall.depends.mean == 1.0
    assert summary.overall.depends_by_chance == pytest.approx(1 / 6)
    assert set(summary.by_class) == {"Benign"}
    assert set(summary.by_outcome) == {"TP"}


@pytest.mark.parametrize(("change", "outcome"), [(0.0, Reliance.INDEPENDENT), (-1.0, Reliance.DEPENDS)])
def test_surroundings_are_judged_without_controls(change: float, outcome: Reliance) -> None:
    images = [make_intervened(number, surroundings=change) for number in range(8)]
    found = describe_surroundings(_measured(*images))
    assert set(found) == {"border", "background", "markers"}
    assert {part.outcome for part in found.values()} == {outcome}
    assert {part.n_missing for part in found.values()} == {0}


def test_energy_goes_with_the_excess_or_is_undefined() -> None:
    assert energy_with_excess(_measured(*DEPENDING)).mean == pytest.approx(-1)  # the more energy, the larger the fall
    assert energy_with_excess(_measured(make_intervened(1))).mean is None
    without = [make_intervened(number, energy=None) for number in range(4)]
    assert energy_with_excess(_measured(*without)).mean is None


def test_images_are_counted_once_however_many_classes_they_have() -> None:
    images = [make_intervened(1), make_intervened(1), make_intervened(2, lesion=None)]
    assert changed(images) == {"num_images": 2, "num_with_lesion": 1}


def test_limits_depend_on_what_was_done() -> None:
    few = list(limits_of(_measured(*DEPENDING), PROVENANCE, BY_NAME, grouped=False))
    assert any("There are only 8 images with a lesion" in line for line in few)
    assert any("drawn as if they were independent" in line for line in few)
    assert few[-1] == ("Classes without a lesion: Normal, recognised by the name (--no-lesion-classes sets them).")
    many = [make_intervened(number) for number in range(30)]
    enough = list(limits_of(_measured(*many), PROVENANCE, BY_NAME, grouped=True))
    assert not any("There are only" in line or "independent" in line for line in enough)
