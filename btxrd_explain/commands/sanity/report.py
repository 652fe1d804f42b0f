"""The report of ``sanity``: the verdict, what it rests on, and all that is needed to repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from btxrd_explain.core.choices import Baseline
from btxrd_explain.core.sanity import LIMIT, RULE, Outcome
from btxrd_explain.core.stability import LIMIT as STABILITY_LIMIT
from btxrd_explain.core.stability import RULE as STABILITY_RULE
from btxrd_explain.core.stability import Change, Stability
from btxrd_explain.core.statistics import number
from btxrd_explain.evaluation.file_set import FileHashes  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.evaluation.parts import Estimate, LeftOut, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from btxrd_explain.commands.sanity.perturbed import Perturbed
    from btxrd_explain.commands.sanity.randomised import Randomised
    from btxrd_explain.commands.sanity.sample import Sample, Subject
    from btxrd_explain.commands.sanity.stability import Changes
    from btxrd_explain.core import statistics
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings.analysis_sections import SanitySettings

SCHEMA_VERSION: Final = 2

DEFINITIONS = {
    "spearman": "rank correlation between the heat maps before and after, pixel by pixel on the network's input "
    "(ReLU, bilinear upsampling, min-max scaled per image)",
    "ssim": "mean structural similarity of the same maps, windows of 7 x 7 pixels (Wang et al., 2004)",
    "stage": "cascading randomisation, head first (Adebayo et al., NeurIPS 2018): after each stage it and all before "
    "it hold random weights, from each module's own reset_parameters, else a normal distribution with the mean and the "
    "standard deviation of the trained weights",
    "chance": "the same similarity between the trained network's maps of different images",
    "n_vanished": "images whose map then holds no positive evidence; they have no similarity and count in no mean",
    "interval": "95 % percentile bootstrap over images, 1000 draws, seed 0",
    "insertion": "area under the probability of the class over the fraction of pixels, from the baseline to the "
    "radiograph, the most important pixels first; high is good (Petsiuk et al., BMVC 2018)",
    "deletion": "the same from the radiograph to the baseline; low is good",
    "auc_random": "the same in the order of a random map of the same grid; difference is paired, image by image",
}


# The content of ``sanity_report.json``.


class Similarities(Part):
    """How alike heat maps are."""

    spearman: Estimate
    ssim: Estimate


class StageReport(Part):
    """How alike the maps still are after a stage of the randomisation."""

    name: str
    modules: list[str] = Field(description="Names of the modules that became random in this stage.")
    parameters: int = Field(description="How many parameters they have.")
    spearman: Estimate
    ssim: Estimate
    n_vanished: int = Field(description="Images whose map then holds no positive evidence.")
    n_incomplete: int = Field(description="Images whose attributions then do not add up.")


class Areas(Part):
    """Areas under a curve of insertion or deletion."""

    auc: Estimate = Field(description="In the order of the heat maps.")
    auc_random: Estimate = Field(description="In the order of random maps of the same grid.")
    difference: Estimate = Field(description="Heat map minus random map, image by image (paired bootstrap).")


class InsertionDeletion(Part):
    """The probability of the class while pixels come and go in the order of the heat map."""

    steps: int
    baseline: Baseline = Field(description="What deleted pixels become.")
    insertion: Areas
    deletion: Areas
    curves: dict[str, list[float | None]] = Field(
        description="Mean probability after each step: insertion, deletion, random_insertion and random_deletion."
    )


class ChangeReport(Part):
    """How alike the maps are before and after a change that says nothing new, moved back."""

    change: Change
    strength: float = Field(
        description="Pixels of a shift, per cent of the range of grey values (noise, brightness), quality (jpeg), or 1."
    )
    decides: bool = Field(description="Whether the verdict rests on it.")
    spearman: Estimate
    ssim: Estimate
    n_vanished: int = Field(description="Images whose map then holds no positive evidence.")
    n_incomplete: int = Field(description="Images whose attributions then do not add up.")
    n_other_class: int = Field(description="Images of which another class is predicted then.")


class StabilityReport(Part):
    """Whether the maps stay where radiographs change in ways that say nothing new."""

    verdict: str
    outcome: Stability
    rule: str = Field(description="How the verdict follows from the numbers; stated beforehand.")
    limit: float = Field(description="The correlation that the rule compares with.")
    changes: list[ChangeReport]


class CheckedImage(Part):
    """One of the images."""

    image_id: str
    class_: str | None = Field(alias="class", description="True class.")
    predicted: str = Field(description="The class whose map is checked.")
    confidence: float = Field(description="Its probability.")
    annotated: bool
    spearman: list[float | None] = Field(description="By stage; null where the map has vanished.")
    ssim: list[float | None] = Field(description="Likewise.")
    insertion_auc: float | None = Field(description="Null where insertion and deletion were not asked for.")
    deletion_auc: float | None = Field(description="Null likewise.")
    stability: list[float | None] | None = Field(
        description="Spearman by change, in the order of the report's; null where stability was not asked for."
    )


class SanityProtocol(Part):
    """Which images were checked, and which maps."""

    sample: int = Field(description="How many images were asked for.")
    seed: int
    target_class: Literal["predicted"] = "predicted"
    space: Literal["input"] = "input"


class SanityReport(Part):
    """The content of ``sanity_report.json``."""

    schema_version: Literal[2] = SCHEMA_VERSION
    verdict: str
    outcome: Outcome
    remarks: list[str]
    rule: str = Field(description="How the verdict follows from the numbers.")
    limit: float = Field(description="The correlation that the rule compares with.")
    num_images: int
    stages: list[StageReport] = Field(description="From the head down to all weights.")
    chance: Similarities = Field(description="The same between the trained network's maps of different images.")
    insertion_deletion: InsertionDeletion | None = Field(description="Null where it was not asked for.")
    stability: StabilityReport | None = Field(description="Null where it was not asked for.")
    per_image: list[CheckedImage]
    excluded_images: list[LeftOut]
    protocol: SanityProtocol
    definitions: dict[str, str]
    sha256: FileHashes
    provenance: dict[str, Any] = Field(description="How the maps were made.")


# From what was found to the report.


def build_report(
    sample: Sample,
    randomised: Randomised,
    perturbed: Perturbed | None,
    followed: Changes | None,
    wanted: SanitySettings,
    provenance: Provenance,
) -> SanityReport:
    """Build the report.

    Args:
        sample: The images.
        randomised: What the cascade of random weights found.
        perturbed: What insertion and deletion found; None where they were not asked for.
        followed: What changes of the radiographs found; None where they were not asked for.
        wanted: The settings.
        provenance: How the maps were made.
    """
    verdict = randomised.verdict()
    areas = None if perturbed is None else perturbed.areas()
    return SanityReport(
        verdict=verdict.text,
        outcome=verdict.outcome,
        remarks=list(verdict.remarks),
        rule=RULE,
        limit=LIMIT,
        num_images=len(sample.subjects),
        stages=[_stage(randomised, index) for index in range(len(randomised.stages))],
        chance=Similarities(**_similarities(randomised.chance())),
        insertion_deletion=None if perturbed is None else _perturbation(perturbed, wanted),
        stability=None if followed is None else _stability(followed),
        per_image=[
            _image(
                subject,
                randomised.similarity[:, index],
                None if areas is None else areas[index],
                None if followed is None else [number(step.similarity[index, 0]) for step in followed.steps],
                provenance,
            )
            for index, subject in enumerate(sample.subjects)
        ],
        excluded_images=[LeftOut(image_id=image_id, reason=reason) for image_id, reason in sample.excluded],
        protocol=SanityProtocol(sample=wanted.sample, seed=wanted.random_seed),
        definitions=DEFINITIONS,
        sha256={},
        provenance=provenance.document(),
    )


def _similarities(found: Sequence[statistics.Estimate]) -> dict[str, Estimate]:
    """Return Spearman and SSIM by name."""
    return dict(zip(Similarities.model_fields, map(Estimate.of, found), strict=True))


def _stage(randomised: Randomised, index: int) -> StageReport:
    stage = randomised.stages[index]
    return StageReport(
        name=stage.name,
        modules=list(stage.modules),
        parameters=stage.parameters,
        n_vanished=randomised.vanished(index),
        n_incomplete=randomised.incomplete[index],
        **_similarities(randomised.estimates(index)),
    )


def _perturbation(perturbed: Perturbed, wanted: SanitySettings) -> InsertionDeletion:
    areas = {
        kind: Areas(**{name: Estimate.of(found) for name, found in of_kind.items()})
        for kind, of_kind in perturbed.estimates().items()
    }
    curves = {name: [point.value for point in curve] for name, curve in perturbed.mean_curves().items()}
    return InsertionDeletion(steps=wanted.steps, baseline=Baseline(wanted.baseline), **areas, curves=curves)


def _stability(followed: Changes) -> StabilityReport:
    outcome, verdict = followed.verdict()
    changes = [
        ChangeReport(
            change=step.change,
            strength=step.strength,
            decides=step.decides,
            n_vanished=step.vanished,
            n_incomplete=step.incomplete,
            n_other_class=step.other_class,
            **_similarities(step.estimates),
        )
        for step in followed.steps
    ]
    return StabilityReport(
        verdict=verdict, outcome=outcome, rule=STABILITY_RULE, limit=STABILITY_LIMIT, changes=changes
    )


def _image(
    subject: Subject,
    similarity: NDArray[np.float64],
    areas: NDArray[np.float64] | None,
    stability: list[float | None] | None,
    provenance: Provenance,
) -> CheckedImage:
    """Describe an image, from its similarities, shape ``(stages, 2)``, and its two areas."""
    spearman, ssim = ([number(value) for value in column] for column in similarity.T)
    insertion, deletion = (None, None) if areas is None else areas.tolist()
    return CheckedImage(
        image_id=subject.image_id,
        class_=subject.label,
        predicted=provenance.class_names[subject.target],
        confidence=subject.confidence,
        annotated=subject.annotated,
        spearman=spearman,
        ssim=ssim,
        insertion_auc=insertion,
        deletion_auc=deletion,
        stability=stability,
    )
