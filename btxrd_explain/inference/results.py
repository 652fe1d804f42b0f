"""A predictions table as Python code reads it: columns, and the heat map of any image and class."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from btxrd_explain.core.arrays import checked_name, checked_place
from btxrd_explain.core.heatmap import DegenerateMapWarning, MapStatus
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.predictions.table import open_table
from btxrd_explain.progress import called_from_python
from btxrd_explain.system.places import on_this_machine

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.inputs.radiograph import Radiograph
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.table import PredictionTable

_TEXTS = ("image_id", "path", "status", "error", "label", "split", "class", "heat_map", "sha256")
_WHOLE = ("height", "width")
_SPREAD = ("true_class_std", "map_agreement")


@dataclass(frozen=True, slots=True)
class Predictions:
    """The rows of a predictions table.

    Attributes:
        table: The table on disk.
    """

    table: PredictionTable

    @property
    def provenance(self) -> Provenance:
        """How the rows were made."""
        return self.table.provenance

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the network's order."""
        return self.table.provenance.class_names

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.table.index())

    def to_arrow(self) -> pa.Table:
        """Return all rows without their grids, in the order of ``image_id``.

        Returns:
            A row per image: ``image_id``, ``path``, ``status``, ``error``, ``label`` (true class), ``split``, ``class``
            (predicted), ``confidence`` and ``probability_<class>`` in [0, 1], ``heat_map`` (status of the predicted
            class's map), ``height``, ``width``, ``sha256``; and of an ensemble how far apart its members are:
            ``true_class_std``, the standard deviation of the true class's probability, and ``map_agreement``, the mean
            correlation of their heat maps of the predicted class. What is undefined is null. Of a multi-label table
            ``class`` joins all classes of at least 0.5 by ``|``, and ``confidence`` is null.

        Raises:
            TableError: The table is damaged.
        """
        names = self.class_names
        rows = []
        for row in self.table.index():
            document = row.document(names, multi_label=self.provenance.multi_label, ensemble=True)
            document["class"] = row.predicted_text(names, multi_label=self.provenance.multi_label)
            probabilities, spread = document.pop("probabilities") or {}, document.pop("spread")
            document |= {"true_class_std": spread["true_class"], "map_agreement": spread["map_agreement"]}
            rows.append(document | {f"probability_{name}": probabilities.get(name) for name in names})
        schema = pa.schema(
            [
                *((name, pa.string()) for name in _TEXTS[:7]),
                ("confidence", pa.float64()),
                *((f"probability_{name}", pa.float64()) for name in names),
                *((name, pa.string()) for name in _TEXTS[7:]),
                *((name, pa.int32()) for name in _WHOLE),
                *((name, pa.float64()) for name in _SPREAD),
            ]
        )
        return pa.Table.from_pylist(rows, schema)

    def to_pandas(self) -> Any:  # noqa: ANN401 -- pandas is not needed by this package
        """Return :meth:`to_arrow` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            return self.to_arrow().to_pandas()
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas, which is not installed: pip install pandas") from error

    def heatmap(self, image_id: str, class_name: str | None = None) -> NDArray[np.float32]:
        """Return the heat map of a class on the pixels of a radiograph.

        Args:
            image_id: The image.
            class_name: The class; None takes the predicted one.

        Returns:
            Float32 array of the radiograph's height and width in [0, 1]. All 0, with a
            :class:`~btxrd_explain.core.heatmap.DegenerateMapWarning`, where the grid holds no usable evidence.

        Raises:
            TypeError: A name is not text.
            ValueError: The table has no such image or class, the image has no prediction, or the map was not computed.
        """
        image = self._image(image_id)
        index = image.row.predicted
        if class_name is not None:
            index = self.class_names.index(checked_name(class_name, self.class_names, "class_name"))
        if index is None:
            raise ValueError(f"image_id: '{image_id}' has no prediction ({image.row.status})")
        if image.row.grid(index) is None:
            raise ValueError(
                f"class_name: the heat map of '{self.class_names[index]}' of '{image_id}' was not computed; run infer "
                "with explain_classes="
            )
        heat = image.heat_map(index)
        if heat.status is not MapStatus.OK:
            message = f"the heat map of class {self.class_names[index]} of '{image_id}' is empty: {heat.status}"
            warnings.warn(message, DegenerateMapWarning, stacklevel=2)
        return heat.values

    def radiograph(self, image_id: str) -> Radiograph:
        """Read a radiograph, which must still be the one that was predicted.

        Raises:
            ValueError: The table has no such image, or the image has no prediction.
            RadiographError: The file is gone, unreadable, or another one than at inference.
        """
        return self._image(image_id).radiograph()

    def _image(self, image_id: Any) -> ExplainedImage:  # noqa: ANN401 -- what is not text is refused
        row = next(self.table.rows([image_id]), None) if isinstance(image_id, str) else None
        if row is None:
            known = self.table.index().column("image_id").to_pylist()
            raise ValueError(f"image_id: there is no {checked_name(image_id, known, 'image_id')!r}")
        if row.grids is None:
            raise ValueError(f"image_id: '{image_id}' has no prediction ({row.status})")
        return ExplainedImage.of(row, self.table)


@called_from_python()
def read_predictions(path: str | os.PathLike[str]) -> Predictions:
    """Open a predictions table, as ``infer`` writes it.

    Args:
        path: A Parquet file, or a folder of them; also by its URL.

    Returns:
        Its rows, which are read when they are asked for.

    Raises:
        TypeError: The path is neither text nor a path.
        TableError: The table is missing, damaged, or holds no predictions.

    >>> read_predictions(b"out/predictions.parquet")
    Traceback (most recent call last):
    TypeError: path: expected a path as text or pathlib.Path, got a bytes
    """
    return Predictions(open_table(on_this_machine(checked_place(path, "path"))))
