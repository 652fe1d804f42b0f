"""Whose heat map a file holds, by its name: of which radiograph, and of which class."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from btxrd_explain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

UNNAMED = "heat map"
"""The class of heat maps of which nobody says whose they are."""


@dataclass(frozen=True, slots=True)
class Names:
    """The radiographs and classes that are known.

    Attributes:
        images: Every name that a radiograph goes by, to its ``image_id``; empty where no radiograph is known.
        classes: Names of the classes; empty where none are known.
    """

    images: Mapping[str, str]
    classes: Sequence[str]

    def parts_of(self, name: str) -> tuple[str, str | None]:
        """Split the name of a file, without its suffix, into ``image_id`` and class; None for a class that it lacks.

        A known radiograph is the whole name, or else the longest beginning before an underscore. Where none are
        known, two underscores part them.

        Raises:
            InputError: No known radiograph has the name.

        >>> names = Names({"IMG1.png": "IMG1.png", "IMG1": "IMG1.png"}, ())
        >>> names.parts_of("IMG1_Benign"), Names({}, ()).parts_of("IMG_1__Benign")
        (('IMG1.png', 'Benign'), ('IMG_1', 'Benign'))
        """
        if name in self.images:
            return self.images[name], None
        if self.images:
            cuts = [match.start() for match in re.finditer("_", name)]
            for cut in reversed(cuts):
                if name[:cut] in self.images and name[cut:].strip("_"):
                    return self.images[name[:cut]], name[cut:].strip("_")
            raise InputError(
                f"no radiograph has the name of the heat map '{name}'", hint="name it <image> or <image>_<class>"
            )
        image, parted, class_name = name.partition("__")
        return (image, class_name) if parted and image and class_name else (name, None)

    def class_of(self, said: str) -> str:
        """Return the class that a name means; case, spaces, underscores and hyphens do not count.

        Raises:
            InputError: It is none of the classes.

        >>> Names({}, ["Airspace Opacity"]).class_of("airspace_opacity")
        'Airspace Opacity'
        """
        found = [name for name in self.classes if alike(name) == alike(said)]
        if self.classes and not found:
            raise InputError(f"'{said}' is none of the classes", hint=f"the classes are {', '.join(self.classes)}")
        return said if said in found or not found else found[0]


def alike(name: str) -> str:
    """Return a name as it is compared with others."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def names_of(image_ids: Iterable[str]) -> dict[str, str]:
    """Return every name that radiographs go by: their ids, and their ids without suffix where only one has it."""
    ids = list(image_ids)
    stems: dict[str, list[str]] = {}
    for image_id in ids:
        path = PurePosixPath(image_id)
        for stem in {path.with_suffix("").as_posix(), path.name, path.stem}:
            stems.setdefault(stem, []).append(image_id)
    return {stem: held[0] for stem, held in stems.items() if len(held) == 1} | {image_id: image_id for image_id in ids}
