"""The figures of ``intervene``: paired effects, conditions by class, and pictures of the four cells."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.commands.drawing import footer, note_missing_glyphs
from btxrd_explain.core.choices import Space
from btxrd_explain.core.controls import generator_of
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.intervention import Condition, Design, Fill, Kind, grey_of, intervene
from btxrd_explain.errors import RadiographError
from btxrd_explain.evaluation.intervention import CELLS, effect_name
from btxrd_explain.evaluation.lesions import lesions_of
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.outputs.chart import MOST_SERIES, gathered
from btxrd_explain.outputs.intervention_figure import (
    Case,
    Pairs,
    Row,
    build_cells,
    build_conditions,
    build_pairs,
)
from btxrd_explain.outputs.overlay import as_rgb
from btxrd_explain.outputs.style import save_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.commands.intervene.report import InterventionReport, Measured
    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings

_LABELS = {
    "lesion": "lesion removed",
    "control": "control removed",
    "excess": "excess",
    "lesion_blur": "lesion blurred",
    "control_blur": "control blurred",
    "lesion_alone": "lesion alone",
    "border": "border cleared",
    "background": "background cleared",
    "markers": "markers cleared",
}


def draw_figures(
    settings: Settings,
    evaluation: Evaluation,
    measured: Measured,
    report: InterventionReport,
    preprocessing: Preprocessing,
    listener: Listener,
) -> dict[str, Path]:
    """Draw the figures.

    Returns:
        The files by kind; pairs and cells only where there are lesions with controls.
    """
    provenance = evaluation.selected.table.provenance
    made, output = footer(provenance), settings.output
    note_missing_glyphs(provenance.class_names, listener)
    figures = {"intervention_conditions": _conditions(report, measured.sample.class_names, made)}
    if not np.isnan(measured.effects.excess()).all():
        figures["intervention_effects"] = _pairs(measured, report, made)
    cases = list(_cases(settings, evaluation, measured, preprocessing, listener))
    if cases:
        figures["intervention_cells"] = build_cells(
            cases,
            title="Does the map look, and does the class depend?",
            colormap=output.colormap,
            alpha=output.alpha,
            footer="numbers: log-odds of the class, in brackets the change from the radiograph as it is; the paint of "
            f"a control may look as odd as that of a lesion  |  {made}",
        )
    paths = {}
    for name, figure in figures.items():
        paths[name] = output.directory / f"{name}.{output.format}"
        save_figure(figure, paths[name], dpi=output.dpi)
    return paths


def _pairs(measured: Measured, report: InterventionReport, made: str) -> Figure:
    """Build the effect of each lesion next to that of its controls, for both fills."""
    classes = [image.score.label or "unknown" for image in measured.effects.images]
    order = list(dict.fromkeys([*measured.sample.class_names, *classes]))
    groups, shown = gathered(classes, order)
    charts = []
    for fill, title in ((Fill.INPAINT, "inpainted (decides)"), (Fill.BLUR, "blurred")):
        lesion, control = (measured.effects.values[effect_name(part, fill)] for part in ("lesion", "control"))
        found = report.summary.overall.effects[effect_name("excess", fill)].log_odds
        charts.append(Pairs(title, lesion[:, 0], control[:, 0], groups, found.mean, found.low, found.high, found.n))
    return build_pairs(charts, shown, verdict=report.verdict, footer=made)


def _conditions(report: InterventionReport, class_names: Sequence[str], made: str) -> Figure:
    """Build the mean effect of each condition, for all images and by class."""
    by_class, heading = report.summary.by_class, "Change of the log-odds, by condition"
    if len(by_class) > MOST_SERIES:
        heading += f" ({MOST_SERIES} most frequent of {len(by_class)})"
    kept = set(sorted(by_class, key=lambda name: -by_class[name].n_images)[:MOST_SERIES])
    parts = {"all": report.summary.overall, **{name: part for name, part in by_class.items() if name in kept}}
    names = [name for name in _LABELS if name in report.summary.overall.effects]
    tones = {name: index for index, name in enumerate(class_names)}
    rows = [
        Row(
            f"{name} ({part.n_images})",
            [part.effects[effect].log_odds.mean for effect in names],
            [part.effects[effect].log_odds.low for effect in names],
            [part.effects[effect].log_odds.high for effect in names],
            tones.get(name),
        )
        for name, part in parts.items()
    ]
    counts = [report.summary.overall.effects[name].log_odds.n for name in names]
    labels = [f"{_LABELS[name]} ({n})" for name, n in zip(names, counts, strict=True)]
    explained = f"in brackets the number of {report.counted}; excess: lesion removed minus control removed"
    return build_conditions(rows, labels, heading=heading, footer=f"{explained}  |  {made}")


def _cases(
    settings: Settings, evaluation: Evaluation, measured: Measured, preprocessing: Preprocessing, listener: Listener
) -> Iterator[Case]:
    """Yield the first images of each cell, changed anew."""
    places = [
        row
        for cell in CELLS
        for row in [row for row, own in enumerate(measured.cells) if own is cell][: settings.intervention.pictures]
    ]
    wanted: defaultdict[str, list[int]] = defaultdict(list)  # of several findings an image has several places
    for place in places:
        wanted[measured.effects.images[place].score.row.image_id].append(place)
    found: dict[int, Case] = {}
    for row in evaluation.selected.table.rows(list(wanted)):
        image = ExplainedImage.of(row, evaluation.selected.table)
        try:
            found |= {p: _case(image, evaluation, measured, preprocessing, p) for p in wanted[row.image_id]}
        except RadiographError as error:
            listener.failed(row.image_id, "not readable", str(error))
    yield from (found[place] for place in places if place in found)


def _case(
    image: ExplainedImage, evaluation: Evaluation, measured: Measured, preprocessing: Preprocessing, place: int
) -> Case:
    effects, names = measured.effects, measured.sample.class_names
    intervened, cell = effects.images[place], measured.cells[place]
    annotation, score = evaluation.selected.annotation_of(image.row), intervened.score
    if annotation is None or cell is None:
        raise ValueError(f"'{image.row.image_id}' has no lesion")
    name = None if score.annotated_class is None else names[score.annotated_class]
    lesions = lesions_of(annotation, image.frame, evaluation.protocol.rules, class_name=name)
    mask = image.frame.mask_to_input(lesions.mask)
    design = Design(effects.design.controls, effects.design.margins[:1], effects.design.seed)
    rng = generator_of(image.row.image_id, design.seed)
    made = intervene(image.seen(preprocessing), image.frame.window_filled, mask, None, design=design, rng=rng)
    shown = [
        Condition(Kind.ORIGINAL),
        Condition(Kind.LESION, Fill.INPAINT, effects.first),
        Condition(Kind.CONTROL, Fill.INPAINT, effects.first, 0),
    ]
    heat = image.heat_map(intervened.target, space=Space.INPUT)
    return Case(
        cell=cell.name,
        image_id=image.row.image_id,
        class_name=names[intervened.target],
        pictures=[as_rgb(_drawable(made.pictures[condition])) for condition in shown],
        log_odds=[float(intervened.readings.log_odds[condition][intervened.target]) for condition in shown],
        heat=heat.values if heat.status is MapStatus.OK else None,
        lesion=mask,
        aspect=image.frame.input_aspect,
    )


def _drawable(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture as bytes; values that are none become grey levels."""
    return picture if picture.dtype == np.uint8 else grey_of(picture)
