"""Maps that know nothing of the classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from btxrd_explain.core.ceiling import average_onto_grid, ideal_grid
from btxrd_explain.core.choices import ResizeMode, Smooth
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map, judge
from btxrd_explain.core.metrics.baselines import AverageMask, Lattice, centre_grid, edge_grid, random_grid
from btxrd_explain.core.metrics.image import HALF, measure
from btxrd_explain.core.shapes import Shape, ShapeType, rasterise_union
from btxrd_explain.inputs.annotation_file import read_annotation
from btxrd_explain.inputs.labelme import read_labelme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.core.metrics import Measurement

FRAME = Frame.fit(Size(90, 60), Size(64, 64), ResizeMode.LETTERBOX)


def test_the_centre_is_hottest_in_the_centre() -> None:
    heat = heat_map(centre_grid(Size(7, 7)), FRAME, status=MapStatus.OK)
    assert heat.hottest is not None
    assert abs(heat.hottest[0] - 44.5) < 8
    assert abs(heat.hottest[1] - 29.5) < 8
    np.testing.assert_allclose(centre_grid(Size(5, 8)), centre_grid(Size(5, 8))[::-1, ::-1])
    grid = centre_grid(Size(4, 1))[:, 0]
    assert grid[0] / grid[1] == pytest.approx(np.exp((0.125**2 - 0.375**2) / (2 * 0.25**2)))


def test_random_cells_belong_to_an_image() -> None:
    once, again = random_grid(Size(7, 9), "IMG000001.jpeg"), random_grid(Size(7, 9), "IMG000001.jpeg")
    np.testing.assert_array_equal(once, again)
    for other in (random_grid(Size(7, 9), "IMG000002.jpeg"), random_grid(Size(7, 9), "IMG000001.jpeg", seed=1)):
        assert not np.isclose(once, other).any()
    many = np.stack([random_grid(Size(7, 9), str(number)) for number in range(200)])
    assert (many.mean(), many.std()) == (pytest.approx(0.5, abs=0.01), pytest.approx(12**-0.5, abs=0.01))
    assert judge(once) is MapStatus.OK


@pytest.mark.parametrize("mode", list(ResizeMode))
def test_edges_are_where_the_radiograph_has_them(mode: ResizeMode) -> None:
    """A bright block in the lower right: its cell's neighbours see its border, the opposite corner sees none."""
    size = Size(120, 100)
    pixels = np.zeros(size, np.uint8)
    pixels[80:104, 60:80] = 200
    grid = edge_grid(pixels, Frame.fit(size, Size(64, 64), mode), Size(8, 8))
    assert judge(grid) is MapStatus.OK
    row, column = np.unravel_index(int(grid.argmax()), grid.shape)
    assert row >= 4
    assert column >= 4
    assert not grid[:3, :3].any()


def test_edges_of_half_the_size_are_the_same_places() -> None:
    size = Size(960, 800)
    pixels = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8), (0, 0), 9)
    frame = Frame.fit(size, Size(64, 64), ResizeMode.SQUASH)
    whole, half = (edge_grid(each, frame, Size(7, 7)) for each in (pixels, cv2.resize(pixels, None, fx=0.5, fy=0.5)))
    np.testing.assert_allclose(half, whole, rtol=0.05)


def test_a_picture_without_edges_has_none_at_its_border() -> None:
    flat = np.full(FRAME.original, 130, np.uint8)
    assert not edge_grid(flat, FRAME, Size(4, 4)).any()
    ramp = np.tile(np.arange(60, dtype=np.float32), (90, 1))
    inner = edge_grid(ramp, FRAME, Size(4, 8))[:, 3:5]
    np.testing.assert_allclose(inner, inner[0, 0], rtol=0.01)  # the row of averages is uneven by the resampling alone


def test_a_colour_radiograph_is_refused() -> None:
    with pytest.raises(ValueError, match="grey"):
        edge_grid(np.zeros((90, 60, 3), np.uint8), FRAME, Size(4, 4))


def test_the_average_leaves_out_the_image_that_is_scored() -> None:
    average = AverageMask()
    assert average.grid() is None
    first, second = np.array([[1.0, 0.0]], np.float32), np.array([[0.5, 1.0]], np.float32)
    average.add(first, "a")
    assert average.grid(without="a") is None
    average.add(second, "b")
    both, others = average.grid(), average.grid(without="a")
    assert both is not None
    assert others is not None
    np.testing.assert_allclose(both, [[0.75, 0.5]])
    np.testing.assert_allclose(others, second)
    np.testing.assert_allclose(first, [[1.0, 0.0]])  # what was added is left as it was
    unknown = average.grid(without="c")
    assert unknown is not None
    np.testing.assert_allclose(unknown, both)  # what was never added cannot be left out
    average.add(np.array([[0.0, 1.0]], np.float32), "a")
    without_copies = average.grid(without="a")
    assert without_copies is not None
    np.testing.assert_allclose(without_copies, second)


def test_averaging_a_mask_is_its_ideal_grid() -> None:
    mask = np.random.default_rng(0).random(FRAME.original) < 0.3
    averaged = average_onto_grid(mask.astype(np.float32), FRAME, Size(5, 4))
    np.testing.assert_allclose(averaged, ideal_grid(mask, FRAME, Size(5, 4)), atol=1e-6)


def test_edges_do_not_depend_on_where_arrays_lie_in_memory() -> None:
    random = np.random.default_rng(0)
    frame = Frame(original=Size(50, 40), resized=Size(96, 96), network=Size(96, 96))
    pixels = random.integers(0, 256, frame.original, dtype=np.uint8)
    seen = set()
    for size in random.integers(1, 100_000, 30):
        kept = np.empty(size, np.uint8)  # moves what is allocated next
        seen.add(edge_grid(pixels, frame, Size(12, 12)).tobytes())
        del kept
    assert len(seen) == 1


def test_baselines_are_averaged_over_views_as_the_classifiers_maps_are() -> None:
    """Views half a cell apart: each is what the baseline is on cells that lie there."""
    frame, coarse, fine = Frame.fit(Size(64, 64), Size(64, 64), ResizeMode.SQUASH), Size(4, 4), Size(8, 8)
    pixels = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8), (0, 0), 5)
    plain = edge_grid(pixels, frame, coarse)
    edges = edge_grid(pixels, frame, fine, Smooth.SHIFT2)
    slope = np.hypot(
        *(
            cv2.Sobel(pixels.astype(np.float32), cv2.CV_32F, *of, borderType=cv2.BORDER_REPLICATE)
            for of in ((1, 0), (0, 1))
        )
    )  # fmt: skip -- as the formula reads
    here = slope[16:32, 16:32].mean(), slope[8:24, 16:32].mean(), slope[16:32, 8:24].mean(), slope[8:24, 8:24].mean()
    assert edges[2, 2] == pytest.approx(np.mean(here), rel=1e-4)
    assert plain[1, 1] == pytest.approx(here[0], rel=1e-4)

    centre = centre_grid(fine, Smooth.SHIFT2)
    np.testing.assert_allclose(centre[1:7, 1:7], centre[1:7, 1:7][::-1, ::-1], rtol=1e-6)  # one cell has no partner
    assert centre[3, 3] == pytest.approx(((np.exp(-0.125) + 1) / 2) ** 2)

    single, double = random_grid(coarse, "a"), random_grid(coarse, "a", smooth=Smooth.FLIP)
    assert double.std() < single.std()
    views = np.random.default_rng(0)
    many = np.stack([random_grid(fine, str(views.integers(10**9)), smooth=Smooth.SHIFT2) for _ in range(300)])
    assert many.shape[1:] == (8, 8)
    assert many[:, 2:7, 2:7].std() == pytest.approx((1 / 12 / 4) ** 0.5, rel=0.05)
    neighbours = np.corrcoef(many[:, 3, 3], many[:, 3, 4])[0, 1]
    assert neighbours == pytest.approx(0.5, abs=0.12)  # two of the four cells are the same


def _both(
    grid: NDArray[np.float32], lesions: Sequence[NDArray[np.bool_]], *, step: int | None = None
) -> tuple[Lattice, Measurement, Measurement]:
    """Measure a baseline on the lattice and on all pixels."""
    mask = np.logical_or.reduce(lesions)
    frame = Frame.fit(Size(*mask.shape), Size(224, 224), ResizeMode.SQUASH)
    lattice = Lattice.of(mask, lambda: lesions)
    assert step in (None, lattice.step)
    status = judge(grid)
    on_lattice = lattice.measure(heat_map(grid, frame, status=status, step=lattice.step), HALF)
    return lattice, on_lattice, measure(heat_map(grid, frame, status=status), mask, lesions, HALF)


def _disc(size: Size, centre: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    border = np.array([centre, (centre[0], centre[1] + radius)])
    return rasterise_union([Shape("lesion", ShapeType.CIRCLE, border)], size)


def test_a_lattice_of_all_pixels_changes_nothing() -> None:
    small, tiny = _disc(Size(400, 300), (80, 200), 30), _disc(Size(3000, 2000), (900, 1500), 9)
    for lesion in (small, tiny):  # a lesion of few pixels is looked at pixel by pixel
        lattice, on_lattice, everywhere = _both(random_grid(Size(7, 7), "a"), [lesion], step=1)
        assert lattice.share == lesion.mean()
        assert on_lattice.metrics == everywhere.metrics
        assert on_lattice.pixels is not None
        assert everywhere.pixels is not None
        np.testing.assert_array_equal(on_lattice.pixels.whole, everywhere.pixels.whole)


def test_every_lesion_lies_on_the_lattice() -> None:
    """The smallest says how fine it is."""
    size = Size(3000, 2000)
    lesions = [_disc(size, (600, 600), 400), _disc(size, (1500, 2500), 40)]
    lattice = Lattice.of(lesions[0] | lesions[1], lambda: lesions)
    assert lattice.step == 4
    assert [int(one.sum()) for one in lattice.lesions] == [
        pytest.approx(int(one.sum()) / 16, rel=0.02) for one in lesions
    ]


@pytest.mark.parametrize(
    ("size", "rows", "columns"), [((3, 4000), (0, 3), (0, 3950)), ((3000, 3000), (1000, 1002), (9, 2900))]
)
def test_a_lesion_of_few_rows_does_not_fall_between_them(
    size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Its area alone would allow a lattice that misses it, or an image with fewer rows than the step."""
    lesion = np.zeros(size, bool)
    lesion[slice(*rows), slice(*columns)] = True
    lattice, on_lattice, everywhere = _both(random_grid(Size(7, 7), "a"), [lesion])
    assert int(lattice.lesions[0].sum()) * lattice.step**2 == pytest.approx(int(lesion.sum()), rel=0.2)
    assert on_lattice.metrics.iou == pytest.approx(everywhere.metrics.iou, rel=0.02)
    assert on_lattice.metrics.lesion_recall == everywhere.metrics.lesion_recall == 1


_WITHIN = {"iou": 1e-3, "dice": 2e-3, "recall": 2e-2, "soft_iou": 1e-3, "energy_in_mask": 1e-3, "rank_accuracy": 5e-3}
_WITHIN |= {"average_precision": 5e-3, "roc_auc": 5e-3, "best_iou": 2e-3, "iou_otsu": 1e-3, "region_share": 1e-3}
"""How far docs/explanation/metrics.md says that a baseline on the lattice may be from all pixels, in one image."""


def _agree(pairs: Sequence[tuple[Measurement, Measurement]]) -> None:
    for name, bound in _WITHIN.items():
        values = np.array([[getattr(one.metrics, name) for one in pair] for pair in pairs], float)
        differences = values[:, 0] - values[:, 1]
        assert np.abs(differences).max() <= bound, name
        assert abs(differences.mean()) <= bound / 3, name


def test_baselines_on_the_lattice_score_as_on_all_pixels() -> None:
    rng, size, pairs = np.random.default_rng(0), Size(2600, 2000), []
    for number in range(12):
        lesion = _disc(size, tuple(rng.uniform(400, 1600, 2)), float(rng.uniform(60, 300)))
        lattice, ours, exact = _both(random_grid(Size(7, 7), str(number)), [lesion])
        assert lattice.step > 2
        pairs.append((ours, exact))
    _agree(pairs)


@pytest.mark.real_data
def test_on_real_lesions_too(real_data: Path) -> None:
    pairs, steps = [], set()
    for path in sorted((real_data / "btxrd_sample" / "Annotations").glob("*.json")):
        size = read_labelme(path).image_size
        assert size is not None
        mask = read_annotation(path, size).mask
        for number in range(3):
            lattice, ours, exact = _both(random_grid(Size(7, 7), f"{path.stem} {number}"), [mask])
            steps.add(lattice.step)
            pairs.append((ours, exact))
    assert max(steps) >= 4
    _agree(pairs)
