"""What `annotate-iou` writes of human readers: a table of all images, a picture, and a section of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.commands.markdown import interval, plain_markdown, table
from btxrd_explain.commands.tables import write_tables
from btxrd_explain.core.readers import RegionScores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from btxrd_explain.evaluation.human import HumanBenchmark, ReaderResult
    from btxrd_explain.evaluation.parts import Estimate
    from btxrd_explain.evaluation.readers import ReadImage
    from btxrd_explain.evaluation.schema import Report
    from btxrd_explain.outputs.reader_figure import Mean
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings import OutputSettings

TITLES = {
    "iou": "IoU",
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "lesion_recall": "lesion recall",
    "centre_hit": "hit by one point",
    "any_hit": "hit by any point",
}
"""What the scores are called in print."""

# annotation_readers.parquet and .csv: a row per image and reader.


def reader_rows(read: Sequence[ReadImage], names: Sequence[str]) -> pa.Table:
    """Return what readers score, a row per image (and class) and reader.

    Args:
        read: What the readers of each image score.
        names: The classes; none where images have none.

    Returns:
        ``image_id``, ``target_class``, ``reader``, ``fate``, and each score of the reader (``reader_iou``) and of the
        heat map (``heat_map_iou``) against the same reference; null where undefined.
    """
    import pyarrow as pa

    sides = ("reader", "heat_map")
    schema = pa.schema(
        [(name, pa.string()) for name in ("image_id", "target_class", "reader", "fate")]
        + [(f"{side}_{name}", pa.float64()) for side in sides for name in RegionScores._fields]
    )
    rows = [
        {"image_id": one.image_id, "reader": reader, "fate": str(pair.fate)}
        | {"target_class": None if one.target is None else names[one.target]}
        | {f"reader_{name}": value for name, value in pair.reader._asdict().items()}
        | {f"heat_map_{name}": value for name, value in pair.heat_map._asdict().items()}
        for one in read
        for reader, pair in one.reading.pairs.items()
    ]
    return pa.Table.from_pylist(rows, schema)


def write_readers(folder: Path, read: Sequence[ReadImage], names: Sequence[str]) -> dict[str, Path]:
    """Write the table of all images, and return its files by kind."""
    rows = reader_rows(read, names)
    parquet, text = write_tables(folder / "annotation_readers", [rows], rows.schema)
    return {"readers": parquet, "readers_csv": text}


# The picture: readers, heat maps, baselines and ceiling.

_CHARTS = {"iou": "iou", "centre_hit": "pointing_hit"}
"""Scores of readers that are drawn, and what they are called of maps."""


def draw_readers(report: Report, provenance: Provenance, output: OutputSettings) -> dict[str, Path]:
    """Draw the readers, and return the file by its kind; none without readers."""
    from btxrd_explain.commands.drawing import footer  # noqa: PLC0415 -- matplotlib
    from btxrd_explain.outputs.reader_figure import Line, build_reader_figure  # noqa: PLC0415 -- likewise
    from btxrd_explain.outputs.style import save_figure  # noqa: PLC0415 -- likewise

    human = report.human
    if human is None:
        return {}
    metrics = [report.summary.overall.metrics[name] for name in _CHARTS.values()]
    lines = [
        Line(
            name if result is human.all_readers else f"reader {name}",
            [_mean(result.scores[score].reader) for score in _CHARTS],
            [_mean(result.scores[score].heat_map) for score in _CHARTS],
        )
        for name, result in human.results
    ]
    lines.append(Line("heat maps, all images", [_mean(metric) for metric in metrics]))
    others = list(metrics[0].comparators)
    lines += [Line(name, [_mean(metric.comparators[name]) for metric in metrics], bound=True) for name in others]
    kinds = dict.fromkeys(kind for metric in metrics for kind in metric.baselines)
    lines += [Line(kind, [_mean(metric.baselines.get(kind)) for metric in metrics], bound=True) for kind in kinds]
    lines.append(Line("ceiling of the grid", [_mean(metric.ceiling) for metric in metrics], bound=True))
    titles = ["mean IoU", "hit by one point"]
    figure = build_reader_figure(titles, lines, title="Human readers and heat maps", footer=footer(provenance))
    path = output.directory / f"annotation_readers.{output.format}"
    save_figure(figure, path, dpi=output.dpi)
    return {"annotation_readers": path}


def _mean(found: Estimate | None) -> Mean:
    from btxrd_explain.outputs.reader_figure import Mean  # noqa: PLC0415 -- matplotlib

    return Mean(None) if found is None else Mean(found.mean, found.low, found.high)


# The section of annotation_report.md.


def readers_section(human: HumanBenchmark) -> Iterator[str]:
    """Yield the parts of the section about human readers."""
    yield (
        f"### Human readers\n\nEach of {len(human.readers)} readers and the heat map were compared with "
        f"{human.compared_with}, on the same images: those in which both have the score."
    )
    results = [*((plain_markdown(name), one) for name, one in human.readers.items()), ("**all**", human.all_readers)]
    header = ["reader", "score", "n", "reader [95 %]", "heat map [95 %]", "difference [95 %]", "fraction [95 %]"]
    yield table(header, (row for name, result in results for row in _rows(name, result)))
    yield (
        "Difference: heat map minus reader, image by image. Fraction of the human benchmark: mean of the heat map "
        "divided by mean of the reader."
    )
    fates = list(human.all_readers.images)
    yield table(
        ["reader", *fates, "without a heat map"],
        (
            [name, *(str(result.images[fate]) for fate in fates), str(result.undefined_heat_maps)]
            for name, result in results
        ),
    )
    if not human.agreement:
        return
    yield table(
        ["agreement of", "IoU [95 %]", "Dice [95 %]", "both drew", "one drew", "none drew"],
        (
            [
                plain_markdown(" and ".join(two.readers)),
                interval(two.iou),
                interval(two.dice),
                *map(str, (two.both_drew, two.one_drew, two.none_drew)),
            ]
            for two in human.agreement
        ),
    )


def _rows(name: str, result: ReaderResult) -> Iterator[list[str]]:
    for score, found in result.scores.items():
        estimates = (found.reader, found.heat_map, found.difference, found.fraction)
        yield [name, TITLES[score], str(found.reader.n), *map(interval, estimates)]
