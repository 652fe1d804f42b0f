"""`merge`: one run shared out among the tasks of a job array, and made whole again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.commands import infer, merge
from btxrd_explain.console.network import show_infer
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import OutputError, SettingsError, TableError
from btxrd_explain.predictions.provenance import SplitCsv
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, RunSettings, Settings
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.system.files import sha256_of
from tests.support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.commands.infer import InferResult

COUNT = 7
SHARDS = 9
"""More than images, so that some tasks have nothing to do."""


def _images(folder: Path) -> Path:
    """Seven images, of which one is damaged, and a split CSV that also names one that does not exist."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = random.integers(0, 256, (30 + number, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    (folder / "images" / "3.png").write_bytes(b"torn")
    names = [f"{number}.png,test,Normal" for number in (*range(COUNT), 99)]
    (folder / "split.csv").write_text("\n".join(["image_id,split,label", *names]) + "\n")
    return folder / "split.csv"


def _infer(
    split_csv: Path, out: Path, *, shard: str | None = None, predictions: Path | None = None, batch_size: int = 1
) -> InferResult:
    return infer.run(
        Settings(
            data=DataSettings(inputs=(str(split_csv),), images=split_csv.parent / "images"),
            model=ModelSettings(checkpoint=demo_checkpoint(), device="cpu", batch_size=batch_size),
            output=OutputSettings(directory=out, predictions=predictions),
            run=RunSettings(shard=shard),
        )
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was not split, and of the same run in shards."""
    folder = tmp_path_factory.mktemp("shards")
    split_csv = _images(folder)
    _infer(split_csv, folder / "out")
    for number in range(1, SHARDS + 1):
        _infer(split_csv, folder / "out", shard=f"{number}/{SHARDS}")
    return folder


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("out/predictions.shard-*.parquet"))


def test_merged_shards_are_the_run_that_was_never_split(whole: Path) -> None:
    """To the last bit, for the batches are of one image: those of more are rounded otherwise with other neighbours."""
    shards = _shards(whole)
    assert len(shards) == SHARDS
    assert any(not sum(part.rows for part in open_table(path).parts) for path in shards)
    result = merge.run(shards, whole / "out" / "merged.parquet")
    assert (result.rows, len(result.failed)) == (COUNT + 1, 2)
    assert (whole / "out" / "merged.parquet").read_bytes() == (whole / "out" / "predictions.parquet").read_bytes()
    recorded = SplitCsv("split.csv", sha256_of(whole / "split.csv"), None)
    assert result.table.provenance.split_csvs == (recorded,)


def test_batches_move_nothing_but_the_last_digits(whole: Path, tmp_path: Path) -> None:
    _infer(whole / "split.csv", tmp_path, batch_size=4)
    batched, single = (open_table(folder / "predictions.parquet") for folder in (tmp_path, whole / "out"))
    for ours, expected in zip(batched.rows(), single.rows(), strict=True):
        assert ours.status == expected.status
        if expected.probabilities is not None and expected.grids is not None:
            assert ours.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
            assert ours.grids == pytest.approx(expected.grids, abs=float(1e-5 * np.abs(expected.grids).max()))


def test_what_is_missing_is_told_before_what_may_be_wrong(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(
        data=DataSettings(inputs=(str(whole / "split.csv"),), images=whole / "images"),
        model=ModelSettings(checkpoint=demo_checkpoint(), device="cpu", batch_size=1),
        output=OutputSettings(directory=whole / "out"),
    )
    infer.run(settings, Terminal())
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("missing: 99.png: no such file in ") for line in lines) == 1
    kinds = [line.partition(":")[0] for line in lines]
    assert "warning" not in kinds[: kinds.index("missing")]


def test_paths_hold_where_the_merged_table_is(whole: Path, tmp_path: Path) -> None:
    table = merge.run(_shards(whole), tmp_path / "deep" / "er" / "merged.parquet").table
    row = next(iter(table.index()))
    assert table.image_path(row).resolve() == (whole / "images" / "0.png").resolve()


def test_a_shard_that_is_done_computes_nothing_again(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in _shards(whole)}
    results = [_infer(whole / "split.csv", whole / "out", shard=f"{n}/{SHARDS}") for n in range(1, SHARDS + 1)]
    assert sum(result.computed for result in results) == 0
    assert sum(len(result.rows) for result in results) == COUNT + 1
    assert {path: path.stat().st_mtime_ns for path in _shards(whole)} == before


def test_shards_may_be_the_files_of_a_folder(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    for number in (1, 2):
        _infer(whole / "split.csv", tmp_path, shard=f"{number}/2", predictions=folder)
    assert [row.image_id for row in open_table(folder).index()] == [f"{n}.png" for n in (*range(COUNT), 99)]
    merged = merge.run([folder], tmp_path / "predictions.parquet").table
    assert len(merged.index()) == COUNT + 1


def test_a_shard_leads_to_the_others_and_to_merging(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_infer(Terminal(), _infer(whole / "split.csv", tmp_path, shard=f"1/{SHARDS}"))
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("next:")]
    merging = f"btxrd-explain merge {tmp_path}/predictions.shard-*-of-{SHARDS}.parquet"
    assert told == [f"next: the other shards, then {merging} -o {tmp_path}/predictions.parquet"]


def test_shards_of_two_divisions_are_told_apart(whole: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        _infer(whole / "split.csv", tmp_path, shard=f"{number}/2")
    both = [*_shards(whole), *tmp_path.glob("*.shard-*")]
    with pytest.raises(TableError, match=rf"shards of 2 divisions of 'predictions' are named, of 2 and {SHARDS}: name"):
        merge.run(both, tmp_path / "merged.parquet")


@pytest.mark.parametrize(("first", "last", "refused"), [("1", "2", False), ("1", "5", True), ("2", "5", True)])
def test_the_tasks_of_a_resubmission_are_not_taken_for_the_shards(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, last: str, *, refused: bool
) -> None:
    array = {"ID": "2", "COUNT": "2", "MIN": first, "MAX": last}
    for name, value in array.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    if refused:
        with pytest.raises(SettingsError, match=f"--shard 2/2 counts the 2 tasks .* numbers are {first} to {last}"):
            _infer(whole / "split.csv", tmp_path, shard="2/2")
    else:
        assert _infer(whole / "split.csv", tmp_path, shard="2/2").rows


def test_a_missing_shard_is_named(whole: Path, tmp_path: Path) -> None:
    shards = [path for path in _shards(whole) if "-2-of" not in path.name and "-5-of" not in path.name]
    with pytest.raises(TableError, match=rf"shards are missing: 2/{SHARDS}, 5/{SHARDS}: run"):
        merge.run(shards, tmp_path / "merged.parquet")
    assert not (tmp_path / "merged.parquet").exists()


def test_a_shard_that_is_named_twice_is_said_to_be(whole: Path, tmp_path: Path) -> None:
    shards = _shards(whole)
    with pytest.raises(TableError, match=r"-1-of-9\.parquet' is named twice: name each table once"):
        merge.run([*shards, shards[0]], tmp_path / "merged.parquet")


def test_an_image_in_two_tables_is_named(whole: Path, tmp_path: Path) -> None:
    table = whole / "out" / "predictions.parquet"
    with pytest.raises(TableError, match=r"'0\.png' is in .*predictions\.parquet' and .*again\.parquet'"):
        merge.run([table, _copy(table, tmp_path / "again.parquet")], tmp_path / "merged.parquet")
    assert not (tmp_path / "merged.parquet").exists()


def _copy(path: Path, target: Path) -> Path:
    target.write_bytes(path.read_bytes())
    return target


def test_a_folder_is_no_target(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        merge.run(_shards(whole), tmp_path)


def test_the_command(whole: Path, tmp_path: Path) -> None:
    arguments = ["merge", *map(str, _shards(whole)), "-o", str(tmp_path / "merged.parquet")]
    result = run(*arguments, code=1)  # two images have no prediction
    assert "8 radiographs, 2 of them without prediction" in result.stdout
    failed = [row for row in open_table(tmp_path / "merged.parquet").rows() if row.status is not RowStatus.OK]
    assert result.stderr.splitlines()[:2] == [f"{row.status}: {row.image_id}: {row.error}" for row in failed]
    result = run("merge", tmp_path / "nothing.parquet", code=5)
