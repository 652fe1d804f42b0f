"""Annotations of several readers, as one source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.choices import Consensus, ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.masks import LesionRules
from btxrd_explain.errors import AnnotationError
from btxrd_explain.evaluation.lesions import lesions_of
from btxrd_explain.inputs.annotation_source import ConsensusSource, open_source

if TYPE_CHECKING:
    from pathlib import Path

FRAME = Frame.fit(Size(4, 6), Size(4, 6), ResizeMode.SQUASH)


@pytest.fixture
def source(tmp_path: Path) -> ConsensusSource:
    """Three readers: of "both.png" two drew a column each and one two columns; "alone.png" is of the first one."""
    for number, columns in enumerate(([0], [0, 1], [5])):
        (tmp_path / str(number)).mkdir()
        mask = np.zeros((4, 6), np.uint8)
        mask[:, columns] = 1
        Image.fromarray(mask).save(tmp_path / str(number) / "both.png")
    Image.fromarray(np.ones((4, 6), np.uint8)).save(tmp_path / "0" / "alone.png")
    readers = {f"r{number}": open_source(tmp_path / str(number)) for number in range(3)}
    return ConsensusSource(readers, Consensus.MAJORITY)


def test_lesions_are_what_most_readers_drew(source: ConsensusSource, tmp_path: Path) -> None:
    place = source.find(tmp_path / "images" / "both.png")
    assert place is not None
    lesions = lesions_of(place, FRAME, LesionRules())
    assert np.flatnonzero(lesions.mask.any(axis=0)).tolist() == [0]
    assert lesions.count == 1
    assert source.description.startswith("majority of 3 readers (r0: ")
    assert source.unused([place]) == [str(tmp_path / "0" / "alone.png")]
    assert source.nearest(tmp_path / "bothe.png")[0] == "both.png"


def test_one_reader_is_no_consensus(source: ConsensusSource, tmp_path: Path) -> None:
    place = source.find(tmp_path / "images" / "alone.png")
    assert place is not None
    with pytest.raises(AnnotationError, match=r"only reader 'r0' annotated 'alone\.png'"):
        lesions_of(place, FRAME, LesionRules())
    assert source.find(tmp_path / "images" / "nobody.png") is None
