"""The page of the report: arrays as the browser takes them, modules as one script, and text that stays text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from btxrd_explain.outputs.html import page as bundling
from btxrd_explain.outputs.html.encode import grids_to_text, mask_to_path, mask_to_runs, to_jpeg
from btxrd_explain.outputs.html.page import Head, bundle, read_asset, to_json, write_page

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = Head("Title", "Lead", (), None, beside=False)


class _Page(HTMLParser):
    """The elements, scripts and texts of a page, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.contents: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.contents.append(data)


def _page(head: Head = HEAD, *blocks: tuple[str, object]) -> str:
    file = io.BytesIO()
    write_page(file, head, blocks)
    return file.getvalue().decode()


masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


@given(masks)
def test_runs_tell_the_whole_mask(mask: NDArray[np.bool_]) -> None:
    runs = mask_to_runs(mask)
    values = np.arange(len(runs)) % 2 == 1
    assert np.array_equal(np.repeat(values, runs).reshape(mask.shape), mask)
    assert all(length > 0 for length in runs[1:])


@given(masks.map(lambda mask: np.pad(mask, 3).repeat(8, axis=0).repeat(8, axis=1)))
def test_a_path_encloses_its_mask(mask: NDArray[np.bool_]) -> None:
    """Filled by OpenCV, the outlines differ from the mask by no more than their own line, holes included."""
    path = mask_to_path(mask)
    outlines = [
        np.array([pair.split() for pair in part.strip("MZ").split("L")], dtype=np.float64)
        for part in path.split("Z")[:-1]
    ]
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(filled, [np.rint(outline - 0.5).astype(np.int32) for outline in outlines], 1)
    border = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) - cv2.erode(
        mask.astype(np.uint8), np.ones((5, 5), np.uint8)
    )
    assert np.array_equal(filled.astype(bool) & (border == 0), mask & (border == 0))
    assert bool(path) == bool(mask.any())


def test_grids_keep_every_bit() -> None:
    grids = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    assert np.array_equal(np.frombuffer(base64.b64decode(grids_to_text(grids)), "<f4").reshape(3, 4, 5), grids)


@pytest.mark.parametrize("shape", [(40, 10), (40, 10, 3)])
def test_pictures_are_reduced_and_never_enlarged(shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 200, np.uint8)
    for side, expected in ((20, (20, 5)), (100, (40, 10))):
        data, size = to_jpeg(pixels, side, quality=90)
        image = Image.open(io.BytesIO(data))
        assert (image.height, image.width) == size == expected
        assert image.mode == ("L" if len(shape) == 2 else "RGB")


def test_colours_keep_their_order() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    data, _ = to_jpeg(red, 8, quality=95)
    red_level, _, blue_level = np.asarray(Image.open(io.BytesIO(data)))[4, 4].tolist()
    assert red_level > 240
    assert blue_level < 15


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_says_the_same_and_cannot_end_its_element(value: object) -> None:
    text = to_json(value)
    assert json.loads(text) == value
    assert "<" not in text
    assert text.isascii()


def test_json_refuses_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"iou": float("nan")})


HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">&amp;\'"'


def test_hostile_text_stays_text() -> None:
    page = _Page(_page(Head(HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, beside=False), ("data", {"name": HOSTILE})))
    plain = _Page(_page(Head("t", "l", ("c",), "b", beside=False), ("data", {"name": "x"})))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert page.contents.count(HOSTILE) == 5  # both titles, the lead, the conclusion and the banner


def test_the_policy_allows_our_own_script_and_style_alone() -> None:
    text = _page()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for element, rule in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_the_page_names_nothing_outside_itself() -> None:
    page = _Page(_page())
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"}]
    assert all((address or "").startswith("#") for address in addresses)


def test_every_module_is_bundled_after_what_it_imports() -> None:
    script = bundle("main")
    order = re.findall(r"^const \$(\w+) = ", script, flags=re.MULTILINE)
    assert len(order) == len(set(order))
    assert order[-1] == "main"
    for name in order:
        for imported in re.findall(r'from "\./(\w+)\.js"', read_asset(f"{name}.js")):
            assert order.index(imported) < order.index(name)


def _with_modules(monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    monkeypatch.setattr(bundling, "read_asset", lambda name: modules[name.removesuffix(".js")])


def test_bundling_keeps_modules_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_modules(
        monkeypatch,
        main='import { twice } from "./sums.js";\nconst own = twice(2);\n',
        sums="const own = 2;\nexport const twice = (value) => own * value;\n",
    )
    assert bundle("main").splitlines() == [
        "(() => {",
        '"use strict";',
        "const $sums = (() => {",
        "const own = 2;",
        "const twice = (value) => own * value;",
        "return { twice };",
        "})();",
        "const $main = (() => {",
        "const { twice } = $sums;",
        "const own = twice(2);",
        "return {  };",
        "})();",
        "})();",
    ]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"main": 'import { a } from "./b.js";\n', "b": 'import { c } from "./main.js";\n'}, "main -> b -> main"),
        ({"main": 'import * as a from "./b.js";\n'}, "cannot bundle 'import"),
        ({"main": "export default 1;\n"}, "cannot bundle 'export default"),
    ],
)
def test_bundling_refuses_what_it_does_not_understand(
    monkeypatch: pytest.MonkeyPatch, modules: dict[str, str], message: str
) -> None:
    _with_modules(monkeypatch, **modules)
    with pytest.raises(ValueError, match=message):
        bundle("main")
