"""A batch is no larger than what there is to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def test_nothing_is_allocated_for_radiographs_that_there_are_not(
    tmp_path: Path, write_root: Callable[[Path, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_root(tmp_path, 1)
    made, zeros = [], torch.zeros

    def counted(*shape: Any, **options: Any) -> torch.Tensor:  # noqa: ANN401 -- torch's own arguments
        made.append(zeros(*shape, **options | {"device": "meta"}).numel())
        assert made[-1] < 10**6, shape
        return zeros(*shape, **options)

    monkeypatch.setattr(torch, "zeros", counted)
    image = tmp_path / "BTXRD" / "images" / "IMG000000.jpeg"
    run("infer", image, "--checkpoint", "demo", "--batch-size", "4096", "-o", tmp_path / "out")
    assert made
