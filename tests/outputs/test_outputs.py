from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.text import Text
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import OutputError
from btxrd_explain.outputs.comparison_figure import Panel, build_comparison
from btxrd_explain.outputs.fonts import text_width
from btxrd_explain.outputs.gallery_figure import Cell, Picture, Row, build_gallery, cell_pixels, place_of
from btxrd_explain.outputs.marks import Marks, outlines_of
from btxrd_explain.outputs.overlay import create_overlay, denormalize_tensor, picture_of, shrunk
from btxrd_explain.outputs.style import ANNOTATION, FAINT, cell_shape, save_figure, styled

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from btxrd_explain.outputs.marks import Outlines

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
@example(heat=1.0, grey=255, alpha=1.0)
@example(heat=0.5, grey=0, alpha=1.0)
def test_overlays_lie_between_radiograph_and_colour(heat: float, grey: int, alpha: float) -> None:
    """Each channel lies between the radiograph and the colour of that heat, as far along as the opacity says."""
    pixel = create_overlay(np.full((1, 1), grey, np.uint8), np.array([[heat]]), alpha=alpha)[0, 0].astype(int)
    level = int(heat * 255 + 0.5)
    colour = np.array(colormaps["viridis"](level)[:3]) * 255
    assert (pixel >= np.floor(np.minimum(grey, colour))).all()
    assert (pixel <= np.ceil(np.maximum(grey, colour))).all()
    expected = grey + alpha * (level / 255) ** 2 * (colour - grey)
    np.testing.assert_allclose(pixel, expected, atol=0.51)


@pytest.mark.parametrize("colormap", ["tab10", "gist_ncar", "viridis"])
def test_colour_maps_of_any_length_span_the_scale(colormap: str) -> None:
    heat = np.array([[0.0, 0.5, 1.0]])
    drawn = create_overlay(np.zeros((1, 3), np.uint8), heat, alpha=1.0, colormap=colormap)
    assert drawn[0, 2] == pytest.approx(np.array(colormaps[colormap](1.0)[:3]) * 255, abs=1)
    middle = np.array(colormaps[colormap](0.5)[:3]) * 255 * (128 / 255) ** 2
    assert drawn[0, 1] == pytest.approx(middle, abs=3)


@pytest.mark.parametrize(
    ("image", "heat", "alpha", "colormap", "message"),
    [
        (np.zeros((2, 2), np.uint8), np.zeros((2, 3)), 0.5, "inferno", "shape"),
        (np.full((2, 2), 1.5), np.zeros((2, 2)), 0.5, "inferno", r"rgb_img: expected finite values in \[0, 1\]"),
        (np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2)), 0.5, "inferno", "shape"),
        (np.zeros((2, 2), np.uint8), np.full((2, 2), 1.5), 0.5, "inferno", "heatmap: expected finite values"),
        (np.zeros((2, 2), np.uint8), np.full((2, 2), np.nan), 0.5, "inferno", "heatmap: expected finite values"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2)), 1.5, "inferno", "alpha"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2)), 0.5, "rainbows", "colormap: there is no 'rainbows'"),
    ],
)
def test_what_cannot_be_laid_over_is_refused(
    image: NDArray[Any], heat: NDArray[Any], alpha: float, colormap: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        create_overlay(image, heat, alpha=alpha, colormap=colormap)


def test_denormalising_undoes_preprocessing() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    preprocessing = Preprocessing(Size(8, 6), MEAN, STD)
    tensor = torch.from_numpy(preprocessing.apply(pixels))
    np.testing.assert_array_equal(picture_of(tensor, preprocessing), pixels)
    picture = denormalize_tensor(tensor[None].requires_grad_())
    assert picture.dtype == np.float32
    np.testing.assert_allclose(picture, pixels / 255, atol=1e-6)


def test_denormalising_grey_gives_rgb() -> None:
    grey = denormalize_tensor(np.full((1, 2, 2), 1.0), mean=(0.25,), std=(0.5,))
    assert grey.shape == (2, 2, 3)
    assert (grey == 0.75).all()


def test_what_lies_beyond_black_and_white_is_clipped() -> None:
    assert denormalize_tensor(np.array([[[-9.0]], [[0.0]], [[9.0]]])).ravel() == pytest.approx([0, 0.456, 1])


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4, 4), (2, 4, 4), (4, 4, 3), (3, 0, 4)])
def test_other_tensors_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="tensor: expected shape"):
        denormalize_tensor(np.zeros(shape))


def test_bfloat16_is_denormalised() -> None:
    tensor = torch.full((3, 1, 2), 0.5, dtype=torch.bfloat16)
    assert (denormalize_tensor(tensor, mean=(0, 0, 0), std=(1, 1, 1)) == 0.5).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_tensors_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="expected finite values"):
        denormalize_tensor(np.full((3, 2, 2), value))


@pytest.mark.parametrize("shape", [(2100, 1600), (2100, 1600, 3), (311, 1800), (4881, 153)])
def test_pictures_are_shrunk_into_their_cell_with_their_heat(shape: tuple[int, ...]) -> None:
    limit = cell_pixels(150)
    image, heat = shrunk(np.full(shape, 90, np.uint8), np.full(shape[:2], 0.25, np.float32), limit)
    assert image.shape[:2] == heat.shape
    assert image.shape[0] <= limit.height
    assert image.shape[1] <= limit.width
    assert limit.height in image.shape or limit.width in image.shape
    assert image.shape[1] / image.shape[0] == pytest.approx(shape[1] / shape[0], rel=0.05)
    assert (image == 90).all()
    np.testing.assert_allclose(heat, 0.25, rtol=1e-6)


def test_small_pictures_stay_as_they_are() -> None:
    image, heat = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.float32)
    small, small_heat = shrunk(image, heat, cell_pixels(150))
    assert small is image
    assert small_heat is heat


def test_colouring_after_shrinking_is_colouring_before_it() -> None:
    """Up to rounding, on a radiograph with smooth heat; edges of the colour map aside."""
    rows, columns = np.mgrid[0:1200, 0:1000].astype(np.float32)
    heat = np.exp(-((rows - 500) ** 2 + (columns - 600) ** 2) / 2e4).astype(np.float32)
    image = ((rows + columns) / 2200 * 255).astype(np.uint8)
    limit = Size(300, 250)
    after = create_overlay(*shrunk(image, heat, limit)).astype(int)
    before = shrunk(create_overlay(image, heat), heat, limit)[0].astype(int)
    assert np.abs(after - before).max() <= 3


def _cells(figure: Figure) -> list[Axes]:
    """Return the cells that hold a picture; the colour bar is none of them."""
    return [axes for axes in figure.axes if axes.images and not axes.get_title(loc="left")]


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
    return build_gallery(rows, title="Malignant", columns=columns, footer="gradcam of bn2 | " * 20)


def _texts(figure: Figure) -> list[Text]:
    """Return the texts of a figure that are seen, where they are."""
    if figure.stale:
        figure.draw_without_rendering()
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def _texts_overlap(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts of a figure whose boxes overlap, as drawn."""
    boxes = [(text.get_text(), text.get_window_extent().shrunk(0.98, 0.9)) for text in _texts(figure)]
    return [
        (one, two) for index, (one, box) in enumerate(boxes) for two, other in boxes[index + 1 :] if box.overlaps(other)
    ]


def _texts_outside(figure: Figure) -> list[str]:
    """Return the texts that leave the canvas, as drawn."""
    canvas = figure.bbox
    extents = [(text.get_text(), text.get_window_extent()) for text in _texts(figure)]
    return [text for text, box in extents if min(box.x0, box.y0) < 0 or box.x1 > canvas.width or box.y1 > canvas.height]


@pytest.mark.parametrize("columns", [1, 3, 5, 8, 20])
def test_titles_are_readable_at_any_number_of_columns(columns: int) -> None:
    figure = _gallery(columns)
    assert not _texts_overlap(figure)
    assert not _texts_outside(figure)
    assert min(float(text.get_fontsize()) for text in _texts(figure)) >= 6.5
    assert len(_cells(figure)) == columns + 2
    titles = [text.get_text().replace("\n", " ") for text in figure.texts]
    assert titles.count("TP: Malignant -> Malignant (0.93)") == columns


LONG = "Multiple osteochondromas with a secondary peripheral chondrosarcoma"


@pytest.mark.parametrize("columns", [1, 3])
def test_long_class_names_give_way_and_nothing_else_does(columns: int) -> None:
    picture = Picture(np.zeros((50, 50, 3), np.uint8), f"map of {LONG}", "no_positive_evidence")
    cell = Cell((picture, picture), f"FN: {LONG} -> {LONG} (0.93)", LONG * 3)
    rows = [Row("FN", (cell,) * columns, columns)]
    figure = build_gallery(rows, title=f"{LONG}: where the classifier looks", columns=columns, footer=LONG * 2)
    assert not _texts_overlap(figure)
    assert not _texts_outside(figure)
    titles = [text.get_text() for text in figure.texts if text.get_text().startswith("FN: ")]
    assert len(titles) == columns
    for title in titles:
        assert "\n-> Mult" in title
        assert title.endswith(" (0.93)")
    in_cells = [text for text in _texts(figure) if "…" in text.get_text() and float(text.get_fontsize()) <= 8]
    assert len(in_cells) >= 2 * columns
    widest = max(axes.get_window_extent().width for axes in _cells(figure)) * 2 + 10  # a cell holds two pictures
    assert all(text.get_window_extent().width <= widest for text in in_cells if text.get_color() != FAINT)


@pytest.mark.parametrize("columns", [1, 3])
def test_footers_break_between_words(columns: int) -> None:
    words = "gradcam of blocks.6.1.bn2, 12 x 12 cells, efficientnet_b0, checkpoint.safetensors (0123abcd)"
    cell = Cell((_picture(50, 50),), "a")
    figure = build_gallery([Row("TP", (cell,), 1)], title="", columns=columns, footer=words)
    assert words in [text.get_text().replace("\n", " ") for text in figure.texts]
    assert not _texts_outside(figure)


def test_empty_cells_and_empty_maps_say_so_once() -> None:
    figure = _gallery(3)
    texts = [text.get_text() for text in figure.texts]
    said = [text.replace("\n", " ") for text in texts]
    assert said.count("there are no false positives") == 1
    assert said.count("no further false negatives: there is 1 in all") == 1
    assert {"true positives: 3 of 9", "false positives: none", "false negatives: the only one"} <= set(said), said
    notes = [text.get_text().replace("\n", " ") for axes in figure.axes for text in axes.texts]
    assert "no heat map: no positive evidence" in notes


def test_notes_stay_within_their_cell_and_cover_no_picture() -> None:
    noted = [axes for axes in _gallery(2).axes if axes.texts]
    assert noted
    for axes in noted:
        (text,), (image,) = axes.texts, axes.images
        box, cell, picture = (one.get_window_extent() for one in (text, axes, image))
        assert cell.x0 <= box.x0
        assert box.x1 <= cell.x1
        assert cell.y0 <= box.y0
        assert box.y1 <= picture.y0 + 1


def test_an_unreadable_example_keeps_its_place() -> None:
    rows = [Row("TP", (Cell((), "TP: a -> a (0.93)", "x (not readable any more)"),), 1)]
    figure = build_gallery(rows, title="a", columns=1)
    assert len(figure.axes) == 2  # the cell and the colour bar


def test_markup_in_names_is_plain_text(tmp_path: Path) -> None:
    cell = Cell((_picture(50, 50),), r"TP: $\frac{1}$ -> <b>x</b> (0.93)", "$$.png")
    figure = build_gallery([Row("TP", (cell,), 1)], title="$x_1$", columns=1)
    save_figure(figure, tmp_path / "g.png", dpi=50)


@pytest.mark.parametrize("columns", [0, 1])
def test_grids_that_cannot_be_laid_out(columns: int) -> None:
    cells = (Cell((), "a"), Cell((), "b"))
    with pytest.raises(ValueError, match="columns"):
        build_gallery([Row("TP", cells, 2)], title="", columns=columns)


def _panel(
    *, mask: bool = True, iou: float | None = 0.42, note: str | None = None, shape: tuple[int, int] = (300, 100)
) -> Panel:
    heat = np.zeros(shape, np.float32)
    heat[10:40, 10:40] = 1
    annotation = np.zeros(shape, bool)
    annotation[20:50, 20:50] = True
    pixels = np.full(shape, 90, np.uint8)
    marks = Marks(outlines_of(annotation) if mask else (), () if note else outlines_of(heat >= 0.5))
    return Panel("IMG000046.jpeg", pixels, heat, mask, marks, iou, "Malignant", "Benign", 0.5, "Malignant", note)


def test_comparison_says_what_is_and_what_is_undefined() -> None:
    panels = [_panel(), _panel(iou=None, note="no_positive_evidence"), _panel(mask=False, iou=None)]
    figure = build_comparison(panels, title="t", region="heat map >= 0.5")
    texts = [text.get_text() for text in figure.texts]
    assert "IoU 0.42" in texts
    assert "IoU undefined: no positive evidence" in texts
    assert "attention pattern (no annotation)" in texts
    assert "Malignant -> Benign (0.50), wrong; map of Malignant" in texts
    assert not _texts_overlap(figure)
    assert not _texts_outside(figure)
    assert "no annotation" in texts
    assert len(_cells(figure)) == 11
    notes = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert notes == ["no heat map:\nno positive evidence"]


def _pixels(axes: Axes) -> NDArray[np.uint8]:
    return np.asarray(axes.images[0].get_array())


def test_without_a_heat_map_the_radiograph_stands_in_its_place() -> None:
    figure = build_comparison([_panel(note="no_positive_evidence", mask=False)], title="t", region="heat map >= 0.5")
    shown = [_pixels(axes) for axes in _cells(figure)]
    assert len(shown) == 3
    assert all((pixels == 90).all() for pixels in shown)


@pytest.mark.parametrize("count", [1, 4, 6])
def test_comparisons_with_long_names_are_readable(count: int) -> None:
    panel = _panel(iou=None, note="no_positive_evidence")
    panel = replace(panel, true_class=LONG, predicted_class=LONG * 2, target_class=LONG, image_id=LONG * 4)
    figure = build_comparison([panel] * count, title="t", region="heat map >= 0.5", footer="gradcam of bn2 | " * 20)
    assert not _texts_overlap(figure)
    assert not _texts_outside(figure)
    captions = [text.get_text() for text in figure.texts if "; map of Mul" in text.get_text()]
    assert len(captions) == count
    assert all("… -> Mul" not in caption for caption in captions)
    assert all(" -> Mul" in caption and " (0.50), wrong; map of " in caption for caption in captions)
    assert all(text_width(caption, 7) > 4.5 for caption in captions)


def test_many_panels_stand_in_two_columns() -> None:
    few, many = (build_comparison([_panel()] * n, title="t", region="heat map >= 0.5") for n in (4, 8))
    assert many.get_size_inches()[0] == pytest.approx(2 * few.get_size_inches()[0])
    assert many.get_size_inches()[1] == pytest.approx(few.get_size_inches()[1])


def _drawn(outlines: Outlines | None) -> NDArray[np.uint8]:
    """Return the annotation cell of a comparison as it is drawn."""
    panel = replace(_panel(shape=(300, 200)), marks=Marks(outlines or ()))
    figure = build_comparison([panel], title="t", region="heat map >= 0.5")
    figure.canvas.draw()
    canvas: Any = figure.canvas
    cell = figure.axes[1].get_window_extent()
    rows = slice(round(figure.bbox.height - cell.y1), round(figure.bbox.height - cell.y0))
    return np.asarray(canvas.buffer_rgba())[rows, round(cell.x0) : round(cell.x1), :3]


def test_an_annotation_is_an_outline_that_leaves_the_inside_free() -> None:
    mask = np.zeros((300, 200), bool)
    mask[100:200, 50:150] = True
    drawn = _drawn(outlines_of(mask))
    height, width = drawn.shape[:2]
    assert (drawn[height // 2, width // 2] == 90).all()
    blue = (np.abs(drawn.astype(int) - ANNOTATION).max(axis=2) < 40).nonzero()
    assert blue[0].min() == pytest.approx(height / 3, abs=2)
    assert blue[0].max() == pytest.approx(height * 2 / 3, abs=2)


def test_a_lesion_of_one_pixel_is_still_drawn() -> None:
    tiny = np.zeros((3000, 2000), bool)
    tiny[1500, 1000] = True
    bare, marked = _drawn(()), _drawn(outlines_of(tiny))
    rows, columns = (bare != marked).any(axis=2).nonzero()
    assert rows.mean() == pytest.approx(bare.shape[0] / 2, abs=2)
    assert columns.mean() == pytest.approx(bare.shape[1] / 2, abs=2)


def test_an_empty_annotation_is_not_drawn() -> None:
    assert outlines_of(np.zeros((300, 100), bool)) == ()


def test_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="nothing"):
        build_comparison([], title="", region="heat map >= 0.5")


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


def test_the_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    save_figure(_gallery(1), tmp_path / "g.PNG", dpi=30)
    assert (tmp_path / "g.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_png_has_the_pixels_that_matplotlib_writes(tmp_path: Path) -> None:
    made = io.BytesIO()
    with styled():
        _gallery(1).savefig(made, format="png", dpi=53)
    save_figure(_gallery(1), tmp_path / "g.png", dpi=53)
    with Image.open(made) as expected, Image.open(tmp_path / "g.png") as found:
        assert (found.mode, expected.mode) == ("RGB", "RGBA")
        assert found.info["dpi"] == expected.info["dpi"]
        opaque = np.dstack([np.asarray(found), np.full(found.size[::-1], 255, np.uint8)])
        np.testing.assert_array_equal(opaque, np.asarray(expected))


@pytest.mark.parametrize("name", ["g.bmp", "g"])
def test_other_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"name a \.png, \.svg or \.pdf file"):
        save_figure(_gallery(1), tmp_path / name, dpi=30)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_files_name_neither_date_nor_version(tmp_path: Path, kind: str) -> None:
    """A PNG says as its software that it is a result."""
    save_figure(_gallery(1), tmp_path / f"g.{kind}", dpi=30)
    data = (tmp_path / f"g.{kind}").read_bytes().replace(b"tEXtSoftware\0btxrd-explain result", b"")
    for word in (mpl.__version__.encode(), b"Producer", b"CreationDate", b"Software", b"dc:date", b"dc:creator"):
        assert word not in data


def test_text_in_vector_figures_is_text(tmp_path: Path) -> None:
    save_figure(_gallery(1), tmp_path / "g.svg", dpi=30)
    root = ET.parse(tmp_path / "g.svg").getroot()  # noqa: S314 -- our own file
    texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"TP: Malignant", "-> Malignant (0.93)"} <= set(texts)
    assert "IMG000000.jpeg" in texts


@pytest.mark.parametrize("dpi", [150, 600])
def test_radiographs_in_vector_figures_have_the_size_shown(tmp_path: Path, dpi: int) -> None:
    """At the resolution of print, or the one asked for where that is finer; none is embedded at its own size."""
    pixels = np.random.default_rng(0).integers(0, 256, (2100, 1600, 3), dtype=np.uint8)
    figure = build_gallery([Row("TP", (Cell((Picture(pixels),), "a"),), 1)], title="", columns=1)
    save_figure(figure, tmp_path / "g.svg", dpi=dpi)
    sizes = []
    for data in re.findall(r"data:image/png;base64,([^\"]+)", (tmp_path / "g.svg").read_text("utf-8")):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            sizes.append(image.size)
    drawn = cell_shape([1600 / 2100], 6.2)[1]
    assert max(height for _, height in sizes) == pytest.approx(drawn * max(300, dpi), abs=2)


@pytest.mark.parametrize("shape", [(600, 100), (100, 600)])
def test_elongated_radiographs_stay_within_cells_of_one_size(shape: tuple[int, int]) -> None:
    picture = Picture(np.full((*shape, 3), 90, np.uint8), "map of Benign")
    rows = [Row("TP", (Cell((picture,), "a"),) * 2, 2), Row("FN", (Cell((picture, picture), "a"),), 1)]
    figure = build_gallery(rows, title="", columns=2)
    assert not _texts_overlap(figure)
    cells = _cells(figure)
    expected = cell_shape([shape[1] / shape[0]], 6.2)  # the median of one pair and two single pictures
    sizes = {tuple(np.round(np.array(axes.get_window_extent().size) / 100, 1)) for axes in cells[:2]}
    assert sizes == {tuple(np.round(expected, 1))}
    for axes in cells:
        left, right, bottom, top = axes.images[0].get_extent()
        (low, high), (floor, ceiling) = axes.get_xlim(), axes.get_ylim()
        assert low - 1e-9 <= left < right <= high + 1e-9
        assert ceiling - 1e-9 <= top < bottom <= floor + 1e-9
        assert (right - left) / (bottom - top) == pytest.approx(shape[1] / shape[0])
    beside = [axes.get_window_extent() for axes in cells[2:]]
    assert (beside[0].y0 == beside[1].y0) == (shape == (600, 100))  # wide ones are on top of each other


@pytest.mark.parametrize("columns", range(1, 21))
def test_lines_are_even_and_no_longer_than_six(columns: int) -> None:
    places = [place_of(number, columns) for number in range(columns)]
    assert len(set(places)) == columns
    assert places == sorted(places)
    lengths = [len([place for place in places if place[0] == line]) for line in range(places[-1][0] + 1)]
    assert max(lengths) <= 6
    assert set(lengths[:-1]) <= {lengths[0]}
    assert len(lengths) == -(-columns // 6)


def test_figures_do_not_depend_on_the_users_settings(tmp_path: Path) -> None:
    save_figure(_gallery(1), tmp_path / "a.png", dpi=40)
    users: Any = {"savefig.bbox": "tight", "axes.titlecolor": "red", "figure.dpi": 37.0, "axes.titlesize": 30.0}
    backend = mpl.get_backend()
    with mpl.rc_context(users):
        save_figure(_gallery(1), tmp_path / "b.png", dpi=40)
        with styled():
            assert mpl.get_backend() == backend
        assert mpl.rcParams["figure.dpi"] == 37
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_names_that_cannot_be_printed(tmp_path: Path, kind: str) -> None:
    bad = "a\udcff\x00\x1b\n\tb"
    cell = Cell((Picture(np.zeros((9, 9, 3), np.uint8), bad, bad),) * 2, bad, bad)
    figure = build_gallery([Row(bad, (cell,), 1)], title=bad, columns=2, footer=bad)
    save_figure(figure, tmp_path / f"g.{kind}", dpi=30)
    assert "a\ufffd\ufffd\ufffd b" in [text.get_text() for text in figure.texts]
    panel = replace(_panel(mask=False), image_id=bad, true_class=bad, note=bad)
    save_figure(
        build_comparison([panel], title=bad, region="heat map >= 0.5", footer=bad), tmp_path / f"c.{kind}", dpi=30
    )


@pytest.mark.parametrize("annotated", [False, True])
def test_galleries_outline_annotations_and_explain_the_outline(*, annotated: bool) -> None:
    mask = np.zeros((300, 100), bool)
    mask[100:150, 20:60] = mask[200:210, 50:60] = True
    picture = replace(_picture(300, 100), marks=Marks(outlines_of(mask) if annotated else ()))
    figure = build_gallery([Row("TP", (Cell((picture,), "a"),), 1)], title="", columns=1)
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert legends == (["expert annotation"] if annotated else [])
    (cell,) = _cells(figure)
    assert [len(drawn.get_paths()) for drawn in cell.collections] == ([2] if annotated else [])
    assert not _texts_overlap(figure)
    assert not _texts_outside(figure)
