"""The synthetic data set at half its size, for tests that ask what commands do with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PIL import Image

from btxrd_explain.synthetic.dataset import write_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHRUNK = 2
"""Commands take radiographs pixel by pixel: a quarter of the pixels takes them a quarter of the time."""


def write_small_dataset(root: Path, *, seed: int, per_class: Mapping[str, int]) -> None:
    """Write the data set of :func:`btxrd_explain.synthetic.dataset.write_dataset`, and shrink radiographs and lesions.

    Args:
        root: Folder to write to.
        seed: Any integer from 0.
        per_class: Number of images of each class in each split.
    """
    data = write_dataset(root, seed=seed, per_class=per_class)
    sizes = {}
    for path in data.images.iterdir():
        with Image.open(path) as image:
            small = image.reduce(SHRUNK)
        small.save(path, "JPEG", quality=92)
        sizes[path.stem] = small.size
    for path in data.annotations.iterdir():
        document = json.loads(path.read_bytes())
        document["imageWidth"], document["imageHeight"] = sizes[path.stem]
        for shape in document["shapes"]:
            shape["points"] = [[x / SHRUNK, y / SHRUNK] for x, y in shape["points"]]
        path.write_text(json.dumps(document))
