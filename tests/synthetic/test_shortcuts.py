"""Planted shortcuts: on all tumours and on no other image, and where the audit looks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.core.surroundings import find_surroundings
from btxrd_explain.synthetic.dataset import write_dataset
from btxrd_explain.synthetic.shortcuts import Shortcut, marker_place, plant

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("shortcut", Shortcut)
def test_all_tumours_bear_it_and_no_other_image(tmp_path: Path, shortcut: Shortcut) -> None:
    plain = write_dataset(tmp_path / "plain", seed=5, per_class={"test": 2})
    planted = write_dataset(tmp_path / "planted", seed=5, per_class={"test": 2}, shortcut=shortcut)
    annotated = {path.stem for path in planted.annotations.iterdir()}
    assert len(annotated) == 4
    for path in sorted(plain.images.iterdir()):
        same = path.read_bytes() == (planted.images / path.name).read_bytes()
        assert same == (path.stem not in annotated)
    for path in sorted(plain.annotations.iterdir()):
        assert path.read_bytes() == (planted.annotations / path.name).read_bytes()


def test_a_planted_image_differs_where_the_shortcut_is() -> None:
    pixels = np.random.default_rng(0).integers(60, 200, (150, 120)).astype(np.uint8)
    before = pixels.copy()
    place = marker_place(pixels.shape)
    changed = plant(pixels, Shortcut.MARKER) != pixels
    assert changed[place].mean() > 0.9
    changed[place] = False
    assert not changed.any()
    framed = plant(pixels, Shortcut.BORDER)
    assert np.array_equal(framed[5:-5, 5:-5], pixels[5:-5, 5:-5])
    assert np.unique(np.concatenate([framed[0], framed[-1], framed[:, 0], framed[:, -1]])).tolist() == [128]
    assert np.array_equal(plant(pixels, Shortcut.GREY_LEVEL), (pixels * 0.8).astype(np.uint8))
    assert np.array_equal(pixels, before)


def test_the_marker_is_found_beside_a_limb(tmp_path: Path) -> None:
    planted = write_dataset(tmp_path, seed=2025, per_class={"test": 5}, shortcut=Shortcut.MARKER)
    found = []
    for annotation in sorted(planted.annotations.iterdir()):
        (path,) = planted.images.glob(f"{annotation.stem}.*")
        seen = np.asarray(Image.open(path).convert("L").resize((224, 224), Image.Resampling.BILINEAR))
        around = find_surroundings(seen, (slice(0, 224), slice(0, 224)))
        found.append(bool(around.markers[:30, :40].any()))
    assert np.mean(found) >= 0.6
