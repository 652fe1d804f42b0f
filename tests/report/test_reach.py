"""Everybody can use it: contrast, labels, small and large screens, many radiographs, and names that mean harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, Page

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
    case = make_case(tmp_path_factory.mktemp("large"), count=4000, pictures=12)
    for annotation in sorted((case.folder / "BTXRD" / "Annotations").iterdir())[2:]:
        annotation.unlink()  # measuring some hundred radiographs is enough
    return case.write(layout="folder")


LANDED = """(id) => {
  const { top } = document.getElementById(id).getBoundingClientRect();
  const ended = Math.ceil(scrollY + innerHeight) >= document.documentElement.scrollHeight;
  return Math.abs(top) < 2 || (ended && top > 0 && top < innerHeight);
}"""


@pytest.mark.parametrize("screen", [DESKTOP, PHONE, LARGE], ids=["desktop", "phone", "4k"])
@pytest.mark.parametrize("report", ["page_file", "large"])
def test_every_link_arrives_at_its_section_at_the_first_click(
    report: str, request: pytest.FixtureRequest, visit: Callable[..., Page], screen: dict[str, Any]
) -> None:
    """From wherever the page was scrolled to, with few radiographs and with thousands."""
    page = visit(request.getfixturevalue(report), **screen, reduced_motion="no-preference")
    links = [link.get_attribute("href") or "" for link in page.locator("nav a").all()]
    assert links == ["#summary", "#figures", "#notes", "#gallery"]
    for link in [*reversed(links), *links]:
        page.locator(f'nav a[href="{link}"]').click()
        assert page.evaluate(LANDED, link.removeprefix("#")), link
        page.evaluate("scrollTo(0, 0)")


def test_cards_out_of_sight_let_go_of_their_pictures(large: Path, visit: Callable[..., Page]) -> None:
    page = visit(large)
    page.locator(".card").first.focus()
    page.locator(".card img").first.wait_for()
    page.keyboard.press("End")
    expect(page.locator(".card img").last).to_have_js_property("complete", value=True)
    expect(page.locator(".card").first.locator("img")).to_have_count(0)
    assert page.locator(".card img").count() < 200
    page.keyboard.press("Home")
    expect(page.locator(".card").first.locator("img")).to_have_count(1)


def test_clearing_a_filter_makes_no_more_cards_than_the_screen_takes(large: Path, visit: Callable[..., Page]) -> None:
    page = visit(large)
    page.get_by_label("Name contains").fill("3999")
    page.evaluate(COUNT_CARDS)
    page.get_by_role("button", name="Show all").click()
    assert page.evaluate("window.made") <= 48
    height = page.locator("#cards").evaluate("list => list.getBoundingClientRect().bottom")
    assert height > 800  # and enough for it


def test_a_page_without_its_folder_says_so(large: Path, chromium: Browser, tmp_path: Path) -> None:
    """On the page, and nothing fails behind it."""
    alone = tmp_path / "moved.html"
    alone.write_bytes(large.read_bytes())
    page = chromium.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(alone.as_uri())
    assert not page.locator("#missing").is_visible()
    page.locator(".card").first.scroll_into_view_if_needed()
    expect(page.locator("#missing")).to_contain_text("folder 'report_files' of this page is missing")
    page.locator(".card").first.click()
    expect(page.locator("#stage")).to_contain_text("there is no picture to show")
    page.close()
    assert failures == []


COUNT_CARDS = """() => {
  window.made = 0;
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => (window.made += addedNodes.length)))
    .observe(document.getElementById("cards"), { childList: true });
}"""


def test_four_thousand_radiographs_stay_usable(large: Path, visit: Callable[..., Page]) -> None:
    """Whatever is chosen, no more cards are made than the screen and a few more take."""
    page = visit(large)
    page.locator(".card").first.scroll_into_view_if_needed()
    page.locator(".card canvas").first.wait_for()
    page.evaluate(COUNT_CARDS)
    assert page.locator("#selection").inner_text().startswith("4001 of 4001 radiographs")
    assert page.locator(".card").count() < 200
    page.get_by_label("Sorted by").select_option("iou")
    page.locator("#filter-label").select_option("Benign")
    page.get_by_label("Name contains").fill("3997")
    assert page.locator(".card").count() == 1
    assert 1 <= page.evaluate("window.made") < 600  # of some 5,300 that pass the two filters
    page.get_by_role("button", name="Show all").click()
    page.locator(".card").first.focus()
    page.keyboard.press("End")
    assert page.locator(".card").count() == 4001


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
    page.get_by_label("Name contains").fill("IMG003999")
    page.locator(".card").click()
    expect(page.locator("#stage img")).to_have_js_property("complete", value=True)
    assert page.locator("#stage img").evaluate("image => image.naturalWidth") > 0
    assert page.locator("#stage canvas").evaluate("canvas => canvas.width") > 0
    assert requests[-1].endswith("/pictures/003999.jpg")
