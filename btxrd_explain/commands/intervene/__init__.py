"""Is it the classifier, or the map? The radiograph is changed, and the prediction is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.commands.intervene.markdown import write_markdown
from btxrd_explain.commands.intervene.report import (
    DEFINITIONS,
    InterventionReport,
    Measured,
    Protocol,
    changed,
    describe_images,
    describe_surroundings,
    describe_table,
    energy_with_excess,
    limits_of,
    summarise_all,
    verdict_of,
)
from btxrd_explain.core.intervention import Fill
from btxrd_explain.core.reliance import RULE
from btxrd_explain.errors import InputError
from btxrd_explain.evaluation.decisions import decisions_of
from btxrd_explain.evaluation.evaluate import Evaluation, evaluate
from btxrd_explain.evaluation.extent import read_columns
from btxrd_explain.evaluation.file_set import with_relative_places, write_set
from btxrd_explain.evaluation.intervention import Effects
from btxrd_explain.evaluation.parts import LeftOut, Statistics
from btxrd_explain.evaluation.protocol import protocol_of
from btxrd_explain.evaluation.sample import Sample
from btxrd_explain.inference.request import build_request, checkpoints_of
from btxrd_explain.inference.selection import select_to_evaluate
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.system.files import with_relative_paths, write_bytes
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.commands.intervene.gather import Gathered
    from btxrd_explain.settings import Settings
    from btxrd_explain.settings.analysis_sections import InterventionSettings

_DOCUMENT = "intervention_report.json"


@dataclass(frozen=True, slots=True)
class InterveneResult:
    """What ``intervene`` measured and wrote.

    Attributes:
        report: The content of ``intervention_report.json``.
        document: Path of the report.
        files: What else was written, by kind.
    """

    report: InterventionReport
    document: Path
    files: Mapping[str, Path]


def run(settings: Settings, listener: Listener | None = None, *, journal: Path | None = None) -> InterveneResult:
    """Change radiographs, watch the predictions, and write report, tables and figures.

    Args:
        settings: The settings; a checkpoint must be named.
        listener: Told of the cost and of progress; None is silent.
        journal: Folder of what the network said in earlier runs, which may have other methods; None takes the folder of
            results.

    Returns:
        What was measured.

    Raises:
        SettingsError: No checkpoint is named.
        InputError: No radiograph can be changed.
        BtxrdExplainError: Checkpoint, table, images or output cannot be used.
    """
    from btxrd_explain.commands.intervene.gather import gather  # noqa: PLC0415 -- torch
    from btxrd_explain.inference.loading import load_explainer  # noqa: PLC0415 -- likewise

    listener = Failures(listener, strict=settings.run.strict)
    checkpoints_of(settings)  # a table alone cannot tell
    selected = select_to_evaluate(settings, listener)
    columns = read_columns(settings, selected, listener)
    provenance = selected.table.provenance
    protocol = protocol_of(settings, provenance.class_names, decisions_of(settings, selected, listener))
    evaluation = evaluate(selected, protocol.bare(), listener)
    explainer = load_explainer(settings, build_request(settings, several_labels="several_labels" in provenance.request))
    with alone(settings.output.directory / _DOCUMENT, listener.note):
        gathered = gather(settings, evaluation, explainer, listener, journal=journal)
        if not gathered.images:
            image_id, reason = next(iter(gathered.reasons.items()))
            raise InputError(
                f"none of the {len(selected.rows)} radiographs can be changed, such as '{image_id}': {reason}",
                hint="check the labels, or give --target-class predicted",
            )
        return write_results(settings, evaluation, gathered, columns, listener)


def write_results(
    settings: Settings,
    evaluation: Evaluation,
    gathered: Gathered,
    columns: Mapping[str, Sequence[str | None]],
    listener: Failures,
) -> InterveneResult:
    """Write tables and figures, and the report that names them last."""
    from btxrd_explain.commands.intervene.figures import draw_figures  # noqa: PLC0415 -- matplotlib

    folder, wanted = settings.output.directory, settings.evaluation
    own = {name: [cells[place] for place in gathered.places] for name, cells in columns.items()}
    sample = Sample.of(
        [image.score for image in gathered.images],
        evaluation.selected.table.provenance.class_names,
        groups=own.get(wanted.group_column or ""),
        resamples=wanted.resamples,
        seed=wanted.seed,
    )
    decisions = evaluation.protocol.decisions
    effects = Effects.of(gathered.images, gathered.design, None if decisions is None else decisions.thresholds)
    measured = Measured.of(effects, sample, settings.intervention)
    report = build_report(settings, evaluation, gathered, measured, own, listener)
    files = _write_table(folder, measured, report, {name: own[name] for name in wanted.by})
    files["summary"] = folder / "intervention_report.md"
    files |= draw_figures(settings, evaluation, measured, report, gathered.preprocessing, listener)
    report = report.model_copy(
        update={
            "files": {kind: path.name for kind, path in files.items()},
            "failed_images": LeftOut.of(listener.reasons),
        }
    )
    write_bytes(files["summary"], with_relative_paths(write_markdown(report), folder).encode())
    document = folder / _DOCUMENT
    report = write_set(document, report, files.values())
    return InterveneResult(report, document, files)


def _write_table(
    folder: Path, measured: Measured, report: InterventionReport, by: Mapping[str, Sequence[str | None]]
) -> dict[str, Path]:
    """Write ``intervention_metrics`` as Parquet and CSV; return their paths by kind."""
    from btxrd_explain.commands.intervene.metrics_table import (  # noqa: PLC0415 -- pyarrow
        intervention_schema,
        intervention_table,
        list_columns,
    )
    from btxrd_explain.commands.tables import write_tables  # noqa: PLC0415 -- likewise

    design = measured.effects.design
    made = {"protocol": with_relative_places(report.protocol.document(), folder), "provenance": report.provenance}
    schema = intervention_schema(design, tuple(by), made)
    table = intervention_table(measured, by, schema)
    parquet, text = write_tables(folder / "intervention_metrics", [table], schema, only_parquet=list_columns(design))
    return {"metrics": parquet, "metrics_csv": text}


def build_report(
    settings: Settings,
    evaluation: Evaluation,
    gathered: Gathered,
    measured: Measured,
    columns: Mapping[str, Sequence[str | None]],
    listener: Failures,
) -> InterventionReport:
    """Build the content of ``intervention_report.json``, but for the names of the files."""
    wanted, extent = settings.intervention, settings.evaluation
    provenance, effects = evaluation.selected.table.provenance, measured.effects
    outcome, verdict, remarks = verdict_of(measured)
    resampling = measured.sample.resampling(measured.sample.everything().rows)
    agreement = effects.agreement()
    return InterventionReport(
        verdict=verdict,
        outcome=outcome,
        remarks=remarks,
        rule=RULE,
        **changed(gathered.images),
        counted=measured.counted,
        summary=summarise_all(measured, {name: columns[name] for name in extent.by}),
        table=describe_table(measured, wanted),
        surroundings=describe_surroundings(measured),
        energy_with_excess=energy_with_excess(measured),
        fills_disagree=[effects.images[row].score.row.image_id for row in np.flatnonzero(agreement == 0).tolist()],
        num_fills_agree=int((agreement == 1).sum()),
        per_image=describe_images(measured),
        excluded_images=LeftOut.of(gathered.reasons),
        failed_images=LeftOut.of(listener.reasons),
        protocol=_protocol(evaluation, wanted),
        statistics=Statistics.of(
            resampling, "images" if extent.group_column is None else f"groups of {extent.group_column}"
        ),
        limits=list(
            limits_of(measured, provenance, evaluation.protocol.no_lesion, grouped=extent.group_column is not None)
        ),
        warnings=[*evaluation.selected.findings, *evaluation.findings],
        definitions=DEFINITIONS,
        files={},
        sha256={},
        provenance=evaluation.selected.table.document(),
    )


def _protocol(evaluation: Evaluation, wanted: InterventionSettings) -> Protocol:
    """Return what was done, in the report's words."""
    rules = evaluation.protocol.rules
    return Protocol(
        controls=wanted.controls,
        margins=list(wanted.margins),
        fills=[str(fill) for fill in Fill],
        control_seed=wanted.control_seed,
        target_class=evaluation.protocol.target_class,
        activation=evaluation.selected.table.provenance.activation,
        annotations=evaluation.selected.source.description,
        mask_policy=rules.policy,
        label_map=dict(rules.labels),
    )
