"""A study that takes no time: a small network of timm, and annotated radiographs of noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import timm
import torch
from PIL import Image

from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


NAMES = ("Normal", "Benign", "Malignant")
SIZE = (90, 70)
"""Height and width of the radiographs."""
CORNERS = ((15, 15), (40, 50))
"""Upper left and lower right corner of the lesions, x before y."""


def save_network(
    path: Path,
    names: Sequence[str] = NAMES,
    *,
    architecture: str = "test_resnet",
    options: Mapping[str, object] | None = None,
    side: int | Sequence[int] | None = 64,
    seed: int = 0,
    spread: float | None = None,
    **facts: object,
) -> Path:
    """Write the checkpoint of a network with random weights, by default timm's smallest ResNet; return its path.

    Args:
        path: The file.
        names: Names of the classes.
        architecture: timm's name of it.
        options: Arguments of the architecture.
        side: Pixels on a side of the network's input, or its height and width; None leaves them unsaid.
        seed: Seed of the weights.
        spread: Standard deviation of the head's weights, by which predictions differ; None keeps timm's.
        facts: What else the checkpoint says.
    """
    torch.manual_seed(seed)
    network: Any = timm.create_model(architecture, num_classes=len(names), **(options or {}))
    if spread is not None:
        torch.nn.init.normal_(network.get_classifier().weight, std=spread)
    known: dict[str, object] = {"class_names": list(names), "architecture": architecture}
    if side is not None:
        known["config"] = {"data": {"image_size": side}}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model_state_dict": network.state_dict(), **known, **facts}, path)
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
        write_labelme(path.with_suffix(".json"), SIZE, ("tumour", CORNERS))
        lines.append(f"{path.name},test,{label}")
    (folder / "split.csv").write_text("\n".join(lines))
    return folder
