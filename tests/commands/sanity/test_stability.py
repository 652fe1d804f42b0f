"""How heat maps follow radiographs that are changed without saying anything new."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.commands.sanity import stability
from btxrd_explain.commands.sanity.sample import Subject
from btxrd_explain.commands.sanity.stability import Changes, Step, follow_changes
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.core.stability import DECISIVE, STRENGTHS, Change, Stability
from btxrd_explain.progress import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIDE = 32
PREPROCESSING = Preprocessing(Size(SIDE, SIDE), (0.5,), (0.25,))


def _step(change: Change = Change.FLIP, strength: float = 1, **facts: Any) -> Step:  # noqa: ANN401 -- any attribute
    usual: dict[str, Any] = {"similarity": np.full((10, 2), 0.9), "incomplete": 0, "other_class": 0}
    return Step(change, strength, **usual | facts)


def test_maps_that_vanish_are_those_without_a_correlation_that_are_complete() -> None:
    similarity = np.full((10, 2), 0.9)
    similarity[:5] = np.nan
    step = _step(similarity=similarity, incomplete=2)
    assert step.vanished == 3
    assert [one.n for one in step.estimates] == [5, 5]
    assert step.estimates[0].value == pytest.approx(0.9)


@pytest.mark.parametrize("change", Change)
def test_one_strength_of_each_change_decides(change: Change) -> None:
    deciding = [strength for strength in STRENGTHS[change] if _step(change, strength).decides]
    assert deciding == [DECISIVE[change]]


def test_the_verdict_rests_on_the_deciding_strengths_alone() -> None:
    steps = [_step(change, strength) for change, strengths in STRENGTHS.items() for strength in strengths]
    assert Changes(tuple(steps)).verdict()[0] is Stability.STABLE
    weak = [step if step.decides else _step(step.change, step.strength, similarity=np.zeros((10, 2))) for step in steps]
    assert Changes(tuple(weak)).verdict()[0] is Stability.STABLE
    bad = [_step(step.change, step.strength, similarity=np.zeros((10, 2))) if step.decides else step for step in steps]
    outcome, text = Changes(tuple(bad)).verdict()
    assert outcome is Stability.UNSTABLE
    assert "flip: they correlate at 0.00" in text


def _subject(number: int) -> Subject:
    """Return an image whose map is its own picture."""
    picture = np.random.default_rng(number).uniform(0.3, 0.6, (1, SIDE, SIDE)).astype(np.float32)
    frame = PREPROCESSING.frame(Size(SIDE, SIDE))
    tensor = (picture - np.float32(0.5)) / np.float32(0.25)
    return Subject(f"{number}.png", None, False, frame, tensor, 0, 0.9, HeatMap(picture[0], 1.0, MapStatus.OK))


SUBJECTS = [_subject(number) for number in range(4)]


def _followed(
    monkeypatch: pytest.MonkeyPatch, readings_of: Callable[[object, Sequence[Subject]], list[tuple[int, HeatMap]]]
) -> dict[tuple[Change, float], Step]:
    monkeypatch.setattr(stability, "readings_of", readings_of)
    explainer: Any = SimpleNamespace(classifier=SimpleNamespace(preprocessing=PREPROCESSING))
    found = follow_changes(explainer, SUBJECTS, seed=3, listener=Listener())
    return {(step.change, step.strength): step for step in found.steps}


def _brightness(_: object, subjects: Sequence[Subject]) -> list[tuple[int, HeatMap]]:
    """Explain each input by its own brightness, so that maps follow whatever moves."""
    maps = [HeatMap(one.tensor[0] * np.float32(0.25) + np.float32(0.5), 1.0, MapStatus.OK) for one in subjects]
    return [(0, one) for one in maps]


def test_maps_that_move_with_the_radiograph_are_the_same_after_they_are_moved_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = _followed(monkeypatch, _brightness)
    assert list(steps) == [(change, strength) for change, strengths in STRENGTHS.items() for strength in strengths]
    for (change, strength), step in steps.items():
        assert step.similarity.shape == (4, 2)
        if change in {Change.SHIFT, Change.FLIP}:
            np.testing.assert_allclose(step.similarity, 1, atol=1e-5)
        elif change is Change.BRIGHTNESS:  # nothing is clipped, so that ranks stay
            np.testing.assert_allclose(step.similarity[:, 0], 1, atol=1e-3)
        else:
            assert (step.similarity[:, 0] < 1).all()
        assert (step.vanished, step.incomplete, step.other_class) == (0, 0, 0), (change, strength)


def test_stronger_noise_and_compression_leave_less(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _followed(monkeypatch, _brightness)
    for change in (Change.NOISE, Change.JPEG):
        means = [steps[change, strength].similarity[:, 0].mean() for strength in STRENGTHS[change]]
        assert means == sorted(means, reverse=True)


def test_maps_that_stay_where_they_were_do_not_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _followed(monkeypatch, lambda _, subjects: [(1, one.original) for one in subjects])
    assert (steps[Change.FLIP, 1].similarity[:, 0] < 0.3).all()
    assert (steps[Change.SHIFT, 8].similarity[:, 0] < 0.3).all()
    np.testing.assert_allclose(steps[Change.NOISE, 4].similarity, 1)
    assert {step.other_class for step in steps.values()} == {4}


def test_maps_without_evidence_vanish_and_those_that_do_not_add_up_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worth = (MapStatus.NO_POSITIVE_EVIDENCE, MapStatus.INCOMPLETE, MapStatus.OK, MapStatus.FLAT)

    def readings(_: object, subjects: Sequence[Subject]) -> list[tuple[int, HeatMap]]:
        return [(0, HeatMap(one.original.values, 1.0, kind)) for one, kind in zip(subjects, worth, strict=True)]

    step = _followed(monkeypatch, readings)[Change.NOISE, 1]
    assert (step.vanished, step.incomplete, step.estimates[0].n) == (2, 1, 1)
    assert np.isnan(step.similarity[[0, 1, 3]]).all()


def test_the_network_sees_the_change_and_not_its_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Subject] = []

    def readings(_: object, subjects: Sequence[Subject]) -> list[tuple[int, HeatMap]]:
        seen.extend(subjects)
        return [(0, one.original) for one in subjects]

    letterbox = replace(PREPROCESSING, resize=ResizeMode.LETTERBOX)
    frame = letterbox.frame(Size(SIDE, SIDE // 2))
    padded = [replace(SUBJECTS[0], frame=frame)]
    monkeypatch.setattr(stability, "readings_of", readings)
    explainer: Any = SimpleNamespace(classifier=SimpleNamespace(preprocessing=letterbox))
    follow_changes(explainer, padded, seed=0, listener=Listener())
    inside = np.zeros((SIDE, SIDE), bool)
    inside[frame.window_filled] = True
    assert 0 < inside.mean() < 1
    before = SUBJECTS[0].tensor[0]
    for one in seen:
        np.testing.assert_allclose(one.tensor[0][~inside], before[~inside], atol=1e-5)
        assert not np.allclose(one.tensor[0][inside], before[inside], atol=1e-5)
