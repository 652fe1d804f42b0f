"""Names of annotations that are not those of their radiographs by letter."""

from __future__ import annotations

import re
from collections import defaultdict
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable

_SUFFIX = r"\.(?:json|xml|txt|csv|npy|npz|nii|gz|png|jpe?g|jpe|jfif|bmp|tiff?|gif|webp|dcm|dicom)"
_MARK = r"[ _-](?:masks?|masken?|seg|segmentation|labels?|annotations?|gt|groundtruth|lesions?|roi|0000)"
_ENDS = re.compile(rf"(?:{_SUFFIX}|\.rf\.[0-9a-f]{{6,64}}|_(?:jpe?g|png|bmp|tiff?)(?=\.rf\.|$)|{_MARK})$")
_STARTS = re.compile(r"^(?:train|training|val|valid|validation|test|masks?|seg|label)[_-]")
ACCEPTED = "x.json, x.png, x_mask.png, x-seg.png, x_label.png, x_gt.png, x_roi.png or x_0000.png"
"""Examples of the names of annotations of ``x.jpeg``, for messages."""
_MOST_ENDS = 8
_MOST_COMPARED = 5_000
"""Names; comparing takes about a millisecond for twenty."""


def key_of(name: str) -> str:
    """Return what is left of a file's name without what programs put around it.

    Taken away are the suffixes, also several, and marks as in ``x_mask.png``, ``x_0000.png`` or ``train_x.jpg``; names
    are compared without case, and whether a letter and its accent are one character (as Macs unpack them) or two.

    >>> [key_of(name) for name in ("X.jpeg.JSON", "x_mask.PNG", "train_x_jpg.rf.0a1b2c3d.jpg", "x_0000.png", "x")]
    ['x', 'x', 'x', 'x', 'x']
    """
    key = normalize("NFC", name.casefold())
    for _ in range(_MOST_ENDS):
        shorter = _ENDS.sub("", key)
        if shorter in {"", key}:
            break
        key = shorter
    return _STARTS.sub("", key) or key


class SimilarNames:
    """Names by what is left of them.

    Args:
        names: The names of annotations.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Sort the names."""
        self._names = list(dict.fromkeys(names))
        self._by_key: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._by_key[key_of(name)].append(name)

    def like(self, name: str) -> list[str]:
        """Return the names that are as good as a name; of several none is the right one."""
        return self._by_key.get(key_of(name), [])

    def nearest(self, name: str) -> list[str]:
        """Return up to three names that look most like a name, from the nearest on; first those that hold it whole."""
        key, stems = key_of(name), {key_of(other): other for other in islice(self._names, _MOST_COMPARED)}
        whole = [other for other in stems if key in other]
        near = [*sorted(whole, key=len), *get_close_matches(key, stems, n=3, cutoff=0)]
        return [stems[other] for other in dict.fromkeys(near)][:3]
