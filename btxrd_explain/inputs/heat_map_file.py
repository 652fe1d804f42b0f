"""Heat maps that any program computed, in a file: NumPy, PNG, TIFF or NIfTI. Nothing in a file is executed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from btxrd_explain.core.heatmap import hash_of_maps
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.annotation import MAX_SIDE, check_sides
from btxrd_explain.inputs.array_file import is_array, read_arrays
from btxrd_explain.inputs.decode import UndecodableError, decode, refusing_damage, upright
from btxrd_explain.inputs.nifti import GZIP, is_nifti, read_slice, unpacked
from btxrd_explain.system.files import read_whole
from btxrd_explain.untrusted.documents import InvalidDocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

MAP_SUFFIXES = (".npy", ".npz", ".png", ".tif", ".tiff", ".nii", ".nii.gz")
PICKLES = (".pkl", ".pickle", ".pt", ".pth")
_MAX_BYTES = 2**30
_DESCRIPTION = 270
"""TIFF's tag ImageDescription."""
_PARTS = frozenset({"maps", "classes", "ids", "facts", "grids"})
GRID_SCALE = "raw class-activation grid"
"""How ``btxrd-explain export`` begins to say that values are not enlarged and not scaled."""


class _OwnMap(BaseModel):
    """What an own export says of a map, as far as it is read."""

    model_config = ConfigDict(strict=True)

    name: str = Field(alias="class")
    probability: float | None = Field(default=None, ge=0, le=1)


class _Own(BaseModel):
    """What an own export says of a radiograph, likewise."""

    model_config = ConfigDict(strict=True)

    image_id: str
    height: int = Field(gt=0, le=MAX_SIDE)
    width: int = Field(gt=0, le=MAX_SIDE)
    label: str | None = None
    maps: list[_OwnMap]


@dataclass(frozen=True, slots=True)
class MapFile:
    """The heat maps of a file.

    Attributes:
        values: Float32, shape ``(maps, height, width)``, as the file has them; of several images
            ``(images, maps, height, width)``.
        classes: Whose they are, in the order of the maps; None where the file does not say.
        ids: The images, where the file holds several; else None.
        facts: What ``btxrd-explain export`` says of its own files; else empty.
    """

    values: NDArray[np.float32]
    classes: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def map_suffix(path: Path) -> str:
    """Return the suffix of a file in small letters, ``.nii.gz`` whole."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def read_map_file(path: Path) -> MapFile:
    """Read the heat maps of a file.

    Args:
        path: ``.npy`` of shape ``(height, width)`` or with a first axis of classes (or of images and classes);
            ``.npz`` of ``btxrd-explain export``, of an array per class, or of ``maps`` with ``classes`` and ``ids``;
            a grey PNG of 8 or 16 bits; TIFF of 8 or 16 bits or float32, a page per class; NIfTI of one slice.

    Raises:
        InputError: The file cannot be read, or holds no heat maps.
    """
    if map_suffix(path) in PICKLES:
        raise InputError(f"'{path}' may be a pickle, which can run any code", hint="save its arrays as .npz")
    try:
        return _checked(_read(read_whole(path, _MAX_BYTES)))
    except OSError as error:
        raise InputError(f"cannot read '{path}' ({error.strerror or error})", hint="check the path") from error
    except UndecodableError as error:
        raise InputError(f"'{path}' {error.reason}", hint=error.hint) from error
    except InvalidDocumentError as error:
        hint = f"save them as {', '.join(MAP_SUFFIXES)}"
        raise InputError(f"'{path}' holds no heat maps: {error}", hint=hint) from error


def _read(data: bytes | None) -> MapFile:
    if data is None:
        raise InvalidDocumentError(f"expected at most {_MAX_BYTES // 2**20} MiB")
    if data.startswith(GZIP):
        data = unpacked(data, _MAX_BYTES)
    if is_nifti(data):
        return MapFile(np.asarray(read_slice(data), np.float32))
    if is_array(data):
        return _from_arrays(read_arrays(data, _MAX_BYTES))
    image = decode(data, formats=("PNG", "TIFF"))
    with refusing_damage(("PNG", "TIFF")):
        facts = _facts(getattr(image.image, "tag_v2", {}).get(_DESCRIPTION, ""))
        pages = [upright(page, image.orientation) for page in _pages(image.image)]
    if len({page.shape for page in pages}) > 1:
        raise InvalidDocumentError("expected pages of one size")
    return MapFile(np.stack(pages), _classes(facts), None, facts)


def _from_arrays(arrays: dict[str, NDArray[Any]]) -> MapFile:
    if "maps" in arrays and arrays.keys() <= _PARTS:
        facts = _facts(str(arrays["facts"])) if "facts" in arrays else {}
        arrays, facts = _as_grids(arrays, facts)
        classes, ids = (_texts(arrays[name]) if name in arrays else None for name in ("classes", "ids"))
        return MapFile(arrays["maps"], classes or _classes(facts), ids, facts)
    if len(arrays) == 1:
        return MapFile(next(iter(arrays.values())))
    if not arrays or len({values.shape for values in arrays.values()}) > 1:
        raise InvalidDocumentError("expected an array per class, all of one shape (height, width)")
    return MapFile(np.stack(list(arrays.values())), tuple(arrays))


def _as_grids(arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the raw grids of an own export in place of its enlarged maps, unless somebody has changed the maps."""
    own = facts.get("maps_sha256")
    if own is None or "grids" not in arrays or hash_of_maps(arrays["maps"]) != own:
        return arrays, facts
    return arrays | {"maps": arrays["grids"]}, facts | {"scale": GRID_SCALE}


def _checked(file: MapFile) -> MapFile:
    """Return the maps as float32, with their axis of classes."""
    values = file.values
    if values.dtype.kind not in "biuf":
        raise InvalidDocumentError(f"expected numbers, got {values.dtype}")
    if values.ndim == 2:
        values = values[None]
    elif values.ndim == 3 and values.shape[2] == 1 and file.ids is None:
        values = values[None, ..., 0]
    if file.ids is not None and values.ndim == 3:
        values = values[:, None]
    if values.ndim not in (3, 4) or not values.size:
        raise InvalidDocumentError(f"expected (height, width) or (classes, height, width), got {file.values.shape}")
    if file.ids is not None and (values.ndim != 4 or len(file.ids) != len(values)):
        raise InvalidDocumentError(f"expected a map for each of {len(file.ids)} ids, got {file.values.shape}")
    if file.classes is not None and len(file.classes) != values.shape[-3]:
        raise InvalidDocumentError(f"expected a map for each of {len(file.classes)} classes, got {file.values.shape}")
    with np.errstate(over="ignore"):  # becomes infinite, which is told
        return MapFile(values.astype(np.float32), file.classes, file.ids, file.facts)


def _pages(image: Image.Image) -> Iterator[NDArray[np.float32]]:
    """Yield the pages of an image as float32."""
    for page in range(getattr(image, "n_frames", 1)):
        image.seek(page)
        check_sides(image.size)
        pixels = np.asarray(image)
        if image.mode in {"RGB", "RGBA", "LA"} and _is_grey(pixels, image.mode):
            pixels = pixels[..., 0]
        if pixels.ndim != 2 or image.mode in {"P", "PA"}:
            raise InvalidDocumentError("expected one value per pixel, got colours, whose order nobody knows")
        yield pixels.astype(np.float32)


def _is_grey(pixels: NDArray[Any], mode: str) -> bool:
    colours = 1 if mode == "LA" else 3
    return bool((pixels[..., :colours] == pixels[..., :1]).all() and (pixels[..., colours:] == 255).all())


def _texts(names: NDArray[Any]) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise InvalidDocumentError("expected names as a list of texts")
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist())


def _facts(text: str) -> dict[str, Any]:
    """Return what an own export says; nothing of a text that is not one.

    Raises:
        InvalidDocumentError: It says it in another way than ``export`` does.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not (isinstance(document, dict) and {"image_id", "maps", "provenance", "scale"} <= document.keys()):
        return {}
    try:
        _Own.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidDocumentError(f"what an export says of itself is damaged ({place}: {first['msg']})") from error
    return document


def _classes(facts: Mapping[str, Any]) -> tuple[str, ...] | None:
    return tuple(str(part["class"]) for part in facts["maps"]) if facts else None
