"""What users can choose between: every word once, and numbers that OpenCV can use."""

from __future__ import annotations

from enum import StrEnum

import cv2
import numpy as np
import pytest

from btxrd_explain.core import choices
from btxrd_explain.core.choices import Clahe, Operator
from tests.support.refusals import assert_refused

KINDS = [kind for kind in vars(choices).values() if isinstance(kind, type) and issubclass(kind, StrEnum) and list(kind)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_words_of_a_choice_are_their_own_values(kind: type[StrEnum]) -> None:
    for word in kind:
        assert kind(str(word)) is word
        assert word == word.lower()
    assert kind.__doc__
    with pytest.raises(ValueError, match="is not a valid"):
        kind("no such word")


@pytest.mark.parametrize(
    ("operator", "reached"), [(Operator.AT_LEAST, [False, True, True]), (Operator.ABOVE, [False, False, True])]
)
def test_an_operator_says_whether_the_threshold_itself_belongs(operator: Operator, reached: list[bool]) -> None:
    values = np.array([0.3, 0.7, 0.9], np.float32)
    assert operator.reached(values, 0.7).tolist() == reached


@pytest.mark.parametrize("clip", [0.0, -1.0, float("inf"), float("nan")])
def test_a_clip_that_opencv_cannot_use_is_refused(clip: float) -> None:
    assert_refused(lambda: Clahe(clip), ValueError, "give CLAHE a clip above 0, such as 2.0, not")


@pytest.mark.parametrize("tiles", [0, -1, 257])
def test_tiles_that_opencv_cannot_use_are_refused(tiles: int) -> None:
    assert_refused(lambda: Clahe(2.0, tiles), ValueError, "give CLAHE tiles from 1 to 256, such as 8, not")


@pytest.mark.parametrize(("clip", "tiles"), [(1e-9, 1), (2.0, 256), (1e9, 8)])
def test_numbers_at_the_limits_are_used_by_opencv(clip: float, tiles: int) -> None:
    wanted = Clahe(clip, tiles)
    made = cv2.createCLAHE(wanted.clip, (wanted.tiles, wanted.tiles))
    picture = np.arange(300 * 300, dtype=np.uint32).reshape(300, 300).astype(np.uint8)
    assert made.apply(picture).shape == picture.shape
