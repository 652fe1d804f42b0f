"""What callers hand over: every kind is taken or refused in one line that says what came and what is expected."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from btxrd_explain.core.arrays import (
    checked_choice,
    checked_count,
    checked_heatmap,
    checked_index,
    checked_labels,
    checked_mask,
    checked_name,
    checked_number,
    checked_path,
    checked_picture,
    checked_probabilities,
    to_array,
)
from btxrd_explain.core.choices import Operator
from btxrd_explain.core.heatmap import HeatMap, MapStatus

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_tensors_of_any_floating_type_are_heat_maps(dtype: torch.dtype) -> None:
    tensor = torch.tensor([[0.0, 0.5]], dtype=dtype, requires_grad=True)
    assert checked_heatmap(tensor).tolist() == [[0, 0.5]]


def test_a_heat_map_of_the_tool_is_its_values() -> None:
    values = np.array([[0.0, 1.0]], np.float32)
    assert to_array(HeatMap(values, 2.0, MapStatus.OK), "the map") is values


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (np.zeros((2, 2), np.uint8), TypeError, "expected floating values in [0, 1], got uint8"),
        (np.zeros((2, 2), bool), TypeError, "expected floating values in [0, 1], got bool"),
        (np.array([[0.0, 255.0]]), ValueError, "expected finite values in [0, 1], got 0 to 255"),
        (np.array([[-0.1, 1.0]]), ValueError, "expected finite values in [0, 1], got -0.1 to 1"),
        (np.array([[np.nan, 1.0]]), ValueError, "expected finite values in [0, 1], got NaN"),
        (np.array([[np.inf, 1.0]]), ValueError, "expected finite values in [0, 1], got 1 to inf"),
        (np.zeros((1, 2, 2)), ValueError, "expected shape (height, width), got (1, 2, 2)"),
        (np.zeros(4), ValueError, "expected shape (height, width), got (4,)"),
        (np.zeros((0, 4)), ValueError, "expected shape (height, width), got (0, 4)"),
        ([[0.0, 1.0], [0.5]], TypeError, "expected an array of numbers, got a list"),
        ("map.png", TypeError, "expected an array of numbers, got 'map.png'"),
        (None, TypeError, "expected an array of numbers, got None"),
        (np.array([["a"]]), TypeError, "expected an array of numbers, got <U1 of shape (1, 1)"),
    ],
    ids=count(),
)
def test_what_is_not_a_heat_map_is_refused(value: Any, kind: type[Exception], message: str) -> None:  # noqa: ANN401
    with pytest.raises(kind) as caught:
        checked_heatmap(value, "cam_heatmap")
    assert str(caught.value).startswith(f"cam_heatmap: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "mask",
    [
        [[False, True]],
        [[0, 1]],
        [[0.0, 1.0]],
        np.array([[0, 255]], np.uint8),
        np.array([[0, 1]], np.int64),
        torch.tensor([[0, 1]]),
        torch.tensor([[False, True]]),
    ],
)
def test_boolean_like_masks_are_taken(mask: Any) -> None:  # noqa: ANN401
    taken = checked_mask(mask, (1, 2))
    assert taken.dtype == np.bool_
    assert taken.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[0.0, 0.3]], r"expected 0 and 1 \(or 0 and 255\), got values from 0 to 0.3"),
        ([[1, 2]], "got values from 1 to 2"),
        ([[1, 255]], "got values from 1 to 255"),
        ([[0, -1]], "got values from -1 to 0"),
        ([[0.0, float("nan")]], "got values from nan to nan"),
        ([[0], [1]], r"expected the shape \(1, 2\) of the heat map, got \(2, 1\)"),
        ([0, 1], r"expected shape \(height, width\), got \(2,\)"),
    ],
)
def test_what_is_not_a_mask_is_refused(mask: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=f"^annotation_mask: .*{message}"):
        checked_mask(mask, (1, 2), "annotation_mask")


def test_an_empty_and_a_full_mask_are_masks() -> None:
    assert not checked_mask(np.zeros((2, 2))).any()
    assert checked_mask(np.full((2, 2), 255)).all()


@pytest.mark.parametrize(
    ("picture", "kind", "message"),
    [
        (np.zeros((3, 8, 8)), ValueError, r"expected shape \(height, width, 3\) or \(height, width\), got \(3, 8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), ValueError, r"got \(8, 8, 4\)"),
        (np.zeros((8, 8, 1), np.uint8), ValueError, r"got \(8, 8, 1\)"),
        (np.zeros((0, 8, 3), np.uint8), ValueError, r"got \(0, 8, 3\)"),
        (np.full((8, 8, 3), 255.0), ValueError, "expected finite values in"),
        (np.full((8, 8, 3), -0.5), ValueError, "expected finite values in"),
        (np.zeros((8, 8), np.uint16), TypeError, "expected uint8, or floating values in .*, got uint16"),
        (np.zeros((8, 8), bool), TypeError, "got bool"),
        ("a.png", TypeError, "got 'a.png'"),
    ],
    ids=count(),
)
def test_what_is_not_a_picture_is_refused(picture: Any, kind: type[Exception], message: str) -> None:  # noqa: ANN401
    with pytest.raises(kind, match=f"^rgb_img: .*{message}"):
        checked_picture(picture, "rgb_img")


def test_pictures_keep_their_bytes() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert checked_picture(pixels) is pixels
    np.testing.assert_array_equal(checked_picture(pixels / 255), pixels)
    np.testing.assert_array_equal(checked_picture((pixels / 255).astype(np.float32)), pixels)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: checked_labels(["a", "b"], 2, 3, "y_true"), TypeError, "y_true: expected class indices"),
        (lambda: checked_labels([0.0, 1.0], 2, 3, "y_true"), TypeError, "y_true: expected class indices"),
        (lambda: checked_labels([True, False], 2, 3, "y_true"), TypeError, "y_true: expected class indices"),
        (
            lambda: checked_labels([0, 1, 2], 2, 3, "y_true"),
            ValueError,
            "y_true: expected 2 values, one per row, got 3",
        ),
        (lambda: checked_labels([[0, 1]], 1, 3, "y_true"), ValueError, r"y_true: expected shape \(n,\), got \(1, 2\)"),
        (lambda: checked_labels([0, 3], 2, 3, "y_true"), ValueError, "y_true: expected -1 to 2, got 0 to 3"),
        (lambda: checked_probabilities([0.5, 0.5], "y_prob"), ValueError, r"y_prob: expected shape \(n, classes\)"),
        (lambda: checked_probabilities([[]], "y_prob"), ValueError, r"y_prob: expected shape \(n, classes\)"),
        (lambda: checked_probabilities([[50.0, 50.0]], "y_prob"), ValueError, "y_prob: expected finite values"),
        (lambda: checked_index("Malignant", 3, "class_idx"), TypeError, "class_idx: expected a whole number"),
        (lambda: checked_index(1.0, 3, "class_idx"), TypeError, "class_idx: expected a whole number, got 1.0"),
        (lambda: checked_index(True, 3, "class_idx"), TypeError, "class_idx: expected a whole number, got True"),
        (lambda: checked_index(3, 3, "class_idx"), ValueError, "class_idx: expected 0 to 2, got 3"),
        (lambda: checked_index(-1, 3, "class_idx"), ValueError, "class_idx: expected 0 to 2, got -1"),
        (lambda: checked_count(0, 1, "rows"), ValueError, "rows: expected at least 1, got 0"),
        (lambda: checked_number("0.5", 0, 1, "threshold"), TypeError, "threshold: expected a number from 0 to 1"),
        (lambda: checked_number(None, 0, 1, "threshold"), TypeError, "threshold: expected a number from 0 to 1"),
        (lambda: checked_number(127, 0, 1, "threshold"), ValueError, "expected a number from 0 to 1, got 127"),
        (lambda: checked_number(float("nan"), 0, 1, "threshold"), ValueError, "got nan"),
        (lambda: checked_choice("≥", Operator, "operator"), ValueError, "operator: there is no '≥': expected one of"),
        (lambda: checked_choice(5, Operator, "operator"), TypeError, "operator: expected the name of one"),
        (lambda: checked_name("gradcm", ["gradcam", "fem"], "method"), ValueError, "did you mean 'gradcam'?"),
        (lambda: checked_path(b"a.json", "path"), TypeError, "path: expected a path as text or pathlib.Path"),
        (lambda: checked_path(3, "path"), TypeError, "path: expected a path as text or pathlib.Path, got 3"),
        (lambda: checked_path("", "path"), ValueError, "path: expected a path, got empty text"),
    ],
    ids=count(),
)
def test_single_values_are_refused(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    assert [checked_index(value, 3, "i") for value in (1, np.int64(1), np.array(1), torch.tensor(1))] == [1] * 4
    assert checked_number(np.float32(0.5), 0, 1, "t") == 0.5
    assert checked_path(Path("a"), "p") == checked_path("a", "p")


def test_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(TypeError) as caught:
        checked_heatmap("x" * 10_000)
    assert len(str(caught.value)) < 150
