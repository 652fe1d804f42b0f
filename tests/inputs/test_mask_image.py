from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import lesion_masks
from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.mask_image import read_mask_image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VALUES = np.array(
    [
        [2, 2, 0, 0, 0, 9],
        [0, 0, 2, 0, 0, 9],  # touches the first region by a corner
        [0, 0, 0, 0, 0, 0],
        [2, 0, 9, 2, 0, 0],
    ],
    dtype=np.uint8,
)
REGIONS = [
    ("2", [[0, 0], [0, 1], [1, 2]]),
    ("2", [[3, 0]]),
    ("2", [[3, 3]]),
    ("9", [[0, 5], [1, 5]]),
    ("9", [[3, 2]]),
]


def save(folder: Path, image: Image.Image) -> Path:
    path = folder / "1.png"
    image.save(path)
    return path


def regions(path: Path) -> list[tuple[str, list[list[int]]]]:
    annotation = read_mask_image(path)
    assert annotation.image_size is not None
    masks = [next(lesion_masks([shape], annotation.image_size)) for shape in annotation.shapes]
    return [(shape.label, np.argwhere(mask).tolist()) for shape, mask in zip(annotation.shapes, masks, strict=True)]


def test_each_connected_region_of_a_value_is_a_lesion(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(VALUES))
    assert read_mask_image(path).image_size == Size(4, 6)
    assert regions(path) == REGIONS


def test_void_of_a_palette_is_no_lesion_and_is_named(tmp_path: Path) -> None:
    """As LabelMe's export and Pascal VOC write it: 255 around the objects."""
    marked = np.where(VALUES == 9, 255, VALUES).astype(np.uint8)
    path = save(tmp_path, Image.fromarray(marked).convert("P"))
    assert regions(path) == REGIONS[:3]
    (finding,) = read_mask_image(path).findings
    assert finding.code == "annotation-part"
    assert {shape.label for shape in read_mask_image(path, inverted=True).shapes} == {"0"}
    alone = save(tmp_path, Image.fromarray(np.where(VALUES == 9, 255, 0).astype(np.uint8)).convert("P"))
    assert [label for label, _ in regions(alone)] == ["255", "255"]
    assert not read_mask_image(alone).findings
    grey = save(tmp_path, Image.fromarray(marked))
    assert {label for label, _ in regions(grey)} == {"2", "255"}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16"])
def test_values_do_not_depend_on_how_they_are_stored(tmp_path: Path, mode: str) -> None:
    if mode == "P":
        image = Image.fromarray(VALUES).convert("P")
        image.putpalette([value for colour in range(256) for value in (255 - colour, 7, colour)])
    elif mode == "I;16":
        image = Image.fromarray(VALUES.astype(np.uint16))
    else:
        image = Image.fromarray(VALUES).convert(mode)
    path = save(tmp_path, image)
    with Image.open(path) as stored:
        assert stored.mode == mode
    assert regions(path) == REGIONS


def test_masks_of_one_bit_are_read(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(VALUES == 9))
    assert regions(path) == [("1", cells) for label, cells in REGIONS if label == "9"]


def test_an_empty_mask_has_no_lesion(tmp_path: Path) -> None:
    assert regions(save(tmp_path, Image.new("L", (3, 2)))) == []


def test_the_mask_is_turned_as_its_exif_data_say(tmp_path: Path) -> None:
    image = Image.fromarray(VALUES)
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn to the right
    path = tmp_path / "1.png"
    image.save(path, exif=exif)
    assert read_mask_image(path).image_size == Size(6, 4)
    assert ("9", [[2, 0]]) in regions(path)


def coloured() -> NDArray[np.uint8]:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[1, 2] = 255, 0, 0
    return pixels


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.fromarray(coloured()), "expected one value per pixel, got colours"),
        (Image.fromarray(np.full((4, 6, 4), 9, np.uint8)), "expected a mask without transparency"),
        (
            Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)),
            "expected at most 32 values, got 63, as a radiograph has: no mask",
        ),
        (Image.fromarray((np.indices((90, 90)) % 2).all(axis=0)), "expected at most 1,000 regions"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, image: Image.Image, message: str) -> None:
    path = save(tmp_path, image)
    with pytest.raises(AnnotationError) as caught:
        read_mask_image(path)
    assert str(caught.value).startswith(f"'{path}': {message}: save it as a PNG of one channel")


def test_what_is_no_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    path.write_bytes(b"GIF89a")
    with pytest.raises(AnnotationError, match=r"expected a mask .*, but it is not an image that can be read"):
        read_mask_image(path)
    with pytest.raises(AnnotationError, match=r"cannot read the annotation .* \(No such file"):
        read_mask_image(tmp_path / "none.png")


@pytest.mark.real_data
def test_label_images_of_labelme_are_read_by_their_palette(real_data: Path) -> None:
    folder = real_data / "labelme_examples" / "semantic_segmentation" / "data_dataset_voc" / "SegmentationClass"
    found = read_mask_image(folder / "2011_000003.png")
    assert {shape.label for shape in found.shapes} == {"5", "15"}  # a bottle and persons
    assert [finding.code for finding in found.findings] == ["annotation-part"]  # the border that Pascal VOC ignores


@pytest.mark.real_data
def test_the_radiologists_masks_of_chexlocalize_are_read(real_data: Path) -> None:
    for path in sorted((real_data / "chexlocalize" / "masks_png").glob("*__gt.png")):
        annotation = read_mask_image(path)
        assert annotation.image_size is not None
        pixels = np.array(Image.open(path))
        assert np.array_equal(
            np.logical_or.reduce(list(lesion_masks(annotation.shapes, annotation.image_size))), pixels > 0
        )


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((20_001, 1), "expected sides of at most 20,000 pixels"),
        ((1, 20_001), "expected sides of at most 20,000 pixels"),
        ((1, 65_536), "has a side of more than 65,535 pixels"),
    ],
)
def test_endless_sides_are_refused(tmp_path: Path, size: tuple[int, int], message: str) -> None:
    Image.new("1", size, 1).save(tmp_path / "1.tif")
    with pytest.raises(AnnotationError, match=message):
        read_mask_image(tmp_path / "1.tif")
