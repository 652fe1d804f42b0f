"""Labels of several classes decide on the activation of a whole table, whichever part of it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run, said
from tests.support.tiny_study import save_network, write_images

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("a|b", "c", "a", "b")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four radiographs, of which one has two findings, and a network with three outputs."""
    folder = tmp_path_factory.mktemp("several")
    save_network(folder / "best.pt", ("a", "b", "c"))
    write_images(folder, 4)
    return folder


def _infer(data: Path, out: Path, labels: tuple[str, ...], *arguments: object) -> str:
    out.mkdir(exist_ok=True)
    splits = ("test", "val", "val", "val")
    rows = [f"{number}.png,{splits[number]},{label}" for number, label in enumerate(labels)]
    (out / "split.csv").write_text("\n".join(["image_id,split,label", *rows]))
    return said("infer", data, "-c", data / "best.pt", "--split-csv", out / "split.csv", "-o", out, *arguments)


def test_a_split_without_such_a_label_keeps_the_table(data: Path, tmp_path: Path) -> None:
    _infer(data, tmp_path, LABELS)
    before = (tmp_path / "predictions.parquet").read_bytes()
    said = _infer(data, tmp_path, LABELS, "--split", "val")
    assert "computing" not in said
    assert (tmp_path / "predictions.parquet").read_bytes() == before
    assert open_table(tmp_path / "predictions.parquet").provenance.multi_label


def test_other_labels_of_all_radiographs_decide_anew(data: Path, tmp_path: Path) -> None:
    _infer(data, tmp_path, LABELS)
    assert "computing 4 images" in _infer(data, tmp_path, ("a", *LABELS[1:]))
    assert not open_table(tmp_path / "predictions.parquet").provenance.multi_label


def test_all_jobs_of_an_array_have_one_activation(data: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        _infer(data, tmp_path, LABELS, "--shard", f"{number}/3")
    tables = [open_table(path) for path in sorted(tmp_path.glob("*.shard-*"))]
    assert len(tables) >= 2
    assert all(table.provenance.multi_label for table in tables)


def test_columns_that_are_no_classes_decide_nothing(data: Path, tmp_path: Path) -> None:
    """A column of 0 and 1 may tell the sex: the network's softmax is not given up for that."""
    (tmp_path / "split.csv").write_text("image_id,split,male\n0.png,test,1\n1.png,test,0\n")
    command = ["infer", data, "-c", data / "best.pt", "--split-csv", tmp_path / "split.csv", "-o", tmp_path / "out"]
    for name in ("infer", "sanity"):
        result = run(name, *command[1:], code=4)
        said = " ".join(result.stderr.split())
        assert "labels such as 'male=1' name several classes, none of which the network has (a, b, c)" in said
    result = run(*command, "--activation", "softmax")
    assert not open_table(tmp_path / "out" / "predictions.parquet").provenance.multi_label
