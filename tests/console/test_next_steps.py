"""The command lines that lead on: each is run as it is printed, and works on the same radiographs in the same way."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from btxrd_explain.console.next_steps import first_missing, following, of_table
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import load_settings
from tests.support.command_line import run
from tests.support.small_dataset import write_small_dataset

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("blank_figures")
VAL = "data --checkpoint demo --split-csv data/split.csv --split val -o 'my run'"
"""Four of the eight radiographs of the table in ``my run``."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set of two splits, whose annotations are also somewhere else, and a table of both."""
    folder = tmp_path_factory.mktemp("next")
    write_small_dataset(folder / "data", seed=1, per_class={"test": 2, "val": 2})
    shutil.copytree(folder / "data" / "Annotations", folder / "elsewhere")
    shutil.copytree(folder / "data" / "images", folder / "bare")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(*shlex.split("infer data -c demo -o 'my run'"))
        run(*shlex.split("infer bare -c demo -o plain"))
    return folder


@pytest.fixture
def place(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(whole)
    monkeypatch.setenv("COLUMNS", "80")
    return whole


def _told(command: str, stdin: str | None = None) -> tuple[str, list[str], str]:
    """Run a command; return its standard output, the lines that lead on, and all that it tells."""
    result = run(*shlex.split(command), stdin=stdin)
    told = [line.removeprefix("next: ") for line in result.stderr.splitlines() if line.startswith("next: ")]
    return result.stdout, told, result.stderr


def _follow(told: list[str], command: str) -> tuple[Any, str]:
    """Run one of the lines as it is printed; return its JSON document and what it tells."""
    (line,) = (line for line in told if shlex.split(line)[:2] == ["btxrd-explain", command])
    stdout, _, stderr = _told(f"{line.removeprefix('btxrd-explain ')} --json")
    return json.loads(stdout), stderr


def _images(document: dict[str, Any]) -> set[str]:
    parts = ("per_image", "attention_patterns", "excluded_images", "failed_images")
    return {one["image_id"] for part in parts for one in document[part]}


def _of_split(place: Path, split: str) -> set[str]:
    rows = open_table(place / "my run" / "predictions.parquet").index()
    return {row.image_id for row in rows if row.split == split}


def test_infer_leads_to_the_split_that_was_asked_for(place: Path) -> None:
    _, told, _ = _told(f"infer {VAL}")
    assert [shlex.split(line)[1] for line in told] == ["gallery", "performance", "annotate-iou"]
    val = _of_split(place, "val")
    assert 0 < len(val) < len(open_table(place / "my run" / "predictions.parquet").index())
    galleries, _ = _follow(told, "gallery")
    assert sum(part[kind]["available"] for part in galleries["classes"].values() for kind in ("TP", "FN")) == len(val)
    assert _follow(told, "performance")[0]["num_images"] == len(val)
    assert _images(_follow(told, "annotate-iou")[0]) == val


@pytest.mark.parametrize("command", ["gallery", "performance"])
def test_analyses_lead_to_the_same_radiographs(place: Path, command: str) -> None:
    (place / "my run" / "gallery.json").unlink(missing_ok=True)  # what is there is not proposed
    _, told, _ = _told(f"{command} {VAL}")
    found, _ = _follow(told, {"gallery": "annotate-iou", "performance": "gallery"}[command])
    if command == "gallery":
        assert _images(found) == _of_split(place, "val")
    else:
        count = sum(part[kind]["available"] for part in found["classes"].values() for kind in ("TP", "FN"))
        assert count == len(_of_split(place, "val"))


def test_an_evaluation_leads_to_a_page_and_regions_of_the_same_protocol(place: Path) -> None:
    """A settings file, a threshold that was tuned, slices, groups and other annotations: the page takes the report."""
    (place / "own.yaml").write_text("annotation:\n  operator: '>'\nevaluation:\n  seed: 7\n")
    more = "--annotations elsewhere --tune-on data/split.csv --tune-split test --by center --group-column center"
    _, told, _ = _told(f"annotate-iou {VAL} {more} --metadata data/dataset.csv --config own.yaml --set output.dpi=51")
    report = json.loads((place / "my run" / "annotation_report.json").read_text("utf-8"))
    assert report["protocol"]["tuned_on"] is not None
    page, said = _follow(told, "report")
    assert page["images"] == len(_of_split(place, "val"))
    assert "not taken into account" not in said
    assert "elsewhere" in said
    _, said = _follow(told, "export")
    written = [json.loads(path.read_text("utf-8")) for path in (place / "my run" / "labelme").glob("*.json")]
    assert len(written) == len(_of_split(place, "val"))
    assert f"> {report['protocol']['threshold']:g}" in json.dumps(written[0], ensure_ascii=False)


def test_paths_on_the_standard_input_are_left_to_a_table_that_holds_no_others(place: Path) -> None:
    paths = [str(path) for path in sorted((place / "bare").iterdir())]
    assert _told("infer - -c demo -o plain", "\n".join(paths[:1]))[1] == []  # all of the table would be other numbers
    _, told, _ = _told("infer - -c demo -o plain", "\n".join(paths))
    assert told == ["btxrd-explain export --checkpoint demo -o plain --to labelme"]
    assert _follow(told, "export")[0]["exported"] == len(paths)


def test_checks_lead_to_what_they_are_a_check_of(place: Path) -> None:
    _, told, _ = _told(f"sanity {VAL} --sample 2 --stages 2")
    assert _images(_follow(told, "annotate-iou")[0]) == _of_split(place, "val")
    assert _told("sanity bare -c demo -o plain --sample 2 --stages 2")[1] == []  # nothing there is annotated


def test_interventions_lead_to_the_page_that_shows_them(place: Path) -> None:
    _, told, _ = _told(f"intervene {VAL} --controls 1 --pictures 0")
    assert _follow(told, "report")[0]["images"] == len(_of_split(place, "val"))
    assert "intervention" in (place / "my run" / "report.html").read_text("utf-8")


def test_tables_lead_to_what_they_are_good_for(place: Path) -> None:
    _, told, _ = _told("merge 'my run/predictions.parquet' -o merged/predictions.parquet")
    assert told == ["btxrd-explain gallery -o merged"]
    _follow(told, "gallery")
    _, told, _ = _told("merge plain/predictions.parquet -o merged/bare.parquet")
    assert told == ["btxrd-explain export --to labelme --predictions merged/bare.parquet"]
    (place / "strange.csv").write_text(
        "image_id,split,label\n" + "".join(f"{path.name},all,Chondroma\n" for path in (place / "bare").iterdir())
    )
    run(*shlex.split("infer bare --split-csv strange.csv -c demo -o other"))
    _, told, _ = _told("merge other/predictions.parquet -o merged/other.parquet")
    assert told == ["btxrd-explain export --to labelme --predictions merged/other.parquet"]  # no class of the network
    _told("export --to npz --predictions plain/predictions.parquet -o plain")
    _, told, _ = _told("import-maps plain/npz --images bare -o imported")
    assert told == ["btxrd-explain report -o imported"]
    _follow(told, "report")
    _told("export --to npz -o 'my run'")
    _, told, _ = _told("import-maps 'my run/npz' --images bare --annotations elsewhere -o imported")
    assert told == ["btxrd-explain annotate-iou --annotations elsewhere -o imported"]
    assert _follow(told, "annotate-iou")[0]["num_images"]


def test_results_that_were_moved_without_their_radiographs_say_what_to_do(place: Path) -> None:
    _told(f"infer {VAL}")
    (place / "far" / "away").mkdir(parents=True)
    shutil.copytree(place / "my run", place / "far" / "away" / "run")
    count = len(open_table(place / "my run" / "predictions.parquet").index())
    results = {"gallery": "gallery.json", "report": "report.html"}
    for command, name in results.items():
        (place / "far" / "away" / "run" / name).write_text("with pictures")
        result = run(*shlex.split(f"{command} -o far/away/run"), code=4)
        assert f"none of the {count} radiographs is there" in result.stderr
        assert (place / "far" / "away" / "run" / name).read_text() == "with pictures"
    told = result.stderr
    assert told.count("is not there: name the folder where they are now with --images") == 1
    shutil.copytree(place / "data" / "images", place / "here")
    Image.new("L", (9, 9)).save(place / "here" / "further.png")
    named = "--images here -o far/away/run"
    said = _told(f"gallery {named}")[2]
    assert f"1 of {count + 1} images have no row in the table, such as 'further.png', and are left out" in said
    assert f"{count} of {count} radiographs were moved, and are found in 'here'" in said
    assert "not shown" not in said
    page = json.loads(_told(f"report --split val {named} --json")[0])
    assert page["images"] == page["shown"] == len(_of_split(place, "val"))
    Image.new("L", (9, 9)).save(min((place / "here").glob("*.jpeg")))  # another radiograph of that name
    said = run(*shlex.split(f"gallery {named}"), code=None).stderr
    assert f"{count - 1} of {count} radiographs were moved" in said
    assert "not the files that were predicted under these names" in said
    _told("infer --images data/images -c demo -o far/away/run")
    assert "is not there" not in _told("gallery -o far/away/run")[2]


def test_a_settings_file_leads_to_the_settings_in_effect(place: Path) -> None:
    (place / "new.yaml").unlink(missing_ok=True)
    _, told, _ = _told("config init new.yaml")
    assert told == ["btxrd-explain config --config new.yaml"]
    assert _follow(told, "config")[0]["settings"]["annotation"]["threshold"] == 0.5


def test_flags_are_repeated_as_they_are_written() -> None:
    flags = {
        "data.inputs": ["a b", "c"],
        "model.checkpoint": ["1.pt", "2.pt"],
        "data.labels_from_folders": False,
        "data.no_lesion_classes": ["-none"],
        "run.verify": True,  # which galleries do not take
        "output.directory": "out",
    }
    loaded = load_settings(None, flags, ["output.dpi=51"], environ={})
    assert following("gallery", loaded) == (
        "btxrd-explain gallery 'a b' c --checkpoint 1.pt --checkpoint 2.pt --no-labels-from-folders -o out "
        "--set output.dpi=51"
    )
    line = following("annotate-iou", loaded, changed={"annotation.threshold": 0.31})
    assert line is not None
    assert "--no-lesion-classes=-none" in shlex.split(line)
    assert line.endswith("-o out --threshold 0.31 --set output.dpi=51")
    tuned = load_settings(None, {}, ["annotation.threshold=0.5"], environ={})
    assert following("export", tuned, changed={"annotation.threshold": 0.31}) == "btxrd-explain export --threshold 0.31"


@pytest.mark.parametrize("inputs", [["-"], [f"{number}.png" for number in range(6)]], ids=["standard input", "many"])
def test_inputs_that_cannot_be_named_again_lead_nowhere_unless_the_table_holds_just_them(inputs: list[str]) -> None:
    loaded = load_settings(None, {"data.inputs": inputs, "model.checkpoint": "demo"}, environ={})
    assert following("gallery", loaded) is None
    assert following("gallery", loaded, whole_table=True) == "btxrd-explain gallery --checkpoint demo"
    environ = {"BTXRD_EXPLAIN_DATA__ROOT": "BTXRD"}  # which the next command would take its radiographs from
    assert following("gallery", load_settings(None, {"data.inputs": inputs}, environ=environ), whole_table=True) is None


def test_what_names_other_radiographs_or_a_network_leads_from_no_imported_table() -> None:
    assert of_table("report", load_settings(None, {"data.images": "a"}, environ={})) == "btxrd-explain report"
    for name in ("BTXRD_EXPLAIN_DATA__IMAGES", "BTXRD_EXPLAIN_MODEL__CHECKPOINT"):
        assert of_table("report", load_settings(environ={name: "a"})) is None


def test_what_has_been_made_is_not_proposed_again(tmp_path: Path) -> None:
    loaded = load_settings(None, {"output.directory": tmp_path}, environ={})
    steps = {"gallery": "gallery.json", "report": "report.html"}
    assert first_missing(loaded, steps) == "gallery"
    (tmp_path / "gallery.json").touch()
    assert first_missing(loaded, steps) == "report"
    (tmp_path / "report.html").touch()
    assert first_missing(loaded, steps) is None
