"""Annotations of several readers, which count as lesion what these agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.inputs.annotation import AnnotationPlace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from btxrd_explain.core.choices import Consensus
    from btxrd_explain.inputs.annotation_source import AnnotationSource


class ConsensusSource:
    """Finds what at least two readers say of an image.

    Args:
        readers: Where the annotations of each reader are.
        rule: What of them counts as lesion.
    """

    def __init__(self, readers: Mapping[str, AnnotationSource], rule: Consensus) -> None:
        """Keep the sources."""
        self._readers, self._rule = readers, rule

    @property
    def description(self) -> str:
        """Rule and readers."""
        each = "; ".join(f"{name}: {source.description}" for name, source in sorted(self._readers.items()))
        return f"{self._rule} of {len(self._readers)} readers ({each})"

    def find(self, image: Path) -> AnnotationPlace | None:
        """Return the annotations of the readers of an image; None where nobody annotated it."""
        found = {name: source.find(image) for name, source in self._readers.items()}
        parts = tuple(place for place in found.values() if place is not None)
        if not parts:
            return None
        problem = None
        if len(parts) < 2:
            reader = next(name for name, place in found.items() if place is not None)
            problem = f"only reader '{reader}' annotated '{image.name}', and a consensus takes two"
        told = problem is not None  # counted with the readers
        first = parts[0]
        return AnnotationPlace(first.path, first.kind, told=told, problem=problem, parts=parts, consensus=self._rule)

    def unused(self, used: Collection[AnnotationPlace]) -> list[str]:
        """Name what the sources hold besides the annotations that were found for images."""
        parts = [part for place in used for part in place.parts]
        return [name for source in self._readers.values() for name in source.unused(parts)]

    def nearest(self, image: Path) -> list[str]:
        """Return the names that look most like an image's."""
        return list(dict.fromkeys(name for source in self._readers.values() for name in source.nearest(image)))
