"""Pictures of the tool carry a mark that programs ignore and that this tool knows."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image

from btxrd_explain.errors import RadiographError
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.outputs.style import new_figure, save_figure
from btxrd_explain.synthetic.dataset import COMMENT
from btxrd_explain.system.own_pictures import ANNOTATION, RESULT, mark_of, marked

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20), dtype=np.uint8)
REFUSED = r"is a result of btxrd-explain, not a radiograph: leave it out"


@pytest.mark.parametrize("mark", [RESULT, ANNOTATION])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_marked_picture_has_its_pixels_and_is_not_a_radiograph(tmp_path: Path, suffix: str, mark: str) -> None:
    _, encoded = cv2.imencode(suffix, PIXELS)
    plain = encoded.tobytes()
    data = marked(plain, mark)
    assert mark_of(Image.open(io.BytesIO(plain))) is None
    assert mark_of(Image.open(io.BytesIO(data))) == mark
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(Image.open(io.BytesIO(plain))))
    path = tmp_path / f"1{suffix}"
    path.write_bytes(plain)
    assert read_radiograph(path).size == PIXELS.shape
    path.write_bytes(data)
    with pytest.raises(RadiographError, match=REFUSED):
        read_radiograph(path)


def test_a_figure_is_not_a_radiograph(tmp_path: Path) -> None:
    save_figure(new_figure(1, 1), tmp_path / "copied.png", dpi=40)
    with pytest.raises(RadiographError, match=REFUSED):
        read_radiograph(tmp_path / "copied.png")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_what_other_programs_say_of_themselves_is_no_mark(tmp_path: Path, suffix: str) -> None:
    """Nor what the synthetic radiographs of the tool say, which are there to be read."""
    options: dict[str, dict[str, str]] = {".png": {}, ".tif": {"software": COMMENT}, ".jpg": {"comment": COMMENT}}
    path = tmp_path / f"1{suffix}"
    Image.fromarray(PIXELS).save(path, **options[suffix])
    assert read_radiograph(path).size == PIXELS.shape
