"""One network of each kind through all commands; the numbers of the radiographs come from plain torch and scikit-learn.

The maps are made again from hooks and gradients, brought to the radiograph by torch's bilinear kernel, and compared
with a mask that Pillow draws.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from argparse import Namespace
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageDraw
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score
from timm.models import save_for_hf
from timm.utils.checkpoint_saver import CheckpointSaver
from torch import Tensor, nn
from torch.nn import functional

from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("blank_figures")

COUNT, SIDE = 6, 64
THREE, TWO, FINDINGS = ("Normal", "Benign", "Malignant"), ("Normal", "Tumour"), ("Fracture", "Effusion", "Mass")
SEVERAL = ("Fracture|Mass", "Effusion", "No finding", "Mass", "Fracture|Effusion", "No finding")
METHODS = ("gradcam", "layercam")
_FACTORY = """
from torch import nn

class Pair(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 5, stride=8), nn.GELU(), nn.Conv2d(6, 8, 3, stride=2))
        self.head = nn.Linear(8, classes)

    def forward(self, batch):
        features = self.body(batch).mean(dim=(2, 3))
        return self.head(features), features

def build(num_classes):
    return Pair(num_classes)
"""


@dataclass(frozen=True)
class Kind:
    """A classifier as a user has it, and its networks as torch has them.

    Attributes:
        flags: What names it on the command line.
        networks: The networks; several of an ensemble.
        layer: Name of the layer that is explained.
        names: The classes.
        labels: The label of each radiograph.
        probabilities: From what a network returns to probabilities of the classes.
        scores: From what a network returns to the score of each class.
    """

    flags: Sequence[object]
    networks: Sequence[nn.Module]
    layer: str
    names: Sequence[str]
    labels: Sequence[str]
    probabilities: Callable[[Any], Tensor]
    scores: Callable[[Any], Tensor]


def _network(outputs: int, seed: int) -> Any:  # noqa: ANN401 -- more than nn.Module
    """Return a network whose statistics have seen noise; of each class something on a radiograph speaks for it."""
    torch.manual_seed(seed)
    network: Any = timm.create_model("test_resnet", num_classes=outputs)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.randn(8, 3, SIDE, SIDE))
        network.fc.weight.abs_().mul_(4)
        network.fc.bias.zero_()
        network.fc.bias.sub_(network.eval()(torch.randn(8, 3, SIDE, SIDE)).mean(dim=0))
    return network


def _save(path: Path, network: nn.Module, names: Sequence[str], **facts: Any) -> Path:  # noqa: ANN401 -- any fact
    content = {"arch": "test_resnet", "class_names": list(names), "image_size": SIDE}
    torch.save({**content, "state_dict": network.state_dict(), **facts}, path)
    return path


def _three(flags: Sequence[object], networks: Sequence[nn.Module], layer: str = "layer4") -> Kind:
    labels = [THREE[number % 3] for number in range(COUNT)]
    return Kind(flags, networks, layer, THREE, labels, lambda scores: scores.softmax(1), lambda scores: scores)


def _single_logit(folder: Path) -> Kind:
    network = _network(1, 0)
    path = _save(folder / "one.pt", network, TWO)
    labels = [TWO[bool(number % 3)] for number in range(COUNT)]

    def both(scores: Tensor) -> Tensor:
        return torch.cat([-scores, scores], dim=1)

    return Kind(["-c", path], [network], "layer4", TWO, labels, lambda scores: both(scores).sigmoid(), both)


def _multi_label(folder: Path) -> Kind:
    network = _network(3, 1)
    path = _save(folder / "several.pt", network, FINDINGS, loss="BCEWithLogitsLoss")
    return Kind(["-c", path], [network], "layer4", FINDINGS, SEVERAL, Tensor.sigmoid, lambda scores: scores)


def _ensemble(folder: Path) -> Kind:
    networks = [_network(3, seed) for seed in (2, 3, 4)]
    paths = [_save(folder / f"fold{number}.pt", network, THREE) for number, network in enumerate(networks)]
    return _three([part for path in paths for part in ("-c", path)], networks)


def _checkpoint_saver(folder: Path) -> Kind:
    network = _network(3, 5)
    args = Namespace(model="test_resnet", num_classes=3, img_size=SIDE, class_map="", gp=None)
    saver: Any = CheckpointSaver(  # type: ignore[no-untyped-call]
        network, torch.optim.SGD(network.parameters(), lr=0.1), args=args, checkpoint_dir=str(folder)
    )
    saver.save_checkpoint(1, metric=0.5)
    return _three(["-c", folder / "model_best.pth.tar", "--class-names", ",".join(THREE)], [network])


def _hub_folder(folder: Path) -> Kind:
    network = _network(3, 6)
    config = {"label_names": list(THREE), "pretrained_cfg": {"input_size": (3, SIDE, SIDE)}}
    save_for_hf(network, str(folder / "hub"), config, safe_serialization=True)
    return _three(["-c", folder / "hub", "--set", "preprocess.from=settings"], [network])  # not timm's crop


def _tuple_of_a_factory(folder: Path) -> Kind:
    (folder / "pair_net.py").write_text(_FACTORY)
    scope: dict[str, Any] = {}
    exec(_FACTORY, scope)  # noqa: S102 -- our own
    torch.manual_seed(7)
    network = scope["build"](3).eval()
    network.head.weight.data *= 20
    torch.save({"state_dict": network.state_dict(), "class_names": list(THREE), "image_size": SIDE}, folder / "pair.pt")
    kind = _three(["-c", folder / "pair.pt", "--factory", "pair_net:build"], [network], "body.2")
    return Kind(
        kind.flags, kind.networks, kind.layer, THREE, kind.labels, lambda pair: pair[0].softmax(1), lambda pair: pair[0]
    )


KINDS = (_single_logit, _multi_label, _ensemble, _checkpoint_saver, _hub_folder, _tuple_of_a_factory)
MEAN, STD = 0.5, 0.5
"""timm's of the network, which its folder for the Hub says, too."""
NORMALISED = ("--set", f"preprocess.mean={[MEAN] * 3}", "--set", f"preprocess.std={[STD] * 3}")


@dataclass(frozen=True)
class Ran:
    """What all commands wrote, and what it is computed from."""

    kind: Kind
    folder: Path

    def path(self, number: int) -> Path:
        return self.folder / "BTXRD" / "images" / f"IMG{number:06d}.jpeg"

    def document(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text())
        return found

    def probabilities(self, number: int) -> NDArray[np.float64]:
        """Return the probabilities of one radiograph; of an ensemble their mean."""
        with torch.no_grad():
            found = [self.kind.probabilities(network(self._input(number)))[0] for network in self.kind.networks]
        mean: NDArray[np.float64] = torch.stack(found).double().mean(dim=0).numpy()
        return mean

    def evidence(self, number: int, index: int, method: str) -> NDArray[np.float64]:
        """Return the positive evidence of a class in each cell; of an ensemble the mean of maps with a maximum of 1."""
        maps = [self._evidence_of(network, number, index, method) for network in self.kind.networks]
        if len(maps) == 1:
            return maps[0]
        mean: NDArray[np.float64] = np.mean([one / one.max() if one.max() > 0 else one for one in maps], axis=0)
        return mean

    def _evidence_of(self, network: nn.Module, number: int, index: int, method: str) -> NDArray[np.float64]:
        kept: list[Tensor] = []
        hook = network.get_submodule(self.kind.layer).register_forward_hook(lambda *ran: kept.append(ran[2]))
        score = self.kind.scores(network(self._input(number)))[0, index]
        hook.remove()
        (slope,) = torch.autograd.grad(score, kept[0])
        weights = slope.mean(dim=(2, 3), keepdim=True) if method == "gradcam" else slope.clamp(min=0)
        found: NDArray[np.float64] = (weights * kept[0]).sum(dim=1)[0].clamp(min=0).detach().double().numpy()
        return found

    def iou(self, number: int, index: int, method: str) -> float:
        """Return the overlap of the map at 0.5 with the triangle; NaN where nothing speaks for the class."""
        evidence = self.evidence(number, index, method)
        return _iou(_enlarged(evidence) >= 0.5, _triangle()) if evidence.max() > 0 else np.nan

    def spread(self, number: int, index: int) -> dict[str, float]:
        """Return what is known of an ensemble alone: of its probabilities of a class, and its maps."""
        if len(self.kind.networks) == 1:
            return {}
        with torch.no_grad():
            said = [self.kind.probabilities(one(self._input(number)))[0] for one in self.kind.networks]
        maps = [self._evidence_of(one, number, index, METHODS[0]).ravel() for one in self.kind.networks]
        pairs = np.asarray(np.corrcoef(maps))[np.triu_indices(len(maps), 1)]
        true = self.kind.names.index(self.kind.labels[number])
        return {"true_class_std": float(torch.stack(said)[:, true].std(correction=0)), "map_agreement": pairs.mean()}

    def _input(self, number: int) -> Tensor:
        with Image.open(self.path(number)) as image:
            grey = cv2.resize(np.asarray(image.convert("L")), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        pixels = (np.repeat(grey[..., None], 3, axis=2).astype(np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(pixels.transpose(2, 0, 1)[None])


def _triangle() -> NDArray[np.bool_]:
    drawing = Image.new("1", (40, 50))
    ImageDraw.Draw(drawing).polygon([(5, 5), (20, 5), (20, 30)], fill=1, outline=1)
    return np.asarray(drawing)


def _enlarged(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a grid as a heat map of a radiograph, rounded so that equal values are equal."""
    grid = torch.from_numpy(evidence)[None, None]
    heat = functional.interpolate(grid, size=(50, 40), mode="bilinear", align_corners=False)[0, 0].numpy()
    scaled: NDArray[np.float64] = np.round((heat - heat.min()) / (heat.max() - heat.min()), 6)
    return scaled


def _ideal(mask: NDArray[np.bool_], cells: tuple[int, int]) -> NDArray[np.float64]:
    """Return the fraction of each cell that is annotated: with each pixel as often as there are cells, a plain mean."""
    each = np.kron(mask, np.ones(cells))
    blocks: NDArray[np.float64] = each.reshape(cells[0], mask.shape[0], cells[1], mask.shape[1]).mean(axis=(1, 3))
    return blocks


def _iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def _scores(evidence: NDArray[np.float64], prefix: str = "") -> dict[str, float]:
    """Return every score of a map against the triangle, by its definition."""
    heat, mask = _enlarged(evidence), _triangle()
    region, annotated = heat >= 0.5, int(mask.sum())
    order = np.argsort(-heat, axis=None, kind="stable")
    hits = int(mask.ravel()[order[:annotated]].sum())
    otsu, _ = cv2.threshold((255 * heat).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    percentile = heat.ravel()[order[heat.size // 20 - 1]]
    curve = [_iou(heat >= threshold, mask) for threshold in np.linspace(0, 1, 101)]
    row, column = divmod(int(order[0]), heat.shape[1])
    rows, columns = np.nonzero(mask)
    distance = np.hypot(rows - row, columns - column).min()
    scores = {
        "threshold": 0.5,
        "region_share": region.mean(),
        "iou": _iou(region, mask),
        "dice": 2 * (region & mask).sum() / (region.sum() + annotated),
        "precision": (region & mask).sum() / region.sum(),
        "recall": (region & mask).sum() / annotated,
        "lesion_recall": (region & mask).any(),
        "iou_otsu": _iou((255 * heat).astype(np.uint8) > otsu, mask),
        "otsu_threshold": otsu / 255,
        "iou_percentile": _iou(heat >= percentile, mask),
        "best_iou": max(curve),
        "best_threshold": np.argmax(curve) / 100,
        "area_matched_iou": hits / (2 * annotated - hits),
        "soft_iou": np.minimum(heat, mask).sum() / np.maximum(heat, mask).sum(),
        "pointing_hit": mask[row, column],
        "tolerance_hit": distance <= np.sqrt(heat.size / evidence.size) / 2,
        "energy_in_mask": heat[mask].sum() / heat.sum(),
        "rank_accuracy": hits / annotated,
        "average_precision": average_precision_score(mask.ravel(), heat.ravel()),
        "roc_auc": roc_auc_score(mask.ravel(), heat.ravel()),
    }
    return {f"{prefix}{name}": float(value) for name, value in scores.items()}


@pytest.fixture(scope="module", params=KINDS, ids=lambda make: make.__name__.strip("_"))
def ran(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]
) -> Iterator[Ran]:
    """Run all commands on six radiographs, of which four are annotated; and infer with another method to compare."""
    folder = tmp_path_factory.mktemp("kind")
    write_root(folder, COUNT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        kind = request.param(folder)
        lines = [f"IMG{number:06d}.jpeg,test,{label}" for number, label in enumerate(kind.labels)]
        (folder / "split.csv").write_text("\n".join(["image_id,split,label", *lines]))
        base = [folder / "BTXRD", "--split-csv", folder / "split.csv", "--device", "cpu", *kind.flags, *NORMALISED]
        for method in METHODS:
            run("infer", *base, "--method", method, "-o", folder / method)
        own = [*base, "--method", METHODS[0], "-o", folder / METHODS[0], "--set", "evaluation.resamples=100"]
        own += ["--set", "gradcam.examples_per_class=1", "--set", "evaluation.baselines=false"]
        for command in ("gallery", "annotate-iou", "performance"):
            run(command, *own, "--dpi", 50)
        run("report", *own)
        tables = [folder / method / "predictions.parquet" for method in METHODS]
        annotations = folder / "BTXRD" / "Annotations"
        run("compare", *tables, "-o", folder / "compared", "--annotations", annotations, "--dpi", 50)
        yield Ran(kind, folder)
    sys.modules.pop("pair_net", None)


def test_infer(ran: Ran) -> None:
    for method in METHODS:
        table = open_table(ran.folder / method / "predictions.parquet")
        assert table.provenance.class_names == tuple(ran.kind.names)
        for number, row in enumerate(table.rows()):
            assert row.probabilities is not None
            np.testing.assert_allclose(row.probabilities, ran.probabilities(number), rtol=0, atol=1e-5)
            for index in range(len(ran.kind.names) if number in {1, 2} else 0):  # of two radiographs all maps
                grid, by_hand = row.grid(index), ran.evidence(number, index, method)
                assert grid is not None
                np.testing.assert_allclose(grid.clip(min=0), by_hand, rtol=1e-3, atol=1e-4 * max(by_hand.max(), 1))


def test_gallery(ran: Ran) -> None:
    shown = [
        (name, example)
        for name, group in ran.document("gradcam/gallery.json")["classes"].items()
        for outcome in ("TP", "FP", "FN")
        for example in group[outcome]["shown"]
    ]
    assert shown
    for name, example in shown:
        probability = ran.probabilities(int(example["image_id"][3:9]))[list(ran.kind.names).index(name)]
        assert example["probability_of_class"] == pytest.approx(probability, abs=1e-5)


def _cases(ran: Ran) -> list[tuple[int, int, dict[str, str]]]:
    """Return the cases that have a class: number of the radiograph, index of the class, and the row."""
    with (ran.folder / "gradcam" / "annotation_metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["target_class"]]
    return [(int(row["image_id"][3:9]), list(ran.kind.names).index(row["target_class"]), row) for row in rows]


def test_annotate_iou(ran: Ran) -> None:
    known = 0
    for number, index, row in _cases(ran):
        assert float(row["target_probability"]) == pytest.approx(ran.probabilities(number)[index], abs=1e-5)
        if not row["excluded"]:
            iou = float(row["iou"] or "nan")
            assert iou == pytest.approx(ran.iou(number, index, "gradcam"), abs=0.01, nan_ok=True)  # a pixel at the edge
            known += not np.isnan(iou)
    assert known


def test_every_number_of_a_radiograph(ran: Ran) -> None:
    number, index, row = next(case for case in _cases(ran) if case[2]["iou"])
    said, evidence = ran.probabilities(number), ran.evidence(number, index, METHODS[0])
    several = ran.kind.labels is SEVERAL
    expected = {"target_probability": said[index]} | ({} if several else {"confidence": said.max()})
    expected |= {"lesions": 1, "lesion_share": _triangle().mean(), "seen_fraction": 1, "lesion_seen_fraction": 1}
    expected |= ran.spread(number, index) | _scores(evidence)
    expected |= _scores(_ideal(_triangle(), evidence.shape), "ceiling_")
    if row["false_alarm_iou"]:
        other = ran.kind.names.index(row["predicted"])
        expected |= _scores(ran.evidence(number, other, METHODS[0]), "false_alarm_")
    text = {"image_id", "split", "class", "predicted", "outcome", "target_class"}
    found = {name: cell for name, cell in row.items() if cell and name not in text}
    heat, hottest = _enlarged(evidence), (int(found.pop("hottest_row")), int(found.pop("hottest_column")))
    assert heat[hottest] == pytest.approx(heat.max(), abs=1e-5)
    assert found.keys() == expected.keys()
    for name, cell in found.items():
        value = float(cell == "true") if cell in {"true", "false"} else float(cell)
        assert value == pytest.approx(expected[name], abs=0.01), name  # a pixel at the edge


def test_performance(ran: Ran) -> None:
    document = ran.document("gradcam/performance.json")
    said = np.array([ran.probabilities(number) for number in range(COUNT)])
    for index, name in enumerate(ran.kind.names):
        true = [name in label.split("|") for label in ran.kind.labels]
        found = document["per_class"][name]["auroc"]
        assert (found["mean"] if "mean" in found else found["value"]) == pytest.approx(
            roc_auc_score(true, said[:, index])
        )
    if ran.kind.labels is not SEVERAL:
        predicted = [ran.kind.names[index] for index in said.argmax(axis=1)]
        accuracy = document["accuracy"]
        assert accuracy["mean"] == pytest.approx(accuracy_score(ran.kind.labels, predicted))


def test_report(ran: Ran) -> None:
    page = (ran.folder / "gradcam" / "report.html").read_text()
    (text,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', page)
    rows = json.loads(text)["rows"]
    assert len(rows) == COUNT
    for number, row in enumerate(rows):
        np.testing.assert_allclose(row["probabilities"], ran.probabilities(number), rtol=0, atol=1e-4)


def test_compare(ran: Ran) -> None:
    document = ran.document("compared/comparison.json")
    cases = [(number, index) for number, index, row in _cases(ran) if not row["excluded"]]
    ious = np.array([[ran.iou(number, index, method) for method in METHODS] for number, index in cases])
    paired = ious[~np.isnan(ious).any(axis=1)]
    found = [table["means"]["iou"]["mean"] for table in document["tables"].values()]
    assert found == pytest.approx(paired.mean(axis=0), abs=0.01)
