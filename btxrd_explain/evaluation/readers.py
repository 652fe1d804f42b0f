"""Human readers of the radiographs that are evaluated: whose annotations they are, and what they score."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.core.choices import Consensus, Space
from btxrd_explain.core.readers import Drawing, Fate, ReaderComparison, Reading
from btxrd_explain.errors import AnnotationError, SettingsError
from btxrd_explain.evaluation.lesions import lesions_of
from btxrd_explain.findings.annotations import unusable
from btxrd_explain.inputs.annotation_source import ConsensusSource, no_name_fits, open_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.evaluation.score import Score
    from btxrd_explain.finding import Finding
    from btxrd_explain.inference.explained import ExplainedImage
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.inputs.annotation import AnnotationPlace
    from btxrd_explain.inputs.annotation_source import AnnotationSource
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class ReadImage:
    """What the readers of a radiograph scored.

    Attributes:
        image_id: The radiograph.
        content: What tells its content from others'.
        target: Index of the class whose heat map they are compared with; None on plain arrays.
        reading: The scores.
        findings: What is odd about the annotations.
    """

    image_id: str
    content: str
    target: int | None = None
    reading: Reading = field(default_factory=Reading)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Readers:
    """Human readers.

    Attributes:
        sources: Where the annotations of each are.
        consensus: Of the other readers, with which each is compared; None compares all with the annotations.
    """

    sources: Mapping[str, AnnotationSource]
    consensus: Consensus | None = None

    def read(
        self, score: Score, image: ExplainedImage, annotation: AnnotationPlace | None, protocol: Protocol
    ) -> ReadImage | None:
        """Compare the readers of a radiograph, and the heat map with them.

        Args:
            score: What is known of the radiograph, with the class that is measured.
            image: The radiograph.
            annotation: With what all are compared; of a consensus what it is made of.
            protocol: How to compare.

        Returns:
            The scores; None where nobody annotated the radiograph.
        """
        if score.target is None:
            raise ValueError(f"'{score.row.image_id}' has no class whose map is measured")
        name = None if score.annotated_class is None else image.class_name(score.annotated_class)
        path = image.table.image_path(image.row)
        findings: list[Finding] = []

        def drawn(place: AnnotationPlace | None) -> Drawing | Fate:
            if place is None:
                return Fate.ABSENT
            try:
                lesions = lesions_of(place, image.frame, protocol.rules, class_name=name)
            except AnnotationError as error:
                findings.append(unusable(score.row.image_id, error))
                return Fate.UNUSABLE
            findings.extend(replace(finding, images=(score.row.image_id,)) for finding in lesions.findings)
            space = protocol.space
            return Drawing(lesions.mask_in(space), lambda: lesions.masks_in(space))

        against = drawn(annotation) if self.consensus is None else Fate.ABSENT
        findings.clear()  # who scored the heat map has told of the annotation
        of_readers = {reader: drawn(source.find(path)) for reader, source in self.sources.items()}
        if self.consensus is not None:
            findings.clear()  # told of the consensus of all
        if set(of_readers.values()) == {Fate.ABSENT} and against is Fate.ABSENT:
            return None
        reading = ReaderComparison(protocol.threshold, self.consensus).read(
            of_readers,
            image.heat_map(score.target, space=protocol.space),
            None if isinstance(against, Fate) else against,
            seen=image.frame.window_seen if protocol.space is Space.ORIGINAL else (slice(None), slice(None)),
        )
        return ReadImage(score.row.image_id, score.row.content, score.target, reading, tuple(findings))


def readers_of(settings: Settings, selected: Selected, listener: Listener) -> tuple[Selected, Readers | None]:
    """Open the annotations of the readers.

    Args:
        settings: The settings.
        selected: The radiographs.
        listener: Told of what they are compared with.

    Returns:
        The radiographs, without annotations of their own with what the readers agree on; and the readers, None where
        none is named.

    Raises:
        SettingsError: There is one reader, and nothing to compare it with.
        InputError: A reader's annotations do not exist or are of no known format.
    """
    named = {name: Path(path) for name, path in settings.annotation.readers.items()}
    given = settings.data.annotations is not None
    if (given or not named) and settings.annotation.consensus is not Consensus.MAJORITY:
        listener.note("--consensus is of readers that are compared without --annotations, and has no effect")
    if not named:
        return selected, None
    rule = None if given else settings.annotation.consensus
    if rule is not None and len(named) < 2:
        raise SettingsError(
            f"'{next(iter(named))}' is the only reader, and there is nothing to compare it with",
            hint="name a second one with --reader NAME=PATH, or the reference with --annotations",
        )
    sources = {name: open_source(path) for name, path in named.items()}
    for name, source in sources.items():
        listener.note(f"reader '{name}': {source.description}")
        images = map(selected.table.image_path, selected.rows)
        if not any(source.find(image) is not None for image in images):
            listener.note(f"reader '{name}': {no_name_fits(source, selected.table.image_path(selected.rows[0]))}")
    _tell_of_twins(named | ({} if rule else {"--annotations": settings.data.annotations}), listener)
    if rule is None:
        return selected, Readers(sources)
    listener.note(
        f"no --annotations: heat maps are compared with the {rule} of the {len(sources)} readers, and each reader and "
        f"the heat map with the {rule} of the other readers"
    )
    return replace(selected, source=ConsensusSource(sources, rule), known={}), Readers(sources, rule)


def _tell_of_twins(named: Mapping[str, Path | None], listener: Listener) -> None:
    """Report readers whose annotations are the same file or folder."""
    first: dict[Path, str] = {}
    for name, path in named.items():
        if path is not None and (other := first.setdefault(path.resolve(), name)) != name:
            listener.note(f"'{other}' and '{name}' are the same annotations, so that they agree in everything")
