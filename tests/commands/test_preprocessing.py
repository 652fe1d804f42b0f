"""Commands with inputs that are prepared as in training: not square, changed by a function, of 16 bits."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

import btxrd_explain
from btxrd_explain.commands.sanity.sample import load_sample
from btxrd_explain.core.choices import Clahe, Depth
from btxrd_explain.core.geometry import Size
from btxrd_explain.findings.origin import setting_findings
from btxrd_explain.inference.loading import load_explainer
from btxrd_explain.inference.request import build_request, collect_images
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.predictions.provenance import Provenance, fingerprint
from btxrd_explain.predictions.table import open_table
from btxrd_explain.progress import Listener
from btxrd_explain.settings import Settings, load_settings
from tests.support.command_line import run
from tests.support.labelme import write_labelme
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = ("Normal", "Benign", "Malignant")
COUNT = 6
PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "preprocessing.md").read_text("utf-8")
PAGE_TABLES = ("timm", "tall", "deep", "negative")
pytestmark = [
    pytest.mark.usefixtures("blank_figures"),
    pytest.mark.filterwarnings("ignore::btxrd_explain.finding.FindingWarning"),  # random weights
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 8 bits, one of 16, with a lesion each but in every third, and checkpoints."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    (folder / "labelme").mkdir()
    random = np.random.default_rng(1)
    lines = ["image_id,split,label"]
    for number in range(COUNT):
        coarse = Image.fromarray(random.integers(0, 256, (5, 4), dtype=np.uint8)).resize((70, 90 + number))
        pixels = np.asarray(coarse)
        Image.fromarray(pixels if number else pixels.astype(np.uint16) * 250).save(folder / "images" / f"{number}.png")
        lines.append(f"{number}.png,test,{NAMES[number % 3]}")
        if number % 3:
            lesion = ("x", [[10, 20], [50, 30], [40, 70]])
            write_labelme(folder / "labelme" / f"{number}.json", (90 + number, 70), lesion)
    (folder / "split.csv").write_text("\n".join(lines))
    drawn: dict[str, Any] = {"seed": 3, "spread": 2.0}
    save_network(folder / "tall.pt", side=[96, 64], **drawn)
    save_network(folder / "plain.pt", side=None, **drawn)
    own: dict[str, Any] = {"architecture": "test_vit", "options": {"img_size": (96, 64)}}
    save_network(folder / "vit.pt", side=[3, 96, 64], **own, **drawn)
    return folder


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "own_pictures.py"
    path.write_text(
        "def invert(pixels):\n    return pixels.max() - pixels\n"
        "def choosy(pixels):\n    if len(pixels) == 93:\n        raise ValueError('no marker found')\n"
        "    return pixels\n"
    )
    monkeypatch.chdir(tmp_path)
    yield path
    sys.modules.pop("own_pictures", None)


@pytest.mark.parametrize(("name", "grid"), [("tall", (3, 2)), ("vit", (6, 4))])
def test_inputs_that_are_not_square(data: Path, tmp_path: Path, name: str, grid: tuple[int, int]) -> None:
    """Maps, figures and scores of a 96 x 64 input; the grid has its aspect ratio."""
    shared = ("-o", tmp_path, "--annotations", data / "labelme", "--split-csv", data / "split.csv", data / "images")
    run("infer", *shared, "-c", data / f"{name}.pt", "--overlay")
    table = open_table(tmp_path / "predictions.parquet")
    assert table.provenance.preprocessing.size == Size(96, 64)
    assert table.provenance.grid == grid
    for space in ("original", "input"):
        document = json.loads(run("annotate-iou", *shared, "--json", "--space", space).stdout)
        assert len(document["per_image"]) == 4
        assert all(0 <= image["iou"] <= 1 for image in document["per_image"])
    run("gallery", *shared)
    methods = (tmp_path / "annotation_report.md").read_text()
    assert "Radiographs were resized to 96 x 64 pixels (squash, bilinear), and normalised with mean" in methods


def test_maps_of_an_input_that_is_not_square(data: Path) -> None:
    """The map on the radiograph is the grid enlarged by torch to the input, and squashed back; to the last cell."""
    classifier: Any = btxrd_explain.load_classifier(str(data / "tall.pt"), device="cpu")
    explained = btxrd_explain.explain(classifier, str(data / "images" / "1.png"), method="hirescam")
    index = int(np.argmax([grid.max() for grid in explained.grids[0]]))
    heat = explained.heat_map(0, of_class=index).values
    assert heat.shape == (91, 70)
    grid = torch.from_numpy(explained.grids[0, index]).clamp(min=0)[None, None]
    wanted = torch.nn.functional.interpolate(grid, size=(91, 70), mode="bilinear")[0, 0].numpy()
    np.testing.assert_allclose(heat, (wanted - wanted.min()) / (wanted.max() - wanted.min()), atol=1e-4)


def test_a_size_by_flag_and_a_contradiction(data: Path, tmp_path: Path) -> None:
    run("infer", data / "images", "-c", data / "plain.pt", "--image-size", "64x96", "-o", tmp_path)
    assert open_table(tmp_path / "predictions.parquet").provenance.preprocessing.size == Size(64, 96)
    result = run("infer", data / "images", "-c", data / "tall.pt", "--image-size", "64x96", "-o", tmp_path / "other")
    assert "the checkpoint says image size 96x64, the settings say 64x96, and 96x64 is used" in " ".join(
        result.stderr.split()
    )
    taken = open_table(tmp_path / "other" / "predictions.parquet").provenance
    asked = load_settings(assignments=["preprocess.image_size=32x64"], environ={}).settings
    (finding,) = setting_findings(asked, taken)
    assert "preprocess.image_size is 32x64, the table has 96x64" in str(finding)


def test_timms_transform_is_told(data: Path, tmp_path: Path) -> None:
    timm_too = ("--set", "preprocess.from=timm")
    result = run("infer", data / "images", "-c", data / "plain.pt", "-o", tmp_path, *timm_too)
    note = "timm's evaluation transform of test_resnet.r160_in1k: image_size 160, resize crop, interpolation bilinear"
    assert note in " ".join(result.stderr.split())
    provenance = open_table(tmp_path / "predictions.parquet").provenance
    assert (provenance.preprocessing.size, provenance.preprocessing.crop_fraction) == (Size(160, 160), 0.95)
    asked = load_settings(assignments=["preprocess.from=timm"], environ={}).settings
    assert not list(setting_findings(asked, provenance))
    run("infer", data / "images", "-c", data / "plain.pt", "-o", tmp_path, *timm_too, "--resize", "letterbox", code=2)


@pytest.mark.usefixtures("own_module")
def test_a_transform_that_fails_on_one_image(data: Path, tmp_path: Path) -> None:
    given = (data / "images", "-c", data / "tall.pt", "-o", tmp_path / "out")
    result = run("infer", *given, "--set", "preprocess.transform=own_pictures:choosy", code=1)
    told = "3.png' cannot be prepared: the transform 'own_pictures:choosy' failed (ValueError: no marker found)"
    assert told in " ".join(result.output.split())
    rows = open_table(tmp_path / "out" / "predictions.parquet").index()
    assert [(row.image_id, str(row.status)) for row in rows if row.status != "ok"] == [("3.png", "unreadable")]
    for wrong in ("missing", "invert:x"):
        run("infer", *given, "--set", f"preprocess.transform=own_pictures:{wrong}", code=2)


def test_a_transform_is_part_of_the_fingerprint(data: Path, own_module: Path) -> None:
    chosen = [f"model.checkpoint={data / 'tall.pt'}", "preprocess.transform=own_pictures:invert"]
    settings = load_settings(assignments=chosen, environ={}).settings
    before = build_request(settings)
    own_module.write_text(own_module.read_text() + "# changed\n")
    after = build_request(settings)
    assert before["preprocess"]["transform_source"] != after["preprocess"]["transform_source"]
    assert fingerprint(before) != fingerprint(after)


def test_later_settings_leave_earlier_fingerprints_alone(data: Path) -> None:
    settings = load_settings(assignments=[f"model.checkpoint={data / 'tall.pt'}"], environ={}).settings
    known = {"image_size", "resize", "interpolation", "antialias", "crop_fraction", "decode", "mean", "std"}
    assert build_request(settings)["preprocess"].keys() == known
    chosen = [f"model.checkpoint={data / 'tall.pt'}", "preprocess.clahe={clip: 2}"]
    request = build_request(load_settings(assignments=chosen, environ={}).settings)
    clahe = {"clip": 2.0, "tiles": 8, "after_resize": False, "lightness": False}
    assert request["preprocess"]["clahe"] == clahe
    assert request["preprocess"].keys() == known | {"clahe"}


def test_tables_keep_the_preprocessing_and_earlier_ones_are_read(data: Path, tmp_path: Path) -> None:
    chosen = ("clahe={clip: 2, tiles: 4}", "depth=16-bit", "clip_percentiles=1,99", "standardize=true")
    flags = [part for one in chosen for part in ("--set", f"preprocess.{one}")]
    result = run("infer", data / "images", "-c", data / "tall.pt", "-o", tmp_path, *flags)
    provenance = open_table(tmp_path / "predictions.parquet").provenance
    made = provenance.preprocessing
    assert (made.clahe, made.depth, made.clip_percentiles) == (Clahe(2.0, 4), Depth.SIXTEEN_BIT, (1.0, 99.0))
    assert (made.standardize, made.mean, made.std) == (True, (0.0,) * 3, (1.0,) * 3)
    assert "65535" not in result.stderr
    asked = load_settings(assignments=[f"preprocess.{one}" for one in chosen], environ={}).settings
    assert not list(setting_findings(asked, provenance))
    (finding,) = setting_findings(Settings.model_validate({"preprocess": {"clahe": {"clip": 3}}}), provenance)
    assert "preprocess.clahe is" in str(finding)

    document = json.loads(provenance.encode()[b"btxrd_explain"])
    for name in ("transform", "depth", "clip_percentiles", "clahe", "standardize"):
        del document["preprocessing"][name]
    earlier = Provenance.decode({b"btxrd_explain": json.dumps(document).encode()}).preprocessing
    assert (earlier.depth, earlier.clahe, earlier.standardize) == (Depth.EIGHT_BIT, None, False)


def test_a_16_bit_scale_that_nobody_chose_is_told(data: Path, tmp_path: Path) -> None:
    result = run("infer", data / "images", "-c", data / "tall.pt", "-o", tmp_path, "--set", "preprocess.depth=16-bit")
    assert "a value v of a 16-bit radiograph becomes v / 65535" in " ".join(result.stderr.split())
    rows = open_table(tmp_path / "predictions.parquet").index()
    assert all(row.status == "ok" for row in rows)


@pytest.mark.usefixtures("own_module")
def test_pictures_show_the_radiograph_as_it_is(data: Path, tmp_path: Path) -> None:
    chosen = ["transform=own_pictures:invert", "depth=16-bit", "standardize=true"]
    assignments = [f"model.checkpoint={data / 'tall.pt'}", *(f"preprocess.{one}" for one in chosen)]
    flags = {"data.inputs": (str(data / "images"),), "model.device": "cpu"}
    settings = load_settings(flags=flags, assignments=assignments, environ={}).settings
    explainer = load_explainer(settings, build_request(settings))
    sample = load_sample(collect_images(settings).records, explainer, tmp_path, Listener())
    assert len(sample.subjects) == COUNT
    for subject in sample.subjects:
        pixels = read_radiograph(data / "images" / subject.image_id).pixels
        assert subject.picture is not None
        np.testing.assert_array_equal(subject.picture, explainer.classifier.preprocessing.picture(pixels))
        assert np.corrcoef(subject.picture.ravel(), subject.tensor[0].ravel())[0, 1] < -0.99


def test_the_blocks_of_its_page_run(
    data: Path, tmp_path: Path, write_root: Callable[[Path, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's function, its commands in their order, and its Python."""
    commands = "".join(re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)).replace("\\\n", " ").splitlines()
    function, check = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    write_root(tmp_path, 3)
    (tmp_path / "my_images.py").write_text(function)
    (tmp_path / "best.pt").write_bytes((data / "plain.pt").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(commands) == 4
    for command in commands:
        run(*shlex.split(command)[1:])
    sys.modules.pop("my_images")
    made = {name: open_table(tmp_path / name / "predictions.parquet").provenance.preprocessing for name in PAGE_TABLES}
    assert (made["timm"].crop_fraction, made["tall"].size) == (0.95, Size(192, 128))
    assert (made["deep"].clahe, made["deep"].standardize) == (Clahe(2.0), True)
    assert made["negative"].transform == "my_images:transform"
    exec(compile(check, "preprocessing.md", "exec"), {})  # noqa: S102 -- our own page
    assert np.load(tmp_path / "input.npy").shape == (1, 3, 160, 160)
