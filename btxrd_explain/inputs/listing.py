"""The annotations of many images in one file, entry by entry, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from btxrd_explain.inputs.annotation import Annotation, encoding_findings, naming, usable_parts
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.core.shapes import Shape


class Listing(Protocol):
    """Annotations of many images."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def names(self) -> Sequence[str]:
        """Name of each image, perhaps with folders."""

    @property
    def note(self) -> str:
        """What of the file serves no image, or is taken otherwise than it is written; empty where nothing is."""

    def read(self, position: int, radiograph: Size) -> Annotation:
        """Return the annotation of one image.

        Raises:
            AnnotationError: It is invalid, or of an image of another size.
        """


_MAX_SHAPES = 1_000


@dataclass(frozen=True, slots=True)
class PartListing:
    """Annotations of many images, a part each, which is made when its image is read.

    Attributes:
        path: The file.
        hint: What to do about a file that does not hold what it should.
        encoding: How its text is encoded.
        notes: What was taken otherwise than it is written, each once.
        names: Names of the images.
    """

    path: Path
    hint: str
    encoding: str = "utf-8"
    notes: dict[str, None] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    _parts: dict[tuple[str, str], list[Callable[[Size], Shape | None]]] = field(default_factory=dict)
    _in_order: list[list[Callable[[Size], Shape | None]]] = field(default_factory=list)

    @property
    def note(self) -> str:
        """What was taken otherwise than it is written; empty where nothing was."""
        return "; ".join(self.notes)

    def parts(self, name: str, mark: str = "") -> list[Callable[[Size], Shape | None]]:
        """Return what makes the shapes of an image, given the radiograph's size; of a new image nothing yet.

        Args:
            name: Name of the image.
            mark: What tells images of one name apart, such as the size of the file.
        """
        if (name, mark) not in self._parts:
            self.names.append(name)
            self._in_order.append(self._parts.setdefault((name, mark), []))
        return self._parts[name, mark]

    def read(self, position: int, radiograph: Size) -> Annotation:
        """Return the annotation of one image.

        Raises:
            AnnotationError: It is invalid.
        """
        with naming(self.path, hint=self.hint):
            makers = self._in_order[position]
            if len(makers) > _MAX_SHAPES:
                raise InvalidDocumentError(f"'{self.names[position]}': more than {_MAX_SHAPES:,} annotations")
            return read_parts(self.path, self.encoding, makers, radiograph)


def read_parts(path: Path, encoding: str, makers: Iterable[Callable[[Size], Shape | None]], size: Size) -> Annotation:
    """Make the shapes of one image; see :func:`usable_parts`."""
    shapes, findings = usable_parts(path, (partial(make, size) for make in makers))
    return Annotation(shapes, None, findings=(*encoding_findings(path, encoding), *findings))
