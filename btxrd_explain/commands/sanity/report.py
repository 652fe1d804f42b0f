"""The report of ``sanity``: the verdict, what it rests on, and all that is needed to repeat it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.sanity import LIMIT, RULE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from btxrd_explain.commands.sanity.perturbed import Perturbed
    from btxrd_explain.commands.sanity.randomised import Randomised
    from btxrd_explain.commands.sanity.sample import Sample, Subject
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings.analysis_sections import SanitySettings

SCHEMA_VERSION = 1
MEASURES = ("spearman", "ssim")

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
    "insertion": "area under the probability of the class over the share of pixels, from the baseline to the "
    "radiograph, the most important pixels first; high is good (Petsiuk et al., BMVC 2018)",
    "deletion": "the same from the radiograph to the baseline; low is good",
    "auc_random": "the same in the order of a random map of the same grid; difference is paired, image by image",
}


def build_report(
    sample: Sample, randomised: Randomised, perturbed: Perturbed | None, wanted: SanitySettings, provenance: Provenance
) -> dict[str, Any]:
    """Build the content of ``sanity_report.json``.

    Args:
        sample: The images.
        randomised: What the cascade of random weights found.
        perturbed: What insertion and deletion found; None where they were not asked for.
        wanted: The settings.
        provenance: How the maps were made.

    Returns:
        Plain JSON values; what is undefined is None.
    """
    verdict = randomised.verdict()
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict.text,
        "outcome": verdict.outcome,
        "remarks": list(verdict.remarks),
        "rule": RULE,
        "limit": LIMIT,
        "num_images": len(sample.subjects),
        "stages": [_stage(randomised, index) for index in range(len(randomised.stages))],
        "chance": dict(zip(MEASURES, map(asdict, randomised.chance()), strict=True)),
        "insertion_deletion": None if perturbed is None else _perturbation(perturbed, wanted),
        "per_image": [
            _image(subject, index, randomised, perturbed, provenance.class_names)
            for index, subject in enumerate(sample.subjects)
        ],
        "excluded_images": [{"image_id": image_id, "reason": reason} for image_id, reason in sample.excluded],
        "protocol": {
            "sample": wanted.sample,
            "seed": wanted.random_seed,
            "target_class": "predicted",
            "space": "input",
        },
        "definitions": DEFINITIONS,
        "provenance": provenance.document(),
    }


def _stage(randomised: Randomised, index: int) -> dict[str, Any]:
    stage = randomised.stages[index]
    return {
        "name": stage.name,
        "modules": list(stage.modules),
        "parameters": stage.parameters,
        **dict(zip(MEASURES, map(asdict, randomised.estimates(index)), strict=True)),
        "n_vanished": randomised.vanished(index),
    }


def _perturbation(perturbed: Perturbed, wanted: SanitySettings) -> dict[str, Any]:
    estimates = {
        kind: {name: asdict(estimate) for name, estimate in of_kind.items()}
        for kind, of_kind in perturbed.estimates().items()
    }
    curves = {name: [point.value for point in curve] for name, curve in perturbed.mean_curves().items()}
    return {"steps": wanted.steps, "baseline": wanted.baseline, **estimates, "curves": curves}


def _image(
    subject: Subject, index: int, randomised: Randomised, perturbed: Perturbed | None, class_names: Sequence[str]
) -> dict[str, Any]:
    image = {
        "image_id": subject.image_id,
        "class": subject.label,
        "predicted": class_names[subject.target],
        "confidence": subject.confidence,
        "annotated": subject.annotated,
        **{name: _plain(randomised.similarity[:, index, column]) for column, name in enumerate(MEASURES)},
    }
    if perturbed is not None:
        insertion, deletion = perturbed.areas()[index].tolist()
        image |= {"insertion_auc": insertion, "deletion_auc": deletion}
    return image


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
