"""The Ray engine: its parts one by one, and a real cluster of several processes that lose some of them."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btxrd_explain.commands import infer
from btxrd_explain.errors import CheckpointError, EngineError, OutputError, SettingsError
from btxrd_explain.inference.cluster import chunks_of, crew_of, still_to_do
from btxrd_explain.inference.cluster_worker import Job, Worker
from btxrd_explain.inference.loading import load_explainer
from btxrd_explain.inference.request import build_request
from btxrd_explain.inference.target import claim, claim_of
from btxrd_explain.inputs.dataset import collect
from btxrd_explain.inputs.record import ImageRecord
from btxrd_explain.predictions.table import open_table, table_files
from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, RunSettings, Settings
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.system.extras import to_install
from btxrd_explain.system.places import is_url, place_of
from tests.support.network.sitecustomize import VARIABLE
from tests.support.s3 import SECRET, s3_server
from tests.support.same_rows import assert_same_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COUNT = 48
BATCH = 2
PATIENCE = 1800
"""Seconds until a wait is taken for one without end; a busy machine may take its time."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "images"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = random.integers(0, 256, (700 + number, 600), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"IMG{number:06d}.png", compress_level=1)
    (folder / "IMG000007.png").write_bytes(b"torn")
    return folder


def _settings(images: Path, out: Path, **run: object) -> Settings:
    return Settings(
        data=DataSettings(inputs=(str(images),)),
        model=ModelSettings(checkpoint=demo_checkpoint(), device="cpu", batch_size=BATCH),
        output=OutputSettings(directory=out),
        run=RunSettings.model_validate(run),
    )


# a worker, without Ray around it


@pytest.fixture
def job(images: Path, tmp_path: Path) -> Job:
    settings = _settings(images, tmp_path)
    request = build_request(settings)
    table = tmp_path / "table"
    table.mkdir()
    return Job(settings, request, load_explainer(settings, request).provenance, table, Path.cwd(), claim_of(table))


def _work(job: Job, records: Sequence[ImageRecord]) -> dict[str, object]:
    return Worker(job)({"chunk": pickle.dumps(records)})


def test_a_worker_writes_a_chunk_under_the_same_name_again(job: Job, images: Path) -> None:
    records = collect([str(images)]).records[5:9]
    first, again = _work(job, records), _work(job, records)
    assert first == again
    assert (first["rows"], first["error"]) == (4, b"")
    assert [path.name for path in job.folder.iterdir()] == [first["part"]]
    rows = list(open_table(job.folder).rows())
    assert [row.image_id for row in rows] == [record.image_id for record in records]
    assert [row.status for row in rows] == ["ok", "ok", "unreadable", "ok"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"directory": Path("/no/such/folder")}, "cannot enter '/no/such/folder'"),
        ({"folder": Path("/no/such/table")}, "does not see '/no/such/table'"),
        ({"request": {"versions": {"torch": "1.0"}}}, "versions.torch changed from 1.0 to"),
    ],
)
def test_a_worker_on_another_kind_of_machine_says_so(
    job: Job, images: Path, change: dict[str, object], reason: str
) -> None:
    result = _work(replace(job, **change), collect([str(images)]).records[:2])  # type: ignore[arg-type]
    error = pickle.loads(result["error"])  # type: ignore[arg-type]  # noqa: S301
    assert isinstance(error, EngineError)
    assert reason in str(error)


def test_a_worker_that_sees_no_image_says_so(job: Job, tmp_path: Path) -> None:
    """Otherwise a folder that is not mounted would become a table of unreadable images."""
    gone = [ImageRecord(name, tmp_path / name, None, None, None) for name in ("a.png", "b.png")]
    error = pickle.loads(_work(job, gone)["error"])  # type: ignore[arg-type]  # noqa: S301
    assert "sees none of 2 images, such as" in str(error)
    assert list(job.folder.iterdir()) == []


def test_a_worker_of_a_run_that_was_replaced_writes_nothing(job: Job, images: Path) -> None:
    claim(job.folder)
    error = pickle.loads(_work(job, collect([str(images)]).records[:2])["error"])  # type: ignore[arg-type]  # noqa: S301
    assert "another run has taken over" in str(error)
    assert list(job.folder.glob("*.parquet")) == []


# sharing out


@pytest.mark.parametrize(
    ("resources", "run", "device", "expected"),
    [
        ({"CPU": 64, "GPU": 8}, {}, "auto", (8, 8, 1)),
        ({"CPU": 4, "GPU": 8}, {}, "cuda", (8, 1, 1)),
        ({"CPU": 64, "GPU": 8}, {}, "cpu", (64, 1, 0)),
        ({"CPU": 10}, {"cpus_per_worker": 4}, "auto", (2, 4, 0)),
        ({"CPU": 2}, {"cpus_per_worker": 4}, "auto", (1, 4, 0)),
        ({}, {"workers": 3}, "auto", (3, 1, 0)),
    ],
)
def test_workers_fit_the_cluster(
    resources: dict[str, float], run: dict[str, object], device: str, expected: tuple[int, int, int]
) -> None:
    settings = Settings.model_validate({"run": run, "model": {"device": device}})
    crew = crew_of(settings, resources)
    assert (crew.workers, crew.cpus, crew.gpus) == expected


@given(st.integers(1, 5000), st.integers(1, 40), st.just("auto") | st.integers(1, 70))
def test_chunks_are_whole_batches_and_together_all_images(count: int, workers: int, batch: int | str) -> None:
    records = [ImageRecord(str(number), Path("x"), None, None, None) for number in range(count)]
    chunks = list(chunks_of(records, workers, batch))
    assert [record for chunk in chunks for record in chunk] == records
    size = batch if isinstance(batch, int) else 32
    assert all(len(chunk) % size == 0 for chunk in chunks[:-1])
    assert all(0 < len(chunk) < 1024 + size for chunk in chunks)


def test_a_run_that_goes_on_cuts_like_the_one_before_it() -> None:
    """So a worker of that one which still writes does not write a row that this one has in another file."""
    records = [ImageRecord(str(number), Path("x"), None, None, None) for number in range(40)]
    chunks = list(chunks_of(records, 2, 2))
    pending = [replace(record, label="Benign") for chunk in (*chunks[1:3], *chunks[4:]) for record in chunk]
    left = list(still_to_do(chunks, pending))
    assert [[record.image_id for record in chunk] for chunk in left] == [
        [record.image_id for record in chunk] for chunk in (*chunks[1:3], *chunks[4:])
    ]
    assert {record.label for chunk in left for record in chunk} == {"Benign"}


# what cannot be


def test_without_ray_the_user_learns_how_to_get_it(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=re.escape(f"Ray is not installed: {to_install('ray')}")):
        infer.run(_settings(images, tmp_path, engine="ray"))


def test_a_file_is_no_place_for_a_folder(images: Path, tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file, and --engine ray writes a folder"):
        infer.run(_settings(images, tmp_path, engine="ray"))


def test_a_cluster_takes_no_shards(images: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="shares the images out by itself"):
        infer.run(_settings(images, tmp_path, engine="ray", shard="1/2"))


def test_a_bad_checkpoint_ends_the_run_before_a_cluster_starts(images: Path, tmp_path: Path) -> None:
    settings = _settings(images, tmp_path, engine="ray")
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    model = settings.model.model_copy(update={"checkpoint": tmp_path / "bad.pt"})
    with pytest.raises(CheckpointError):
        infer.run(settings.model_copy(update={"model": model}))


# a real cluster


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """The environment that leads to an S3 server."""
    with s3_server() as environment:
        yield environment


@pytest.fixture(scope="module")
def cluster(s3: dict[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The process of a cluster with two slots, whose workers reach S3, and the environment that leads to it."""
    environment = (
        os.environ | s3 | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    )
    script = [sys.executable, str(Path(__file__).parents[1] / "support" / "ray_cluster.py")]
    unwatched = environment | {VARIABLE: ""}  # Ray's dashboard asks which cloud it is in
    with subprocess.Popen(
        script, env=unwatched, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "Ray did not start"
        yield process.pid, environment | {"RAY_ADDRESS": address}
        process.communicate()


def _infer(images: Path | str, out: Path | str, environment: dict[str, str], *flags: str) -> subprocess.Popen[str]:
    command = ["infer", str(images), "-c", str(demo_checkpoint()), "--device", "cpu", "--batch-size", str(BATCH)]
    arguments = [*command, "--engine", "ray", "-o", str(out), *flags]
    return subprocess.Popen(
        [sys.executable, "-m", "btxrd_explain", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _workers(ancestor: int) -> list[int]:
    """Return the processes of Ray Data's workers below a process."""
    parents, workers = {}, []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
            if b"ray::MapWorker" in (status.parent / "cmdline").read_bytes():
                workers.append(int(status.parent.name))
        except OSError:
            continue  # it has just ended

    def below(pid: int) -> bool:
        return pid == ancestor or (pid in parents and below(parents[pid]))

    return [pid for pid in workers if below(pid)]


def _wait_for_a_part(table: Path, before: set[Path], process: subprocess.Popen[str]) -> set[Path]:
    """Wait until a run has written a file that was not there before."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        now = set(table_files(table))
        if now - before:
            return now
        time.sleep(0.005)
    pytest.fail(f"no part was written: {process.communicate()[1]}")


@pytest.fixture(scope="module")
def local(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the local engine."""
    return infer.run(_settings(images, tmp_path_factory.mktemp("local"))).table.path


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
@pytest.mark.parametrize("out", ["s3://bucket/run", "folder"])
def test_a_cluster_loses_driver_and_workers_but_no_row(
    images: Path, local: Path, tmp_path: Path, cluster: tuple[int, dict[str, str]], out: str
) -> None:
    """The driver is killed, and in the second run a worker: the rows are those of the local engine, bit by bit.

    Workers that write into a store open the images by their URLs.
    """
    ancestor, environment = cluster
    place = place_of(out) if is_url(out) else tmp_path / out
    table = place / "predictions.parquet"
    source = images.as_uri() if is_url(out) else str(images)
    with _infer(source, str(place), environment, "--workers", "2") as driver:
        _wait_for_a_part(table, set(), driver)
        driver.kill()
    deadline = time.monotonic() + PATIENCE
    while _workers(ancestor):
        assert time.monotonic() < deadline, "Ray keeps the workers of a driver that is gone"
        time.sleep(0.05)
    kept = {path: path.stat().st_mtime for path in table_files(table)}
    done = sum(part.rows for part in open_table(table).parts)
    assert 0 < done < COUNT
    with _infer(source, str(place), environment) as driver:
        _wait_for_a_part(table, set(kept), driver)
        os.kill(_workers(ancestor)[0], signal.SIGKILL)
        assert driver.poll() is None
        stdout, stderr = driver.communicate()
    assert driver.returncode == 1, stderr  # one image is torn
    assert f"{COUNT} radiographs, {COUNT - done} computed now, 1 failed" in stdout
    assert SECRET not in stdout + stderr
    assert {path: path.stat().st_mtime for path in table_files(table) if path in kept} == kept
    _same(table, local, source)


def _same(ours: Path, expected: Path, source: str) -> None:
    """Compare tables bit by bit; but paths, those in reasons too, are URLs, or start at the folder of ours."""
    for left, right in zip(open_table(ours).rows(), open_table(expected).rows(), strict=True):
        image = f"{source}/{right.image_id}"
        path = image if is_url(source) else os.path.relpath(image, ours)
        error = None if right.error is None else right.error.replace(right.path, path)
        stamp = right.stamp
        if is_url(source) and stamp is not None and left.stamp is not None:
            stamp = replace(stamp, mtime_ns=left.stamp.mtime_ns)  # as the server tells it
        assert_same_row(left, right, path=path, error=error, stamp=stamp)
