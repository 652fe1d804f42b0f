"""A small network with a seed, many tiny radiographs, and a server that forks runs on them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SMALL_FIGURES
from tests.interruption.lives import Lives
from tests.support.processes import serving
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COUNT = 144
BATCH = 4


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/ and model.pt."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = random.integers(0, 256, (24, 20), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number:04d}.png")
    (folder / "images" / "0007.png").write_bytes(b"torn")
    save_network(folder / "model.pt")
    return folder


@pytest.fixture(scope="session")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Runs commands in processes of their own."""
    with serving("tests.interruption.fork_server", environment=os.environ | SMALL_FIGURES) as server:
        yield Lives(server, tmp_path_factory.mktemp("lives"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None], lives: Lives) -> Path:
    """Six annotated radiographs, their tables by two methods, and heat maps of another program."""
    folder = tmp_path_factory.mktemp("data")
    write_root(folder, 6)
    images = (str(folder / "BTXRD"), "--split-csv", str(folder / "split.csv"), "-c", "demo", "--device", "cpu")
    for name, method in (("table", "gradcam"), ("other", "layercam")):
        assert lives.run("infer", *images, "--method", method, "-o", str(folder / name)) == 0, lives.output.read_text()
    (folder / "maps").mkdir()
    random = np.random.default_rng(0)
    for number in range(6):
        np.save(folder / "maps" / f"IMG{number:06d}_Benign.npy", random.random((8, 6), np.float32))
    return folder


@pytest.fixture(scope="session")
def network(study: Path) -> tuple[str, ...]:
    """The flags that name the network."""
    return ("--checkpoint", str(study / "model.pt"), "--device", "cpu", "--batch-size", str(BATCH))
