"""``annotation_metrics.parquet`` and ``.csv``: one row per selected image, with all that was measured of it.

Of a multi-label table it has one row for each class of the image that is measured, which ``target_class`` names.

Undefined is null (an empty cell in the CSV), never 0. The Parquet file holds every text to the letter; in the CSV an
apostrophe precedes what a spreadsheet would run as a formula. ``docs/reference/report.md`` lists the columns.
"""

from __future__ import annotations

import json
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from btxrd_explain.commands.tables import write_tables
from btxrd_explain.core.metrics import CURVE_THRESHOLDS, ImageMetrics
from btxrd_explain.evaluation.measured import Measured
from btxrd_explain.evaluation.protocol import BASELINES, MapKind
from btxrd_explain.evaluation.schema import HITS, METRIC_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.evaluation.score import Score

_MEASURED = tuple(name for name in METRIC_FIELDS if name != "lesion_share")
"""What is measured of each map; the annotated share is a fact of the image."""
_CURVES = {MapKind.MODEL: "iou_curve", MapKind.CEILING: "ceiling_iou_curve"}
_AGREEMENTS = {"agreement": "iou", "agreement_otsu": "iou_otsu", "agreement_curve": "curve"}
"""How far the classifier's map marks what a comparator found: ends of columns, and what they hold."""
_CURVE = pa.list_(pa.float32(), len(CURVE_THRESHOLDS))
_KEY = "scored_from"
_ROWS_AT_ONCE = 1024

_FACTS: tuple[tuple[str, pa.DataType], ...] = (
    ("image_id", pa.string()),
    ("split", pa.string()),
    ("class", pa.string()),
    ("predicted", pa.string()),
    ("confidence", pa.float64()),
    ("outcome", pa.string()),
    ("excluded", pa.string()),
    ("detail", pa.string()),
    ("undefined", pa.string()),
    ("target_class", pa.string()),
    ("target_probability", pa.float64()),
    ("true_class_std", pa.float64()),
    ("map_agreement", pa.float64()),
    ("lesions", pa.int32()),
    ("lesion_share", pa.float64()),
    ("seen_fraction", pa.float64()),
    ("lesion_seen_fraction", pa.float64()),
    ("hottest_row", pa.int32()),
    ("hottest_column", pa.int32()),
)


def prefix_of(kind: MapKind) -> str:
    """Return what comes before a metric's name in the columns of a map; nothing for the classifier's own.

    >>> [prefix_of(kind) for kind in (MapKind.MODEL, MapKind.CEILING, MapKind.AVERAGE)]
    ['', 'ceiling_', 'baseline_average_']
    """
    if kind is MapKind.MODEL:
        return ""
    name = kind.replace("-", "_")
    return f"baseline_{name}_" if kind in BASELINES else f"{name}_"


_OF_DRAWS = prefix_of(MapKind.RANDOM_CHANNELS)
"""Of several maps a hit is a fraction."""


def metrics_schema(
    columns: Sequence[str] = (), metadata: Mapping[str, Any] | None = None, comparators: Sequence[str] = ()
) -> pa.Schema:
    """Return the schema of the table.

    Args:
        columns: Columns of the metadata that are taken over, as ``meta_<name>``.
        metadata: How the scores were made; becomes the schema's metadata ``btxrd_explain`` in JSON.
        comparators: Detectors and segmenters.
    """
    measured = [
        pa.field(f"{prefix}{name}", pa.bool_() if name in HITS and prefix != _OF_DRAWS else pa.float64())
        for prefix in (*map(prefix_of, MapKind), *(f"comparator_{other}_" for other in comparators))
        for name in _MEASURED
    ]
    agreements = [
        pa.field(f"comparator_{other}_{end}", _CURVE if what == "curve" else pa.float64())
        for other in comparators
        for end, what in _AGREEMENTS.items()
    ]
    return pa.schema(
        [
            *(pa.field(name, kind, nullable=name != "image_id") for name, kind in _FACTS),
            *(pa.field(f"meta_{name}", pa.string()) for name in columns),
            *measured,
            *agreements,
            *(pa.field(curve, _CURVE) for curve in _CURVES.values()),
            pa.field(_KEY, pa.string()),
        ],
        metadata=None if metadata is None else {b"btxrd_explain": json.dumps(metadata, sort_keys=True).encode()},
    )


def write_metrics(
    folder: Path,
    scores: Iterable[Score],
    names: Sequence[str],
    *,
    columns: Mapping[str, Sequence[str | None]],
    metadata: Mapping[str, Any],
    comparators: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write both files, each whole or not at all.

    Args:
        folder: Where to.
        scores: A score per selected image, in the order of the table.
        names: Names of the classes.
        columns: Cells of the metadata columns, one per score.
        metadata: How the scores were made.
        comparators: Detectors and segmenters.

    Returns:
        The parquet and the CSV file.

    Raises:
        OutputError: A file cannot be written.
    """
    schema = metrics_schema(tuple(columns), metadata, comparators)

    def parts() -> Iterator[pa.Table]:
        left = iter(scores)
        for number in count():  # as Python objects all rows would be too many
            part = slice(number * _ROWS_AT_ONCE, (number + 1) * _ROWS_AT_ONCE)
            cells = {name: values[part] for name, values in columns.items()}
            table = metrics_table(list(islice(left, _ROWS_AT_ONCE)), names, columns=cells, schema=schema)
            if not len(table):
                break
            yield table

    curves = [field.name for field in schema if field.type == _CURVE]
    return write_tables(folder / "annotation_metrics", parts(), schema, only_parquet=[*curves, _KEY])


def metrics_table(
    scores: Sequence[Score],
    names: Sequence[str],
    *,
    columns: Mapping[str, Sequence[str | None]],
    schema: pa.Schema | None = None,
) -> pa.Table:
    """Return scores as a table in memory; see :func:`write_metrics`."""
    rows = [
        _row(score, names) | {f"meta_{name}": values[number] for name, values in columns.items()}
        for number, score in enumerate(scores)
    ]
    return pa.Table.from_pylist(rows, schema or metrics_schema(tuple(columns)))


def _row(score: Score, names: Sequence[str]) -> dict[str, Any]:
    """Return a score as a row; the columns that it lacks become null."""
    return (
        {
            "image_id": score.row.image_id,
            "split": score.row.split,
            "class": score.label,
            "predicted": score.predicted(names),
            "confidence": score.confidence,
            "outcome": score.outcome(names),
            "excluded": score.excluded,
            "detail": score.detail,
            "undefined": score.undefined,
            "target_class": None if score.target is None else names[score.target],
            "target_probability": score.target_probability,
            "true_class_std": score.member_std,
            "map_agreement": score.map_agreement,
            "lesions": score.lesions,
            "lesion_share": None if score.model is None else score.model.lesion_share,
            "seen_fraction": score.seen_fraction,
            "lesion_seen_fraction": score.lesion_seen_fraction,
            "hottest_row": None if score.hottest is None else score.hottest[0],
            "hottest_column": None if score.hottest is None else score.hottest[1],
            _KEY: score.key,
        }
        | {name: curve.tolist() for kind, name in _CURVES.items() if (curve := score.curves.get(kind)) is not None}
        | {
            f"{prefix_of(kind)}{name}": getattr(metrics, name)
            for kind, metrics in score.metrics.items()
            for name in _MEASURED
        }
        | {
            f"comparator_{other}_{name}": getattr(metrics, name)
            for other, metrics in score.comparators.items()
            for name in _MEASURED
        }
        | {
            f"comparator_{other}_{end}": getattr(agreed, what)
            for other, agreed in score.agreements.items()
            for end, what in _AGREEMENTS.items()
        }
    )


class MetricsBefore:
    """The scores in ``annotation_metrics.parquet``, by what they follow from.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is another file, or of a release that wrote other columns.
    """

    def __init__(self, path: Path) -> None:
        """Read the columns that are needed."""
        kinds = (MapKind.MODEL, MapKind.FALSE_ALARM, MapKind.CEILING)
        names = [f"{prefix_of(kind)}{name}" for kind in kinds for name in _MEASURED]
        wanted = [_KEY, "undefined", "lesion_share", *_CURVES.values(), *names]
        try:
            with pq.ParquetFile(path) as file:  # read_table would import pandas
                table = file.read(columns=wanted)
        except pa.ArrowException as error:
            raise ValueError(f"'{path}' is damaged") from error
        fields = {field.name: field for field in metrics_schema()}
        if {field.name: field for field in table.schema} != {name: fields[name] for name in wanted}:
            raise ValueError(f"'{path}' has other columns")
        self._table = table.filter(table.column(_KEY).is_valid()).combine_chunks()
        self._rows = {key: row for row, key in enumerate(self._table.column(_KEY).to_pylist())}

    def __contains__(self, key: str | None) -> bool:
        """Return whether there are scores that follow from the same."""
        return key in self._rows

    def find(self, key: str, kinds: Iterable[MapKind]) -> Measured | None:
        """Return the scores of some of the maps; None where there are none."""
        if key not in self._rows:
            return None
        cells = self._table.slice(self._rows[key], 1).to_pylist()[0]
        share, undefined = cells["lesion_share"], cells["undefined"]
        metrics = {
            kind: ImageMetrics(lesion_share=share, **{name: cells[f"{prefix_of(kind)}{name}"] for name in _MEASURED})
            for kind in kinds
        }
        curves = {kind: np.array(cells[name], np.float32) for kind, name in _CURVES.items() if cells[name] is not None}
        return Measured(metrics, curves, undefined)
