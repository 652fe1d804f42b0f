"""A study that takes no time: a small network of timm, radiographs of noise, and the command line in this process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import timm
import torch
from PIL import Image
from typer.testing import CliRunner

from btxrd_explain.cli import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typer.testing import Result

NAMES = ("Normal", "Benign", "Malignant")
SIZE = (90, 70)
"""Height and width of the radiographs."""
CORNERS = ((15, 15), (40, 50))
"""Upper left and lower right corner of the lesions, x before y."""


def run(*arguments: object, code: int = 0, stdin: bytes | str | None = None) -> Result:
    """Run a command line in this process, which must end with an exit code."""
    result = CliRunner().invoke(app, [*map(str, arguments)], input=stdin)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def said(*arguments: object, code: int = 0) -> str:
    """Run a command line, and return all that it says as one line."""
    return " ".join(run(*arguments, code=code).output.split())


def save_network(path: Path, names: Sequence[str] = NAMES, *, side: int = 64, seed: int = 0, **facts: Any) -> Path:  # noqa: ANN401 -- what checkpoints say
    """Write the checkpoint of timm's smallest ResNet with random weights; return its path.

    Args:
        path: The file.
        names: Names of the classes.
        side: Pixels on a side of the network's input.
        seed: Seed of the weights.
        facts: What else the checkpoint says.
    """
    torch.manual_seed(seed)
    weights = timm.create_model("test_resnet", num_classes=len(names)).state_dict()
    known = {"class_names": list(names), "architecture": "test_resnet", "config": {"data": {"image_size": side}}}
    torch.save({"model_state_dict": weights, **known, **facts}, path)
    return path


def write_images(folder: Path, count: int, *, lit: bool = False) -> list[Path]:
    """Write radiographs of noise, ``0.png`` and so on; return their paths. See :func:`write_study`."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        pixels = random.integers(0, 256, SIZE, dtype=np.uint8)
        if lit:
            (left, top), (right, bottom) = CORNERS
            rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
            pixels[(rows < top) | (rows > bottom) | (columns < left) | (columns > right)] = 0
        Image.fromarray(pixels).save(path)
    return paths


def write_study(
    folder: Path,
    *,
    side: int = 96,
    count: int = 6,
    lit: bool = False,
    names: Sequence[str] = NAMES,
    labels: Sequence[str] | None = None,
) -> Path:
    """Write a checkpoint (``best.pt``), images with annotations next to them, and a split CSV; return the folder.

    Args:
        folder: Where to.
        side: Pixels on a side of the network's input.
        count: Number of images.
        lit: Whether the images are black but for the lesion, so that every channel of the network is uneven.
        names: Names of the network's classes.
        labels: The true class of each image; None takes the second class and the third in turn.
    """
    save_network(folder / "best.pt", names, side=side)
    known = [names[1 + number % 2] for number in range(count)] if labels is None else labels
    lines = ["image_id,split,label"]
    for path, label in zip(write_images(folder / "images", len(known), lit=lit), known, strict=True):
        shape = {"label": "tumour", "points": CORNERS, "shape_type": "rectangle"}
        document = {"shapes": [shape], "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
        path.with_suffix(".json").write_text(json.dumps(document))
        lines.append(f"{path.name},test,{label}")
    (folder / "split.csv").write_text("\n".join(lines))
    return folder
