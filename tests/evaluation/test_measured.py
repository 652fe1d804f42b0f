"""What scores follow from has a hash of its own, and nothing else moves it."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from btxrd_explain.core.choices import Operator, ResizeMode, Rule, Smooth, Space
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.core.threshold import Threshold
from btxrd_explain.evaluation import measured
from btxrd_explain.evaluation.lesions import Lesions
from btxrd_explain.evaluation.measured import key_of
from btxrd_explain.evaluation.protocol import Protocol
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.inputs.annotation import Annotation
from btxrd_explain.predictions.record import Prediction, RowStatus

SIZE = Size(40, 30)
BOX = Shape("cyst", ShapeType.RECTANGLE, np.array([[2.0, 3], [20, 30]]))
GRIDS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def _key(
    *,
    shape: Shape = BOX,
    grids: np.ndarray[Any, np.dtype[np.float32]] = GRIDS,
    classes: tuple[int, ...] = (0, 1),
    frame: Frame | None = None,
    smooth: Smooth = Smooth.NONE,
    name: str = "a.png",
    status: MapStatus = MapStatus.OK,
    **of_protocol: Any,  # noqa: ANN401 -- any of its fields
) -> str:
    row = Prediction(name, f"images/{name}", "Benign", None, RowStatus.OK, size=SIZE, grids=grids)
    row = replace(row, grid_statuses=(status, MapStatus.OK))
    made: Any = SimpleNamespace(provenance=SimpleNamespace(smooth=smooth))
    own = frame or Frame.fit(SIZE, Size(64, 64), ResizeMode.SQUASH)
    lesions = Lesions((shape,), own, np.zeros(SIZE, bool), 1, Annotation((shape,), SIZE))
    return key_of(ExplainedImage(row, own, made), lesions, classes, replace(Protocol(Threshold()), **of_protocol))


CHANGES: dict[str, dict[str, Any]] = {
    "a point": {"shape": replace(BOX, points=BOX.points + 1)},
    "a kind": {"shape": replace(BOX, shape_type=ShapeType.CIRCLE)},
    "a group": {"shape": replace(BOX, group_id=1)},
    "a hole": {"shape": replace(BOX, hole=True)},
    "a mask": {"shape": Shape("cyst", ShapeType.MASK, BOX.points, np.ones((28, 19), bool))},
    "a cell": {"grids": GRIDS + np.eye(3, 4, dtype=np.float32)},
    "a grid's shape": {"grids": GRIDS.reshape(2, 4, 3)},
    "a status": {"status": MapStatus.FLAT},
    "a class": {"classes": (1,)},
    "a frame": {"frame": Frame.fit(SIZE, Size(64, 64), ResizeMode.LETTERBOX)},
    "an average": {"smooth": Smooth.FLIP},
    "a threshold": {"threshold": Threshold(value=0.4)},
    "an operator": {"threshold": Threshold(operator=Operator.ABOVE)},
    "a rule": {"threshold": Threshold(Rule.OTSU)},
    "a space": {"space": Space.INPUT},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_scores_follow_from_is_in_the_key(change: str) -> None:
    assert _key(**CHANGES[change]) != _key()
    assert _key(**CHANGES[change]) == _key(**CHANGES[change])


def test_what_they_do_not_follow_from_is_not() -> None:
    """A name, the seed of random grids, and the maps of other classes."""
    for same in ({"name": "b.png"}, {"seed": 7}, {"baselines": False}):
        assert _key(**same) == _key()
    others = GRIDS.copy()
    others[1] += 1
    assert _key(classes=(0,)) == _key(classes=(0,), grids=others)


@pytest.mark.parametrize("package", ["btxrd-explain", "numpy", "opencv-python-headless", "pillow"])
def test_scores_of_other_releases_are_not_taken(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of this package, nor those of what draws the lesions and counts the pixels."""
    before, known = _key(), {package: "0.0.1"}
    monkeypatch.setattr(measured, "version", lambda name: known.get(name) or version(name))
    monkeypatch.setattr(measured, "_releases", measured._releases.__wrapped__)
    assert _key() != before
    known.clear()
    assert _key() == before
