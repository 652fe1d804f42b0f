"""A predictions table of three rows: two classes, 3 x 4 cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus

PROVENANCE = Provenance(
    request={"checkpoint": "ab" * 32, "versions": {"torch": "2.9"}},
    class_names=("Normal", "Benign"),
    preprocessing=Preprocessing(Size(32, 32), (0.5,), (0.25,)),
    checkpoint="best.pth",
    architecture="resnet18",
    method="gradcam",
    target_layer="layer4",
    grid=Size(3, 4),
)


def make_row(number: int, **facts: Any) -> Prediction:  # noqa: ANN401 -- any column
    """Return a row of the table, with some columns of its own."""
    plain = Prediction(
        image_id=f"IMG{number:06d}.jpeg",
        path=f"images/IMG{number:06d}.jpeg",
        label="Benign",
        split="test",
        status=RowStatus.OK,
        stamp=FileStamp(100, 1, "cd" * 32),
        size=Size(40, 30),
        probabilities=np.array([0.25, 0.75], np.float32),
        grids=np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        grid_statuses=(MapStatus.OK, MapStatus.OK),
    )
    return replace(plain, **facts)


ROWS = [make_row(1), make_row(2), Prediction("IMG000003.jpeg", "c.jpeg", None, None, RowStatus.MISSING, error="gone")]
