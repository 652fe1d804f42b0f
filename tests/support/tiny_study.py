"""A study that takes no time: a small network of timm, and radiographs of noise with a rectangle in each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import timm
import torch
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["Normal", "Benign", "Malignant"]


def write_study(
    folder: Path,
    *,
    side: int = 96,
    count: int = 6,
    size: tuple[int, int] = (90, 70),
    corners: tuple[tuple[int, int], tuple[int, int]] = ((15, 15), (40, 50)),
    lit: bool = False,
) -> Path:
    """Write a checkpoint (``best.pt``), images with annotations next to them, and a split CSV.

    Args:
        folder: Where to.
        side: Pixels on a side of the network's input.
        count: Number of images.
        size: Height and width of the images.
        corners: Upper left and lower right corner of the lesions, x before y.
        lit: Whether the images are black but for the lesion, so that every channel of the network is uneven.
    """
    torch.manual_seed(0)
    weights = timm.create_model("test_resnet", num_classes=3).state_dict()
    facts = {"class_names": NAMES, "architecture": "test_resnet", "config": {"data": {"image_size": side}}}
    torch.save({"model_state_dict": weights, **facts}, folder / "best.pt")
    random, lines = np.random.default_rng(0), ["image_id,split,label"]
    (folder / "images").mkdir()
    for number in range(count):
        pixels = random.integers(0, 256, size, dtype=np.uint8)
        if lit:
            (left, top), (right, bottom) = corners
            rows, columns = np.ogrid[: size[0], : size[1]]
            pixels[(rows < top) | (rows > bottom) | (columns < left) | (columns > right)] = 0
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        shape = {"label": "tumour", "points": corners, "shape_type": "rectangle"}
        document = {"shapes": [shape], "imageHeight": size[0], "imageWidth": size[1]}
        (folder / "images" / f"{number}.json").write_text(json.dumps(document))
        lines.append(f"{number}.png,test,{NAMES[1 + number % 2]}")
    (folder / "split.csv").write_text("\n".join(lines))
    return folder
