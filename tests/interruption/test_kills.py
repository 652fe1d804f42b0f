"""Runs that are killed at random moments, and before every single change that they make on disk."""

from __future__ import annotations

import os
import shutil
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from btxrd_explain.predictions.table import open_table
from tests.hostile.fuzz.harness import LONG
from tests.interruption.conftest import BATCH, COUNT
from tests.support.same_rows import assert_same_row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.predictions.record import Prediction
    from tests.interruption.lives import Lives

KILLS = 60 if LONG else 3
"""For each kind of table."""
OLD = 20
"""Images of the table that is there before."""
SIGNALS = {9: (-9,), 15: (143, -15), 2: (130, -2)}
"""What is sent (SIGKILL, SIGTERM, SIGINT), and how a process may end; the negative ones before the command begins."""
KINDS = pytest.mark.parametrize("kind", ["file", "folder"])


class Study:
    """One table, the images that it is to hold, and what came of it without interruptions."""

    def __init__(self, lives: Lives, images: Path, network: tuple[str, ...], out: Path, kind: str) -> None:
        self.lives, self.network, self.out, self.kind = lives, network, out, kind
        self.images = sorted(images.iterdir())
        self.table = out / "predictions.parquet"

    def run(self, **end: object) -> int:
        return self.lives.run("infer", *map(str, self.images), *self._flags(), **end)  # type: ignore[arg-type]

    def begin(self, count: int = OLD) -> None:
        """Start anew, with a table of some of the images."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        if self.kind == "folder":
            self.table.mkdir()
        first = map(str, self.images[:count])
        assert self.lives.run("infer", *first, *self._flags()) == 1, self.lives.output.read_text()  # one file is torn

    def rows(self) -> dict[str, Prediction]:
        return {row.image_id: row for row in open_table(self.table).rows()}

    def _flags(self) -> tuple[str, ...]:
        return (*self.network, "--predictions", str(self.table), "-o", str(self.out), "--no-overlay")


@pytest.fixture
def run(lives: Lives, study: Path, network: tuple[str, ...], tmp_path: Path, kind: str) -> Study:
    return Study(lives, study / "images", network, tmp_path / "out", kind)


@pytest.fixture(scope="module")
def whole(
    lives: Lives, study: Path, network: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[dict[str, Prediction], bytes]]:
    """What comes of a run that nobody interrupts, by the kind of table: its rows, and the file."""

    @cache
    def make(kind: str) -> tuple[dict[str, Prediction], bytes]:
        run = Study(lives, study / "images", network, tmp_path_factory.mktemp("whole") / "out", kind)
        run.begin()
        assert run.run() == 1
        rows = run.rows()
        assert len(rows) == len(run.images)
        return rows, run.table.read_bytes() if kind == "file" else b""

    return make


@pytest.fixture
def expected(
    whole: Callable[[str], tuple[dict[str, Prediction], bytes]], kind: str
) -> tuple[dict[str, Prediction], bytes]:
    return whole(kind)


class Witness:
    """Looks at what each life left behind."""

    def __init__(self, run: Study, expected: tuple[dict[str, Prediction], bytes]) -> None:
        self.run, (self.rows, self.whole) = run, expected
        self.old = run.table.read_bytes() if run.kind == "file" else b""
        self.old_ids = run.rows().keys()
        self.done: set[str] = set()
        self.again = self.kills = 0

    def look(self, code: int) -> None:
        """Count what was computed again; the table must be the old one, or a partial one of a folder."""
        batches = [image_id for batch in self.run.lives.batches for image_id in batch]
        again = len(self.done.intersection(batches))
        assert again <= BATCH  # with one thread there is one in work
        self.again += again
        self.done.update(batches)
        self.kills += code != 1
        if self.run.kind == "file":
            assert self.run.table.read_bytes() in (self.old, self.whole)
        else:
            self._assert_partial()

    def _assert_partial(self) -> None:
        rows = self.run.rows()
        assert self.old_ids <= rows.keys() <= self.rows.keys()
        for image_id, row in rows.items():
            assert_same_row(row, self.rows[image_id])

    def look_at_the_end(self) -> None:
        """All rows are those of a run without interruption, nothing is left over, and nothing is done twice."""
        assert self.run.rows().keys() == self.rows.keys()
        self._assert_partial()
        if self.run.kind == "file":
            assert self.run.table.read_bytes() == self.whole
        assert self.done == self.rows.keys() - self.old_ids
        for path in self.run.out.rglob(".btxrd-explain-*"):
            os.utime(path, (0, 0))  # what is young may belong to somebody
        assert self.run.run() == 1
        assert self.run.lives.batches == []
        assert [path for path in self.run.out.rglob("*") if path.name.startswith(".")] == []


@KINDS
def test_no_kill_loses_more_than_a_batch(run: Study, expected: tuple[dict[str, Prediction], bytes]) -> None:
    """Random moments of the work, and signals: rows as without interruption, at most a batch recomputed per kill."""
    rng = np.random.default_rng(0)
    kills = again = runs = 0
    while kills < KILLS:
        run.begin()
        witness, code, runs = Witness(run, expected), -1, runs + 1
        while code != 1:
            number = int(rng.choice([9, 9, 15, 2]))
            left = (len(run.images) - OLD - len(witness.done)) // BATCH
            moment = int(rng.integers(left + 1)), rng.uniform(0, 0.05)
            code = run.run(kill=(*moment, number) if kills + witness.kills < KILLS else None)
            assert code == 1 or code in SIGNALS[number], run.lives.output.read_text()
            witness.look(code)
        witness.look_at_the_end()
        kills, again = kills + witness.kills, again + witness.again
    print(f"{kills} kills in {runs} runs of {COUNT} images: {again} images computed again")  # noqa: T201


@KINDS
def test_a_kill_before_any_change_on_disk_is_survived(
    run: Study, expected: tuple[dict[str, Prediction], bytes], tmp_path: Path
) -> None:
    """Of a short run die before the first change, the second ..., each time from the same start."""
    run.images = run.images[: OLD + 2 * 24 + 1]  # two files and a log
    rows = dict(list(expected[0].items())[: len(run.images)])
    run.begin()
    shutil.copytree(run.out, tmp_path / "start", copy_function=shutil.copy2)
    assert run.run() == 1
    whole = run.table.read_bytes() if run.kind == "file" else b""
    step, code = 1, -9
    while code != 1:
        shutil.rmtree(run.out)
        shutil.copytree(tmp_path / "start", run.out)
        witness = Witness(run, (rows, whole))
        code = run.run(dies_at=step, within=run.out)
        assert code in {1, -9}, run.lives.output.read_text()
        witness.look(code)
        assert run.run() == 1
        witness.look(1)
        witness.look_at_the_end()
        step += 1 if LONG else 23
    assert step > 30
