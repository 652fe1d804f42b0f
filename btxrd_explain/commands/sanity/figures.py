"""The figures of ``sanity``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.commands.drawing import footer
from btxrd_explain.core.choices import Baseline
from btxrd_explain.core.heatmap import HeatMap, MapStatus
from btxrd_explain.core.stability import DECISIVE, LIMIT, STRENGTHS, Change
from btxrd_explain.outputs.chart import Band
from btxrd_explain.outputs.overlay import picture_of
from btxrd_explain.outputs.sanity_figure import (
    Decline,
    Strip,
    Trail,
    build_decline,
    build_perturbation,
    build_stability,
    build_strips,
)
from btxrd_explain.outputs.style import save_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.commands.sanity.perturbed import Perturbed
    from btxrd_explain.commands.sanity.randomised import Randomised
    from btxrd_explain.commands.sanity.sample import Subject
    from btxrd_explain.commands.sanity.stability import Changes
    from btxrd_explain.core.statistics import Estimate
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings import Settings
    from btxrd_explain.settings.sections import OutputSettings

EXAMPLES = 4
"""Images whose maps are shown."""
_SHOWN = 6
"""Stages of which they are shown, at most."""
_FOOTNOTE = "In the map of a stage, it and all stages before it hold random weights"
_BASELINES: dict[str, str] = {Baseline.BLUR: "blurred radiograph", Baseline.MEAN: "mean of the radiograph"}


def draw_figures(
    subjects: Sequence[Subject],
    randomised: Randomised,
    perturbed: Perturbed | None,
    followed: Changes | None,
    settings: Settings,
    provenance: Provenance,
) -> tuple[Path, ...]:
    """Draw ``sanity_curves`` and ``sanity_maps``, and a figure of each further check that was asked for.

    Returns:
        The files.
    """
    made, output = footer(provenance), settings.output
    figures = {
        "sanity_curves": _decline(randomised, made),
        "sanity_maps": _strips(subjects, randomised, output, provenance),
    }
    if perturbed is not None:
        figures["sanity_insertion_deletion"] = _perturbation(perturbed, settings.sanity.baseline, made)
    if followed is not None:
        figures["sanity_stability"] = _stability(followed, randomised, made)
    paths = []
    for name, figure in figures.items():
        paths.append(output.directory / f"{name}.{output.format}")
        save_figure(figure, paths[-1], dpi=output.dpi)
    return tuple(paths)


def _decline(randomised: Randomised, made: str) -> Figure:
    """Build the curves of similarity."""
    stages = [stage.name for stage in randomised.stages]
    estimates = [randomised.estimates(index) for index in range(len(stages))]
    label = f"mean of {randomised.similarity.shape[1]} images, with 95 % interval"
    declines = [
        Decline(title, _band(label, [of_stage[column] for of_stage in estimates]), randomised.chance()[column].value)
        for column, title in enumerate(("Spearman correlation", "SSIM"))
    ]
    return build_decline(declines, stages, verdict=randomised.verdict().text, footer=made)


def _strips(
    subjects: Sequence[Subject], randomised: Randomised, output: OutputSettings, provenance: Provenance
) -> Figure:
    """Build the maps of the first images, before and after some of the stages."""
    names = [stage.name for stage in randomised.stages]
    shown = sorted({round(index) for index in np.linspace(0, len(names) - 1, min(_SHOWN, len(names)))})
    wanted = provenance.preprocessing
    strips = [
        Strip(
            f"{subject.image_id}: map of {provenance.class_names[subject.target]} ({subject.confidence:.2f})",
            picture_of(subject.tensor, wanted) if subject.picture is None else subject.picture,
            [_values(one) for one in (subject.original, *(randomised.examples[stage][row] for stage in shown))],
            subject.frame.input_aspect,
        )
        for row, subject in enumerate(subjects[:EXAMPLES])
    ]
    columns = [
        "trained network",
        *(f"stage {index + 1}" for index in shown[:-1]),
        f"stage {shown[-1] + 1}\n(all random)",
    ]
    named = "Stages: " + ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
    missing = [str(index + 1) for index in range(len(names)) if index not in shown]
    not_shown = f"; not shown: {', '.join(missing)}" if missing else ""
    notes = f"{named}{not_shown}  |  {_FOOTNOTE}  |  {footer(provenance)}"
    return build_strips(strips, columns, colormap=output.colormap, alpha=output.alpha, footer=notes)


_CHANGES = {
    Change.SHIFT: ("Shift", "pixels down or up, and to a side"),
    Change.NOISE: ("Noise", "standard deviation, % of the range"),
    Change.FLIP: ("Flip", "mirrored"),
    Change.JPEG: ("JPEG", "quality"),
    Change.BRIGHTNESS: ("Brightness", "brighter by % of the range"),
}


def _stability(followed: Changes, randomised: Randomised, made: str) -> Figure:
    """Build the curves of similarity over the strength of each change."""
    chance = [found.value for found in randomised.chance()]
    trails = []
    for change, strengths in STRENGTHS.items():
        estimates = [step.estimates for step in followed.steps if step.change is change]
        bands = [
            _band(measure, [of_step[column] for of_step in estimates])
            for column, measure in enumerate(("Spearman correlation", "SSIM"))
        ]
        trails.append(Trail(*_CHANGES[change], strengths, DECISIVE[change], bands, chance[0]))
    facts = f"n = {len(followed.steps[0].similarity)}; maps before and after, moved back; bars: 95 % intervals"
    return build_stability(trails, limit=LIMIT, verdict=followed.verdict()[1], footer=f"{facts}  |  {made}")


def _perturbation(perturbed: Perturbed, baseline: str, made: str) -> Figure:
    """Build the curves of insertion and deletion."""
    curves = perturbed.mean_curves()
    charts = []
    for kind, estimates in perturbed.estimates().items():
        ours, random = (
            _band(f"{name}, area {_number(estimates[area].value)}", curves[key])
            for name, area, key in (("heat maps", "auc", kind), ("random maps", "auc_random", f"random_{kind}"))
        )
        charts.append((kind.capitalize(), ours, random))
    facts = f"n = {len(perturbed.curves)}; deleted pixels become the {_BASELINES[baseline]}; bands: 95 % intervals"
    return build_perturbation(charts, footer=f"{facts}  |  {made}")


def _band(label: str, estimates: Sequence[Estimate]) -> Band:
    values, low, high = (
        np.array([np.nan if end is None else end for end in ends])
        for ends in zip(*((one.value, one.low, one.high) for one in estimates), strict=True)
    )
    return Band(label, values, low, high)


def _values(one: HeatMap) -> NDArray[np.float32] | None:
    return one.values if one.status is MapStatus.OK else None


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
