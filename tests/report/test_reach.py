"""Everybody can use it: contrast, labels, small and large screens, many radiographs, and names that mean harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.report.conftest import Case

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LARGE = {"viewport": {"width": 3840, "height": 2160}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_to_complain_about(
    page_file: Path, visit: Callable[..., Page], screen: dict[str, Any], scheme: str
) -> None:
    """WCAG 2.2 A and AA and axe's best practices: contrast, labels, roles, order of headings."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(page_file, **screen, color_scheme=scheme, bypass_csp=True)  # axe is a script from outside
    assert _violations(axe.run(page)) == []
    page.locator(".card").nth(1).click()
    page.locator("#stage img").wait_for()
    assert _violations(axe.run(page)) == []


def _violations(result: Any) -> list[str]:  # noqa: ANN401 -- axe's own
    found = result.response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("screen", [PHONE, PHONE | {"viewport": {"width": 320, "height": 568}}, LARGE], ids=str)
def test_no_screen_scrolls_sideways(page_file: Path, visit: Callable[..., Page], screen: dict[str, Any]) -> None:
    page = visit(page_file, **screen)
    page.locator("#filter-box").evaluate("box => { box.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(".card").nth(1).click()
    panel = page.locator("#viewer")
    assert panel.evaluate("box => box.scrollWidth <= box.clientWidth")
    picture = page.locator("#stage .layers").bounding_box()
    assert picture is not None
    assert min(picture["width"], picture["height"]) > 100


HOSTILE = "<img src=x onerror=alert(1)>"


def test_hostile_names_are_text(make_case: Callable[..., Case], tmp_path: Path, visit: Callable[..., Page]) -> None:
    """Of files and of classes; each would run a script, load something or break the page if it were not escaped."""
    files = (
        f"{HOSTILE}.png",
        '" onfocus="alert(2)" x=".png',
        "<script>alert(3)<!--.png",
        "a&lt;b ${alert(4)} \\u003c.png",
        "]]>{{7*7}}.png",
    )
    names = ("Normal", HOSTILE, "</script><script>alert(5)</script>")
    case = make_case(tmp_path, count=5, names=names, name_of=lambda number: files[number])
    page = visit(case.write())
    shown = page.locator("#cards .name").all_text_contents()
    assert set(files) < set(shown)
    for name in names:
        assert page.locator("#confusion thead th", has_text=name).count() == 1
    for place in range(len(shown)):
        page.locator(".card").nth(place).click()
        assert page.locator("#viewer-name").inner_text() == shown[place]
        page.keyboard.press("Escape")
    page.locator("#filter-label").select_option(HOSTILE)
    assert page.locator("img[src=x]").count() == 0


@pytest.fixture(scope="module")
def large(make_case: Callable[..., Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = make_case(tmp_path_factory.mktemp("large"), count=2000, pictures=12)
    for annotation in sorted((case.folder / "BTXRD" / "Annotations").iterdir())[2:]:
        annotation.unlink()  # measuring some hundred radiographs is enough
    return case.write(layout="folder")


COUNT_CARDS = """() => {
  window.made = 0;
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => (window.made += addedNodes.length)))
    .observe(document.getElementById("cards"), { childList: true });
}"""


def test_two_thousand_radiographs_stay_usable(large: Path, visit: Callable[..., Page]) -> None:
    """Whatever is chosen, no more cards are made than the screen and a few more take."""
    page = visit(large)
    page.locator(".card").first.scroll_into_view_if_needed()
    page.locator(".card canvas").first.wait_for()
    page.evaluate(COUNT_CARDS)
    assert page.locator("#selection").inner_text().startswith("2001 of 2001 radiographs")
    assert page.locator(".card").count() < 200
    page.get_by_label("Sorted by").select_option("iou")
    page.locator("#filter-label").select_option("Benign")
    page.get_by_label("Name contains").fill("1999")
    assert page.locator(".card").count() == 1
    assert 1 <= page.evaluate("window.made") < 600  # of some 2,700 that pass the two filters
    page.get_by_role("button", name="Show all").click()
    page.locator(".card").first.focus()
    page.keyboard.press("End")
    assert page.locator(".card").count() == 2001


def test_a_report_with_a_folder_loads_what_is_looked_at(
    large: Path, visit: Callable[..., Page], requests: list[str]
) -> None:
    """From the disk, where a page may load no JSON."""
    page = visit(large)
    page.locator(".card").first.scroll_into_view_if_needed()
    expect(page.locator(".card canvas").first).not_to_have_js_property("width", 300)  # before it is drawn
    expect(page.locator(".card img").first).to_have_js_property("complete", value=True)
    assert sum("/details/" in address for address in requests) == 1
    assert 0 < sum("/thumbnails/" in address for address in requests) < 200
    assert not any("/pictures/" in address for address in requests)
    page.get_by_label("Name contains").fill("IMG001999")
    page.locator(".card").click()
    expect(page.locator("#stage img")).to_have_js_property("complete", value=True)
    assert page.locator("#stage img").evaluate("image => image.naturalWidth") > 0
    assert page.locator("#stage canvas").evaluate("canvas => canvas.width") > 0
    assert requests[-1].endswith("/pictures/001999.jpg")
