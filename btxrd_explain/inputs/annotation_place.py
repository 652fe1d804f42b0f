"""Where the annotation of one radiograph is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class SourceKind(StrEnum):
    """What annotates a radiograph."""

    LABELME = "LabelMe"
    MASK = "PNG mask"
    COCO = "COCO"

    @property
    def suffix(self) -> str:
        """Suffix of the file."""
        return ".png" if self is SourceKind.MASK else ".json"


@dataclass(frozen=True, slots=True)
class AnnotationPlace:
    """Where the annotation of one radiograph is.

    Attributes:
        path: The file.
        kind: What it is.
        entry: Of a COCO file, the position of the image in it.
        problem: Why it cannot be told which annotation is the radiograph's; None where it can.
    """

    path: Path
    kind: SourceKind = SourceKind.LABELME
    entry: int = 0
    problem: str | None = None
