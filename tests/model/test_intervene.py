"""Changed radiographs in batches: an image's pictures share batches with no other image's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from btxrd_explain.core.intervention import Condition, Fill, Interventions, Kind
from btxrd_explain.model.intervene import read_conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


def _image(number: int, pictures: int) -> Interventions:
    conditions = [Condition(Kind.ORIGINAL), *(Condition(Kind.CONTROL, Fill.BLUR, 0, n) for n in range(pictures - 1))]
    return Interventions(
        {one: np.array([[100 * number + place]]) for place, one in enumerate(conditions)}, {"border": f"why {number}"}
    )


def _log_odds(batch: list[NDArray[Any]]) -> NDArray[np.float64]:
    return np.array([[float(picture.item()), -1.0] for picture in batch])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 7), max_size=6), st.integers(1, 5), st.integers(0, 3))
def test_every_condition_has_the_answer_to_its_own_picture(counts: list[int], at_once: int, ahead: int) -> None:
    """Whatever the size of batches, and however many of them are taken before the first is answered."""
    images = [(number, _image(number, count)) for number, count in enumerate(counts)]
    seen: list[set[int]] = []

    def predict(batches: Iterator[list[NDArray[Any]]]) -> Iterable[NDArray[np.float64]]:
        waiting: list[NDArray[np.float64]] = []
        for batch in batches:
            assert 1 <= len(batch) <= at_once
            seen.append({int(picture.item()) // 100 for picture in batch})
            waiting.append(_log_odds(batch))
            if len(waiting) > ahead:
                yield waiting.pop(0)
        yield from waiting

    found = list(read_conditions(images, predict, at_once))
    assert [key for key, _ in found] == list(range(len(counts)))
    assert all(len(owners) == 1 for owners in seen)
    assert len(seen) == sum(-(-count // at_once) for count in counts)
    for (number, made), (_, readings) in zip(images, found, strict=True):
        assert list(readings.log_odds) == list(made.pictures)
        for condition, picture in made.pictures.items():
            np.testing.assert_array_equal(readings.log_odds[condition], [float(picture.item()), -1.0])
        assert readings.reasons == {"border": f"why {number}"}


def test_an_image_is_told_as_soon_as_it_is_answered() -> None:
    taken: list[int] = []

    def images() -> Iterator[tuple[int, Interventions]]:
        for number in range(3):
            taken.append(number)
            yield number, _image(number, 2)

    found = read_conditions(images(), lambda batches: map(_log_odds, batches), 2)
    assert next(found)[0] == 0
    assert taken == [0]
