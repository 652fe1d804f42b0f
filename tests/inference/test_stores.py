"""Tables in object stores: fsspec's own in memory, and an S3 server behind a socket.

Workers of a cluster that write into one: tests/inference/test_cluster.py.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from btxrd_explain.commands import infer
from btxrd_explain.errors import EngineError, ExitCode, OutputError, SettingsError, UnreachableTableError
from btxrd_explain.inference.results import read_predictions
from btxrd_explain.inference.target import claim, claim_of
from btxrd_explain.predictions import store
from btxrd_explain.predictions.store import write_part
from btxrd_explain.predictions.table import open_table, table_files
from btxrd_explain.settings.flags import settings_of_call
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.synthetic.dataset import write_dataset
from btxrd_explain.system.files import atomic_write, write_bytes
from btxrd_explain.system.places import place_of, result_place
from tests.support.command_line import run
from tests.support.s3 import SECRET, s3_server
from tests.support.same_rows import assert_same_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from btxrd_explain.commands.infer import InferResult
    from btxrd_explain.predictions.table import PredictionTable

COUNT = 7
UNIT = 2
URL = "memory://bucket/run"
TABLE = f"{URL}/predictions.parquet"
JOURNAL = place_of(f"{URL}/.predictions.parquet.journal")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for number in range(COUNT):
        _draw(folder / f"{number}.png", number)
    (folder / "3.png").write_bytes(b"torn")
    return folder


def _draw(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    Image.fromarray(random.integers(0, 256, (40 + seed, 30), dtype=np.uint8)).save(path)


@pytest.fixture(autouse=True)
def _empty_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(store, "_ROWS_PER_PART", UNIT)
    yield
    memory = fsspec.filesystem("memory")
    if memory.exists("/bucket"):
        memory.rm("/bucket", recursive=True)


def _infer(images: Path, out: Path | str, **flags: object) -> InferResult:
    network = {"checkpoint": demo_checkpoint(), "device": "cpu", "batch_size": 1, "image_size": 64}
    given = {"directory": str(out), **network, **flags}
    return infer.run(settings_of_call("infer", given, {"data.inputs": (str(images),)}))


def _after_parts(patch: pytest.MonkeyPatch, count: int, happens: Callable[[], None]) -> None:
    """Let something happen as a run, which has written so many files, begins with the next one."""
    written: list[Path] = []

    def write(*arguments: Any) -> Path:  # noqa: ANN401 -- as the function has them
        if len(written) == count:
            happens()
        written.append(write_part(*arguments))
        return written[-1]

    patch.setattr(store, "write_part", write)


@pytest.fixture(scope="module")
def local(images: Path, tmp_path_factory: pytest.TempPathFactory) -> PredictionTable:
    """The table of a run on this machine."""
    return _infer(images, tmp_path_factory.mktemp("local")).table


def _same(ours: PredictionTable, expected: PredictionTable) -> None:
    """Compare bit by bit; from a store, paths on this machine are seen from the root on."""
    for left, right in zip(ours.rows(), expected.rows(), strict=True):
        path = expected.image_path(right).resolve().as_posix()
        error = None if right.error is None else right.error.replace(right.path, path)
        assert_same_row(left, right, path=path, error=error)


def _stored() -> list[str]:
    return sorted(fsspec.filesystem("memory").find("/bucket"))


def test_a_run_into_a_store_is_that_on_this_machine_and_is_current(images: Path, local: PredictionTable) -> None:
    result = _infer(images, URL)
    assert (result.computed, str(result.table.path), _stored()) == (COUNT, TABLE, ["/bucket/run/predictions.parquet"])
    _same(result.table, local)
    assert _infer(images, f"{URL}/").computed == 0
    table = read_predictions(TABLE)
    assert len(table) == COUNT
    assert table.radiograph("0.png").pixels.shape[:2] == (40, 30)


def test_a_run_that_is_interrupted_goes_on(
    images: Path, local: PredictionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        _after_parts(patch, 2, interrupt)
        with pytest.raises(KeyboardInterrupt):
            _infer(images, URL)
    kept = [part.rows for part in open_table(JOURNAL).parts]
    assert len(kept) == 2
    assert not table_files(place_of(TABLE)), "a half table"
    result = _infer(images, URL)
    assert result.computed == COUNT - sum(kept)
    _same(result.table, local)
    assert _stored() == ["/bucket/run/predictions.parquet"]


def test_what_others_put_into_a_journal_stays(images: Path) -> None:
    thesis = "/bucket/run/.predictions.parquet.journal/thesis.parquet"
    fsspec.filesystem("memory").pipe(thesis, b"years of work")
    with pytest.raises(OutputError, match="is in the way"):
        _infer(images, URL)
    assert _stored() == [thesis]


def test_two_runs_that_began_at_different_times_write_the_same_files() -> None:
    """A unit follows from what is asked for, so that neither writes a row again under another name."""
    asked = [f"{number}.png" for number in range(COUNT)]
    whole = store.Units(JOURNAL, asked, asked)
    later = store.Units(JOURNAL, asked, asked[2 * UNIT :])
    assert {name: unit for name, unit in whole._unit.items() if name in later._unit} == later._unit


def test_shards_meet_in_a_store(images: Path, local: PredictionTable) -> None:
    """A task that runs twice at once, as after a lost machine, changes nothing; a lost one is told."""
    shards = [_infer(images, URL, shard=f"{number}/2") for number in (1, 2, 2)]
    assert [result.computed for result in shards[1:]] == [COUNT - shards[0].computed, 0]
    whole = open_table(place_of(URL))
    _same(whole, local)
    run("merge", f"{URL}/predictions.shard-*-of-2.parquet", "-o", TABLE, code=ExitCode.SOME_FILES_FAILED)
    _same(open_table(place_of(TABLE)), local)
    fsspec.filesystem("memory").rm("/bucket/run/predictions.shard-1-of-2.parquet")
    lost = run("merge", f"{URL}/predictions.shard-*-of-2.parquet", "-o", TABLE, code=None)
    assert (lost.exit_code, "shards are missing: 1/2" in lost.stderr) == (ExitCode.TABLE, True)


def test_a_folder_in_a_store_is_kept_up_to_date(tmp_path: Path) -> None:
    """That is what a cluster writes; there, too, a changed file is computed anew, and nothing else."""
    for number in range(5):
        _draw(tmp_path / f"{number}.png", number)
    claim(place_of(TABLE))
    assert _infer(tmp_path, URL).computed == 5
    parts = [name for name in _stored() if "/part-" in name]
    assert len(parts) == 3
    _draw(tmp_path / "1.png", 9)
    result = _infer(tmp_path, URL)
    assert result.computed == 1
    _same(result.table, _infer(tmp_path, tmp_path / "out").table)
    assert len([name for name in _stored() if "/part-" in name]) == 4


def test_a_run_stops_where_another_has_taken_over(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = place_of(TABLE)
    claim(folder)
    with monkeypatch.context() as patch:
        _after_parts(patch, 1, lambda: claim(folder))
        with pytest.raises(EngineError, match="another run has taken over"):
            _infer(images, URL)
    before = claim_of(folder)
    kept = [part.rows for part in open_table(folder).parts]
    assert len(kept) == 2
    assert _infer(images, URL).computed == COUNT - sum(kept)
    assert claim_of(folder) != before


def test_a_table_that_was_made_in_another_way_stays(images: Path, local: PredictionTable) -> None:
    """And so does the claim of a run that works on it."""
    claim(place_of(TABLE))
    result = _infer(images, URL)
    before = claim_of(place_of(TABLE))
    with pytest.raises(SettingsError, match=r"made in another way \(preprocess.image_size changed from 64 to 96\)"):
        _infer(images, URL, image_size=96)
    assert claim_of(place_of(TABLE)) == before
    _same(result.table, local)


def test_an_object_appears_whole_or_not_at_all() -> None:
    target = place_of(f"{URL}/a")

    def fail() -> None:
        with atomic_write(target) as file:
            file.write(b"half")
            raise InterruptedError

    with pytest.raises(Exception, match="cannot write"):
        fail()
    assert _stored() == []
    write_bytes(target, b"whole")
    with pytest.raises(Exception, match="cannot write"):
        fail()
    assert target.read_bytes() == b"whole"


def test_a_store_that_does_not_answer_is_not_taken_for_a_damaged_table(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the table would be computed again, and written over."""
    _infer(images, URL)
    memory = type(fsspec.filesystem("memory"))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no route\nto host")

    with monkeypatch.context() as patch:
        patch.setattr(memory, "_open", fail)
        with pytest.raises(UnreachableTableError, match=r"cannot read '.*' \(no route to host\): check the URL"):
            _infer(images, URL)
    assert _infer(images, URL).computed == 0


# What cannot be: one line, before anything is computed.


@pytest.mark.parametrize(
    "command", ["gallery", "annotate-iou", "performance", "report", "compare", "export", "check", "sanity", "study"]
)
def test_other_commands_write_into_folders(command: str) -> None:
    result = run(command, "-o", URL, code=ExitCode.USAGE)
    assert f"'{command}' writes into a folder on this machine, and not to '{URL}': name one with -o" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_imported_maps_and_overlays_go_into_folders(images: Path) -> None:
    imported = run("import-maps", images, "--predictions", TABLE, code=None)
    assert (imported.exit_code, "and not to" in imported.stderr) == (ExitCode.USAGE, True)
    with pytest.raises(SettingsError, match="overlays go into a folder on this machine"):
        _infer(images, URL, overlay=True)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAKEY:hidden@bucket/run",
        "https://bucket.s3.amazonaws.com/run?X-Amz-Signature=hidden",
        "https://account.blob.core.windows.net/run?sv=1&sig=hidden",
    ],
)
@pytest.mark.parametrize(
    "flags", [("-o",), ("--predictions",), ("--images",), ("--set", "output.directory="), ("INPUT",)]
)
def test_a_url_with_credentials_is_refused_and_not_repeated(url: str, flags: tuple[str, ...]) -> None:
    given = [url] if flags == ("INPUT",) else [*flags[:-1], flags[-1] + url] if len(flags) == 2 else [*flags, url]
    result = run("infer", *given, "-c", "demo", code=None)
    assert result.exit_code in {ExitCode.USAGE, ExitCode.INPUT}
    assert "holds credentials" in result.stderr
    assert "hidden" not in result.output
    assert len(result.stderr.splitlines()) == 1


# S3, as a server speaks it.


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as environment:
        yield environment


def _invoke(*arguments: object, fails: ExitCode = ExitCode.OK) -> str:
    result = run(*arguments, code=fails)
    assert SECRET not in result.output
    return result.output


def _without_places(document: Path) -> Any:  # noqa: ANN401 -- JSON
    """Return a report without what names the table and the paths in it."""
    text = re.sub(r'"[^"\n]*(?:predictions\.parquet|/images/|btxrd-explain )[^"\n]*"', '""', document.read_text())
    read = json.loads(text)
    read["provenance"].pop("table_sha256")  # of a table in a store null
    for file in ("annotation_report.md", "annotation_metrics.parquet"):  # which repeat that, and the command line
        read.get("sha256", {}).pop(file, None)
    return read


@pytest.mark.usefixtures("s3", "blank_figures")
def test_every_command_reads_a_table_in_s3(tmp_path: Path) -> None:
    """A run in shards, merged in the store, and the same run on this machine give the same results."""
    root = write_dataset(tmp_path / "BTXRD", seed=0, per_class={"test": 2}).root
    network = ["-c", demo_checkpoint(), "--device", "cpu", "--batch-size", "1"]
    for number in (1, 2):
        told = _invoke("infer", root, *network, "-o", "s3://bucket/shards", "--shard", f"{number}/2")
    merge = "btxrd-explain merge 's3://bucket/shards/predictions.shard-*-of-2.parquet' -o s3://bucket/shards"
    assert f"next: the other shards, then {merge}/predictions.parquet" in told
    whole = "s3://bucket/run/predictions.parquet"
    _invoke("merge", "s3://bucket/shards/predictions.shard-*-of-2.parquet", "-o", whole)
    _invoke("infer", root, *network, "-o", tmp_path / "local")
    assert "0 computed now" in (told := _invoke("infer", root, *network, "-o", "s3://bucket/run"))
    assert f"gallery {root} --checkpoint {demo_checkpoint()} --device cpu --batch-size 1 --predictions {whole}" in told
    annotations = ("--annotations", root / "Annotations")
    tables, outs = (whole, tmp_path / "local" / "predictions.parquet"), (tmp_path / "ours", tmp_path / "expected")
    both = {"gallery": "gallery.json", "annotate-iou": "annotation_report.json", "performance": "performance.json"}
    for command, document in both.items():
        for table, out in zip(tables, outs, strict=True):
            flags = annotations if command == "annotate-iou" else ()
            _invoke(command, "--predictions", table, "-o", out, *flags)
        ours, expected = (_without_places(out / document) for out in outs)
        assert ours == expected, command
    scores = [pq.read_table(out / "annotation_metrics.parquet") for out in outs]
    assert scores[0].equals(scores[1])
    _invoke("report", "--predictions", whole, "-o", outs[0], *annotations)
    _invoke("export", "--to", "npz", "--predictions", whole, "-o", outs[0])
    _invoke("compare", *tables, *annotations, "-o", outs[0])
    made = [outs[0] / name for name in ("report.html", "npz", "comparison.json")]
    assert all(path.exists() for path in made)


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_ends_in_one_line(images: Path) -> None:
    told = _invoke("performance", "--predictions", "s3://none/run", fails=ExitCode.TABLE)
    assert "cannot read 's3://none/run' (No such file or directory): check the URL" in told
    with pytest.raises(UnreachableTableError):
        _infer(images, "s3://none/run")


def test_a_url_of_this_machine_is_a_path(tmp_path: Path) -> None:
    assert result_place(f"{tmp_path.as_uri()}/run") == tmp_path / "run"
