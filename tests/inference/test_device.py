"""Which device, batch size and streams settings mean, on machines with and without a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from btxrd_explain.errors import SettingsError
from btxrd_explain.inference.device import CPU_BATCH, GPU_BATCH, batch_size_of, device_of, streams_of
from btxrd_explain.model.streams import cpu_streams
from btxrd_explain.settings import GradcamSettings, ModelSettings, Settings

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def _settings(method: Any = "gradcam", **model: Any) -> Settings:  # noqa: ANN401 -- any setting
    return Settings(model=ModelSettings(**model), gradcam=GradcamSettings(method=method))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 -- a function
    """Makes torch believe in other hardware."""

    def have(*, gpus: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return have


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"gpus": 1}, "cuda"), ({"gpus": 1, "mps": True}, "cuda")],
)
def test_auto_takes_the_fastest_device(hardware: dict[str, Any], expected: str, machine: Any) -> None:  # noqa: ANN401
    machine(**hardware)
    assert device_of(_settings(device="auto")) == torch.device(expected)


def test_a_device_that_is_not_there_is_refused(machine: Any) -> None:  # noqa: ANN401
    machine(gpus=2)
    assert device_of(_settings(device="cuda:1")) == torch.device("cuda", 1)
    for name in ("cuda:2", "mps"):
        with pytest.raises(SettingsError, match=f"no device '{name}' on this machine.*--device auto or --device cpu"):
            device_of(_settings(device=name))
    machine()
    with pytest.raises(SettingsError, match="no device 'cuda'"):
        device_of(_settings(device="cuda"))


def test_a_gpu_has_larger_batches_unless_one_is_named() -> None:
    assert batch_size_of(_settings(), CPU) == CPU_BATCH < GPU_BATCH == batch_size_of(_settings(), CUDA)
    assert [batch_size_of(_settings(batch_size=7), device) for device in (CPU, CUDA)] == [7, 7]


def test_networks_that_may_not_bear_it_have_one_stream() -> None:
    assert streams_of(_settings(), CPU) == cpu_streams()
    alone = [
        streams_of(_settings(), CUDA),
        streams_of(_settings(factory="nets:build"), CPU),
        streams_of(_settings(compile=True), CPU),
        streams_of(_settings("scorecam"), CPU),
    ]
    assert alone == [1, 1, 1, 1]
