"""The same lesions in every format of annotations, the names of their files, and what else is in their folders."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as codec

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.masks import LesionRules
from btxrd_explain.errors import AnnotationError, InputError
from btxrd_explain.inputs.annotation import AnnotationPlace, SourceKind
from btxrd_explain.inputs.annotation_file import read_annotation as read_file
from btxrd_explain.inputs.annotation_formats import read_annotation, read_lesions
from btxrd_explain.inputs.annotation_source import open_source
from btxrd_explain.inputs.box_table import read_box_table
from btxrd_explain.inputs.yolo import read_yolo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = Size(200, 160)
NAME = "IMG000001.jpeg"
BOX = (31, 42, 50, 61)
"""Left, top, width and height."""
OUTLINE = [[30.0, 40.0], [80.5, 45.25], [90.0, 100.0], [50.0, 120.75], [25.5, 80.0]]


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def labelme(kind: str, points: list[list[float]], label: str = "cyst") -> dict[str, Any]:
    shape = {"label": label, "points": points, "shape_type": kind, "group_id": None}
    return {"shapes": [shape], "imagePath": NAME, "imageHeight": SIZE.height, "imageWidth": SIZE.width}


def voc(*boxes: tuple[int, int, int, int], head: str = "") -> str:
    objects = "".join(
        f"<object><name>cyst</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + width}</xmax>"
        f"<ymax>{y + height}</ymax></bndbox></object>"
        for x, y, width, height in boxes
    )
    size = f"<size><width>{SIZE.width}</width><height>{SIZE.height}</height><depth>1</depth></size>"
    return f"{head}<annotation><filename>{NAME}</filename>{size}{objects}</annotation>"


def via(drawn: dict[str, Any]) -> dict[str, Any]:
    region = {"shape_attributes": drawn, "region_attributes": {"label": "cyst"}}
    return {f"{NAME}999": {"filename": NAME, "size": 999, "regions": [region], "file_attributes": {}}}


def via_csv(drawn: dict[str, Any]) -> str:
    cells = [json.dumps(drawn), json.dumps({"label": "cyst"})]
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    return f"{head}\n{NAME},999,{{}},1,0,{quoted}\n"


def coco(**annotation: object) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": NAME, "height": SIZE.height, "width": SIZE.width}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1} | annotation],
        "categories": [{"id": 1, "name": "cyst"}],
    }


X, Y, W, H = BOX
RECT = {"name": "rect", "x": X, "y": Y, "width": W, "height": H}
YOLO = f"0 {(X + W / 2) / SIZE.width:.6f} {(Y + H / 2) / SIZE.height:.6f} {W / SIZE.width:.6f} {H / SIZE.height:.6f}\n"
BOXES: dict[str, tuple[SourceKind, str, object]] = {
    "labelme": (
        SourceKind.LABELME,
        "IMG000001.json",
        labelme("rectangle", [[X, Y], [X + W - 1, Y + H - 1]]),
    ),
    "coco": (SourceKind.COCO, "instances.json", coco(bbox=list(BOX))),
    "voc": (SourceKind.VOC, "IMG000001.xml", voc(BOX)),
    "yolo": (SourceKind.YOLO, "IMG000001.txt", YOLO),
    "via": (SourceKind.VIA, "via.json", via(RECT)),
    "via project": (SourceKind.VIA, "via.json", {"_via_settings": {}, "_via_img_metadata": via(RECT)}),
    "via csv": (SourceKind.VIA, "via.csv", via_csv(RECT)),
    "rsna": (
        SourceKind.BOXES,
        "labels.csv",
        f"patientId,x,y,width,height,Target\nIMG000001,{X}.0,{Y}.0,{W}.0,{H}.0,1\nIMG000002,,,,,0\n",
    ),
    "vindr": (
        SourceKind.BOXES,
        "train.csv",
        (
            f"image_id,class_name,rad_id,x_min,y_min,x_max,y_max\nIMG000001,cyst,R1,{X},{Y},{X + W},{Y + H}\n"
            "IMG000002,No finding,R1,,,,\n"
        ),
    ),
    "edges next to the image's size": (
        SourceKind.BOXES,
        "t.csv",
        f"filename;width;height;class;xmin;ymin;xmax;ymax\n{NAME};160;200;cyst;{X},0;{Y},0;{X + W},0;{Y + H},0\n",
    ),
}
FLAT = [value for point in OUTLINE for value in point]
AXES = {"all_points_x": [x for x, _ in OUTLINE], "all_points_y": [y for _, y in OUTLINE]}
FRACTIONS = " ".join(f"{value / side:.6f}" for point in OUTLINE for value, side in zip(point, (160, 200), strict=True))
OUTLINES: dict[str, tuple[SourceKind, str, object]] = {
    "labelme": (SourceKind.LABELME, "IMG000001.json", labelme("polygon", OUTLINE)),
    "coco": (SourceKind.COCO, "instances.json", coco(segmentation=[FLAT], bbox=list(BOX))),
    "via": (SourceKind.VIA, "via.json", via({"name": "polygon"} | AXES)),
    "via csv": (SourceKind.VIA, "via.csv", via_csv({"name": "polygon"} | AXES)),
    "yolo": (SourceKind.YOLO, "IMG000001.txt", f"0 {FRACTIONS}\n"),
    "chexlocalize": (
        SourceKind.CHEXLOCALIZE,
        "gt_annotations.json",
        {"IMG000001": {"img_size": [SIZE.height, SIZE.width], "cyst": [OUTLINE]}},
    ),
}


def mask_of(folder: Path, kind: SourceKind, name: str = NAME) -> NDArray[np.bool_]:
    """Return the one lesion that the annotations in a folder hold of an image, after a look at what they are."""
    source = open_source(folder)
    assert source.description.startswith(kind)
    place = source.find(folder.parent / "images" / name)
    assert place is not None
    assert (place.kind, place.problem) == (kind, None)
    (lesion,) = read_lesions(place, SIZE, LesionRules())
    return lesion


@pytest.mark.parametrize("case", BOXES)
def test_the_same_box_is_the_same_mask_in_every_format(tmp_path: Path, case: str) -> None:
    kind, name, content = BOXES[case]
    write(tmp_path / "ann" / name, content)
    expected = np.zeros(SIZE, bool)
    expected[Y : Y + H, X : X + W] = True
    assert np.array_equal(mask_of(tmp_path / "ann", kind), expected)


@pytest.mark.parametrize("case", OUTLINES)
def test_the_same_outline_is_the_same_mask_in_every_format(tmp_path: Path, case: str) -> None:
    kind, name, content = OUTLINES[case]
    write(tmp_path / "ann" / name, content)
    canvas = Image.new("1", (SIZE.width, SIZE.height))
    ImageDraw.Draw(canvas).polygon(FLAT, outline=1, fill=1)  # as LabelMe does
    assert np.array_equal(mask_of(tmp_path / "ann", kind), np.asarray(canvas))


def lesions() -> NDArray[np.uint8]:
    """Return a disc and a square, of one value."""
    canvas = Image.new("L", (SIZE.width, SIZE.height))
    draw = ImageDraw.Draw(canvas)
    draw.ellipse((30, 40, 80, 100), fill=255)
    draw.rectangle((100, 150, 139, 179), fill=255)
    return np.asarray(canvas)


def _png(path: Path, mask: NDArray[np.uint8]) -> None:
    Image.fromarray(mask).save(path / "IMG000001.png")


def _runs(path: Path, mask: NDArray[np.uint8]) -> None:
    runs = codec.encode(np.asfortranarray(mask > 0, np.uint8))
    counts = runs["counts"].decode()
    write(path / "gt_segmentations.json", {"IMG000001": {"cyst": {"size": list(SIZE), "counts": counts}}})


def _nifti(mask: NDArray[np.uint8], order: str = "<", slope: float = float("nan")) -> bytes:
    """Return a file as nibabel writes one: the first axis runs to the right, and counts fastest."""
    header = bytearray(352)
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, 3, *mask.shape[::-1], 1, 1, 1, 1, 1)
    struct.pack_into(f"{order}2h", header, 70, 4, 16)
    struct.pack_into(f"{order}3f", header, 108, 352, slope, slope)
    header[344:348] = b"n+1\0"
    return bytes(header) + mask.astype(f"{order}i2").tobytes()


MASKS: dict[str, Callable[[Path, NDArray[np.uint8]], object]] = {
    "png": _png,
    "tiff": lambda path, mask: Image.fromarray(mask).save(path / "IMG000001.tif", compression="tiff_lzw"),
    "bmp": lambda path, mask: Image.fromarray(mask).save(path / "IMG000001.bmp"),
    "npy": lambda path, mask: np.save(path / "IMG000001.npy", mask > 0),
    "npz": lambda path, mask: np.savez_compressed(path / "IMG000001.npz", mask.astype(np.float32) / 255),
    "nifti": lambda path, mask: (path / "IMG000001.nii").write_bytes(_nifti(mask // 255, ">")),
    "packed nifti": lambda path, mask: (path / "IMG000001.nii.gz").write_bytes(gzip.compress(_nifti(mask), mtime=0)),
    "chexlocalize": _runs,
}


@pytest.mark.parametrize("case", MASKS)
def test_the_same_pixels_are_the_same_mask_in_every_format(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    MASKS[case](folder, lesions())
    place = open_source(folder).find(tmp_path / NAME)
    assert place is not None
    drawn = list(read_lesions(place, SIZE, LesionRules()))
    assert np.array_equal(np.logical_or.reduce(drawn), lesions() > 0)
    assert len(drawn) == (1 if case == "chexlocalize" else 2)  # CheXlocalize's is one finding


def test_a_jpeg_mask_is_cleaned_and_said(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    path = tmp_path / "masks" / "IMG000001.jpg"
    Image.fromarray(lesions()).save(path, quality=85)
    place = open_source(path.parent).find(tmp_path / NAME)
    assert place is not None
    annotation = read_annotation(place, SIZE)
    assert [finding.code for finding in annotation.findings] == ["mask-levels"]
    drawn = np.logical_or.reduce(list(read_lesions(place, SIZE, LesionRules())))
    assert (drawn ^ (lesions() > 0)).sum() <= 8  # of 300 pixels along the borders
    noise = np.random.default_rng(0).integers(0, 256, SIZE, np.uint8)
    Image.fromarray(noise).save(path)
    with pytest.raises(AnnotationError, match="a JPEG of many, as a radiograph has: no mask"):
        read_annotation(place, SIZE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([object()]), "expected a NumPy array"),
        (np.full((4, 5), 0.5), "expected whole numbers"),
        (np.full((4, 5), np.nan), "expected whole numbers"),
        (np.full((4, 5), -1), "expected numbers from 0 up"),
        (np.zeros((4, 5, 3)), "expected numbers of shape"),
        (np.zeros(4), "expected numbers of shape"),
    ],
)
def test_arrays_that_are_no_masks_are_refused(tmp_path: Path, values: NDArray[Any], message: str) -> None:
    np.save(tmp_path / "1.npy", values, allow_pickle=True)
    with pytest.raises(AnnotationError, match=message):
        read_file(tmp_path / "1.npy")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_nifti(np.zeros((4, 5), np.uint8))[:-2], "expected a whole NIfTI file"),
        (_nifti(np.zeros((4, 5), np.uint8), slope=2), "expected a NIfTI file of plain numbers"),
        (_nifti(np.zeros((4, 5), np.uint8))[:42] + b"\0" * 400, "expected a mask"),
        (gzip.compress(_nifti(np.zeros((4, 5), np.uint8)), mtime=0)[:-9], "expected a whole gzip file"),
        (b"\x1f\x8b\x08\xff", "gzip file"),
    ],
)
def test_nifti_files_that_are_no_masks_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "1.nii.gz").write_bytes(data)
    with pytest.raises(AnnotationError, match=message):
        read_file(tmp_path / "1.nii.gz")


def test_inverted_masks_are_turned_round(tmp_path: Path) -> None:
    Image.fromarray(255 - lesions()).save(tmp_path / "1.png")
    assert np.array_equal(read_file(tmp_path / "1.png", mask_inverted=True).mask, lesions() > 0)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("IMG000001.jpeg", "IMG000001.JSON"),
        ("IMG000001.jpeg", "IMG000001.jpeg.json"),
        ("IMG000001.jpeg", "img000001.json"),
        ("IMG000001.jpeg", "IMG000001.PNG"),
        ("IMG000001.jpeg", "IMG000001_mask.png"),
        ("IMG000001_0000.png", "IMG000001.png"),
        ("IMG000001.jpeg", "IMG000001-seg.tif"),
    ],
)
def test_names_that_differ_by_what_programs_add_are_matched_and_said(tmp_path: Path, image: str, name: str) -> None:
    folder = tmp_path / "ann"
    folder.mkdir()
    if name.lower().endswith(".json"):
        write(folder / name, labelme("polygon", OUTLINE))
    else:
        Image.fromarray(lesions()).save(folder / name)
    place = open_source(folder).find(tmp_path / "images" / image)
    assert place is not None
    assert place.path == folder / name
    findings = read_annotation(place, SIZE).findings
    if place.path.stem == "IMG000001" and image == NAME:  # but for the case of the suffix it is the name
        assert [finding.code for finding in findings] in ([], ["annotation-name"])
    else:
        assert findings[0].message == f"'{name}' for '{image}' in '{folder}'"


def test_names_are_not_matched_where_another_image_or_file_may_be_meant(tmp_path: Path) -> None:
    folder, images = tmp_path / "ann", tmp_path / "images"
    folder.mkdir()
    images.mkdir()
    for name in ("IMG1_mask.png", "IMG1_seg.png", "IMG2.png"):
        Image.fromarray(lesions()).save(folder / name)
    for name in ("IMG1.jpeg", "IMG2.jpeg", "IMG2_0000.jpeg"):
        Image.new("L", (3, 3)).save(images / name)
    source = open_source(folder)
    several = source.find(images / "IMG1.jpeg")
    assert several is not None
    with pytest.raises(
        AnnotationError, match=r"several files may annotate 'IMG1.jpeg': .*IMG1_mask.png' and '.*IMG1_seg"
    ):
        read_annotation(several, SIZE)
    assert source.find(images / "IMG2_0000.jpeg") is None  # it is IMG2.jpeg's
    assert source.nearest(images / "IMG3.jpeg")[:1] in (["IMG2.png"], ["IMG1_seg.png"])


@pytest.mark.parametrize(
    "name",
    ["train/IMG000001.jpeg", "train_IMG000001.jpeg", "IMG000001_jpeg.rf.0a1b2c3d4e5f.jpg", "images/IMG000001.PNG"],
)
def test_coco_names_of_splits_are_matched_and_said(tmp_path: Path, name: str) -> None:
    document = coco(bbox=list(BOX))
    document["images"] = [{"id": 1, "file_name": name}, {"id": 2, "file_name": "val/IMG000002.jpeg"}]
    place = open_source(write(tmp_path / "c.json", document)).find(tmp_path / "all" / NAME)
    assert place is not None
    assert place.entry == 0
    (finding,) = read_annotation(place, SIZE).findings
    assert finding.code == "annotation-name"
    assert finding.message.startswith(f"'{name}' for '{NAME}'")


def test_chexlocalize_names_are_folders_and_name_in_one(tmp_path: Path) -> None:
    document = {"patient1_study1_view1_frontal": {"img_size": [200, 160], "cyst": [OUTLINE]}}
    source = open_source(write(tmp_path / "gt.json", document))
    for image in ("patient1_study1_view1_frontal.jpg", "patient1/study1/view1_frontal.jpg"):
        place = source.find(tmp_path / image)
        assert place is not None
        assert place.similar is None
    assert source.find(tmp_path / "patient2" / "study1" / "view1_frontal.jpg") is None


@pytest.mark.real_data
def test_chexlocalize_run_lengths_are_its_masks(real_data: Path) -> None:
    folder = real_data / "chexlocalize"
    source = open_source(folder / "gt_segmentations_val.json")
    place = source.find(folder / "patient64541_study1_view1_frontal.jpg")
    assert place is not None
    for finding in ("Airspace Opacity", "Cardiomegaly", "Enlarged Cardiomediastinum"):
        path = folder / "masks_png" / f"patient64541_study1_view1_frontal__{finding.replace(' ', '_')}__gt.png"
        expected = np.asarray(Image.open(path)) > 0
        rules = LesionRules(labels={finding: "lesion", "*": "ignore"})
        (lesion,) = read_lesions(place, Size(*expected.shape), rules)
        assert np.array_equal(lesion, expected)


def test_classes_of_yolo_are_named_by_data_yaml(tmp_path: Path) -> None:
    write(
        tmp_path / "labels" / "train" / "IMG000001.txt",
        YOLO + YOLO.replace("0 ", "1 ", 1) + YOLO.replace("0 ", "7 ", 1),
    )
    write(tmp_path / "data.yaml", "names: [cyst, sarcoma]\nnc: 2\n")
    shapes = read_file(tmp_path / "labels" / "train" / "IMG000001.txt", SIZE).shapes
    assert [shape.label for shape in shapes] == ["cyst", "sarcoma", "7"]
    (tmp_path / "data.yaml").unlink()
    write(tmp_path / "labels" / "train" / "classes.txt", "cyst\nsarcoma\n")
    shapes = read_file(tmp_path / "labels" / "train" / "IMG000001.txt", SIZE).shapes
    assert [shape.label for shape in shapes] == ["cyst", "sarcoma", "7"]
    with pytest.raises(AnnotationError, match="does not say how large its image is"):
        read_file(tmp_path / "labels" / "train" / "IMG000001.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", "expected four fractions, or six or more in pairs, got 3"),
        ("0 0.5 0.5 0.1 0", "the box has no area"),
        ("0 80 100 20 20", "expected fractions from 0 to 1"),
    ],
)
def test_lines_of_yolo_without_area_are_left_out_and_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "1.txt", f"{line}\n{YOLO}")
    annotation = read_yolo(path, SIZE)
    assert len(annotation.shapes) == 1
    assert annotation.findings[0].message == f"'{path}': line 1: {message}"


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE annotation [<!ENTITY a "aaaa">]>',
        '<!DOCTYPE annotation SYSTEM "file:///etc/passwd">',
    ],
)
def test_xml_with_a_document_type_is_refused(tmp_path: Path, head: str) -> None:
    path = write(tmp_path / "1.xml", voc(BOX, head=head))
    with pytest.raises(AnnotationError, match="expected XML without a document type"):
        read_file(path)


@pytest.mark.parametrize(
    ("drawn", "pixels"),
    [
        ({"name": "circle", "cx": 50, "cy": 60, "r": 10}, 325),
        ({"name": "ellipse", "cx": 50, "cy": 60, "rx": 20, "ry": 10, "theta": 0.5}, 660),
    ],
)
def test_round_regions_of_via(tmp_path: Path, drawn: dict[str, Any], pixels: int) -> None:
    write(tmp_path / "ann" / "via.json", via(drawn))
    assert abs(int(mask_of(tmp_path / "ann", SourceKind.VIA).sum()) - pixels) < 40


FOREIGN: dict[str, tuple[str, object]] = {
    "Label Studio": ("export.json", [{"id": 1, "annotations": [], "data": {"image": NAME}}]),
    "Supervisely": ("IMG000001.json", {"description": "", "objects": [], "size": {"height": 200, "width": 160}}),
    "MD.ai": ("mdai.json", {"labelGroups": [], "datasets": []}),
    "CVAT": ("annotations.xml", "<annotations><version>1.1</version></annotations>"),
    "VGG VIA 3": ("via.json", {"project": {}, "config": {}, "metadata": {}, "view": {}}),
}


@pytest.mark.parametrize("program", FOREIGN)
def test_exports_that_are_not_read_are_called_what_they_are(tmp_path: Path, program: str) -> None:
    name, content = FOREIGN[program]
    path = write(tmp_path / "ann" / name, content)
    for named in (path, path.parent):
        with pytest.raises(InputError, match=f"'.*{name}' is an export of {program} that is not read: export as COCO"):
            open_source(named)


def test_what_else_is_in_a_folder_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "ann"
    write(folder / "IMG000001.xml", voc(BOX))
    write(folder / "notes.docx", "")
    Image.fromarray(lesions()).save(folder / "IMG000001.png")
    said = open_source(folder).description
    assert said == f"Pascal VOC files in '{folder}'; 1 .png and 1 .docx files there are not read"
    write(tmp_path / "other" / "notes.docx", "")
    assert (
        open_source(tmp_path / "other").description
        == f"none that is known in '{tmp_path / 'other'}', but 1 .docx files"
    )


REAL = {
    "IMG000046": ("ed9c3c5b61accfca1ca3d9839b4601a3", 1),
    "IMG000113": ("afd3e229a8bf393a30f68f46262b85fa", 1),
    "IMG000169": ("56e0438630be7cdbfa1510b34be9afc6", 1),
    "IMG000635": ("7a7a31ac3a3f18582ba73de1e10d9aa6", 1),
    "IMG001033": ("8cfea9c6edfe547de666f2e7adaed400", 1),
    "IMG001210": ("747a44b906393324e4589de73c3f289f", 1),
    "IMG001316": ("2c4060d33241f8fcf9ca9206e34c6860", 1),
    "IMG001431": ("2fbd4849204ce5b43f6ec8665fb858d9", 1),
    "IMG001485": ("dfe7c68cd676033bac5f49792670420a", 1),
    "IMG001741": ("a6f0ebf55c14640c15de842f9a72959b", 1),
    "IMG001636": ("3ea82258f3271fc9d0e25905679c3962", 2),
}
"""Half of the SHA-256 of the packed mask, as it was before other formats were read, and the number of lesions."""


@pytest.mark.real_data
def test_real_masks_are_to_the_byte_as_they_were(real_data: Path) -> None:
    paths = [
        *(real_data / "btxrd_sample" / "Annotations").glob("*.json"),
        *(real_data / "btxrd_sample" / "annotations_without_image").glob("*.json"),
    ]
    found = {}
    for path in paths:
        annotation = read_file(path)
        digest = hashlib.sha256(np.packbits(annotation.mask).tobytes()).hexdigest()[:32]
        found[path.stem] = (digest, len(list(annotation.lesions)))
    assert found == REAL


def test_two_images_of_one_name_in_via_are_not_one(tmp_path: Path) -> None:
    entries = via(RECT) | {f"{NAME}5": via({"name": "polygon"} | AXES)[f"{NAME}999"]}
    place = open_source(write(tmp_path / "via.json", entries)).find(tmp_path / "images" / NAME)
    assert place is not None
    assert "several images" in str(place.problem)
    table = via_csv(RECT) + via_csv(RECT).splitlines()[1].replace("999", "5")
    place = open_source(write(tmp_path / "via.csv", table)).find(tmp_path / "images" / NAME)
    assert place is not None
    assert "several images" in str(place.problem)


@pytest.mark.parametrize(
    ("attributes", "label"), [({"finding": 3}, "3"), ({"a": "b"}, "b"), ({"a": 1, "b": 2}, "lesion")]
)
def test_labels_of_via(tmp_path: Path, attributes: dict[str, object], label: str) -> None:
    entries = via(RECT)
    entries[f"{NAME}999"]["regions"][0]["region_attributes"] = attributes
    source = open_source(write(tmp_path / "via.json", entries))
    place = source.find(tmp_path / NAME)
    assert place is not None
    assert [shape.label for shape in read_annotation(place, SIZE).shapes] == [label]
    assert ("none of the attributes" in source.description) == (label == "lesion")


def test_yolo_is_known_where_the_first_files_are_empty(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path / "ann" / f"A{number:02}.txt", "")
    write(tmp_path / "ann" / "IMG000001.txt", YOLO)
    assert mask_of(tmp_path / "ann", SourceKind.YOLO).sum() == W * H


def test_names_of_yolo_may_have_numbers_as_text_and_key_points_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "labels" / "1.txt", YOLO)
    write(tmp_path / "data.yaml", "names:\n  '0': cyst\n")
    assert [shape.label for shape in read_yolo(path, SIZE).shapes] == ["cyst"]
    write(tmp_path / "labels" / "data.yaml", "kpt_shape: [2, 3]\nnames: [a]\n")
    with pytest.raises(AnnotationError, match="has kpt_shape"):
        read_yolo(path, SIZE)


@pytest.mark.parametrize(
    ("width", "height", "fits"), [(160, 200, True), (W, H, True), (200, 160, False), ("", "", True)]
)
def test_the_size_beside_edges_is_the_images_or_the_boxs(
    tmp_path: Path, width: object, height: object, *, fits: bool
) -> None:
    table = f"filename,width,height,xmin,ymin,xmax,ymax\n{NAME},{width},{height},{X},{Y},{X + W},{Y + H}\n"
    place = open_source(write(tmp_path / "t.csv", table)).find(tmp_path / NAME)
    assert place is not None
    if fits:
        assert len(read_annotation(place, SIZE).shapes) == 1
    else:
        with pytest.raises(AnnotationError, match="annotates an image of 200 x 160 pixels"):
            read_annotation(place, SIZE)


def test_patients_beside_images_are_not_images(tmp_path: Path) -> None:
    table = f"patientId,image,x,y,width,height\nP1,{NAME},1,2,3,4\n"
    assert open_source(write(tmp_path / "t.csv", table)).find(tmp_path / NAME) is not None


def test_a_mask_of_smoothed_edges_has_two_levels(tmp_path: Path) -> None:
    whole = lesions()
    small = Image.fromarray(whole).resize((SIZE.width // 2, SIZE.height // 2), Image.Resampling.BILINEAR)
    small.resize((SIZE.width, SIZE.height), Image.Resampling.BILINEAR).save(tmp_path / "1.png")
    annotation = read_annotation(AnnotationPlace(tmp_path / "1.png", SourceKind.MASK), SIZE)
    assert [finding.code for finding in annotation.findings] == ["mask-levels"]
    assert len(annotation.shapes) == 2
    assert (read_file(tmp_path / "1.png").mask ^ (whole > 0)).sum() < 60  # along the borders of some 3,600 pixels


def test_labels_of_a_mask_are_not_taken_for_smoothed_edges(tmp_path: Path) -> None:
    mask = np.repeat(np.repeat(np.array([[0, 50, 100], [150, 200, 255]], np.uint8), 20, 0), 20, 1)
    Image.fromarray(mask).save(tmp_path / "1.png")
    assert len(read_file(tmp_path / "1.png").shapes) == 5


def test_fractions_of_a_box_table_may_have_sides_and_lie_a_little_outside(tmp_path: Path) -> None:
    head = "image_id,x_min,y_min,x_max,y_max,width,height\n"
    table = write(tmp_path / "boxes.csv", head + "a.png,0.2,0.125,0.6,0.5,0.4,0.375\n")
    (box,) = read_box_table(table).read(0, Size(8, 10)).shapes
    assert box.points.tolist() == [[2, 1], [5, 3]]
    pixels = read_box_table(write(table, head + "a.png,-5.5,-4,1,1,,\n"))
    assert pixels.note == ""
