"""What is reported beyond the scores themselves: slices by metadata, groups, and where they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.core.sanity import Outcome, Verdict
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.btxrd_root import find_btxrd_root
from btxrd_explain.inputs.metadata import Metadata, read_metadata
from btxrd_explain.workflows.evaluation.sample import MOST_SLICES, count_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from btxrd_explain.settings import Settings
    from btxrd_explain.workflows.evaluation.schema import Tuning
    from btxrd_explain.workflows.evaluation.tuning import Tuned
    from btxrd_explain.workflows.progress import Listener
    from btxrd_explain.workflows.selection import Selected


@dataclass(frozen=True, slots=True)
class Extent:
    """What is reported beyond the scores themselves.

    Attributes:
        columns: Cells of the metadata columns to slice by, one per selected image.
        group_column: Column whose groups intervals draw; None where they draw images.
        groups: The group of each selected image; None where intervals draw images.
        tuning: Where a tuned threshold comes from; None where it was not tuned.
        average_mask: Whose masks the average baseline averages; None without it.
        resamples: Draws of the bootstrap.
        seed: Seed of the bootstrap.
        sanity: Verdict of the randomisation of the same table; None where there is none.
    """

    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    group_column: str | None = None
    groups: Sequence[str | None] | None = None
    tuning: Tuning | None = None
    average_mask: str | None = None
    resamples: int = 1000
    seed: int = 0
    sanity: Verdict | None = None


def extent_of(
    settings: Settings, selected: Selected, columns: Mapping[str, list[str | None]], tuned: Tuned | None
) -> Extent:
    """Gather what is reported beyond the scores.

    Args:
        settings: The settings.
        selected: The radiographs.
        columns: What :func:`read_columns` returned for them.
        tuned: What was learnt from other radiographs; None where nothing was.
    """
    wanted = settings.evaluation
    group = wanted.group_column
    others = "the other images" if tuned is None else f"the images of {tuned.document.file}"
    return Extent(
        columns={name: columns[name] for name in wanted.by},
        group_column=group,
        groups=None if group is None else columns[group],
        tuning=None if tuned is None else tuned.document,
        average_mask=others if wanted.baselines else None,
        resamples=wanted.resamples,
        seed=wanted.seed,
        sanity=read_sanity(settings.output.directory, selected.table.provenance.fingerprint),
    )


def read_columns(settings: Settings, selected: Selected, listener: Listener) -> dict[str, list[str | None]]:
    """Read the columns of the metadata that the settings name, for the selected images.

    Args:
        settings: The settings.
        selected: The images.
        listener: Told of images that a column says nothing of.

    Returns:
        The cells of each column, one per image: the columns to slice by, and the group column.

    Raises:
        InputError: There is no table, it cannot be read, or it lacks a column.
    """
    wanted = settings.evaluation
    names = dict.fromkeys((*wanted.by, *([] if wanted.group_column is None else [wanted.group_column])))
    if not names:
        return {}
    metadata = find_metadata(settings, selected)
    if metadata is None:
        raise InputError(
            "no table of metadata is found near the images", hint="name a CSV or Excel file with --metadata"
        )
    image_ids = selected.rows.column("image_id").to_pylist()
    columns = {name: metadata.column(name, image_ids) for name in names}
    for name, cells in columns.items():
        if name in wanted.by and (count := count_slices(cells)) > MOST_SLICES:
            raise InputError(
                f"'{name}' holds {count} different values, of which --by would make as many slices",
                hint=f"name a column of at most {MOST_SLICES}; --group-column is for patients",
            )
        if absent := cells.count(None):
            fate = "each is a group of its own" if name == wanted.group_column else "they are in no slice of it"
            listener.note(f"'{name}' says nothing of {absent} of {len(cells)} radiographs: {fate}")
    return columns


def find_metadata(settings: Settings, selected: Selected) -> Metadata | None:
    """Find the table of metadata: as named, else the data set's near the images; None where there is none.

    Raises:
        InputError: It cannot be read.
    """
    if settings.evaluation.metadata is not None:
        return read_metadata(settings.evaluation.metadata)
    for folder in _folders(settings, selected):
        root = find_btxrd_root(folder) if folder.is_dir() else None
        if root is not None and root.table is not None:
            return read_metadata(root.table)
    return None


def read_sanity(folder: Path, fingerprint: str) -> Verdict | None:
    """Return the verdict of a randomisation of the same table; None where none lies in the folder.

    A report that is damaged or of another table says nothing about this one.
    """
    try:
        document = json.loads((folder / "sanity_report.json").read_text("utf-8"))
        same = document["provenance"]["fingerprint"] == fingerprint
        return Verdict(Outcome(document["outcome"]), str(document["verdict"])) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _folders(settings: Settings, selected: Selected) -> Iterator[Path]:
    """Yield the folders that may be a BTXRD root: as named, else above the first image."""
    if settings.data.root is not None:
        yield settings.data.root
    yield from (Path(text) for text in settings.data.inputs if text != "-")
    yield selected.table.image_path(selected.rows[0]).parent.parent
