from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.outputs.comparison_figure import Panel, build_comparison, compose
from btxrd_explain.outputs.gallery_figure import Cell, Picture, Row, build_gallery_grid
from btxrd_explain.outputs.overlay import create_overlay, denormalize_tensor, draw_outline
from btxrd_explain.outputs.style import ANNOTATION, save_figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_without_heat_the_radiograph_stays_as_it_is() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    overlay = create_overlay(image, np.zeros((3, 4)))
    assert (overlay == image[..., None]).all()


def test_the_scale_is_fixed() -> None:
    """The same heat gives the same colour, whatever else is in the picture."""
    image = np.full((1, 2), 50, np.uint8)
    one = create_overlay(image, np.array([[0.4, 0.0]]))
    two = create_overlay(image, np.array([[0.4, 1.0]]))
    assert (one[0, 0] == two[0, 0]).all()


@given(heat=st.floats(0, 1), grey=st.integers(0, 255), alpha=st.floats(0, 1))
def test_overlays_lie_between_radiograph_and_colour(heat: float, grey: int, alpha: float) -> None:
    pixel = create_overlay(np.full((1, 1), grey, np.uint8), np.array([[heat]]), alpha)[0, 0].astype(int)
    colour = create_overlay(np.zeros((1, 1), np.uint8), np.array([[1.0]]), 1.0)[0, 0].astype(int)
    low, high = np.minimum(grey, 0), np.maximum(grey, 255)
    assert (pixel >= low).all()
    assert (pixel <= high).all()
    if alpha == 1 and heat == 1:
        assert (pixel == colour).all()


@pytest.mark.parametrize(
    ("image", "heat", "alpha", "colormap", "message"),
    [
        (np.zeros((2, 2), np.uint8), np.zeros((2, 3)), 0.5, "inferno", "do not fit"),
        (np.zeros((2, 2)), np.zeros((2, 2)), 0.5, "inferno", "do not fit"),
        (np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2)), 0.5, "inferno", "do not fit"),
        (np.zeros((2, 2), np.uint8), np.full((2, 2), 1.5), 0.5, "inferno", "outside"),
        (np.zeros((2, 2), np.uint8), np.full((2, 2), np.nan), 0.5, "inferno", "outside"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2)), 1.5, "inferno", "alpha"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2)), 0.5, "rainbows", "no colour map"),
    ],
)
def test_what_cannot_be_laid_over_is_refused(
    image: Any, heat: np.ndarray, alpha: float, colormap: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        create_overlay(image, heat, alpha, colormap=colormap)


def test_denormalising_undoes_preprocessing() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    tensor = torch.from_numpy(Preprocessing(Size(8, 6), MEAN, STD).apply(pixels))
    np.testing.assert_array_equal(denormalize_tensor(tensor, MEAN, STD), pixels)
    np.testing.assert_array_equal(denormalize_tensor(tensor[None].requires_grad_(), MEAN, STD), pixels)


def test_denormalising_grey_gives_rgb() -> None:
    grey = denormalize_tensor(np.full((1, 2, 2), 1.0), (0.25,), (0.5,))
    assert grey.shape == (2, 2, 3)
    assert (grey == 191).all()


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4, 4), (2, 4, 4)])
def test_other_tensors_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        denormalize_tensor(np.zeros(shape), MEAN, STD)


def test_an_outline_leaves_the_inside_free() -> None:
    image = np.full((40, 40, 3), 120, np.uint8)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    drawn = draw_outline(image, mask, ANNOTATION)
    assert (drawn[20, 20] == 120).all()
    assert tuple(drawn[10, 20]) == ANNOTATION
    assert (image == 120).all()


def _picture(height: int, width: int, note: str = "") -> Picture:
    return Picture(np.full((height, width, 3), 90, np.uint8), "map of Benign", note)


def _gallery(columns: int) -> Figure:
    shapes = [(300, 100), (100, 300), (200, 200)]
    cells = tuple(
        Cell((_picture(*shapes[number % 3]),), "TP: Malignant -> Malignant (0.93)", f"IMG{number:06d}.jpeg")
        for number in range(columns)
    )
    pair = Cell(
        (_picture(300, 100), _picture(300, 100, "no_positive_evidence")), "FN: Benign -> Normal (0.51)", "x.png"
    )
    rows = [Row("TP", cells, 9), Row("FP", (), 0), Row("FN", (pair,), 1)]
    return build_gallery_grid(rows, title="Malignant", columns=columns, footer="gradcam of bn2 | " * 20)


def _texts_overlap(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts of a figure whose boxes overlap, as drawn."""
    figure.canvas.draw()
    texts = [text for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent().shrunk(0.98, 0.9)) for text in texts if text.get_visible()]
    return [
        (one, two)
        for index, (one, box) in enumerate(boxes)
        for two, other in boxes[index + 1 :]
        if one != two and box.overlaps(other)
    ]


@pytest.mark.parametrize("columns", [1, 3, 5, 8])
def test_titles_are_readable_at_any_number_of_columns(columns: int) -> None:
    figure = _gallery(columns)
    assert not _texts_overlap(figure)
    assert len([axes for axes in figure.axes if axes.images]) == columns + 2
    titles = [text.get_text() for text in figure.texts]
    assert titles.count("TP: Malignant -> Malignant (0.93)") == columns


def test_empty_cells_and_empty_maps_say_so() -> None:
    texts = [text.get_text() for axes in _gallery(2).axes for text in axes.texts]
    assert "no false positives\n(0 of 2 asked for)" in texts
    assert "no further false negatives\n(1 of 2 asked for)" in texts
    assert "no heat map:\nno positive evidence" in texts


def test_markup_in_names_is_plain_text(tmp_path: Path) -> None:
    cell = Cell((_picture(50, 50),), r"TP: $\frac{1}$ -> <b>x</b> (0.93)", "$$.png")
    figure = build_gallery_grid([Row("TP", (cell,), 1)], title="$x_1$", columns=1)
    save_figure(figure, tmp_path / "g.png", dpi=50)


@pytest.mark.parametrize("columns", [0, 1])
def test_grids_that_cannot_be_laid_out(columns: int) -> None:
    cells = (Cell((), "a"), Cell((), "b"))
    with pytest.raises(ValueError, match="columns"):
        build_gallery_grid([Row("TP", cells, 2)], title="", columns=columns)


def _panel(*, mask: bool = True, iou: float | None = 0.42, note: str | None = None, shape: Any = (300, 100)) -> Panel:
    heat = np.zeros(shape, np.float32)
    heat[10:40, 10:40] = 1
    annotation = np.zeros(shape, bool)
    annotation[20:50, 20:50] = True
    pixels = np.full(shape, 90, np.uint8)
    return Panel(
        "IMG000046.jpeg", pixels, annotation if mask else None, heat, iou, "Malignant", "Benign", 0.5, "Malignant", note
    )


def test_comparison_says_what_is_and_what_is_undefined() -> None:
    panels = [_panel(), _panel(iou=None, note="no_positive_evidence"), _panel(mask=False, iou=None)]
    figure = build_comparison(panels, title="t", threshold=0.5)
    texts = [text.get_text() for text in figure.texts]
    assert "IoU 0.42" in texts
    assert "IoU undefined: no positive evidence" in texts
    assert "attention pattern (no annotation)" in texts
    assert "Malignant -> Benign (0.50), miss; map of Malignant" in texts
    assert not _texts_overlap(figure)
    assert len([axes for axes in figure.axes if axes.images]) == 12


def test_many_panels_stand_in_two_columns() -> None:
    few, many = (build_comparison([_panel()] * n, title="t", threshold=0.5) for n in (4, 8))
    assert many.get_size_inches()[0] == pytest.approx(2 * few.get_size_inches()[0])
    assert many.get_size_inches()[1] == pytest.approx(few.get_size_inches()[1])


def test_a_lesion_of_one_pixel_is_still_drawn() -> None:
    panel = _panel(shape=(3000, 2000))
    tiny = np.zeros((3000, 2000), bool)
    tiny[1500, 1000] = True
    panel = Panel(**{name: getattr(panel, name) for name in panel.__slots__} | {"mask": tiny})
    bare, annotated, _, _ = compose(panel, threshold=0.5, colormap="inferno", alpha=0.45)
    assert max(bare.shape) == 600
    assert (annotated != bare).any()


def test_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="nothing"):
        build_comparison([], title="", threshold=0.5)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        save_figure(_gallery(2), tmp_path / f"{name}.{kind}", dpi=60)
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_the_resolution_is_the_one_asked_for(tmp_path: Path) -> None:
    figure = _gallery(2)
    save_figure(figure, tmp_path / "g.png", dpi=150)
    width, height = figure.get_size_inches() * 150
    with Image.open(tmp_path / "g.png") as image:
        assert image.size == (int(width), int(height))
