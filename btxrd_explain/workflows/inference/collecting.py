"""Which images the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.dataset import Collection, ImageRecord, collect
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.predictions.table import open_table

if TYPE_CHECKING:
    from typing import IO

    from btxrd_explain.settings import Settings


def collect_images(settings: Settings, *, stdin: IO[bytes] | None = None) -> Collection:
    """Collect the images that the settings name; where they name none, those of the table on disk.

    Raises:
        InputError: No image is named, or what is named cannot be used.
    """
    if names_images(settings):
        data = settings.data
        return collect(
            data.inputs,
            root=data.root,
            images=data.images,
            annotations=data.annotations,
            split_csv=data.split_csv,
            split=data.split,
            class_names=settings.model.class_names,
            stdin=stdin,
        )
    path = settings.output.predictions_path
    if not path.exists():
        raise InputError("no radiographs are named", hint="name images, a folder, a split CSV or a BTXRD root")
    table, source = open_table(path), open_source(settings.data.annotations)
    rows = [row for row in table.index() if row.status is not RowStatus.MISSING]
    records = tuple(
        ImageRecord(row.image_id, place, row.label, row.split, source.find(place))
        for row in rows
        for place in [table.image_path(row)]
    )
    return Collection(records, named=False)


def names_images(settings: Settings) -> bool:
    """Say whether the settings name images, rather than leaving it to the table."""
    data = settings.data
    return bool(data.inputs) or any((data.root, data.images, data.split_csv))
