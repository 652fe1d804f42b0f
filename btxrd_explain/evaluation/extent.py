"""What an evaluation rests on beyond the scores: a threshold from another split, slices by metadata, groups."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import Rule
from btxrd_explain.core.sanity import Outcome, Verdict
from btxrd_explain.core.threshold import Threshold
from btxrd_explain.errors import InputError, SettingsError
from btxrd_explain.evaluation.evaluate import average_mask, evaluate
from btxrd_explain.evaluation.file_set import read_report
from btxrd_explain.evaluation.origin import Origin
from btxrd_explain.evaluation.readers import readers_of
from btxrd_explain.evaluation.sample import MOST_SLICES, count_slices
from btxrd_explain.evaluation.schema import Tuning
from btxrd_explain.evaluation.summaries import best_of, mean_curve
from btxrd_explain.inference.selection import Selected, select_other_rows, split_off
from btxrd_explain.inputs.btxrd import Metadata, find_btxrd_root, read_metadata
from btxrd_explain.progress import Listener
from btxrd_explain.system.files import named_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from btxrd_explain.core.metrics.baselines import AverageMask
    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings import Settings

# A threshold chosen on other radiographs than those that are scored.


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was learnt from other radiographs.

    Attributes:
        protocol: The protocol with the threshold that was chosen.
        average: Their average lesion mask; None where baselines are not asked for.
        document: Where the threshold comes from, for the report.
    """

    protocol: Protocol
    average: AverageMask | None
    document: Tuning


def tune(
    settings: Settings,
    scored: Selected,
    protocol: Protocol,
    listener: Listener,
    *,
    groups: Sequence[str | None] | None = None,
) -> Tuned | None:
    """Choose the threshold of the highest mean IoU on the radiographs of another split.

    Args:
        settings: The settings; ``annotation.tune_on`` names the split.
        scored: The radiographs that are going to be scored, none of which may have a say.
        protocol: How to compare.
        listener: Told of progress.
        groups: The group of each scored radiograph, where intervals draw groups: none of them may have a say either.

    Returns:
        What was learnt; None where no split is named.

    Raises:
        SettingsError: The rule of the protocol has no threshold to choose.
        InputError: Radiographs of the split are among the scored ones, or none of them can be scored.
        BtxrdExplainError: The split cannot be used.
    """
    source = settings.annotation.tune_on
    if source is None:
        return None
    if protocol.threshold.rule is not Rule.FIXED:
        raise SettingsError(
            f"--tune-on chooses a fixed threshold, but the rule is {protocol.threshold.rule}",
            hint="leave one of them out",
        )
    others, left_out = select_other_rows(
        settings, scored, source, settings.annotation.tune_split, "--tune-split", listener
    )
    same_group: list[str] = []
    others, _ = readers_of(settings, others, Listener())  # told of the scored ones
    if groups is not None:
        others, same_group = _without_groups(settings, others, groups, listener)
    evaluated = evaluate(others, protocol.bare(), listener).evaluated
    curve = mean_curve(evaluated)
    if curve is None:
        raise InputError(f"no radiograph of '{source}' can be scored", hint="check its annotations and --tune-split")
    value, mean_iou = best_of(curve)
    document = Tuning(
        file=named_in(settings.output.directory, source),
        split=settings.annotation.tune_split,
        images=sum(score.iou is not None for score in evaluated),
        mean_iou=mean_iou,
        left_out=left_out,
        same_group=same_group,
    )
    average = average_mask(others, protocol, listener) if protocol.baselines else None
    chosen = replace(protocol, threshold=Threshold(Rule.FIXED, value, protocol.threshold.operator))
    listener.note(f"threshold {value:.2f}, chosen on {document.images} radiographs of '{source}'")
    return Tuned(chosen, average, document)


def _without_groups(
    settings: Settings, others: Selected, groups: Sequence[str | None], listener: Listener
) -> tuple[Selected, list[str]]:
    """Leave out radiographs of groups, such as patients, of which others are scored."""
    if not len(others.rows):
        return others, []
    extent = settings.evaluation.model_copy(update={"by": ()})
    (cells,) = read_columns(settings.model_copy(update={"evaluation": extent}), others, listener).values()
    scored = {group for group in groups if group is not None}
    return split_off(others, np.array([cell in scored for cell in cells], dtype=bool))


# What is reported beyond the scores themselves: slices by metadata, groups, and where they come from.


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
        interventions: Verdict of interventions with the same network; None where there is none.
        origin: Which radiographs are worked on.
    """

    origin: Origin

    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    group_column: str | None = None
    groups: Sequence[str | None] | None = None
    tuning: Tuning | None = None
    average_mask: str | None = None
    resamples: int = 1000
    seed: int = 0
    sanity: Verdict | None = None
    interventions: str | None = None


def extent_of(
    command: str,
    settings: Settings,
    selected: Selected,
    columns: Mapping[str, list[str | None]],
    tuned: Tuned | None,
) -> Extent:
    """Gather what is reported beyond the scores.

    Args:
        command: The command that reports.
        settings: The settings.
        selected: The radiographs.
        columns: What :func:`read_columns` returned for them.
        tuned: What was learnt from other radiographs; None where nothing was.
    """
    wanted = settings.evaluation
    group = wanted.group_column
    others = "the other images" if tuned is None else f"the images of {tuned.document.file}"
    return Extent(
        origin=Origin.of(command, settings, selected),
        columns={name: columns[name] for name in wanted.by},
        group_column=group,
        groups=None if group is None else columns[group],
        tuning=None if tuned is None else tuned.document,
        average_mask=others if wanted.baselines else None,
        resamples=wanted.resamples,
        seed=wanted.seed,
        sanity=read_sanity(settings.output.directory, selected.table.provenance.fingerprint),
        interventions=read_interventions(settings.output.directory, selected.table.provenance),
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
        InputError: The table is missing, it cannot be read, or it lacks a column.
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
        document = read_report(folder / "sanity_report.json")
        same = document["provenance"]["fingerprint"] == fingerprint
        return Verdict(Outcome(document["outcome"]), str(document["verdict"])) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


_OF_PREDICTIONS = ("checkpoint_sha256", "architecture", "class_names", "preprocessing", "activation")
"""What of a provenance predictions depend on."""


def read_interventions(folder: Path, provenance: Provenance) -> str | None:
    """Return the verdict of interventions with the same network and input; None where none is in the folder.

    Effects do not depend on heat maps, so that another method or layer does not matter.
    """
    made = provenance.document()
    own = json.loads(json.dumps({name: made[name] for name in _OF_PREDICTIONS}))
    try:
        document = read_report(folder / "intervention_report.json")
        same = {name: document["provenance"][name] for name in _OF_PREDICTIONS} == own
        return str(document["verdict"]) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _folders(settings: Settings, selected: Selected) -> Iterator[Path]:
    """Yield the folders that may be a BTXRD root: as named, else above the first image."""
    if settings.data.root is not None:
        yield settings.data.root
    yield from (Path(text) for text in settings.data.inputs if text != "-")
    yield selected.table.image_path(selected.rows[0]).parent.parent
