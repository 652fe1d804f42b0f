"""What callers hand over, checked: lists, NumPy arrays and torch tensors become arrays of one kind, or an error.

Every error is one line that says what came and what is expected: a TypeError for the wrong kind of thing, a
ValueError for the wrong shape or range. Nothing is scaled, cut or turned round to make it fit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from btxrd_explain.core.heatmap import HeatMap
from btxrd_explain.plain import kind_of, nearest
from btxrd_explain.system.places import is_url, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

    from numpy.typing import NDArray

    Choice = TypeVar("Choice", bound=StrEnum)

_LONGEST = 60
_MOST_NAMES = 30
"""Names in a message: all methods, and not all colour maps."""


def to_array(value: Any, what: str) -> NDArray[Any]:  # noqa: ANN401 -- whatever a caller has
    """Return a list, an array or a torch tensor on any device as a NumPy array.

    Args:
        value: Numbers or truth values, of any shape and dtype; of a :class:`HeatMap` its values.
        what: What it is, for the message.

    Returns:
        The array, which may share its memory.

    Raises:
        TypeError: It is something else, such as text or lists of different lengths.

    >>> to_array([[0, 1]], "the mask").shape
    (1, 2)
    """
    if isinstance(value, HeatMap):
        return value.values
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value  # NumPy has no such type
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what}: expected an array of numbers, got {shown(value)}") from error
    if array.dtype.kind not in "biuf":
        advice = ": give its .mask" if hasattr(value, "mask") else ""
        raise TypeError(f"{what}: expected an array of numbers, got {shown(value)}{advice}")
    return array


def checked_heatmap(value: Any, what: str = "the heat map") -> NDArray[np.floating[Any]]:  # noqa: ANN401 -- see to_array
    """Return a heat map: floating, shape ``(height, width)``, finite values in [0, 1].

    Raises:
        TypeError: It is not an array of numbers, or one of bytes (0 to 255) or truth values.
        ValueError: It has another shape, or values outside [0, 1].

    >>> checked_heatmap([[0, 0.5]]).dtype
    dtype('float64')
    """
    array = _of_shape(to_array(value, what), "(height, width)", what)
    if array.dtype.kind == "b" or array.dtype == np.uint8:
        raise TypeError(f"{what}: expected floating values in [0, 1], got {array.dtype}")
    return _in_unit_range(array if array.dtype.kind == "f" else array.astype(np.float64), what)


def checked_mask(value: Any, shape: tuple[int, ...] | None = None, what: str = "the mask") -> NDArray[np.bool_]:  # noqa: ANN401 -- see to_array
    """Return a mask as a boolean array of shape ``(height, width)``.

    Args:
        value: Truth values, or numbers of any dtype that are 0 and 1, or 0 and 255.
        shape: The shape that it must have; None takes any of two dimensions.
        what: What it is, for the message.

    Raises:
        TypeError: It is not an array of numbers.
        ValueError: It has another shape, or other values, such as probabilities or the numbers of classes.

    >>> checked_mask([[0, 255]]).tolist()
    [[False, True]]
    """
    array = _of_shape(to_array(value, what), "(height, width)", what)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{what}: expected the shape {shape} of the heat map, got {array.shape}")
    if array.dtype == np.bool_:
        return array
    mask: NDArray[np.bool_] = array != 0
    top = 255 if (array == 255).any() else 1
    if not (array[mask] == top).all():
        raise ValueError(f"{what}: expected 0 and 1 (or 0 and 255), got values from {array.min():g} to {array.max():g}")
    return mask


def checked_picture(value: Any, what: str = "the image") -> NDArray[np.uint8]:  # noqa: ANN401 -- see to_array
    """Return a picture as bytes.

    Args:
        value: Shape ``(height, width, 3)`` RGB or ``(height, width)`` grey; uint8, or floating in [0, 1].
        what: What it is, for the message.

    Returns:
        Uint8 array of the same shape.

    Raises:
        TypeError: It is not an array of numbers, or of another dtype.
        ValueError: It has another shape, such as channels first, or floating values outside [0, 1].

    >>> checked_picture([[0.0, 0.5, 1.0]]).tolist()
    [[0, 128, 255]]
    """
    array = to_array(value, what)
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise ValueError(f"{what}: expected shape (height, width, 3) or (height, width), got {array.shape}")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise TypeError(f"{what}: expected uint8, or floating values in [0, 1], got {array.dtype}")
    pixels: NDArray[np.uint8] = (_in_unit_range(array, what) * 255 + 0.5).astype(np.uint8)
    return pixels


def checked_labels(value: Any, count: int | None, classes: int, what: str) -> NDArray[np.intp]:  # noqa: ANN401 -- see to_array
    """Return class indices: shape ``(count,)``, each in 0 to ``classes - 1``, or -1 where the class is not known.

    Raises:
        TypeError: They are not whole numbers, such as class names.
        ValueError: They have another shape, or an index is out of range.

    >>> checked_labels([1, -1], 2, 3, "the labels").tolist()
    [1, -1]
    """
    named = next((one for one in value if isinstance(one, str)), None) if isinstance(value, list | tuple) else None
    if named is not None:
        raise TypeError(
            f"{what}: expected class indices (whole numbers), got names such as {shown(named)}: give their places in "
            "the list of class names, such as names.index(name)"
        )
    array = _of_shape(to_array(value, what), "(n,)", what, may_be_empty=True)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{what}: expected class indices (whole numbers), got {array.dtype}")
    if count is not None and len(array) != count:
        raise ValueError(f"{what}: expected {count} values, one per row, got {len(array)}")
    if array.size and not (array.min() >= -1 and array.max() < classes):
        raise ValueError(f"{what}: expected -1 to {classes - 1}, got {array.min()} to {array.max()}")
    return array.astype(np.intp)


def checked_probabilities(value: Any, what: str) -> NDArray[np.floating[Any]]:  # noqa: ANN401 -- see to_array
    """Return class probabilities: floating, shape ``(n, classes)``, finite values in [0, 1].

    Raises:
        TypeError: They are not an array of numbers.
        ValueError: They have another shape, or values outside [0, 1].
    """
    array = _of_shape(to_array(value, what), "(n, classes)", what, may_be_empty=True)
    if not array.shape[1]:
        raise ValueError(f"{what}: expected shape (n, classes), got {array.shape}")
    return _in_unit_range(array if array.dtype.kind == "f" else array.astype(np.float64), what)


def checked_index(value: Any, count: int, what: str) -> int:  # noqa: ANN401 -- whatever a caller has
    """Return an index from 0 to ``count - 1``.

    Raises:
        TypeError: It is not a whole number, such as the name of a class.
        ValueError: It is out of range.

    >>> checked_index(np.int64(2), 3, "the class")
    2
    """
    number = checked_count(value, None, what)
    if not 0 <= number < count:
        raise ValueError(f"{what}: expected 0 to {count - 1}, got {number}")
    return number


def checked_count(value: Any, least: int | None, what: str) -> int:  # noqa: ANN401 -- whatever a caller has
    """Return a whole number, which is at least ``least``.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is smaller.
    """
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a number of NumPy or torch
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{what}: expected a whole number, got {shown(value)}")
    if least is not None and value < least:
        raise ValueError(f"{what}: expected at least {least}, got {value}")
    return int(value)


def checked_number(value: Any, low: float, high: float, what: str) -> float:  # noqa: ANN401 -- whatever a caller has
    """Return a number from ``low`` to ``high``.

    Raises:
        TypeError: It is not a number.
        ValueError: It lies outside, or is NaN.

    >>> checked_number(1, 0, 1, "the threshold")
    1.0
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{what}: expected a number from {low:g} to {high:g}, got {shown(value)}")
    number = float(value)
    if not low <= number <= high:
        raise ValueError(f"{what}: expected a number from {low:g} to {high:g}, got {value}")
    return number


def checked_choice(value: Any, kind: type[Choice], what: str) -> Choice:  # noqa: ANN401 -- whatever a caller has
    """Return the member of an enumeration that a text names.

    Raises:
        TypeError: It is not text.
        ValueError: The enumeration has no such member; the message lists those that it has.
    """
    named: Choice = kind(checked_name(value, [str(member) for member in kind], what))
    return named


def checked_name(value: Any, known: Iterable[str], what: str) -> str:  # noqa: ANN401 -- whatever a caller has
    """Return one of the texts that are known.

    Raises:
        TypeError: It is not text.
        ValueError: It is not among them; the message lists some, and says which may have been meant.

    >>> checked_name("layercam", ("gradcam", "layercam"), "the method")
    'layercam'
    """
    known = list(known)
    if not isinstance(value, str):
        raise TypeError(f"{what}: expected the name of one, such as {shown(known[0])}, got {shown(value)}")
    if value not in known:
        near = nearest(value, known)
        listed = ", ".join(known[:_MOST_NAMES]) + (", ..." if len(known) > _MOST_NAMES else "")
        advice = f"expected one of {listed}" if near is None else f"did you mean {near!r}?"
        raise ValueError(f"{what}: there is no {shown(value)}: {advice}")
    return value


def checked_items(value: Any, what: str) -> list[Any]:  # noqa: ANN401 -- whatever a caller has
    """Return the items of a list, an array, or whatever else can be iterated over.

    Raises:
        TypeError: It has no items, or it is text, whose characters nobody means.

    >>> checked_items(iter("ab"), "names")
    ['a', 'b']
    """
    try:
        items = None if isinstance(value, str | bytes) else iter(value)
    except TypeError:
        items = None
    if items is None:
        raise TypeError(f"{what}: expected a list, got {shown(value)}")
    return list(items)


def checked_names(value: Any, count: int) -> list[str]:  # noqa: ANN401 -- whatever a caller has
    """Return the names of images as text; None counts them from 0.

    Raises:
        TypeError: They are not a list.

    >>> checked_names(None, 2), checked_names(("a", 7), 2)
    (['0', '1'], ['a', '7'])
    """
    return [str(name) for name in (range(count) if value is None else checked_items(value, "names"))]


def checked_mapping(value: Any, what: str) -> Mapping[str, Any]:  # noqa: ANN401 -- whatever a caller has
    """Return values by name; nothing for None.

    Raises:
        TypeError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{what}: expected values by name, such as a dict, got {shown(value)}")
    return value


def checked_lists(value: Any, what: str) -> dict[str, list[Any]]:  # noqa: ANN401 -- whatever a caller has
    """Return lists by name; nothing for None.

    Raises:
        TypeError: It is something else.

    >>> checked_lists({"center": (1, 2)}, "by"), checked_lists(None, "by")
    ({'center': [1, 2]}, {})
    """
    given = checked_mapping(value, what)
    return {str(name): checked_items(values, f"{what}[{name!r}]") for name, values in given.items()}


def checked_path(value: Any, what: str) -> Path:  # noqa: ANN401 -- whatever a caller has
    """Return text or a path-like object as a path.

    Raises:
        TypeError: It is neither.
        ValueError: It is empty.

    >>> checked_path("scans/a.png", "the file").name
    'a.png'
    """
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{what}: expected a path as text or pathlib.Path, got {shown(value)}")
    if isinstance(value, str) and not value:
        raise ValueError(f"{what}: expected a path, got empty text")
    return value if isinstance(value, Path) else Path(value)


def checked_place(value: Any, what: str) -> Path:  # noqa: ANN401 -- whatever a caller has
    """Return text or a path-like object as a path on this machine, or the place that a URL names.

    Raises:
        TypeError: It is neither.
        ValueError: It is empty.
        InputError: The kind of URL is unknown.
    """
    if isinstance(value, str) and is_url(value):
        return place_of(value)
    return cast("Path", value) if is_url(str(value)) else checked_path(value, what)


def shown(value: Any) -> str:  # noqa: ANN401 -- whatever a caller has
    """Describe a value for a message of one line.

    >>> shown(np.zeros((2, 3))), shown("Malignant"), shown(None)
    ('float64 of shape (2, 3)', "'Malignant'", 'None')
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    if value is None or isinstance(value, str | bool | int | float):
        text = repr(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return kind_of(value)


def _of_shape(array: NDArray[Any], wanted: str, what: str, *, may_be_empty: bool = False) -> NDArray[Any]:
    """Return an array whose number of dimensions is that of ``wanted``, which is shown in the message."""
    if array.ndim != len(wanted.strip("()").rstrip(",").split(",")) or not (array.size or may_be_empty):
        raise ValueError(f"{what}: expected shape {wanted}, got {array.shape}")
    return array


def _in_unit_range(array: NDArray[Any], what: str) -> NDArray[np.floating[Any]]:
    if array.size:
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 1):  # also of NaN
            got = "NaN" if np.isnan(low) else f"{low:g} to {high:g}"
            raise ValueError(f"{what}: expected finite values in [0, 1], got {got}")
    return array
