"""Heat maps for other programs: LabelMe, COCO, NumPy, TIFF and FiftyOne."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.errors import BtxrdExplainError, OutputError, SettingsError
from btxrd_explain.outputs.export.item import UnexportedError
from btxrd_explain.workflows.evaluation.protocol import protocol_of
from btxrd_explain.workflows.exporting.images import ImageMaker
from btxrd_explain.workflows.exporting.writers import make_writer
from btxrd_explain.workflows.progress import Failures, Listener
from btxrd_explain.workflows.selection import select_rows

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.selection import Selected

_MUCH = 2**30
"""Bytes of float32 from which the user is told beforehand."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What ``export`` wrote.

    Attributes:
        to: The format.
        folder: Where the files are; None where each lies beside its image.
        exported: Number of images that were exported.
        failed: Why the others were not, by ``image_id``.
    """

    to: str
    folder: Path | None
    exported: int
    failed: dict[str, str]


def run(settings: Settings, listener: Listener | None = None) -> ExportResult:
    """Export heat maps, image by image: memory does not grow with their number, and none stops the others.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was written.

    Raises:
        SettingsError: No format is named.
        BtxrdExplainError: Table or output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    wanted = settings.export
    if wanted.to is None:
        raise SettingsError("no format is named", hint="give --to labelme, coco, npz, tiff or fiftyone")
    selected = select_rows(settings, listener)
    _warn_of_size(selected, settings, listener)
    folder = settings.output.directory / wanted.to
    protocol = protocol_of(settings, selected.table.provenance.class_names)
    maker = ImageMaker(selected, settings, protocol, listener)
    make = maker.maps if wanted.to in {"npz", "tiff"} else maker.regions
    exported, failed = 0, {}
    listener.start(f"export to {wanted.to}", len(selected.rows))
    with make_writer(selected, settings, protocol, folder) as add:
        for row in selected.table.rows(set(selected.rows.column("image_id").to_pylist())):
            try:
                add(make(row))
                exported += 1
            except BtxrdExplainError as error:
                if isinstance(error, OutputError) and not isinstance(error, UnexportedError):
                    raise  # the disk is full: no other radiograph would do better
                failed[row.image_id] = str(error)
                listener.failed(row.image_id, "failed", str(error))
            listener.advance()
    beside = wanted.to == "labelme" and wanted.beside_images
    return ExportResult(wanted.to, None if beside else folder, exported, failed)


def _warn_of_size(selected: Selected, settings: Settings, listener: Listener) -> None:
    """Tell beforehand where arrays of the radiographs' size will fill a disk."""
    wanted = settings.export
    if wanted.to not in {"npz", "tiff"} or wanted.map_size != "original":
        return
    classes = len(selected.table.provenance.class_names) if wanted.classes == "all" else 1
    total = sum(4 * classes * row.size.height * row.size.width for row in selected.rows if row.size is not None)
    if total > _MUCH:
        listener.note(
            f"{total / 2**30:.1f} GiB of float32 before compression; --map-size input or grid takes much less"
        )
