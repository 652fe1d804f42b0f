"""A table that is a folder is kept up to date like one that is a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.commands import infer
from btxrd_explain.errors import TableError
from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from btxrd_explain.predictions.store import Journal
from btxrd_explain.predictions.table import open_table
from btxrd_explain.progress import Listener
from btxrd_explain.settings import DataSettings, GradcamSettings, ModelSettings, OutputSettings, Settings
from btxrd_explain.synthetic import SYNTHETIC, demo_checkpoint
from tests.support.same_rows import assert_same_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from btxrd_explain.commands.infer import InferResult
    from btxrd_explain.core.geometry import Size
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction

COUNT = 6
Method = Literal["gradcam", "hirescam"]


class Notes(Listener):
    """Keeps what a run said, and the rows that it told of."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.told: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def predicted(self, row: Prediction, provenance: Provenance, overlay: Path | None = None) -> None:  # noqa: ARG002
        self.told.append(row.image_id)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(COUNT):
        _draw(folder / f"{number}.png", number)
    return folder


def _draw(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    Image.fromarray(random.integers(0, 256, (40, 30), dtype=np.uint8)).save(path)


def _split(images: Path, label: str, *extra: str) -> Path:
    names = [*sorted(path.name for path in images.iterdir()), *extra]
    path = images.parent / "split.csv"
    path.write_text("image_id,split,label\n" + "".join(f"{name},test,{label}\n" for name in names))
    return path


def _infer(
    where: Path, predictions: Path, source: Path, *, listener: Notes | None = None, method: Method = "gradcam"
) -> InferResult:
    return infer.run(
        Settings(
            data=DataSettings(inputs=(str(source),), images=where),
            model=ModelSettings(checkpoint=demo_checkpoint(), device="cpu", batch_size=2),
            gradcam=GradcamSettings(method=method),
            output=OutputSettings(directory=predictions.parent, predictions=predictions, overlay=False),
        ),
        listener,
    )


def _same(ours: Path, expected: Path) -> None:
    """Compare tables by content; the paths in a folder, those in reasons too, start one level deeper."""
    for left, right in zip(open_table(ours).rows(), open_table(expected).rows(), strict=True):
        assert left.path.removeprefix("../") == right.path
        error = left.error and left.error.replace("'../", "'", 1)
        assert error == right.error
        assert_same_row(left, right, path=left.path, error=left.error)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "table").mkdir()
    return tmp_path / "table"


def _steps(images: Path) -> Iterator[tuple[Path, int]]:
    """Change the images step by step; yield the split CSV, and how many images are to be computed then."""
    away = images.parent / "1.png"
    yield _split(images, "Normal"), COUNT
    _draw(images / "7.png", seed=7)
    _draw(images / "2.png", seed=70)
    yield _split(images, "Normal"), 2
    yield _split(images, "Benign"), 0
    (images / "1.png").rename(away)
    yield _split(images, "Benign", "1.png"), 0
    away.rename(images / "1.png")
    yield _split(images, "Benign"), 1


def test_a_folder_follows_its_images_like_a_file(images: Path, folder: Path, tmp_path: Path) -> None:
    """New, changed, relabelled and missing images, and one that comes back: both hold the same rows after each."""
    file = tmp_path / "table.parquet"
    for split, expected in _steps(images):
        assert [_infer(images, place, split).computed for place in (folder, file)] == [expected, expected]
        _same(folder, file)
        again = Notes()
        assert _infer(images, folder, split, listener=again).computed == 0
        assert again.notes == [SYNTHETIC]
        assert again.told == [row.image_id for row in open_table(folder).index()]
    assert {row.label for row in open_table(folder).index()} == {"Benign"}


def test_a_missing_file_that_is_still_missing_changes_nothing(images: Path, tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    split = _split(images, "Normal", "9.png")
    _infer(images, file, split)
    before = file.stat().st_mtime_ns
    result = _infer(images, file, split)
    assert [row.image_id for row in result.failed] == ["9.png"]
    assert file.stat().st_mtime_ns == before


def test_a_folder_of_another_fingerprint_is_kept_aside(images: Path, folder: Path) -> None:
    _infer(images, folder, images)
    fingerprint = open_table(folder).provenance.fingerprint
    notes = Notes()
    assert _infer(images, folder, images, listener=notes, method="hirescam").computed == COUNT
    aside = folder.with_name(f"table.{fingerprint[:8]}")
    assert open_table(aside).provenance.method == "gradcam"
    assert open_table(folder).provenance.method == "hirescam"
    assert f"the former table is kept as '{aside.name}'" in notes.notes


@pytest.mark.parametrize("name", ["table", "table.parquet"])
def test_every_former_table_is_kept(images: Path, tmp_path: Path, name: str) -> None:
    table = tmp_path / name
    if not table.suffix:
        table.mkdir()
    methods: tuple[Method, ...] = ("gradcam", "hirescam", "gradcam", "hirescam")
    for number, method in enumerate(methods):
        _infer(images, table, images / f"{number}.png", method=method)
    kept = [path for path in tmp_path.glob("table*") if path.suffix in {"", ".parquet"} or path.is_dir()]
    assert sorted(row.image_id for path in kept for row in open_table(path).index()) == [f"{n}.png" for n in range(4)]


def test_a_damaged_folder_is_left_to_its_owner(images: Path, folder: Path) -> None:
    _infer(images, folder, images)
    (folder / "torn.parquet").write_bytes(b"torn")
    with pytest.raises(TableError, match="torn"):
        _infer(images, folder, images)
    assert len(list(folder.iterdir())) == 2


def _interrupted_at(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Let the reading of an image end like Ctrl-C; return the names of the images that are read."""
    names: list[str] = []

    def read(path: Path, needed: Callable[[Size], Size], *, deep: bool) -> Radiograph:
        names.append(path.name)
        if path.name == name:
            raise KeyboardInterrupt
        return read_radiograph(path, needed, deep=deep)

    monkeypatch.setattr("btxrd_explain.inference.reading.read_radiograph", read)
    return names


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_interrupted_run_goes_on(
    images: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """After an interrupt one of the computed images changes, and a second interrupt follows: nothing is there twice."""
    place = folder if kind == "folder" else tmp_path / "table.parquet"
    for seed, name in enumerate(("4.png", "5.png")):
        with monkeypatch.context() as patch:
            _interrupted_at(patch, name)
            with pytest.raises(KeyboardInterrupt):
                _infer(images, place, images)
        _draw(images / "0.png", seed=100 + seed)
    with monkeypatch.context() as patch:
        names = _interrupted_at(patch, "none")
        _infer(images, place, images)
    assert "0.png" in names
    assert "1.png" not in names
    _infer(images, tmp_path / "expected.parquet", images)
    _same(place, tmp_path / "expected.parquet")
    assert not Journal(place).folder.exists()
    assert not list(tmp_path.rglob("*.tmp"))
