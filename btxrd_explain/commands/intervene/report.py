"""The report of ``intervene``: the verdict, the four cells, means by slices, each image, and how it was made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, WithJsonSchema

from btxrd_explain.core.choices import Looks, TargetClass
from btxrd_explain.core.controls import RULE as CONTROLS
from btxrd_explain.core.intervention import SURROUNDINGS, Condition, Fill, Kind
from btxrd_explain.core.reliance import LEAST_CONTROLS, Reliance, judge_change, judge_reliance
from btxrd_explain.core.statistics import number, spearman
from btxrd_explain.core.surroundings import RULES
from btxrd_explain.evaluation.file_set import FileHashes  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.evaluation.intervention import (
    MEASURES,
    Effects,
    Intervened,
    cells_of,
    counted_as,
    effect_name,
    energies,
    fractions_of_cells,
    looks_at_lesion,
)
from btxrd_explain.evaluation.parts import Estimate, LeftOut, Part, Statistics
from btxrd_explain.evaluation.sample import Sample, Slice, by_values
from btxrd_explain.finding import Finding  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.synthetic import SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core import statistics
    from btxrd_explain.core.class_names import NoLesion
    from btxrd_explain.evaluation.intervention import Cell
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings.analysis_sections import InterventionSettings

SCHEMA_VERSION: Final = 1
_FEW = 30

DEFINITIONS = {
    "log_odds": "change of the log-odds of the class, log p - log(1 - p), from the network's scores in double "
    "precision; of a network that gives probabilities only, from those",
    "probability": "change of the probability of the class",
    "flip": "fraction of images whose predicted class changes (where each class has a decision of its own: whether the "
    "class is predicted)",
    "lesion": "the effect of taking the lesions away on the network's input",
    "control": "the mean effect of taking the same shape away elsewhere: " + CONTROLS,
    "excess": "lesion minus control, image by image",
    "inpaint": "what decides: pixels are painted from their surroundings (Telea, J Graphics Tools 9:23, 2004)",
    "blur": "effects named _blur: pixels become those of the radiograph blurred with a Gaussian whose standard "
    "deviation is 5 % of its shorter side",
    "margin": "effects named _margin_m: lesion and controls are wider by m % of the lesions' extent, the diameter of a "
    "disc of their area",
    "rank": "place of the lesion's effect on the log-odds among those of its controls, 1 below all of them; null with "
    f"fewer than {LEAST_CONTROLS} controls",
    "depends": "rank 1: the log-odds fall by more without the lesion than without any control. Of a lesion like its k "
    "controls that is so with probability 1 / (k + 1), which depends_by_chance averages",
    "lesion_alone": "the effect of blurring all but the lesions",
    "border": "the effect of giving the border its median grey level: " + RULES["border"],
    "background": "likewise of the background: " + RULES["background"],
    "markers": "the effect of painting markers over: " + RULES["markers"],
    "protected": "pixels of lesions are never changed with border, background or markers",
    "interval": "percentile bootstrap over images, or over groups of them",
}


# The content of `intervention_report.json`.


class Effect(Part):
    """Means over images of what a condition changes."""

    log_odds: Estimate
    probability: Estimate
    flip: Estimate = Field(description="Fraction of images whose prediction changes; of an excess, the difference.")


class SliceEffects(Part):
    """Some of the images in numbers."""

    n_images: int = Field(description="Images, also those without a lesion.")
    effects: dict[str, Effect] = Field(description="By name; definitions says what the names mean.")
    depends: Estimate = Field(description="Fraction of the images with a rank whose class depends on the lesion.")
    depends_by_chance: float | None = Field(description="What that fraction is for lesions like their controls.")


class Summary(Part):
    """All slices."""

    overall: SliceEffects
    by_class: dict[str, SliceEffects] = Field(description="By true class.")
    by_outcome: dict[str, SliceEffects] = Field(description="TP, FN, FP and TN, seen from the tumour classes.")
    by_lesion_size: dict[str, SliceEffects] = Field(description="Terciles of the annotated fraction of the image.")
    by_metadata: dict[str, dict[str, SliceEffects]] = Field(description="By column of the metadata, then by value.")


class CellReport(Part):
    """One of the four ways in which looking and depending go together."""

    name: str
    looks: bool = Field(description="Whether the map is on the lesion.")
    depends: bool = Field(description="Whether the class depends on the lesion.")
    meaning: str
    count: int
    fraction: Estimate = Field(description="Of the images that are in one of the four.")
    images: list[str]


class Table(Part):
    """Whether maps look at the lesion and classes depend on it."""

    looks: Annotated[Looks, WithJsonSchema({"enum": [kind.value for kind in Looks], "type": "string"})] = Field(
        description="When a map is on the lesion: by its hottest pixel, or by its IoU."
    )
    looks_fraction: float | None = Field(description="Fraction of the ceiling that the IoU must reach; null by pixel.")
    cells: list[CellReport] = Field(min_length=4, max_length=4)
    n: int = Field(description="Images in one of the four.")
    n_undefined: int = Field(description="Images with a lesion whose map or rank is undefined.")


class SurroundingReport(Part):
    """What clearing a part of the surroundings changes."""

    verdict: str
    outcome: Reliance
    n_missing: int = Field(description="Images in which there is none.")
    missing: dict[str, int] = Field(description="The same by reason.")


class ChangedImage(Part):
    """One of the images; all that was measured of it is in intervention_metrics.parquet."""

    image_id: str
    class_: str | None = Field(
        alias="class",
        description="True class; of several findings the one that is followed, null where it is not true.",
    )
    predicted: str | None = Field(description="Predicted class; of several all of them, joined by '|'.")
    target_class: str = Field(description="Class whose log-odds are followed.")
    outcome: Literal["TP", "FN", "FP", "TN"] | None
    log_odds: float = Field(description="Log-odds of that class on the radiograph as it is.")
    lesion: float | None = Field(description="Change of the log-odds without the lesion; null without one.")
    control: float | None = Field(description="Mean change without a control.")
    excess: float | None
    excess_blur: float | None
    n_controls: int | None = Field(description="Null without a lesion.")
    rank: int | None
    depends: bool | None
    looks: bool | None
    cell: str | None
    reasons: dict[str, str] = Field(description="Why conditions are missing, or controls are fewer than asked for.")


class Protocol(Part):
    """What was changed."""

    controls: int
    margins: list[float] = Field(description="In per cent of the lesions' extent; the first decides.")
    fills: list[str]
    control_seed: int
    target_class: Annotated[
        TargetClass, WithJsonSchema({"enum": [kind.value for kind in TargetClass], "type": "string"})
    ] = Field(description="Whose log-odds are followed.")
    activation: str = Field(description="What turns the network's outputs into probabilities.")
    annotations: str = Field(description="Kind and place of the annotations.")
    mask_policy: str
    label_map: dict[str, str]


class InterventionReport(Part):
    """The content of ``intervention_report.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    verdict: str
    outcome: Reliance
    remarks: list[str]
    rule: str = Field(description="How the verdict follows from the numbers.")
    num_images: int = Field(description="Images that were changed.")
    num_with_lesion: int = Field(description="Those of them whose lesion was taken away.")
    counted: Literal["images", "classes of images"] = Field(
        description="What every n counts: of an image that may have several classes each one that is followed."
    )
    summary: Summary
    table: Table
    surroundings: dict[str, SurroundingReport] = Field(description="Border, background and markers.")
    energy_with_excess: Estimate = Field(
        description="Spearman's rank correlation of the map's energy in the lesion's mask with the excess; negative "
        "where maps follow what the classifier uses."
    )
    fills_disagree: list[str] = Field(description="Images of which inpainting and blur say otherwise.")
    num_fills_agree: int = Field(description="Images of which both say the same.")
    per_image: list[ChangedImage]
    excluded_images: list[LeftOut]
    failed_images: list[LeftOut]
    protocol: Protocol
    statistics: Statistics
    limits: list[str] = Field(description="What the numbers cannot say.")
    warnings: list[Finding]
    definitions: dict[str, str]
    files: dict[str, str] = Field(description="What else was written, by kind; names in the folder of the report.")
    sha256: FileHashes
    provenance: dict[str, Any] = Field(description="How the predictions table was made.")


# From effects to the report.


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured, ready to be reported.

    Attributes:
        effects: The effects.
        sample: The same images as a sample, for slices and intervals.
        looks: Whether the map of each is on its lesion; None where undefined.
        cells: The cell of each; None where map or rank is undefined.
    """

    effects: Effects
    sample: Sample
    looks: Sequence[bool | None]
    cells: Sequence[Cell | None]

    @classmethod
    def of(cls, effects: Effects, sample: Sample, wanted: InterventionSettings) -> Measured:
        """Judge the maps of images."""
        looks = [looks_at_lesion(image.score, wanted.looks, wanted.looks_fraction) for image in effects.images]
        return cls(effects, sample, looks, cells_of(effects, looks))

    @property
    def counted(self) -> str:
        """What is counted: images, or classes of images where one may have several."""
        return counted_as(image.score for image in self.effects.images)

    @property
    def with_lesion(self) -> NDArray[np.intp]:
        """Places of the images whose lesion was taken away."""
        return np.flatnonzero(~np.isnan(self.effects.values["lesion"][:, 0]))

    def estimates(self, part: Slice) -> dict[str, tuple[statistics.Estimate, ...]]:
        """Return the means over a slice; see :meth:`Effects.estimates`."""
        return self.effects.estimates(part.rows, self.sample.resampling(part.rows))


def summarise_all(measured: Measured, columns: Mapping[str, Sequence[str | None]]) -> Summary:
    """Return the means over all slices."""
    sample = measured.sample

    def of(slices: Sequence[Slice]) -> dict[str, SliceEffects]:
        return {part.name: _slice(measured, part) for part in slices}

    return Summary(
        overall=_slice(measured, sample.everything()),
        by_class=of(sample.by_class()),
        by_outcome=of(sample.by(lambda score: score.outcome(sample.class_names))),
        by_lesion_size=of(sample.by_lesion_size()),
        by_metadata={name: of(by_values(cells)) for name, cells in columns.items()},
    )


def _slice(measured: Measured, part: Slice) -> SliceEffects:
    found = measured.estimates(part)
    effects = {
        name: Effect(**{measure: Estimate.of(one) for measure, one in zip(MEASURES, found[name], strict=True)})
        for name in measured.effects.values
    }
    (depends,), (chance,) = found["depends"], found["chance"]
    return SliceEffects(
        n_images=len(part.rows), effects=effects, depends=Estimate.of(depends), depends_by_chance=chance.value
    )


def describe_table(measured: Measured, wanted: InterventionSettings) -> Table:
    """Return the four cells; where the verdict is undecided, what a cell means is not certain either."""
    rows = measured.with_lesion
    excess = measured.estimates(measured.sample.everything())["excess"][0]
    perhaps = "perhaps " if judge_reliance(excess).outcome is Reliance.UNDECIDED else ""
    cells = [measured.cells[row] for row in rows]
    names = [measured.effects.images[row].score.row.image_id for row in rows]
    found = [
        CellReport(
            name=cell.name,
            looks=cell.looks,
            depends=cell.depends,
            meaning=f"{perhaps}{cell.meaning}",
            count=cells.count(cell),
            fraction=Estimate.of(fraction),
            images=[name for name, own in zip(names, cells, strict=True) if own is cell],
        )
        for cell, fraction in fractions_of_cells(cells, measured.sample.resampling(rows))
    ]
    known = sum(cell is not None for cell in cells)
    by_iou = wanted.looks is Looks.IOU
    return Table(
        looks=wanted.looks,
        looks_fraction=wanted.looks_fraction if by_iou else None,
        cells=found,
        n=known,
        n_undefined=len(cells) - known,
    )


def describe_surroundings(measured: Measured) -> dict[str, SurroundingReport]:
    """Return what clearing border, background and markers changes."""
    found = measured.estimates(measured.sample.everything())
    reports = {}
    for kind in SURROUNDINGS:
        verdict = judge_change(found[kind][0], f"Without its {kind}")
        reasons = Counter(image.readings.reasons.get(kind) for image in measured.effects.images)
        missing = {reason: count for reason, count in reasons.items() if reason is not None}
        reports[str(kind)] = SurroundingReport(
            verdict=verdict.text, outcome=verdict.outcome, n_missing=sum(missing.values()), missing=missing
        )
    return reports


def describe_images(measured: Measured) -> list[ChangedImage]:
    """Describe each image."""
    effects, names = measured.effects, measured.sample.class_names
    return [
        ChangedImage(
            image_id=image.score.row.image_id,
            class_=image.score.label,
            predicted=image.score.predicted(names),
            target_class=names[image.target],
            outcome=image.score.outcome(names),
            log_odds=image.log_odds,
            **{
                name: number(effects.values[name][row, 0])
                for name in ("lesion", "control", "excess", effect_name("excess", Fill.BLUR))
            },
            **ranking(effects, row),
            looks=measured.looks[row],
            cell=None if (cell := measured.cells[row]) is None else cell.name,
            reasons=dict(image.readings.reasons),
        )
        for row, image in enumerate(effects.images)
    ]


def ranking(effects: Effects, row: int) -> dict[str, Any]:
    """Return how the lesion of an image ranks among its controls: ``n_controls``, ``rank``, ``depends``."""
    first = Fill.INPAINT, effects.first
    rank = effects.ranks[first][row]
    has_lesion = Condition(Kind.LESION, *first) in effects.images[row].readings.log_odds
    return {
        "n_controls": int((~np.isnan(effects.controls[first][row])).sum()) if has_lesion else None,
        "rank": None if np.isnan(rank) else int(rank),
        "depends": None if np.isnan(rank) else bool(rank == 1),
    }


def verdict_of(measured: Measured) -> tuple[Reliance, str, list[str]]:
    """Return the verdict: in one word, in plain words, and what else a reader should know."""
    found = measured.estimates(measured.sample.everything())
    verdict = judge_reliance(found["excess"][0])
    return verdict.outcome, verdict.text, list(_remarks(measured, found))


def _remarks(measured: Measured, found: Mapping[str, tuple[statistics.Estimate, ...]]) -> Iterator[str]:
    flips, depends, chance = found["lesion"][MEASURES.index("flip")], found["depends"][0], found["chance"][0]
    what = measured.counted
    if flips.value is not None:
        flipped = round(flips.value * flips.n)
        yield f"Without the lesion the prediction changes in {flipped} of {flips.n} {what}."
    if depends.value is not None and chance.value is not None:
        yield (
            f"In {round(depends.value * depends.n)} of {depends.n} {what} the log-odds fall by more without the "
            f"lesion than without any control; {chance.value * depends.n:.1f} are expected by chance."
        )
    soft = judge_reliance(found[effect_name("excess", Fill.BLUR)][0])
    if soft.outcome is not judge_reliance(found["excess"][0]).outcome:
        yield f"With blur instead of inpainting the verdict is another one: {soft.text}"
    few = len(measured.with_lesion) - depends.n
    if few:
        yield (
            f"{few} {what} with a lesion have fewer than {LEAST_CONTROLS} controls: they have no rank, and no cell "
            "counts them."
        )


def limits_of(measured: Measured, provenance: Provenance, no_lesion: NoLesion, *, grouped: bool) -> Iterator[str]:
    """Yield what the numbers cannot say, a sentence or two each."""
    if provenance.synthetic:
        yield f"{SYNTHETIC}."
    yield (
        "No radiograph looks quite like one with a region painted over; the controls bear the same mark, so that the "
        "excess is free of its mean effect, but not of what it does to lesions alone."
    )
    yield (
        "What a lesion does to its surroundings stays, such as a swelling or a reaction of the bone; a class that "
        "keeps its log-odds may use that (--margins)."
    )
    yield "Effects depend on the annotation: what is outside of the outline was not taken away."
    n = len(measured.with_lesion)
    if n < _FEW:
        yield f"There are only {n} {measured.counted} with a lesion; percentile intervals from so few are too short."
    images = changed(measured.effects.images)["num_images"]
    if measured.counted != "images":
        yield (
            f"A radiograph counts once for each class that is followed: {len(measured.effects.images)} classes of "
            f"{images} radiographs, whose classes are drawn together."
        )
    if not grouped:
        yield (
            "Images are drawn as if they were independent; where several show the same patient, the intervals are too "
            "short."
        )
    yield "Background, border and unannotated markers are found by rules that may be wrong on an image."
    yield "Intervals are not adjusted for the number of conditions and slices."
    said = no_lesion.said(measured.sample.class_names)
    yield f"{said[0].upper()}{said[1:]}."


def energy_with_excess(measured: Measured) -> Estimate:
    """Correlate the energy of maps in the lesion's mask with the excess."""
    rows = measured.with_lesion
    energy, excess = energies(measured.effects)[rows], measured.effects.excess()[rows]
    return Estimate.of(spearman(energy, excess, measured.sample.resampling(rows)))


def changed(images: Sequence[Intervened]) -> dict[str, int]:
    """Count the images that were changed, and those whose lesion was; each once, however many classes it has."""
    with_lesion = [one for one in images if any(condition.kind is Kind.LESION for condition in one.readings.log_odds)]
    names = [{one.score.row.image_id for one in part} for part in (images, with_lesion)]
    return {"num_images": len(names[0]), "num_with_lesion": len(names[1])}
