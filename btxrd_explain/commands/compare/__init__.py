"""Two or more predictions tables on the same images: checkpoints, layers or methods, with paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from pathlib import Path  # noqa: TC003 -- the doctest uses it
from typing import TYPE_CHECKING

from btxrd_explain.commands import annotate_iou
from btxrd_explain.commands.compare.agreement import agreement_of
from btxrd_explain.commands.compare.differences import Common, in_common, pair, restricted
from btxrd_explain.commands.compare.report import write_comparison
from btxrd_explain.core.choices import TargetClass
from btxrd_explain.errors import InputError, SettingsError
from btxrd_explain.evaluation.decisions import decisions_of
from btxrd_explain.evaluation.evaluate import evaluate
from btxrd_explain.evaluation.extent import read_columns
from btxrd_explain.evaluation.protocol import protocol_of
from btxrd_explain.evaluation.sample import joined
from btxrd_explain.evaluation.score import advice_on
from btxrd_explain.inference.request import refuse_stream
from btxrd_explain.inference.selection import Selected, are_gone, select_to_evaluate
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.files import named_in, relative_path
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from btxrd_explain.commands.annotate_iou import AnnotateIouResult
    from btxrd_explain.commands.compare.agreement import Agreement
    from btxrd_explain.commands.compare.differences import Comparison
    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings import Settings

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class CompareResult:
    """What ``compare`` measured and wrote.

    Attributes:
        report: The content of ``comparison.json``.
        files: What was written, by kind.
        methods: The results of each method, where several were run in one go.
    """

    report: Comparison
    files: Mapping[str, Path]
    methods: Mapping[str, AnnotateIouResult]


def run(settings: Settings, tables: Sequence[Path], listener: Listener | None = None) -> CompareResult:
    """Compare predictions tables on the images that all of them have.

    Args:
        settings: The settings; the table and the checkpoint that they name have no part.
        tables: The tables, two or more; the first is what the others are compared with.
        listener: Told of progress; None is silent.

    Returns:
        What was measured.

    Raises:
        SettingsError: There are fewer than two tables.
        BtxrdExplainError: A table, the annotations or the output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    if len({path.resolve() for path in tables}) < max(len(tables), 2):
        there = sorted(str(path) for path in settings.output.directory.glob("predictions*.parquet"))
        such = f", such as {' '.join(there[:_SHOWN])}" if len(there) > 1 else ""
        raise SettingsError("compare needs two or more different tables", hint=f"name their .parquet files{such}")
    bare = settings.model.model_copy(update={"checkpoint": None})
    opened = []
    for path in tables:
        output = settings.output.model_copy(update={"predictions": path})
        opened.append(select_to_evaluate(settings.model_copy(update={"model": bare, "output": output}), listener))
    several = _have_several(opened, settings)
    common = in_common(dict(zip(_names(opened, settings.output.directory), opened, strict=True)))
    _tell(common, listener)
    evaluations = {}
    for name, selected in common.selections.items():
        decisions = decisions_of(settings, selected, listener) if several else None
        protocol = protocol_of(settings, selected.table.provenance.class_names, decisions)
        protocol = protocol.bare(chance=True, of_network=settings.evaluation.baselines)
        evaluations[name] = evaluate(selected, protocol, listener)
    return _compared(evaluations, common, settings, {}, listener)


def run_methods(settings: Settings, listener: Listener | None = None) -> CompareResult:
    """Evaluate several methods of class-activation mapping, a table and a report for each, and compare them.

    The table of a method is ``predictions.<method>.parquet``, its report lies in a folder of the method's name.

    Args:
        settings: The settings; ``evaluation.methods`` names the methods.
        listener: Told of progress; None is silent.

    Returns:
        What was measured.

    Raises:
        SettingsError: There are fewer than two methods, one table is named for all of them, or radiographs are named
            on the standard input.
        BtxrdExplainError: Checkpoint, input or output cannot be used.
    """
    listener = Failures(listener, strict=settings.run.strict)
    methods, output = settings.evaluation.methods, settings.output
    if len(methods) < 2 or output.predictions is not None:
        raise SettingsError(
            "--methods takes two or more methods, and has a table for each in the folder of results",
            hint="name several methods, and leave out --predictions",
        )
    refuse_stream(settings)
    results: dict[str, AnnotateIouResult] = {}
    for method in methods:
        listener.note(f"method {method}")
        places = {"directory": output.directory / method, "predictions": table_of(output.directory, method)}
        own = {
            "gradcam": settings.gradcam.model_copy(update={"method": method}),
            "output": output.model_copy(update=places),
        }
        results[method] = annotate_iou.run(settings.model_copy(update=own), listener)
    common = in_common({method: result.evaluation.selected for method, result in results.items()})
    _tell(common, listener)
    evaluations = {
        method: restricted(results[method].evaluation, selected) for method, selected in common.selections.items()
    }
    return _compared(evaluations, common, settings, results, listener)


def table_of(folder: Path, method: str) -> Path:
    """Return the table of one of several methods.

    >>> table_of(Path("out"), "layercam").as_posix()
    'out/predictions.layercam.parquet'
    """
    return folder / f"predictions.{method}.parquet"


def _compared(
    evaluations: Mapping[str, Evaluation],
    common: Common,
    settings: Settings,
    methods: Mapping[str, AnnotateIouResult],
    listener: Listener,
) -> CompareResult:
    """Pair the scores and write the comparison."""
    wanted = settings.evaluation
    first = next(iter(evaluations.values()))
    column = wanted.group_column
    groups = None if column is None else read_columns(settings, first.selected, listener)[column]
    paired = pair(evaluations, groups=groups, resamples=wanted.resamples, seed=wanted.seed)
    if not len(paired.jointly):
        reasons = ", ".join(f"{reason} ({count})" for reason, count in paired.excluded.items())
        gone = any(are_gone(evaluation.selected) for evaluation in evaluations.values())
        advice = advice_on(paired.excluded, gone=gone, named=settings.data.annotations is not None)
        raise InputError(f"no radiograph could be scored in all tables: {reasons}", hint=advice)
    agreements = _agreements(evaluations, groups, settings)
    with alone(settings.output.directory / "comparison.json", listener.note):
        report, files = write_comparison(evaluations, paired, common, agreements, settings)
    return CompareResult(report, files, methods)


def _agreements(
    evaluations: Mapping[str, Evaluation], groups: Sequence[str | None] | None, settings: Settings
) -> dict[str, Agreement]:
    """Compare the maps of each table with those of the first, where that is asked for."""
    if not settings.evaluation.agreement:
        return {}
    first, *others = evaluations.values()
    images, contents = (first.selected.rows.column(name).to_pylist() for name in ("image_id", "sha256"))
    units = dict(zip(images, joined(groups or [None] * len(images), contents), strict=True))
    wanted = settings.evaluation
    return {
        name: agreement_of(first, other, units, resamples=wanted.resamples, seed=wanted.seed)
        for name, other in zip(list(evaluations)[1:], others, strict=True)
    }


def _names(tables: Sequence[Selected], folder: Path) -> list[str]:
    """Name tables by what tells them apart: method, layer, smoothing, checkpoint, origin; else by their paths."""
    own = [selected.table.provenance for selected in tables if selected.table.provenance.imported is None]
    facts = [_facts(of) for of in own]
    telling = [len(set(column)) > 1 for column in zip(*facts, strict=True)]
    if len(own) == 1:  # nothing tells it from other networks
        telling = [True, *telling[1:]]
    paths = [selected.table.path for selected in tables]
    places = [named_in(folder, path) for path in paths]
    if len(set(places)) < len(tables):  # what was named from the root on may look like another that was not
        places = [relative_path(path, folder) for path in paths]
    names = []
    for selected, place in zip(tables, places, strict=True):
        made = selected.table.provenance
        if made.imported is None:
            names.append(", ".join(compress(_facts(made), telling)))
        else:
            names.append("imported maps" if len(own) == len(tables) - 1 else f"imported maps, {place}")
    return names if len(set(names)) == len(tables) else places


def _facts(made: Provenance) -> list[str]:
    return [str(made.method), made.target_layer, f"smooth {made.smooth}", made.checkpoint, made.architecture]


def _have_several(tables: Sequence[Selected], settings: Settings) -> bool:
    """Return whether radiographs may have several classes; imported maps without predictions are like the others.

    Raises:
        InputError: Some tables are multi-label, and others are not.
        SettingsError: The predicted classes are asked for, which are not the same in all multi-label tables.
    """
    saying = [of for of in tables if of.table.provenance.imported is None or (of.rows.predicted >= 0).any()] or tables
    several = {selected.table.provenance.multi_label for selected in saying}
    if len(several) > 1:
        raise InputError(
            "the classes of some of the tables exclude each other, those of the other tables do not",
            hint="compare tables of one kind",
        )
    if True in several and settings.annotation.target_class is TargetClass.PREDICTED:
        raise SettingsError(
            "multi-label tables predict several classes of a radiograph, not the same in all tables, so that they "
            "cannot be paired",
            hint="leave --target-class predicted out",
        )
    return True in several


def _tell(common: Common, listener: Listener) -> None:
    """Count and name the images that are left out."""
    for name, images in common.only.items():
        if images:
            listener.note(f"{len(images)} images only in '{name}': {_listed(images)}")
    if common.changed:
        listener.note(f"{len(common.changed)} images whose file was not the same: {_listed(common.changed)}")
    for name, count in common.unknown.items():
        if count:
            listener.note(f"'{name}' does not say what {count} images look like: they are taken by their names")
    if common.relabelled:
        listener.note(f"{len(common.relabelled)} images whose true class differs: {_listed(common.relabelled)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
