"""Detectors and segmenters whose findings are compared with the annotations as the heat maps are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.core.choices import MaskPolicy
from btxrd_explain.core.heatmap import HeatMap, MapStatus, judge
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.core.readers import centre_of
from btxrd_explain.errors import AnnotationError, SettingsError
from btxrd_explain.evaluation.lesions import in_space
from btxrd_explain.evaluation.schema import METRIC_FIELDS
from btxrd_explain.inputs.annotation import Annotation, SourceKind
from btxrd_explain.inputs.annotation_formats import read_annotation, recognise
from btxrd_explain.inputs.annotation_source import ListSource, open_source
from btxrd_explain.inputs.coco import is_results, read_coco, read_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.shapes import Shape
    from btxrd_explain.evaluation.protocol import Protocol
    from btxrd_explain.inference.explained import ExplainedImage
    from btxrd_explain.inference.selection import Selected
    from btxrd_explain.inputs.annotation_source import AnnotationSource
    from btxrd_explain.inputs.coco import CocoFile
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings


_ENDS = (
    *("_difference", "_difference_low", "_difference_high"),
    *("_agreement", "_agreement_otsu", "_agreement_curve"),
)
"""How the names of the columns of a comparator end that are not scores, in tables and in summaries of arrays."""


@dataclass(frozen=True, slots=True)
class Comparator:
    """What a detector or segmenter found.

    Attributes:
        source: Where it is.
        results: The file of results, which does not list images without a finding; None where each image has its own.
        scored: Whether each finding has a score and counts, also where it overlaps another one; else they are drawn as
            people draw, perhaps a lesion twice.
    """

    source: AnnotationSource
    results: CocoFile | None = None
    scored: bool = False

    def heat_map(self, image: ExplainedImage, class_name: str | None, protocol: Protocol) -> HeatMap | None:
        """Return what was found on a radiograph as a map: at each pixel the highest score of the findings there.

        Args:
            image: The radiograph.
            class_name: The class that is measured; None takes what was found of all classes.
            protocol: How heat maps and annotations are compared.

        Returns:
            The map, on the pixels of the protocol's space; None where the file says nothing of the radiograph.

        Raises:
            AnnotationError: The file cannot be used.
        """
        annotation = self._read(image)
        if annotation is None:
            return None
        rules, shapes = protocol.rules, annotation.shapes
        found = rules.relevant(shapes, class_name) if self.scored else rules.lesions(shapes, class_name)
        if any(np.isnan(shape.score) for shape in found):
            raise AnnotationError(
                f"a score in the findings of '{image.row.image_id}' is not a number from 0 to 1", hint="correct it"
            )
        original = image.frame.original
        each = (
            (in_space(mask, image.frame, protocol.space), shape.score)
            for shape, holes in _with_holes(found)
            for mask in lesion_masks([shape, *holes], original, MaskPolicy.ALL)
        )
        size = in_space(np.zeros(original, bool), image.frame, protocol.space).shape
        return map_of(each, size)

    def knows(self, image: Path) -> bool:
        """Return whether the file says something of a radiograph; of results, whether it has a finding of it."""
        place = self.source.find(image)
        if place is None or self.results is None or place.problem is not None:
            return place is not None
        return bool(self.results.images[place.entry].annotations)

    def _read(self, image: ExplainedImage) -> Annotation | None:
        place, size = self.source.find(image.table.image_path(image.row)), image.frame.original
        if self.results is None:
            return None if place is None else read_annotation(place, size)
        if place is None:
            return Annotation((), size)
        if place.problem is not None:
            raise AnnotationError(place.problem, hint="give each image a name of its own")
        return self.results.read(place.entry, size)


def _with_holes(shapes: Sequence[Shape]) -> Iterator[tuple[Shape, list[Shape]]]:
    """Yield each finding with the holes that are cut out of it: those after it, and those in its group."""
    for number, shape in enumerate(shapes):
        if not shape.hole:
            after = shapes[number + 1 :]
            grouped = [one for one in shapes[:number] if None is not one.group_id == shape.group_id]
            yield shape, [one for one in (*grouped, *after) if one.hole]


def map_of(findings: Iterable[tuple[NDArray[np.bool_], float]], size: tuple[int, ...]) -> HeatMap:
    """Return findings as a heat map: the highest score at each pixel, divided by the highest of all.

    Args:
        findings: Regions, boolean arrays of shape ``size``, and their scores in [0, 1].
        size: Height and width.

    Returns:
        The map; its hottest pixel is the centre of the finding with the highest score, the first of equals. It has no
        positive evidence where nothing was found.

    >>> mask = np.array([[True, True, False, False]])
    >>> found = map_of([(mask, 0.2), (mask[:, ::-1], 0.8)], mask.shape)
    >>> found.values.tolist(), found.peak, found.hottest
    ([[0.25, 0.25, 1.0, 1.0]], 0.8, (0, 2))
    """
    values, best, hottest = np.zeros(size, np.float64), 0.0, None
    for mask, score in findings:
        np.maximum(values, score * mask, out=values)
        if score > best and mask.any():
            best, hottest = score, centre_of(mask)
    status = judge(values)
    if status is not MapStatus.OK:
        return HeatMap(np.zeros(size, np.float32), best, status)
    return HeatMap((values / best).astype(np.float32), best, status, hottest)


def comparators_of(settings: Settings, selected: Selected, listener: Listener) -> dict[str, Comparator]:
    """Open what the settings name.

    Args:
        settings: The settings.
        selected: The radiographs.
        listener: Told of what was found, and of findings that name none of the radiographs.

    Raises:
        SettingsError: Two of them would share a column of a table.
        InputError: A file does not exist, or is of no known format.
    """
    opened = {}
    try:
        check_names(settings.annotation.comparators)
    except ValueError as error:
        raise SettingsError(str(error), hint="give one of them another name") from error
    for name, place in settings.annotation.comparators.items():
        path = Path(place)
        if path.is_file() and path.suffix.lower() == ".json" and is_results(path):
            results = read_results(path, _listed_images(settings.data.annotations))
            opened[name] = Comparator(ListSource(path, listing=results), results, scored=True)
            listener.note(f"comparator '{name}': COCO results of {len(results.images)} images; others have no finding")
        else:
            scored = path.is_file() and recognise(path).kind is SourceKind.COCO
            opened[name] = Comparator(open_source(path), scored=scored)
            listener.note(f"comparator '{name}': {opened[name].source.description}")
        if not any(opened[name].knows(selected.table.image_path(row)) for row in selected.rows):
            listener.note(f"comparator '{name}' has nothing for any of the radiographs: compare its names with theirs")
    return opened


def check_names(names: Iterable[str]) -> None:
    """Make sure that each comparator has columns of its own, which begin with its name.

    Raises:
        ValueError: One's name and the name of a score read like another one's.

    >>> check_names(["U-Net", "U-Net_2"])
    >>> check_names(["U-Net", "U-Net_lesion"])
    Traceback (most recent call last):
    ...
    ValueError: comparators 'U-Net' and 'U-Net_lesion' would share the column 'comparator_U-Net_lesion_recall'
    """
    owners: dict[str, str] = {}
    for name in names:
        for end in ("", *_ENDS, *(f"_{metric}" for metric in METRIC_FIELDS)):
            column = f"comparator_{name}{end}"
            if (other := owners.setdefault(column, name)) != name:
                raise ValueError(f"comparators '{other}' and '{name}' would share the column '{column}'")


def _listed_images(annotations: Path | None) -> CocoFile | None:
    """Return the COCO file of the annotations, whose numbers of images results mean; None where they are not one."""
    if annotations is None or not annotations.is_file() or recognise(annotations).kind is not SourceKind.COCO:
        return None
    return read_coco(annotations)
