"""From the values that a DICOM file stores to the grey levels that it is meant to be seen in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from btxrd_explain.inputs.decode import UndecodableError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def grey_levels(stored: NDArray[Any], header: Dataset) -> NDArray[np.uint8]:
    """Turn stored values into grey levels, as PS3.3 C.11 and C.7.6.3.1.2 order it.

    Modality LUT, or rescale slope and intercept; then the first VOI LUT, or else the first window, whose range becomes
    0-255. Without either (a window that the standard does not allow, or that
    shows nothing of the picture, counts as none) nothing is clipped: 8-bit values
    stay as they are, others are scaled linearly, the image's smallest to 0 and its largest to 255. Last, MONOCHROME1
    is inverted, and padding becomes black.

    Every step maps a value alone, so that each value is mapped once, and the pixels by looking it up.

    Args:
        stored: Integer array of shape ``(height, width)``, of at most 16 bits.
        header: The file's attributes.

    Returns:
        Uint8 array of the same shape, 255 for white.
    """
    low = int(stored.min())
    places = stored.astype(np.int32) - low
    used = np.bincount(places.ravel()) > 0
    values = np.arange(low, low + len(used), dtype=np.int32)
    padded = _padded(values, header)
    with np.errstate(all="ignore"):  # infinite and undefined values are found at the end
        levels = _levels(values, used & ~padded, header)
    if not np.isfinite(levels).all():
        raise UndecodableError("is a DICOM file whose values are not finite", hint="check how it was written")
    levels = np.rint(levels).clip(0, 255)
    if header.PhotometricInterpretation == "MONOCHROME1":
        levels = 255 - levels
    levels[padded] = 0
    return levels.astype(np.uint8).take(places)


def _padded(values: NDArray[np.int32], header: Dataset) -> NDArray[np.bool_]:
    """Say which values stand for no part of the picture, such as the surroundings of a collimated field."""
    first = header.get("PixelPaddingValue")
    if first is None:
        return np.zeros(len(values), dtype=bool)
    last = header.get("PixelPaddingRangeLimit")
    ends = sorted((int(first), int(first if last is None else last)))
    return (values >= ends[0]) & (values <= ends[1])


def _levels(values: NDArray[np.int32], used: NDArray[np.bool_], header: Dataset) -> NDArray[np.float64]:
    """Return the grey level of each value, 0 to 255, before MONOCHROME1 is inverted.

    Args:
        values: Stored values, ascending.
        used: Which of them the picture has; shape of ``values``.
        header: The file's attributes.
    """
    modality: NDArray[np.float64] = np.asarray(apply_modality_lut(values, header), dtype=np.float64)
    seen = _through_lut(modality, header)
    if seen is None:
        seen = _through_window(modality, header)
    if seen is not None and not _blind(seen[used], modality[used]):
        return seen
    if (header.BitsStored, header.PixelRepresentation) == (8, 0) and np.array_equal(modality, values):
        return values.astype(np.float64)
    if not used.any():
        return np.zeros(len(values))
    low, high = float(modality[used].min()), float(modality[used].max())
    return (modality - low) * (255 / (high - low) if high > low else 0.0)


def _blind(seen: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
    """Say whether a window passes all values by, so that nothing of the picture is seen."""
    return len(values) > 0 and seen.min() == seen.max() and values.min() < values.max()


def _through_lut(values: NDArray[np.float64], header: Dataset) -> NDArray[np.float64] | None:
    """Apply the first VOI LUT; None where there is none."""
    lut = (header.get("VOILUTSequence") or [Dataset()])[0]
    if "LUTDescriptor" not in lut or "LUTData" not in lut:
        return None
    count, first, bits = (int(number) for number in lut.LUTDescriptor)
    # pydicom counts in the type of the table's entries, which 8 bits are too few for; its descriptor says 16 then.
    lut["LUTDescriptor"].value = [count, first, 16]
    within = np.rint(values).clip(first, first + (count or 2**16) - 1).astype(np.int32)
    found: NDArray[np.float64] = np.asarray(apply_voi(within, header), dtype=np.float64)
    white: float = max(2**bits - 1, found.max())
    return found * (255 / white)


def _through_window(values: NDArray[np.float64], header: Dataset) -> NDArray[np.float64] | None:
    """Apply the first window, onto 8 bits; None where there is none that the standard allows."""
    names = [name for name in ("WindowCenter", "WindowWidth", "VOILUTFunction") if header.get(name) not in (None, "")]
    if names[:2] != ["WindowCenter", "WindowWidth"]:
        return None
    window = Dataset()  # with the window alone pydicom maps onto the range of its bits, whatever the modality LUT's
    window.PhotometricInterpretation, window.PixelRepresentation, window.BitsStored = "MONOCHROME2", 0, 8
    for name in names:
        window[name] = header[name]
    try:
        levels: NDArray[np.float64] = np.asarray(apply_windowing(values, window))
    except ValueError:
        return None
    return levels
