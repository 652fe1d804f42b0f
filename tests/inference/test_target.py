"""Which radiographs each task of a job array takes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btxrd_explain.errors import UnreachableTableError
from btxrd_explain.inference.target import _said, share_number, share_of
from btxrd_explain.inputs.record import Collection, ImageRecord
from btxrd_explain.settings import RunSettings


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0"])
def test_shards_that_there_are_not(text: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        RunSettings(shard=text)


ids = st.lists(st.text(min_size=1), unique=True)


@given(ids, st.integers(1, 12))
def test_shards_are_disjoint_and_together_the_whole(names: list[str], count: int) -> None:
    records = tuple(ImageRecord(name, Path("x"), None, None, None) for name in sorted(names))
    whole = Collection(records, named=False, missing=tuple((f"{name} gone", "no such file") for name in names))
    shares = [share_of(whole, number, count) for number in range(1, count + 1)]
    assert sorted(record.image_id for share in shares for record in share.records) == sorted(names)
    assert sorted(pair for share in shares for pair in share.missing) == sorted(whole.missing)
    assert all(list(share.records) == sorted(share.records, key=lambda record: record.image_id) for share in shares)


@given(ids, st.text(min_size=1), st.integers(1, 12))
def test_an_image_more_moves_no_other(names: list[str], another: str, count: int) -> None:
    def shares(names: list[str]) -> dict[str, int]:
        return {name: share_number(name, count) for name in names}

    assert shares([*names, another]) | shares(names) == shares([*names, another])


def test_shards_are_balanced() -> None:
    """Binomial shares: 10,000 images on 8 shards are 1250 each, give or take five standard deviations of 33."""
    sizes = Counter(share_number(f"IMG{number:06d}.jpeg", 8) for number in range(10_000))
    assert sorted(sizes) == list(range(1, 9))
    assert all(abs(size - 1250) < 5 * 33 for size in sizes.values())


def test_the_share_of_an_image_is_the_same_for_ever() -> None:
    """Written down once: tasks of one array may run on different machines and versions of Python."""
    assert [share_number(f"IMG{number:06d}.jpeg", 8) for number in range(6)] == [4, 2, 6, 4, 8, 3]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_a_claim_is_read_and_a_pipe_in_its_place_not_waited_for(tmp_path: Path) -> None:
    assert _said(tmp_path / "claim") is None
    (tmp_path / "claim").write_bytes(b"mine")
    assert _said(tmp_path / "claim") == b"mine"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreachableTableError, match="it is not a file"):
        _said(tmp_path / "pipe")
