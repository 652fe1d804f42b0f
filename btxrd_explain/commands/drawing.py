"""What the figures of several commands need: file names, the line in the margin, missing glyphs."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain.plain import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.progress import Listener

# Names that reach the file system or a figure's margin.

_LONGEST = 150
"""Bytes of a class name in a file name; file systems take 255, of which a part is ours."""
_LONGEST_PART = 200
"""Bytes of an image's name in a file name."""


def file_names_of_classes(names: Sequence[str]) -> dict[str, str]:
    """Return class names as parts of file names, each another one: what could be a path or markup becomes ``_``.

    >>> file_names_of_classes(["Malignant", "../giant cell/tumor", "malignant"])
    {'Malignant': 'Malignant', '../giant cell/tumor': '___giant cell_tumor', 'malignant': 'malignant_2'}
    """
    safe = (re.sub(r"[^\w \-+()]", "_", name).encode()[:_LONGEST].decode(errors="ignore").strip() for name in names)
    return dict(zip(names, distinct(name or "_" for name in safe), strict=True))


def file_name_of_image(image_id: str, suffix: str) -> Path:
    r"""Return a relative file name for what belongs to an image, different for different images.

    The image's own suffix stays, so that ``a.png`` and ``a.jpeg`` do not meet; no part of it leaves the folder. A name
    that had to be changed for that, or is longer than file systems take, ends with part of its hash, to meet no other.

    >>> file_name_of_image("left/IMG000046.jpeg", ".png").as_posix()
    'left/IMG000046.jpeg.png'
    >>> [file_name_of_image(name, ".png").as_posix() for name in ("//etc/../passwd", "..", "a\0b")]
    ['etc/passwd-3c8ff4e0.png', '_-5ec1f7e7.png', 'a_b-59b271ae.png']
    """
    text = image_id.replace("\0", "_")
    if os.name == "nt":  # where these too make a path
        text = text.replace("\\", "/").replace(":", "_")
    parts = [_cut(part) for part in text.split("/") if part not in {"", ".", ".."}] or ["_"]
    mark = ""
    if "/".join(parts) != image_id:
        mark = f"-{hashlib.sha256(image_id.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return Path(*parts[:-1], f"{parts[-1]}{mark}{suffix}")


def _cut(part: str) -> str:
    return part.encode("utf-8", "surrogatepass")[:_LONGEST_PART].decode("utf-8", "ignore")


def file_names_of_images(image_ids: Iterable[str], suffix: str, *, by_stem: bool = False) -> dict[str, Path]:
    """Return relative file names for what belongs to images, by ``image_id``.

    No two images have one file, also where a file system knows neither case nor forms of accents, and none has that of
    a folder that another one needs. Where names would meet, each of them ends with a part of its hash, which is the
    longer the more of them are alike.

    Args:
        image_ids: All images that may get a file there.
        suffix: The files' suffix.
        by_stem: Whether the image's own suffix is left out, as LabelMe looks for files, where no other has the stem.

    >>> names = file_names_of_images(["knee.png", "Knee.png", "hip.png"], ".json", by_stem=True)
    >>> [name.as_posix() for name in names.values()]
    ['knee.png-28f05686.json', 'Knee.png-ee03606f.json', 'hip.json']
    """
    plain_names = names = {image_id: file_name_of_image(image_id, suffix) for image_id in image_ids}
    if by_stem:
        short = {each: path.with_name(f"{Path(path.stem).stem}{suffix}") for each, path in names.items()}
        shared = _shared(short)
        names = {each: path if each in shared else short[each] for each, path in names.items()}
    for digits in (8, 16, 32, 64, 64):  # somebody may have named an image like the file of another one
        for image_id in _shared(names):
            mark = hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
            stem = plain_names[image_id].name.removesuffix(suffix)
            names[image_id] = plain_names[image_id].with_name(f"{stem}-{mark}{suffix}")
    return names


def _shared(names: Mapping[str, Path]) -> set[str]:
    """Return the images whose file others have, too, where a file system knows neither case nor forms of accents."""
    keys = {each: Path(unicodedata.normalize("NFC", path.as_posix()).casefold()) for each, path in names.items()}
    counts = Counter(keys.values())
    folders = {folder for key in counts for folder in key.parents}
    return {each for each, key in keys.items() if counts[key] > 1 or key in folders}


def footer(provenance: Provenance) -> str:
    """Return the line under a figure that says how its heat maps were made."""
    size, mark = f"{provenance.grid.height} x {provenance.grid.width}", provenance.checkpoint_sha256[:8]
    if provenance.imported is not None:
        return f"{provenance.maps} ({mark}), up to {size} values"
    parts = [
        f"{provenance.maps}, {size} cells",
        f"{provenance.architecture}, {provenance.checkpoint} ({mark})",
    ]
    if provenance.synthetic:
        parts.insert(0, "trained on SYNTHETIC DATA")
    return "  |  ".join(parts)


# What to tell where names hold characters that no font of the machine draws.


def note_missing_glyphs(names: Iterable[str], listener: Listener) -> None:
    """Send a note on the characters of class and file names that figures show by their code points."""
    from btxrd_explain.outputs.fonts import without_glyph  # noqa: PLC0415 -- matplotlib

    missing = without_glyph(names)
    if missing:
        shown = missing if len(missing) <= 12 else f"{missing[:12]}..."
        listener.note(
            f"no font on this machine draws {shown!r}: figures show code points instead; "
            "install a font that does, such as Noto Sans CJK"
        )
