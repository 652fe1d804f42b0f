"""Classifiers as settings name them: what is refused, what is told, and how large batches are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import SettingsError
from btxrd_explain.inference.loading import load_explainer
from btxrd_explain.inference.request import build_request
from btxrd_explain.settings.sources import settings_of
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.inference.compute import Explainer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("checkpoint") / "best.pt")


def _load(checkpoint: Path, *, at_most: int | None = None, **gradcam: object) -> Explainer:
    wanted: dict[str, Any] = {"model.checkpoint": str(checkpoint), "model.device": "cpu", "model.batch_size": 4}
    settings = settings_of(wanted | {f"gradcam.{name}": value for name, value in gradcam.items()})
    return load_explainer(settings, build_request(settings), at_most=at_most)


def test_no_batch_is_larger_than_the_run(checkpoint: Path) -> None:
    assert [_load(checkpoint, at_most=count).batch_size for count in (None, 9, 3, 0)] == [4, 4, 3, 1]


def test_the_table_is_told_how_its_rows_are_made(checkpoint: Path) -> None:
    provenance = _load(checkpoint, smooth="flip").provenance
    assert (provenance.checkpoint, provenance.target_layer, provenance.grid) == ("best.pt", "layer4", Size(2, 2))
    assert "smooth flip: each heat map is the mean of 2 views, the prediction is that of the first" in provenance.notes


def test_a_class_that_the_network_does_not_have_is_refused(checkpoint: Path) -> None:
    with pytest.raises(SettingsError, match=r"gradcam.explain_classes: .*Malign'?.*: name classes of the network"):
        _load(checkpoint, explain_classes=["Malign"])
