"""Do the heat maps depend on what the network learned? Random weights, insertion and deletion, small changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.commands.sanity.figures import EXAMPLES, draw_figures
from btxrd_explain.commands.sanity.markdown import write_markdown
from btxrd_explain.commands.sanity.perturbed import perturb
from btxrd_explain.commands.sanity.randomised import randomise
from btxrd_explain.commands.sanity.report import build_report
from btxrd_explain.commands.sanity.sample import draw_records, load_sample, maps_of
from btxrd_explain.commands.sanity.stability import follow_changes
from btxrd_explain.errors import InputError, SettingsError
from btxrd_explain.evaluation.file_set import as_written, write_set
from btxrd_explain.inference.loading import load_explainer
from btxrd_explain.inference.request import (
    check_labels,
    checkpoints_of,
    collect_images,
    have_several_labels,
    request_for,
    tell_collected,
)
from btxrd_explain.model.randomise import find_stages
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.progress import Failures, Listener
from btxrd_explain.synthetic import SYNTHETIC
from btxrd_explain.system.files import write_bytes
from btxrd_explain.system.locks import alone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from btxrd_explain.commands.sanity.report import SanityReport
    from btxrd_explain.commands.sanity.sample import Sample
    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.model.randomise import Stage
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class SanityResult:
    """What ``sanity`` found and wrote.

    Attributes:
        report: The content of ``sanity_report.json``.
        document: Path of the report.
        text: Path of the report in Markdown.
        figures: Paths of the figures.
        annotated: Whether an image of the sample has a known true class and an annotation.
    """

    report: SanityReport
    document: Path
    text: Path
    figures: tuple[Path, ...]
    annotated: bool


def run(settings: Settings, listener: Listener | None = None) -> SanityResult:
    """Check the heat maps of a sample of images.

    Args:
        settings: The settings.
        listener: Told of progress; None is silent.

    Returns:
        What was found.

    Raises:
        BtxrdExplainError: Input, checkpoint or output cannot be used, or no image has a heat map.
    """
    listener, wanted = Failures(listener, strict=settings.run.strict), settings.sanity
    explainer, sample = _prepared(settings, listener)
    randomised = randomise(
        [member.classifier.network for member in explainer.members],
        stages_of(explainer, wanted.stages),
        sample.subjects,
        lambda scrambled: maps_of(explainer.with_networks(scrambled), sample.subjects),
        seed=wanted.random_seed,
        examples=EXAMPLES,
        listener=listener,
    )
    perturbed = None
    if wanted.insertion_deletion:
        perturbed = perturb(
            explainer,
            sample.subjects,
            baseline=wanted.baseline,
            steps=wanted.steps,
            seed=wanted.random_seed,
            listener=listener,
        )
    followed = None
    if wanted.stability:
        followed = follow_changes(explainer, sample.subjects, seed=wanted.random_seed, listener=listener)
    if explainer.provenance.synthetic:
        listener.note(SYNTHETIC)
    report = build_report(sample, randomised, perturbed, followed, wanted, explainer.provenance)
    document = settings.output.directory / "sanity_report.json"
    with alone(document, listener.note):
        figures = draw_figures(sample.subjects, randomised, perturbed, followed, settings, explainer.provenance)
        text = document.with_suffix(".md")
        write_bytes(text, write_markdown(as_written(report, document.parent)).encode())
        report = write_set(document, report, [*figures, text])
    annotated = any(subject.annotated and subject.label is not None for subject in sample.subjects)
    return SanityResult(report, document, text, figures, annotated)


def _prepared(settings: Settings, listener: Listener) -> tuple[Explainer, Sample]:
    """Load the network and a sample of the images, and say what is odd about them."""
    checkpoints_of(settings)  # a table alone has no weights
    collection = collect_images(settings)
    tell_collected(collection, listener)
    for image_id, reason in collection.missing:
        listener.failed(image_id, RowStatus.MISSING, reason)
    several = have_several_labels(settings, collection)
    request = request_for(settings.output.predictions_path, settings, collection, several_labels=several)
    explainer = load_explainer(settings, request)
    if "several_labels" in request:
        check_labels(collection.records, explainer.provenance.class_names)
    for note in explainer.provenance.notes:
        listener.note(note)
    drawn = draw_records(collection.records, settings.sanity.sample, settings.sanity.random_seed)
    sample = _sample(settings, explainer, drawn, listener)
    for image_id, reason in sample.excluded:
        listener.note(f"left out '{image_id}': {reason}")
    return explainer, sample


def stages_of(explainer: Explainer, at_least: int) -> tuple[Stage, ...]:
    """Return the stages of the network; those of an ensemble are made random together.

    Raises:
        SettingsError: The members of the ensemble have other stages.
    """
    preprocessing = explainer.classifier.preprocessing
    size, channels = preprocessing.size, len(preprocessing.mean)
    first, *others = (
        find_stages(member.classifier.network, input_size=size, channels=channels, at_least=at_least)
        for member in explainer.members
    )
    if any(stages != first for stages in others):
        raise SettingsError(
            "the members of the ensemble are of different architectures, whose weights cannot be made random together",
            hint="give --checkpoint once, for each member in turn",
        )
    return first


def _sample(settings: Settings, explainer: Explainer, records: Sequence[ImageRecord], listener: Listener) -> Sample:
    sample = load_sample(records, explainer, settings.output.directory, listener)
    if not sample.subjects:
        image_id, reason = sample.excluded[0]
        raise InputError(f"none of the {len(records)} images has a heat map, such as '{image_id}'", hint=reason)
    return sample
