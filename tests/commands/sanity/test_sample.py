"""Which images are drawn for a check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.commands.sanity.sample import draw_records
from btxrd_explain.inputs.record import ImageRecord

if TYPE_CHECKING:
    from pathlib import Path


def _records(folder: Path, count: int, annotated: int) -> list[ImageRecord]:
    place: Any = object()
    names = [f"{number:03d}.png" for number in range(count)]
    return [
        ImageRecord(name, folder / name, None, None, place if number >= count - annotated else None)
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_annotated_images_come_first_and_the_order_is_that_of_names(tmp_path: Path, seed: int) -> None:
    records = _records(tmp_path, 20, annotated=5)
    drawn = draw_records(records, 8, seed)
    assert [one.image_id for one in drawn] == sorted(one.image_id for one in drawn)
    assert len({one.image_id for one in drawn}) == 8
    assert sum(one.annotation is not None for one in drawn) == 5
    few = draw_records(records, 3, seed)
    assert all(one.annotation is not None for one in few)


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_files(tmp_path: Path) -> None:
    records = _records(tmp_path, 30, annotated=0)
    shuffled = [records[place] for place in np.random.default_rng(0).permutation(30)]
    assert draw_records(records, 10, 7) == draw_records(shuffled, 10, 7)
    assert draw_records(records, 10, 7) != draw_records(records, 10, 8)


def test_fewer_images_than_wanted_are_all_taken(tmp_path: Path) -> None:
    records = _records(tmp_path, 3, annotated=1)
    assert draw_records(records, 10, 0) == records
    assert draw_records([], 10, 0) == []


def test_every_image_is_drawn_about_as_often(tmp_path: Path) -> None:
    records = _records(tmp_path, 10, annotated=0)
    counts = np.zeros(10)
    for seed in range(200):
        for one in draw_records(records, 3, seed):
            counts[int(one.image_id[:3])] += 1
    assert counts.sum() == 600
    assert counts.min() > 30
    assert counts.max() < 90
