from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from btxrd_explain.commands import infer
from btxrd_explain.model.streams import cpu_streams, replica, sharing_cores
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, Settings
from btxrd_explain.synthetic import demo_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_replicas_share_weights_and_nothing_else() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2)).eval()
    other = replica(network)
    assert [a is b for a, b in zip(network.parameters(), other.parameters(), strict=True)] == [True] * 4
    assert [a is b for a, b in zip(network.buffers(), other.buffers(), strict=True)] == [True] * 3
    seen: list[int] = []
    network[0].register_forward_hook(lambda *_: seen.append(1))
    other(torch.zeros(1, 1, 2, 2))
    assert seen == []


def test_streams_share_the_cores_and_give_them_back() -> None:
    torch.set_num_threads(6)
    assert cpu_streams() == 6
    with sharing_cores(2):
        assert torch.get_num_threads() == 3
    with sharing_cores(100):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 6


def test_the_number_of_cores_changes_no_bit_of_a_row(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(11):
        Image.fromarray(rng.integers(0, 256, (40, 30 + number), np.uint8)).save(folder / f"{number:02d}.png")
    rows = []
    for cores in (1, 2, 3):
        torch.set_num_threads(cores)
        out = tmp_path / str(cores)
        infer.run(
            Settings(
                data=DataSettings(inputs=(str(folder),)),
                model=ModelSettings(checkpoint=demo_checkpoint(), device="cpu", batch_size=2),
                output=OutputSettings(directory=out),
            )
        )
        rows.append(list(open_table(out / "predictions.parquet").rows()))
    for one, two, three in zip(*rows, strict=True):
        assert one.image_id == two.image_id == three.image_id
        for name in ("probabilities", "grids"):
            first = np.asarray(getattr(one, name))
            np.testing.assert_array_equal(np.asarray(getattr(two, name)), first)
            np.testing.assert_array_equal(np.asarray(getattr(three, name)), first)
