"""One image with its prediction, its radiograph and the heat maps of its classes, ready to be drawn or scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.choices import Space
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import HeatMap, heat_map
from btxrd_explain.errors import RadiographError
from btxrd_explain.inference.reading import seen_of
from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from btxrd_explain.system.places import is_url, straight

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from btxrd_explain.core.geometry import Frame
    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.predictions.table import PredictionTable


@dataclass(frozen=True, slots=True)
class ExplainedImage:
    """A row of the table with what belongs to it.

    Attributes:
        row: The row, with grids.
        frame: How the radiograph maps to the network's input.
        table: The table that the row is from.
    """

    row: Prediction
    frame: Frame
    table: PredictionTable

    @classmethod
    def of(cls, row: Prediction, table: PredictionTable) -> ExplainedImage:
        """Put a readable row, with grids, into its frame.

        Raises:
            ValueError: The row has no prediction.
        """
        if row.size is None or row.grids is None:
            raise ValueError(f"'{row.image_id}' has no prediction")
        return cls(row, table.provenance.preprocessing.frame(row.size), table)

    @property
    def shape(self) -> Size:
        """Rows and columns of its grids; those of imported heat maps may differ from image to image."""
        return self.table.provenance.grid if self.row.grids is None else Size(*self.row.grids.shape[-2:])

    def heat_map(self, class_index: int, *, space: Space = Space.ORIGINAL, step: int = 1) -> HeatMap:
        """Return the heat map of a class, in [0, 1], on every ``step``-th pixel of ``space``; all 0 if not computed."""
        if self.row.grids is None:
            raise ValueError(f"'{self.row.image_id}' has no grids")
        grid = self.row.grid(class_index)
        if grid is None:
            grid = np.full(self.table.provenance.grid, np.nan, np.float32)
        return heat_map(grid, self.frame, status=self.row.grid_statuses[class_index], space=space, step=step)

    def seen(self, preprocessing: Preprocessing) -> NDArray[Any]:
        """Read the radiograph as a network sees it.

        Args:
            preprocessing: That of the network; of a table, which may come from anybody, no function is imported.

        Returns:
            See :meth:`btxrd_explain.core.preprocess.Preprocessing.seen`.

        Raises:
            RadiographError: See :meth:`radiograph`; or it cannot be prepared.
        """
        radiograph = self.radiograph(preprocessing.needed, deep=preprocessing.deep)
        return seen_of(radiograph, preprocessing, self.table.image_path(self.row))

    def radiograph(self, needed: Callable[[Size], Size] | None = None, *, deep: bool = False) -> Radiograph:
        """Read the radiograph, which must still be the one that was predicted.

        Args:
            needed: The size that its pixels are needed at, see
                :func:`btxrd_explain.inputs.radiograph.read_radiograph`; None for all pixels.
            deep: Whether values of more than 8 bits are kept.

        Raises:
            RadiographError: The file is gone, unreadable, or another one than at inference.
        """
        place = self.table.image_path(self.row)
        path = place if is_url(place) else Path(straight(place))
        radiograph = read_radiograph(path, needed, deep=deep)
        if self.row.stamp is not None and radiograph.sha256 != self.row.stamp.sha256:
            raise RadiographError(
                f"'{path}' has changed since it was predicted", hint="run 'btxrd-explain infer' again"
            )
        return radiograph

    def class_name(self, class_index: int) -> str:
        """Return the name of a class."""
        return self.table.provenance.class_names[class_index]
