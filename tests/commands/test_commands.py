"""The commands as a user runs them, on small made-up images and a seeded network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run
from tests.support.labelme import write_labelme
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

pytestmark = pytest.mark.usefixtures("blank_figures")

NAMES = ("Normal", "Benign", "Malignant")
COUNT = 12


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("checkpoint") / "best.pt", side=96, seed=3, spread=3.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set in BTXRD's layout: Malignant, Benign and Normal in turn, the first two annotated."""
    root = tmp_path / "BTXRD"
    (root / "images").mkdir(parents=True)
    (root / "Annotations").mkdir()
    random = np.random.default_rng(0)
    lines = ["image_id,split,label"]
    for number in range(COUNT):
        name, label = f"IMG{number:06d}.jpeg", NAMES[2 - number % 3]
        coarse = random.integers(0, 256, (6, 4), dtype=np.uint8)
        Image.fromarray(coarse).resize((80 + number, 120), Image.Resampling.BICUBIC).save(root / "images" / name)
        lines.append(f"{name},{'test' if number < 9 else 'train'},{label}")
        if label != "Normal":
            rectangle, polygon = [[20, 30], [60, 90]], [[22, 32], [58, 32], [58, 88], [22, 88]]
            lesion = (("osteosarcoma", rectangle), ("osteosarcoma", polygon))
            write_labelme(root / "Annotations" / f"IMG{number:06d}.json", (120, 80 + number), *lesion, imagePath=name)
    (root / "split.csv").write_text("\n".join(lines) + "\n")
    return root


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_infer_on_a_split_gives_a_summary_and_a_table(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("infer", root, "--split-csv", root / "split.csv", "--split", "test", "-c", checkpoint, "-o", "out")
    result = run(*arguments, cwd=tmp_path)
    assert "9 radiographs, 9 computed now, 0 failed" in result.stdout
    assert "accuracy" in result.stdout
    table = open_table(tmp_path / "out" / "predictions.parquet")
    rows = list(table.rows())
    assert [row.image_id for row in rows] == [f"IMG{number:06d}.jpeg" for number in range(9)]
    assert {row.label for row in rows} == set(NAMES)
    assert table.provenance.class_names == NAMES
    assert table.image_path(rows[0]).resolve() == (root / "images" / "IMG000000.jpeg").resolve()
    assert not (tmp_path / "out" / "overlays").exists()
    assert "9 radiographs, 0 computed now, 0 failed" in run(*arguments, cwd=tmp_path).stdout


def test_images_named_one_by_one_get_overlays_and_scores(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    names = [root / "images" / f"IMG00000{number}.jpeg" for number in (3, 1)]
    result = run("infer", *names, "--checkpoint", checkpoint, cwd=tmp_path)
    out = tmp_path / "btxrd-explain-out"
    for name in names:
        assert name.name in result.stdout
        with Image.open(out / "overlays" / f"{name.name}.png") as overlay, Image.open(name) as image:
            assert overlay.size == image.size
    assert result.stdout.count("scores:") == 2
    run("infer", names[0], "--checkpoint", checkpoint, "--no-overlay", "-o", "bare", cwd=tmp_path)
    assert not (tmp_path / "bare" / "overlays").exists()


def test_files_of_one_name_do_not_overwrite_each_other(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    for number, folder in enumerate(("left", "right")):
        (tmp_path / folder).mkdir()
        shutil.copy(root / "images" / f"IMG00000{number}.jpeg", tmp_path / folder / "scan.jpeg")
    run("infer", "left/scan.jpeg", "right/scan.jpeg", "-c", checkpoint, "-o", "out", cwd=tmp_path)
    overlays = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "out" / "overlays").rglob("*.png")}
    assert overlays == {"out/overlays/left/scan.jpeg.png", "out/overlays/right/scan.jpeg.png"}


def test_json_lines_on_stdout_and_nothing_else(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("infer", root / "images", "-c", checkpoint, "--json")
    first, again = (lines(run(*arguments, cwd=tmp_path)) for _ in range(2))
    assert first == again
    assert len(first) == COUNT
    assert set(first[0]) >= {"image_id", "class", "confidence", "probabilities", "status", "error", "heat_map"}
    assert sum(first[0]["probabilities"].values()) == pytest.approx(1)
    assert first[0]["confidence"] == max(first[0]["probabilities"].values())


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_paths_on_the_standard_input(root: Path, checkpoint: Path, tmp_path: Path, separator: bytes) -> None:
    paths = separator.join(os.fsencode(path) for path in sorted((root / "images").iterdir())[:2]) + separator
    result = run("infer", "-", "-c", checkpoint, "--json", cwd=tmp_path, stdin=paths)
    assert [line["image_id"] for line in lines(result)] == ["IMG000000.jpeg", "IMG000001.jpeg"]


def test_one_bad_file_does_not_stop_the_others(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    (root / "images" / "IMG000001.jpeg").write_bytes(b"no image")
    result = run("infer", root / "images", "-c", checkpoint, "--json", cwd=tmp_path, code=1)
    rows = {line["image_id"]: line for line in lines(result)}
    assert rows["IMG000001.jpeg"]["status"] == "unreadable"
    assert "IMG000001.jpeg" in rows["IMG000001.jpeg"]["error"]
    assert rows["IMG000001.jpeg"]["class"] is None
    assert sum(row["status"] == "ok" for row in rows.values()) == COUNT - 1


def test_a_file_that_is_named_but_missing_is_a_row(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    (root / "images" / "IMG000002.jpeg").unlink()
    csv = root / "split.csv"
    result = run("infer", csv, "--images", root / "images", "-c", checkpoint, "--json", cwd=tmp_path, code=1)
    rows = {line["image_id"]: line for line in lines(result)}
    assert rows["IMG000002.jpeg"]["status"] == "missing"
    assert len(rows) == COUNT


def test_what_changed_is_computed_again_and_said(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("infer", root / "images", "-c", checkpoint)
    run(*arguments, cwd=tmp_path)
    shutil.copy(root / "images" / "IMG000003.jpeg", root / "images" / "IMG000001.jpeg")
    result = run(*arguments, cwd=tmp_path)
    assert "12 radiographs, 1 computed now" in result.stdout
    assert "1 changed image" in result.stderr
    result = run(*arguments, "--resize", "letterbox", cwd=tmp_path)
    assert "12 radiographs, 12 computed now" in result.stdout
    assert "preprocess.resize changed from squash to letterbox" in result.stderr
    assert len(list((tmp_path / "btxrd-explain-out").glob("predictions.????????.parquet"))) == 1


def test_rows_of_other_images_are_kept(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    run("infer", root / "images", "-c", checkpoint, cwd=tmp_path)
    before = (tmp_path / "btxrd-explain-out" / "predictions.parquet").read_bytes()
    run("infer", root / "images" / "IMG000004.jpeg", "-c", checkpoint, cwd=tmp_path)
    assert (tmp_path / "btxrd-explain-out" / "predictions.parquet").read_bytes() == before


def test_a_touched_file_is_recognised_by_its_content(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    run("infer", root / "images", "-c", checkpoint, cwd=tmp_path)
    os.utime(root / "images" / "IMG000001.jpeg", (1, 1))
    assert "12 radiographs, 0 computed now" in run("infer", root / "images", "-c", checkpoint, cwd=tmp_path).stdout


def test_an_interrupted_run_goes_on_where_it_stopped(
    root: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def interrupted(path: Path, *options: Any, **keywords: Any) -> Radiograph:  # noqa: ANN401 -- as the reader takes
        calls.append(path)
        if path.name == "IMG000008.jpeg":
            raise KeyboardInterrupt
        return read_radiograph(path, *options, **keywords)

    arguments = ("infer", root / "images", "-c", checkpoint, "--batch-size", 4, "-o", "out")
    monkeypatch.setattr("btxrd_explain.inference.reading.read_radiograph", interrupted)
    assert "interrupted" in run(*arguments, cwd=tmp_path, code=130).stderr
    assert not (tmp_path / "out" / "predictions.parquet").exists()
    monkeypatch.undo()
    result = run(*arguments, cwd=tmp_path)
    assert "resuming: 8 images were done" in result.stderr
    assert "12 radiographs, 4 computed now" in result.stdout
    run(*arguments[:-1], "whole", cwd=tmp_path)
    resumed, whole = (tmp_path / name / "predictions.parquet" for name in ("out", "whole"))
    assert resumed.read_bytes() == whole.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.parquet"]


@pytest.mark.usefixtures("drawn_figures")
def test_gallery_shows_and_tells_which_image_stands_where(
    root: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BTXRD_EXPLAIN_OUTPUT__DPI")
    csv = ("--split-csv", root / "split.csv")
    result = run("gallery", root, *csv, "-c", checkpoint, "--examples-per-class", 2, cwd=tmp_path)
    out = tmp_path / "btxrd-explain-out"
    document = json.loads((out / "gallery.json").read_text())
    assert set(document["classes"]) == set(NAMES)
    rows = {row.image_id: row for row in open_table(out / "predictions.parquet").index()}
    for index, name in enumerate(NAMES):
        with Image.open(out / f"gallery_{name}.png") as picture:
            assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
        of_class = document["classes"][name]
        misses = [rows[example["image_id"]] for example in of_class["FN"]["shown"]]
        assert all(row.label == name != NAMES[row.predicted or 0] for row in misses)
        scores = [row.probabilities[index] for row in misses if row.probabilities is not None]
        assert scores == sorted(scores)
        total = sum(row.label == name for row in rows.values())
        assert of_class["TP"]["available"] + of_class["FN"]["available"] == total
        assert all(len(example["maps"]) == 2 for example in of_class["FN"]["shown"])
    assert "there are fewer of" in result.stderr


def test_galleries_do_without_annotations_that_cannot_be_used(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    for path in (root / "Annotations").iterdir():
        path.write_text("{")
    result = run("gallery", root, "--split-csv", root / "split.csv", "-c", checkpoint, cwd=tmp_path)
    assert "expected JSON" in result.stderr
    assert (tmp_path / "btxrd-explain-out" / "gallery_Benign.png").exists()


def test_annotate_iou_reports_every_image(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    (root / "Annotations" / "IMG000000.json").unlink()
    (root / "Annotations" / "IMG000001.json").write_text("{")
    result = run("annotate-iou", root, "--split-csv", root / "split.csv", "-c", checkpoint, "--json", cwd=tmp_path)
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "btxrd-explain-out" / "annotation_report.json").read_text())
    assert {image["image_id"] for image in report["per_image"]} == {
        f"IMG{number:06d}.jpeg" for number in range(COUNT) if number % 3 != 2 and number > 1
    }
    assert report["summary"]["excluded"] == {"annotation cannot be used": 1, "no annotation file": 1}
    assert {image["image_id"] for image in report["excluded_images"]} == {"IMG000000.jpeg", "IMG000001.jpeg"}
    assert report["summary"]["num_attention_patterns"] == COUNT // 3
    ious = [image["iou"] for image in report["per_image"] if image["iou"] is not None]
    assert report["num_images"] == len(ious)
    assert report["mean_iou"] == pytest.approx(sum(ious) / len(ious))
    assert report["iou_threshold"] == 0.5
    assert report["provenance"]["checkpoint"] == "best.pt"
    assert report["protocol"]["mask_policy"] == "polygons-then-rectangles"
    assert (tmp_path / "btxrd-explain-out" / "annotation_comparison.png").exists()


@pytest.mark.parametrize("resize", ["squash", "crop", "letterbox"])
def test_heat_map_and_annotation_can_meet_on_the_networks_input(
    root: Path, checkpoint: Path, tmp_path: Path, resize: str
) -> None:
    arguments = (
        "annotate-iou",
        root,
        "--split-csv",
        root / "split.csv",
        "-c",
        checkpoint,
        "--resize",
        resize,
        "--json",
    )
    original, on_input = (
        json.loads(run(*arguments, "--space", space, cwd=tmp_path).stdout) for space in ("original", "input")
    )
    assert original["protocol"]["space"] == "original"
    assert on_input["protocol"]["space"] == "input"
    assert on_input["num_images"] == original["num_images"] > 0
    assert on_input["mean_iou"] == pytest.approx(original["mean_iou"], abs=0.1)  # the same place, other pixels


def test_analysis_without_a_checkpoint_uses_the_table_alone(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    csv = ("--split-csv", root / "split.csv")
    run("infer", root, *csv, "-c", checkpoint, cwd=tmp_path)
    one = json.loads(run("annotate-iou", "--json", cwd=tmp_path).stdout)
    both = [run("annotate-iou", *named, "--split", "test", "--json", cwd=tmp_path) for named in ((root, *csv), ())]
    two, split = (json.loads(each.stdout, parse_float=lambda text: round(float(text), 7)) for each in both)  # BLAS
    assert len(one["per_image"]) == 8
    assert len(two["per_image"]) == 6
    origins = split.pop("scored"), two.pop("scored")
    assert [origin["split"] for origin in origins] == ["test", "test"]
    assert {**split, "sha256": None} == {**two, "sha256": None}  # the report's text names the command
    strict = json.loads(run("annotate-iou", "--threshold", 0.9, "--json", cwd=tmp_path).stdout)
    assert strict["iou_threshold"] == 0.9
    assert strict["mean_iou"] != one["mean_iou"]


def test_a_split_csv_means_the_same_radiographs_whichever_way_they_are_named(
    root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """The split CSV names ten of twelve radiographs, and one that is not there."""
    table = root / "part.csv"
    rows = (root / "split.csv").read_text().splitlines()
    table.write_text("\n".join([*rows[:-2], "IMG000099.jpeg,test,Normal"]) + "\n")
    ways = {"input": (root,), "root": ("--root", root), "images": ("--images", root / "images"), "csv": ()}
    read = {}
    for way, named in ways.items():
        result = run("infer", *named, "--split-csv", table, "-c", checkpoint, "-o", way, cwd=tmp_path, code=1)
        told = " ".join(result.stderr.split())
        assert f"2 of 12 radiographs in '{root / 'images'}' are not in '{table}': left out" in told
        assert "are taken: 9 of 'test', 1 of 'train'; training images are among them" in told
        read[way] = [
            (row.image_id, row.status, row.label, row.split)
            for row in open_table(tmp_path / way / "predictions.parquet").rows()
        ]
    assert len(read["input"]) == 11
    assert read["input"] == read["root"] == read["images"] == read["csv"]


@pytest.mark.parametrize("command", ["gallery", "annotate-iou", "performance", "report", "layers", "sanity"])
def test_every_command_tells_of_what_a_split_csv_leaves_out_and_of_several_splits(
    root: Path, checkpoint: Path, tmp_path: Path, command: str
) -> None:
    table = root / "part.csv"
    table.write_text("\n".join((root / "split.csv").read_text().splitlines()[:-1]) + "\n")
    run("infer", root, "--split-csv", table, "-c", checkpoint, cwd=tmp_path)
    network = ("-c", checkpoint) if command in {"layers", "sanity"} else ()
    few = ("--set", "sanity.sample=2", "--set", "sanity.stages=2") if command == "sanity" else ()
    named = (
        ("--root", root, "--set", f"data.split_csv={table}") if command == "layers" else (root, "--split-csv", table)
    )
    told = " ".join(run(command, *named, *network, *few, cwd=tmp_path).stderr.split())
    assert f"1 of 12 radiographs in '{root / 'images'}' is not in '{table}': left out" in told
    assert "are taken: 9 of 'test', 2 of 'train'; training images are among them" in told
    assert ("[training-split]" in told) == (command in {"annotate-iou", "performance", "report"})


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["infer", "nowhere.png", "-c", "{checkpoint}"], 4, "nowhere.png"),
        (["infer", "{root}"], 2, "give --checkpoint"),
        (["infer", "{root}", "-c", "nowhere.pt"], 3, "nowhere.pt"),
        (["infer", "{root}", "-c", "{root}/split.csv"], 3, "not a readable checkpoint"),
        (["infer", "-c", "{checkpoint}"], 4, "no radiographs are named"),
        (["infer", "{root}", "-c", "{checkpoint}", "--target-layer", "layer9"], 2, "no layer 'layer9'"),
        (["infer", "{root}", "-c", "{checkpoint}", "--device", "cuda:7"], 2, "no device 'cuda:7'"),
        (["infer", "{root}", "-c", "{checkpoint}", "--resize", "stretch"], 2, "preprocess.resize"),
        (["infer", "{root}", "-c", "{checkpoint}", "--set", "gradcam.exampels_per_class=3"], 2, "did you mean"),
        (["infer", "{root}", "-c", "{checkpoint}", "--config", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["gallery"], 5, "btxrd-explain infer"),
        (["annotate-iou", "--predictions", "{root}/split.csv"], 5, "split.csv"),
        (
            ["infer", "{root}", "-c", "{checkpoint}", "-o", "{root}/split.csv/out"],
            6,
            "split.csv' is a file: name a folder",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_errors_are_one_line_with_a_code(
    root: Path, checkpoint: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    filled = [argument.format(root=root, checkpoint=checkpoint) for argument in arguments]
    result = run(*filled, cwd=tmp_path, code=code)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.output


def test_a_gallery_needs_labels(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    run("infer", root / "images" / "IMG000000.jpeg", "-c", checkpoint, "-o", "out", cwd=tmp_path)
    assert "known true class" in run("gallery", "-o", "out", cwd=tmp_path, code=4).stderr


def test_images_without_a_row_are_named(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    run("infer", root / "images" / "IMG000000.jpeg", "-c", checkpoint, cwd=tmp_path)
    result = run("gallery", root, "--split-csv", root / "split.csv", cwd=tmp_path, code=5)
    assert "11 of 12 images have no row" in result.stderr


def test_nothing_is_said_to_be_computed_where_the_checkpoint_is_none(root: Path, tmp_path: Path) -> None:
    (wrong := tmp_path / "wrong.pt").write_bytes(b"no checkpoint")
    result = run("infer", root, "-c", wrong, cwd=tmp_path, code=3)
    assert "computing" not in result.stderr


def test_a_file_that_is_no_table_is_never_overwritten(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    (other := tmp_path / "mine.csv").write_text("image_id,split")
    result = run("infer", root, "-c", checkpoint, "--predictions", other, cwd=tmp_path, code=5)
    assert "is not a predictions table" in result.stderr
    assert other.read_text() == "image_id,split"


def test_the_reader_of_a_pipe_may_leave(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m btxrd_explain infer {root}/images -c {checkpoint} --json --batch-size 1"
    shell = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(shell.stdout)["image_id"] == "IMG000000.jpeg"
    assert shell.returncode in {0, 141}
    assert "Traceback" not in shell.stderr
    assert "Exception ignored" not in shell.stderr


def test_config_tells_where_each_setting_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("config", "init", "mine.yaml", cwd=tmp_path)
    assert "exists" in run("config", "init", "mine.yaml", cwd=tmp_path, code=6).stderr
    monkeypatch.setenv("BTXRD_EXPLAIN_MODEL__DEVICE", "cpu")
    result = run("config", "--config", "mine.yaml", "--set", "output.dpi=300", "--json", cwd=tmp_path)
    document = json.loads(result.stdout)
    assert document["settings"]["output"]["dpi"] == 300
    assert document["origins"]["output.dpi"] == "--set output.dpi=300"
    assert document["origins"]["model.device"] == "environment BTXRD_EXPLAIN_MODEL__DEVICE"
    assert "model.device" in run("config", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "words",
    [
        "-h",
        "--help",
        "infer -h",
        *(f"{name} --help" for name in ("gallery", "annotate-iou", "performance", "demo", "config")),
    ],
)
def test_every_command_explains_itself(words: str) -> None:
    output = run(*words.split()).stdout
    assert "Usage:" in output
    if words.split(maxsplit=1)[0] not in {"-h", "--help", "config"}:
        assert "Examples:" in output


def test_layers_are_listed_with_their_grids(checkpoint: Path, tmp_path: Path) -> None:
    listed = json.loads(run("layers", "-c", checkpoint, "--json", cwd=tmp_path).stdout)["layers"]
    assert [layer["name"] for layer in listed if layer["chosen"]] == ["layer4"]
    assert listed[-1]["grid"] == [3, 3]
    assert "in effect" in run("layers", "-c", checkpoint, cwd=tmp_path).stdout


def test_methods_are_listed_with_their_cost() -> None:
    listed = json.loads(run("methods", "--json").stdout)
    assert {"name", "summary", "cost", "source"} <= set(listed[0])
    assert "layercam" in run("methods").stdout


@pytest.mark.parametrize("method", ["layercam", "eigencam", "shapleycam"])
def test_another_method_makes_another_table(root: Path, checkpoint: Path, tmp_path: Path, method: str) -> None:
    arguments = ("infer", root / "images", "-c", checkpoint, "--method", method, "-o", "out")
    assert "12 computed now" in run(*arguments, cwd=tmp_path).stdout
    assert open_table(tmp_path / "out" / "predictions.parquet").provenance.method == method


def test_version() -> None:
    assert run("--version").stdout.startswith("btxrd-explain ")
