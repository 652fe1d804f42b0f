from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.synthetic import clutter
from btxrd_explain.synthetic.anatomy import Bone, End, Pose, Tissue, profile
from btxrd_explain.synthetic.bones import Canvas, draw_bone
from btxrd_explain.synthetic.film import Exposure, Texture
from btxrd_explain.synthetic.lesions import BENIGN, MALIGNANT, Site, lobed
from btxrd_explain.synthetic.radiographs import MULTIPLE, SITES, Diagnosis, SyntheticRadiograph, draw_radiograph
from btxrd_explain.synthetic.scenes import SCENES, draw_tissue

PAINTERS = {**BENIGN, **MALIGNANT}


@pytest.fixture(scope="module")
def radiographs() -> list[SyntheticRadiograph]:
    kinds = list(Diagnosis)
    return [draw_radiograph(np.random.default_rng([77, k]), kinds[k % 3]) for k in range(150)]


def shaft(rng: np.random.Generator, *, mirrored: bool = False, angle: float = 0.0, bow: float = 0.0) -> Canvas:
    """A straight bone of constant width: 10 mm half width, 3 mm cortex, 3 pixels per mm."""
    bone = Bone("femur", (0, -60), (0, 60), ((0.0, 10), (1.0, 10)), ((0.0, 3), (1.0, 3)), ((0.0, 0), (1.0, 0)), bow=bow)
    pose = Pose(Size(400, 300), 3.0, angle, mirrored)
    return draw_bone(bone, pose, 20.0, Texture(rng))


def outline_mask(outline: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    return mask > 0


def test_the_same_seed_draws_the_same_picture_and_another_seed_another_one() -> None:
    first, again, other = (draw_radiograph(np.random.default_rng(s), Diagnosis.MALIGNANT) for s in (4, 4, 5))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert [outline.tolist() for outline in first.outlines] == [outline.tolist() for outline in again.outlines]
    assert first.pixels.tobytes() != other.pixels.tobytes()


def test_what_is_drawn_before_the_lesion_does_not_depend_on_the_class() -> None:
    for seed in range(6):
        drawn = [draw_radiograph(np.random.default_rng(seed), diagnosis) for diagnosis in Diagnosis]
        assert len({(one.pixels.shape, one.joints, one.limb, one.view) for one in drawn}) == 1


def test_sizes_are_varied_and_often_elongated(radiographs: list[SyntheticRadiograph]) -> None:
    sizes = np.array([radiograph.pixels.shape for radiograph in radiographs])
    assert sizes.min() >= 240
    assert sizes.max() <= 760
    assert len(np.unique(sizes, axis=0)) > 100
    assert 0.3 < (sizes.max(axis=1) > 1.8 * sizes.min(axis=1)).mean() < 0.95


def test_pictures_use_the_grey_scale(radiographs: list[SyntheticRadiograph]) -> None:
    for radiograph in radiographs:
        assert radiograph.pixels.dtype == np.uint8
        low, high = np.percentile(radiograph.pixels, (2, 98))
        assert high - low > 60


def test_tumours_have_outlines_inside_the_picture_and_normals_have_none(
    radiographs: list[SyntheticRadiograph],
) -> None:
    for radiograph in radiographs:
        height, width = radiograph.pixels.shape
        assert bool(radiograph.outlines) == (radiograph.diagnosis is not Diagnosis.NORMAL)
        assert (radiograph.subtype is None) == (radiograph.diagnosis is Diagnosis.NORMAL)
        for outline in radiograph.outlines:
            assert 20 <= len(outline) <= 36
            assert (outline >= 0).all()
            assert (outline < (width, height)).all()


def test_lesions_take_a_few_per_cent_of_the_picture(radiographs: list[SyntheticRadiograph]) -> None:
    shares = [outline_mask(outline, one.pixels.shape).mean() for one in radiographs for outline in one.outlines]
    low, median, high = np.percentile(shares, (5, 50, 95))
    assert 0.002 < low < 0.015
    assert 0.015 < median < 0.04
    assert 0.04 < high < 0.1


def test_some_pictures_hold_two_lesions_and_many_osteochondromas_are_named_so(
    radiographs: list[SyntheticRadiograph],
) -> None:
    counts = [len(radiograph.outlines) for radiograph in radiographs if radiograph.outlines]
    assert set(counts) == {1, 2}
    assert 0.02 < np.mean(np.array(counts) == 2) < 0.35
    for radiograph in radiographs:
        assert radiograph.subtype != "osteochondroma" or len(radiograph.outlines) == 1
        assert radiograph.subtype != MULTIPLE or len(radiograph.outlines) == 2


def test_every_view_shows_a_bone_on_which_a_lesion_may_grow() -> None:
    for view, (draw, _) in SCENES.items():
        scene = draw(np.random.default_rng(1))
        assert {bone.name for bone in scene.bones} & SITES, view


def test_the_shares_of_views_and_subtypes_add_up() -> None:
    for table in (SCENES, BENIGN, MALIGNANT):
        assert sum(share for _, share in table.values()) == pytest.approx(1)


def test_a_profile_passes_through_its_knots_and_is_flat_there() -> None:
    places = np.array([-1, 0, 0.25, 0.5, 1, 2], dtype=np.float32)
    middle = 2 + 2 * (1 - np.cos(np.pi / 4)) / 2
    assert profile(places, ((0.0, 2), (1.0, 4))) == pytest.approx([2, 2, middle, 3, 4, 4], abs=1e-6)


def test_a_shaft_is_the_difference_of_two_tubes() -> None:
    canvas = shaft(np.random.default_rng(0))
    row = (canvas.first + canvas.last) // 2
    across = np.arange(canvas.attenuation.shape[1]) + 0.5 - canvas.centre[row]
    outer, inner = (2 * np.sqrt(np.clip(radius**2 - across**2, 0, None)) for radius in (30.0, 21.0))
    # the cortex alone absorbs; 20 mm, or 60 pixels, of it make 1
    assert canvas.attenuation[row] == pytest.approx((outer - inner) / 60, abs=2e-3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.7, -1.5])
def test_the_canvas_lies_on_the_bone_in_the_picture(mirrored: bool, angle: float) -> None:
    canvas = shaft(np.random.default_rng(0), mirrored=mirrored, angle=angle)
    pose = Pose(Size(400, 300), 3.0, angle, mirrored)
    ends = canvas.to_picture(np.array([[canvas.centre[canvas.first], row] for row in (canvas.first, canvas.last)]))
    assert ends == pytest.approx(np.array([pose.point((0, -60)), pose.point((0, 60))]))


def test_a_bone_is_laid_over_what_the_picture_shows() -> None:
    canvas = shaft(np.random.default_rng(0))
    picture = np.full((400, 300), 2.0, np.float32)
    canvas.add_to(picture)
    assert picture[0, 0] == 2
    assert picture[200, 130] == pytest.approx(2 + canvas.attenuation.max(), rel=0.35)
    assert (picture.sum() - 2 * picture.size) == pytest.approx(canvas.attenuation.sum(), rel=1e-3)


def test_a_bone_outside_the_picture_changes_nothing() -> None:
    bone = Bone("femur", (900, 0), (900, 40), ((0.0, 5), (1.0, 5)), ((0.0, 1), (1.0, 1)), ends=(End(), End()))
    canvas = draw_bone(bone, Pose(Size(50, 40), 1.0), 10.0, Texture(np.random.default_rng(0)))
    picture = np.ones((50, 40), np.float32)
    canvas.add_to(picture)
    assert (picture == 1).all()


def test_tissue_is_thickest_on_the_axis_and_absent_beside_the_limb() -> None:
    tissue = draw_tissue((Tissue((0, -50), (0, 50), ((0.0, 20), (1.0, 20))),), Pose(Size(120, 90), 1.0))
    assert tissue.shape == (120, 90)
    assert tissue[60, 45] == pytest.approx(tissue.max(), rel=0.02)
    assert tissue[60, :14].max() == 0  # the skin lies at 25, softened over a few pixels
    assert (np.diff(tissue[60, 30:46]) > -1e-6).all()


def test_developing_maps_air_to_fog_and_dense_bone_to_white() -> None:
    exposure = Exposure(strength=np.log(2), fog=10, white=210, gamma=1.0, noise=0, haze=0, sharpening=0)
    attenuation = np.zeros((60, 90), np.float32)
    attenuation[:, 45:] = 1
    attenuation[:, 30:45] = np.log2(4 / 3)  # absorbs a quarter, half of what the bone absorbs
    developed = exposure.develop(attenuation, np.zeros_like(attenuation))
    assert (developed[:, :30] == 10).all()
    assert (developed[:, 30:45] == 110).all()
    assert (developed[:, 45:] == 210).all()


@pytest.mark.parametrize("subtype", PAINTERS)
def test_a_lesion_changes_the_bone_where_its_outline_says(subtype: str) -> None:
    paint, _ = PAINTERS[subtype]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        canvas = shaft(rng)
        before = canvas.attenuation.copy()
        site = Site(canvas, (canvas.first + canvas.last) / 2, side=1, area=2500.0, contrast=0.8)
        outline = paint(site, rng, Texture(rng))
        change = np.abs(canvas.attenuation - before)
        mask = outline_mask(outline, change.shape)
        near = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
        assert change[mask].mean() > 5 * change[~mask].mean()
        assert change[near].sum() > 0.9 * change.sum()
        assert 0.25 * 2500 < mask.sum() < 2.2 * 2500


def test_contrast_decides_how_clearly_a_lesion_shows() -> None:
    changes = []
    for contrast in (0.4, 1.0):
        canvas = shaft(np.random.default_rng(0))
        before = canvas.attenuation.copy()
        site = Site(canvas, (canvas.first + canvas.last) / 2, side=1, area=2500.0, contrast=contrast)
        BENIGN["simple bone cyst"][0](site, np.random.default_rng(1), Texture(np.random.default_rng(2)))
        changes.append(np.abs(canvas.attenuation - before).sum())
    assert changes[1] == pytest.approx(2.5 * changes[0], rel=0.02)


def test_an_outline_without_unrest_is_an_ellipse() -> None:
    outline = lobed(np.random.default_rng(0), (50.0, 70.0), (10.0, 30.0), tilt=0.0, unrest=0.0)
    x, y = (outline - (50, 70)).T
    assert (x / 10) ** 2 + (y / 30) ** 2 == pytest.approx(np.ones(len(outline)))


def test_texture_is_about_standard_normal_at_any_size() -> None:
    texture = Texture(np.random.default_rng(3))
    for size in (0.5, 2.0, 9.0):
        field = texture.field((700, 500), size)
        assert field.shape == (700, 500)
        assert abs(float(field.mean())) < 0.35
        assert 0.7 < float(field.std()) < 1.3


def test_shutters_only_blacken() -> None:
    closed = 0
    for seed in range(40):
        grey = np.full((100, 80), 120, np.uint8)
        clutter.close_shutters(grey, np.random.default_rng(seed))
        assert grey.max() <= 120
        assert grey[50, 40] == 120
        closed += grey.min() == 0
    assert 4 <= closed <= 24


def test_metal_and_marks_only_brighten() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        picture = np.zeros((400, 300), np.float32)
        clutter.add_metal(picture, shaft(rng), rng)
        assert picture.min() >= 0
        assert picture.max() > 0.3
        grey = np.full((300, 200), 60, np.uint8)
        clutter.add_marks(grey, rng)
        assert grey.min() >= 60


def test_drawing_and_writing_import_neither_torch_nor_timm() -> None:
    code = (
        "import sys, btxrd_explain.synthetic.dataset, btxrd_explain.synthetic.radiographs;"
        "print(sorted({'torch', 'timm', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
