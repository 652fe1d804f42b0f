"""The commands and wrappers of docs/howto/checkpoints.md are run here."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image

from btxrd_explain.predictions.table import open_table
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "checkpoints.md").read_text("utf-8")
NETS, MEDICAL = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The reader's folder, with the modules of the page."""
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "medical.py").write_text(MEDICAL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("nets", "medical"):
        sys.modules.pop(name, None)


def test_the_commands_of_the_page_run(folder: Path) -> None:
    (folder / "BTXRD" / "images").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (90, 60), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "BTXRD" / "images" / "IMG000001.jpeg")
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", num_classes=3).state_dict(), "weights.pt")
    for fold in range(3):
        Path(f"fold{fold}").mkdir()
        weights = timm.create_model("test_resnet", num_classes=3).state_dict()
        content = {"arch": "test_resnet", "class_names": ["Normal", "Benign", "Malignant"], "state_dict": weights}
        torch.save(content, f"fold{fold}/best.pt")
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), "tv.pt")
    torch.save(importlib.import_module("nets").dropout_resnet(3).state_dict(), "dropout.pt")
    architectures = []
    for command in COMMANDS:
        run(*shlex.split(command)[1:])
        table = open_table(folder / "btxrd-explain-out" / "predictions.parquet")
        architectures.append(table.provenance.architecture)
    assert architectures == ["test_resnet", "test_resnet", "torchvision.models:resnet18", "nets:dropout_resnet"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("package", "name"), [("monai", "monai_densenet"), ("torchxrayvision", "xray_densenet")])
def test_the_wrappers_of_medical_packages(package: str, name: str) -> None:
    pytest.importorskip(package)
    network = getattr(importlib.import_module("medical"), name)(num_classes=3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 224, 224)).shape == (1, 3)
