"""Files of one name in runs that fill one table: the same radiograph somewhere else, or another radiograph."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.inference.compute import Explainer
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    from btxrd_explain.predictions.record import Prediction

NAME = "IMG000002.jpeg"
FIRST = "BTXRD/images/IMG000002.jpeg"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """A folder with a BTXRD root of four radiographs, and their table in out/."""
    folder = tmp_path_factory.mktemp("filled")
    write_root(folder, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _infer("BTXRD", "--split-csv", "split.csv")
    return folder


@pytest.fixture
def folder(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder to work in, with an empty folder other/."""
    shutil.copytree(filled, tmp_path / "study", copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path / "study")
    Path("other").mkdir()
    return tmp_path / "study"


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that go through the network."""
    explained, names = Explainer._explained, list[str]()

    def noted(self: Explainer, batch: list[object]) -> list[Prediction]:
        rows = explained(self, batch)  # type: ignore[arg-type]
        names.extend(row.image_id for row in rows)
        return rows

    monkeypatch.setattr(Explainer, "_explained", noted)
    return names


def _infer(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
    flags = ("--checkpoint", "demo", "--device", "cpu", "-o", "out", "--no-overlay")
    return run("infer", *arguments, *flags, code=code, stdin=stdin)


def _rows() -> dict[str, Prediction]:
    return {row.image_id: row for row in open_table(Path("out/predictions.parquet")).index()}


def _copy(place: str, *, of: str = NAME) -> str:
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(f"BTXRD/images/{of}", place)
    return place


def _refused(*arguments: str, stdin: str | None = None) -> str:
    """Run what must be refused; return the one line that says why. The table stays as it was, to the byte."""
    before = Path("out/predictions.parquet").read_bytes()
    result = _infer(*arguments, "--quiet", code=4, stdin=stdin)
    assert result.stdout == ""
    assert Path("out/predictions.parquet").read_bytes() == before
    assert [path.name for path in Path("out").iterdir()] == ["predictions.parquet"]
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.usefixtures("folder")
def test_another_radiograph_of_that_name_is_refused(computed: list[str]) -> None:
    other = _copy(f"other/{NAME}", of="IMG000003.jpeg")
    assert _refused(other) == (
        f"error: the table has '{NAME}' from '{FIRST}', and '{other}' is another radiograph of that name: "
        "rename one of them, or name another folder of results with -o"
    )
    assert computed == []


@pytest.mark.usefixtures("folder", "computed")
@pytest.mark.parametrize(
    "kind", ["folder", "stdin", "split CSV", "root", "after the first is gone", "same size and time"]
)
def test_it_is_refused_however_it_is_named(kind: str) -> None:
    other = _copy(f"other/images/{NAME}", of="IMG000003.jpeg")
    stdin, arguments = None, ["other/images"]
    if kind == "stdin":
        stdin, arguments = f"{other}\n", ["-"]
    elif kind == "split CSV":
        arguments = ["split.csv", "--images", "other/images"]
        for number in (0, 1, 3):
            _copy(f"other/images/IMG{number:06d}.jpeg", of=f"IMG{number:06d}.jpeg")
    elif kind == "root":
        shutil.copytree("BTXRD/Annotations", "other/Annotations")
        arguments = ["other"]
    elif kind == "after the first is gone":
        Path(FIRST).unlink()
    elif kind == "same size and time":  # as archives and converters leave them
        content = Path(FIRST).read_bytes()
        Path(other).write_bytes(content[:-3] + b"\0" + content[-2:])
        status = Path(FIRST).stat()
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    line = _refused(*arguments, stdin=stdin)
    assert f"'{FIRST}'" in line
    assert f"'{other}' is another radiograph" in line


@pytest.mark.usefixtures("folder")
def test_by_its_url_it_is_refused_too(folder: Path) -> None:
    other = (folder / _copy(f"other/{NAME}", of="IMG000003.jpeg")).as_uri()
    assert f"'{other}' is another radiograph" in _refused(other)


@pytest.mark.usefixtures("folder")
def test_it_is_refused_in_a_table_of_many_files_too() -> None:
    Path("table").mkdir()
    flags = ("--predictions", "table")
    _infer("BTXRD", *flags)
    before = {path: path.read_bytes() for path in Path("table").iterdir()}
    result = _infer(_copy(f"other/{NAME}", of="IMG000003.jpeg"), *flags, code=4)
    assert "is another radiograph of that name" in " ".join(result.output.split())
    assert {path: path.read_bytes() for path in Path("table").iterdir()} == before


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("keep", [True, False])
def test_the_same_content_somewhere_else_has_moved(computed: list[str], *, keep: bool) -> None:
    """Whether the file was moved or copied, whatever the time of its last change."""
    before = _rows()
    other = _copy(f"other/{NAME}")
    os.utime(other, (0, 0))
    if not keep:
        Path(FIRST).unlink()
    result = _infer(other)
    assert f"note: moved, with the same content: '{NAME}'; what the table says of them is kept" in result.stderr
    assert computed == []
    after = _rows()
    assert after.keys() == before.keys()
    moved, former = after[NAME], before[NAME]
    assert moved.path == f"../other/{NAME}"
    assert (moved.label, moved.split, moved.stamp) == ("Malignant", "test", former.stamp)
    assert (moved.probabilities == former.probabilities).all()  # type: ignore[union-attr]
    assert "moved" not in _infer(other).output


@pytest.mark.usefixtures("folder")
def test_a_whole_data_set_can_move(computed: list[str]) -> None:
    Path("BTXRD").rename("archive")
    result = _infer("archive")
    assert "moved, with the same content: 'IMG000000.jpeg' and 3 more" in " ".join(result.output.split())
    assert computed == []
    assert {row.path for row in _rows().values()} == {f"../archive/images/IMG{number:06d}.jpeg" for number in range(4)}


@pytest.mark.usefixtures("folder")
def test_another_way_to_the_same_file_is_not_another_file(computed: list[str]) -> None:
    """Not even where its content has changed."""
    Path("link").symlink_to("BTXRD")
    shutil.copyfile("BTXRD/images/IMG000003.jpeg", FIRST)
    _infer(f"link/images/{NAME}")
    assert computed == [NAME]
    assert _rows()[NAME].path == f"../link/images/{NAME}"


@pytest.mark.usefixtures("folder")
def test_a_file_that_changed_in_its_place_keeps_label_and_split(computed: list[str]) -> None:
    shutil.copyfile("BTXRD/images/IMG000003.jpeg", FIRST)
    _infer(FIRST)
    assert computed == [NAME]
    row = _rows()[NAME]
    assert (row.label, row.split, row.path) == ("Malignant", "test", f"../{FIRST}")


@pytest.mark.usefixtures("folder", "computed")
def test_what_cannot_be_compared_is_refused() -> None:
    os.mkfifo(f"other/{NAME}")
    line = _refused(f"other/{NAME}")
    assert f"the table has '{NAME}' from '{FIRST}', and 'other/{NAME}' cannot be compared with it (" in line


@pytest.mark.usefixtures("folder", "computed")
@pytest.mark.parametrize("kind", ["named", "split CSV"])
def test_a_name_that_leads_nowhere_takes_no_row_of_another_place(kind: str) -> None:
    others = [_copy(f"other/IMG{number:06d}.jpeg", of=f"IMG{number:06d}.jpeg") for number in (0, 1, 3)]
    arguments = [*others, f"other/{NAME}"] if kind == "named" else ["split.csv", "--images", "other"]
    line = _refused(*arguments)
    assert f"the table has '{NAME}' from '{FIRST}', and the one that is named now is not there (no such file" in line


@pytest.mark.usefixtures("folder")
def test_another_content_of_the_same_size_and_time_is_seen_with_verify(computed: list[str]) -> None:
    """Archives and converters set times, and some file systems keep them by the second."""
    status, content = Path(FIRST).stat(), Path(FIRST).read_bytes()
    before = _rows()[NAME]
    Path(FIRST).write_bytes(content[:-3] + b"\0" + content[-2:])
    os.utime(FIRST, ns=(status.st_atime_ns, status.st_mtime_ns))
    _infer("BTXRD", "--split-csv", "split.csv")
    assert computed == []
    exported = run("export", "--to", "masks", "-o", "out", "--verify", code=1)
    assert f"{NAME}: '{Path('out', '..', FIRST)}' has changed since it was predicted" in exported.stderr
    _infer("BTXRD", "--split-csv", "split.csv", "--verify")
    assert computed == [NAME]
    assert _rows()[NAME].stamp != before.stamp
    computed.clear()
    _infer("BTXRD", "--split-csv", "split.csv", "--verify")
    assert computed == []


@pytest.mark.usefixtures("folder", "computed")
def test_a_file_that_is_gone_from_its_place_is_missing_as_ever() -> None:
    Path(FIRST).unlink()
    _infer("split.csv", "--images", "BTXRD/images", code=1)
    assert _rows()[NAME].status is RowStatus.MISSING


@pytest.mark.usefixtures("folder")
def test_a_radiograph_that_was_never_read_is_known_by_its_place() -> None:
    """Nothing tells the content of a pipe, and so only its place can tell it from others."""
    os.mkfifo("other/IMG000009.jpeg")
    _infer("other/IMG000009.jpeg", code=1)
    place = _copy("third/IMG000009.jpeg")
    assert f"'{place}' is another file of that name" in _refused(place)
    Path("other/IMG000009.jpeg").unlink()
    _infer(place)
    row = _rows()["IMG000009.jpeg"]
    assert (row.status, row.path) == (RowStatus.OK, f"../{place}")


@pytest.mark.usefixtures("folder")
def test_in_one_listing_both_have_rows() -> None:
    other = _copy(f"other/{NAME}", of="IMG000003.jpeg")
    _infer(FIRST, other, "--predictions", "both.parquet")
    ids = [row.image_id for row in open_table(Path("both.parquet")).index()]
    assert ids == [FIRST, other]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("more_first", [False, True])
def test_one_radiograph_has_no_second_row_when_others_of_its_name_come_or_go(
    computed: list[str], *, more_first: bool
) -> None:
    """Alone it is named by its name, with others of that name by its path."""
    flags = ("--predictions", "out/predictions.parquet") if not more_first else ("--predictions", "out/both.parquet")
    both = (FIRST, _copy(f"other/{NAME}", of="IMG000003.jpeg"))
    if more_first:
        _infer(*both, *flags)
    before = Path(flags[1]).read_bytes()
    computed.clear()
    line = _infer(*([FIRST] if more_first else both), *flags, "--quiet", code=4).stderr
    names = (FIRST, NAME) if more_first else (NAME, FIRST)
    assert line == (
        f"error: the table has '{FIRST}' as '{names[0]}', and it is named '{names[1]}' now: name the same inputs as "
        "for the table, or another folder of results with -o\n"
    )
    assert computed == []
    assert Path(flags[1]).read_bytes() == before


@pytest.mark.usefixtures("folder")
def test_shards_of_two_data_sets_are_not_merged() -> None:
    """An image of some name is in the same shard of every data set."""
    _copy(f"other/{NAME}", of="IMG000003.jpeg")
    for name, images in (("a", "BTXRD"), ("b", "other")):
        for number in (1, 2):
            _infer(images, "--shard", f"{number}/2", "--predictions", f"{name}/p.parquet", code=0)
    shards = sorted(str(path) for folder in "ab" for path in Path(folder).iterdir())
    result = run("merge", *shards, "-o", "merged.parquet", code=5)
    assert f"'{NAME}' is in " in " ".join(result.output.split())
