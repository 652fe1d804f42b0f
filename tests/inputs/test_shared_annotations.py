"""Radiographs of one stem that share an annotation: the one that it names has it, else none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from btxrd_explain.errors import AnnotationError
from btxrd_explain.inputs.annotation_formats import read_annotation
from btxrd_explain.inputs.dataset import collect

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.finding import Finding

FIRST, SECOND = "centre1/1.png", "centre2/1.png"


def share(
    folder: Path, image_path: str | None, *names: str, mask: bool = False
) -> tuple[dict[str, str | None], Finding]:
    """Return the problem of each image's annotation, and what is found."""
    for name in names:
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3)).save(folder / "images" / name)
    (folder / "ann").mkdir()
    if mask:
        Image.new("L", (4, 3)).save(folder / "ann" / "1.png")
    else:
        content: dict[str, object] = {"shapes": [], "imagePath": image_path, "imageHeight": 3, "imageWidth": 4}
        (folder / "ann" / "1.json").write_text(json.dumps(content))
    found = collect([str(folder / "images")], annotations=folder / "ann")
    (finding,) = found.findings
    assert finding.code == "shared-annotation"
    return {image_id: place.problem for image_id, place in found.annotations.items()}, finding


@pytest.mark.parametrize(
    "image_path", ["../images/centre2/1.png", "centre2/1.png", "..\\images\\centre2\\1.png", "/images/centre2/1.png"]
)
def test_the_radiograph_that_the_annotation_names_has_it(tmp_path: Path, image_path: str) -> None:
    problems, finding = share(tmp_path, image_path, FIRST, SECOND)
    message = f"'{FIRST}' and '{SECOND}' share '{tmp_path}/ann/1.json', which is that of '{SECOND}' by its imagePath"
    assert problems == {FIRST: message, SECOND: None}
    assert finding.message == message


@pytest.mark.parametrize("image_path", ["1.png", "../images/centre3/1.png", None])
def test_without_a_clear_name_it_is_none_of_theirs(tmp_path: Path, image_path: str | None) -> None:
    problems, finding = share(tmp_path, image_path, FIRST, SECOND)
    message = f"'{FIRST}' and '{SECOND}' share '{tmp_path}/ann/1.json'"
    assert problems == {FIRST: message, SECOND: message}
    assert finding.message == message


def test_suffixes_tell_radiographs_of_one_folder_apart(tmp_path: Path) -> None:
    problems, _ = share(tmp_path, "1.jpg", "1.png", "1.jpg")
    assert problems["1.jpg"] is None
    assert problems["1.png"] is not None


def test_masks_name_nothing(tmp_path: Path) -> None:
    problems, _ = share(tmp_path, None, FIRST, SECOND, mask=True)
    assert set(problems.values()) == {f"'{FIRST}' and '{SECOND}' share '{tmp_path}/ann/1.png'"}


def test_what_is_shared_is_not_read(tmp_path: Path) -> None:
    share(tmp_path, "1.png", FIRST, SECOND)
    (first, _) = collect([str(tmp_path / "images")], annotations=tmp_path / "ann").records
    assert first.annotation is not None
    with pytest.raises(AnnotationError, match=rf"'{FIRST}' and '{SECOND}' share '.*1\.json': "):
        read_annotation(first.annotation, None)
