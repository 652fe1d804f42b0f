"""The pixels of LabelMe's mask shapes: a PNG in base64."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import numpy as np

from btxrd_explain.inputs.decode import UndecodableError, decode

if TYPE_CHECKING:
    from numpy.typing import NDArray


class InvalidMaskError(Exception):
    """A text is not the PNG of a mask; says what it was expected to be."""


def decode_mask(text: str) -> NDArray[np.bool_]:
    """Decode the pixels of a mask shape.

    Args:
        text: A PNG of one channel in base64.

    Returns:
        Boolean array of shape ``(height, width)``: True where the PNG is not 0.

    Raises:
        InvalidMaskError: The text is no such PNG.
    """
    try:
        image = decode(base64.b64decode(text, validate=True), formats=("PNG",)).image
    except (binascii.Error, ValueError) as error:
        raise InvalidMaskError(f"expected a PNG in base64 ({error})") from error
    except UndecodableError as error:
        raise InvalidMaskError(f"expected a PNG in base64, but it {error.reason}") from error
    pixels = np.asarray(image)
    if pixels.ndim != 2:
        raise InvalidMaskError(f"expected a PNG of one channel, got mode {image.mode}")
    return pixels.astype(np.bool_)
