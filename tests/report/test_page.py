"""What a reader does with the page: filter, sort, look closer, with a mouse or without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from btxrd_explain.predictions.record import Prediction
    from tests.report.conftest import Case


def _cards(page: Page) -> list[str]:
    return page.locator("#cards .name").all_text_contents()


def _chosen(case: Case, condition: Callable[[Prediction], bool]) -> list[str]:
    return [row.image_id for row in case.rows if condition(row)]


def _predicted(case: Case, row: Prediction) -> str | None:
    return None if row.predicted is None else case.provenance.class_names[row.predicted]


@pytest.fixture
def page(page_file: Path, visit: Callable[..., Page]) -> Page:
    return visit(page_file)


def test_all_radiographs_are_there_also_those_that_could_not_be_read(case: Case, page: Page) -> None:
    assert _cards(page) == [row.image_id for row in case.rows]
    page.locator("#cards li").last.scroll_into_view_if_needed()
    page.locator("#cards").get_by_text("it is empty").wait_for()
    assert page.locator("#selection").inner_text().startswith(f"{len(case.rows)} of {len(case.rows)} radiographs")


def test_a_cell_of_the_confusion_matrix_filters_and_lifts_its_filter(case: Case, page: Page) -> None:
    names = case.provenance.class_names
    for true in names:
        for predicted in names:
            cell = page.locator(f'#confusion button[data-label="{true}"][data-predicted="{predicted}"]')
            expected = _chosen(case, lambda row: row.label == true and _predicted(case, row) == predicted)  # noqa: B023 -- called at once
            assert cell.locator(".count").inner_text() == str(len(expected))
            cell.click()
            assert _cards(page) == expected
            assert cell.get_attribute("aria-pressed") == "true"
            assert page.locator("#filter-label").input_value() == true
            cell.click()
            assert len(_cards(page)) == len(case.rows)


def test_filters_work_together(case: Case, page: Page) -> None:
    page.locator("#filter-label").select_option("Benign")
    page.get_by_label("Confidence at least").fill("0.5")
    assert _cards(page) == _chosen(case, lambda row: row.label == "Benign" and (row.confidence or 0) >= 0.5)
    page.get_by_label("Name contains").fill("000001")
    assert _cards(page) == ["IMG000001.png"] * bool((case.rows[1].confidence or 0) >= 0.5)
    page.get_by_role("button", name="Show all").click()
    assert len(_cards(page)) == len(case.rows)
    assert page.get_by_label("Confidence at least").input_value() == "0"


def test_metadata_filter_by_choice_by_range_and_by_tag(case: Case, page: Page) -> None:
    number = {row.image_id: index for index, row in enumerate(case.rows)}
    page.locator("[data-fact=center]").select_option("2")
    assert _cards(page) == _chosen(case, lambda row: number[row.image_id] % 3 + 1 == 2)
    page.get_by_label("Described as").select_option("femur")
    assert _cards(page) == _chosen(case, lambda row: number[row.image_id] % 6 == 1)
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("age at most").fill("24")
    assert _cards(page) == _chosen(case, lambda row: 20 + number[row.image_id] <= 24)


def test_outcomes_tell_errors_apart(case: Case, page: Page) -> None:
    def outcome(row: Prediction) -> str | None:
        predicted = _predicted(case, row)
        if predicted is None:
            return None
        if predicted == row.label:
            return "correct"
        if row.label == "Normal":
            return "false alarm"
        return "missed" if predicted == "Normal" else "wrong class"

    select = page.locator("#filter-outcome")
    words = [text for text in select.locator("option").all_text_contents() if text != "all"]
    assert set(words) == {outcome(row) for row in case.rows} - {None}
    for word in words:
        select.select_option(word)
        assert _cards(page) == _chosen(case, lambda row: outcome(row) == word)  # noqa: B023 -- called at once


def test_a_narrow_range_of_iou_shows_only_what_has_one(case: Case, page: Page) -> None:
    page.get_by_label("IoU with the annotation at least").fill("0.01")
    shown = _cards(page)
    assert shown
    assert set(shown) < set(case.masks)
    assert all("IoU 0." in text for text in page.locator("#cards .badges").all_text_contents())


def test_sorting_puts_what_is_undefined_last_both_ways(case: Case, page: Page) -> None:
    page.get_by_label("Sorted by").select_option("confidence")
    known = sorted((row for row in case.rows if row.confidence is not None), key=lambda row: row.confidence or 0)
    unknown = _chosen(case, lambda row: row.confidence is None)
    assert _cards(page) == [row.image_id for row in known] + unknown
    page.get_by_role("button", name="ascending").click()
    assert _cards(page) == [row.image_id for row in reversed(known)] + unknown
    page.get_by_label("Sorted by").select_option("probability of Malignant")
    assert (
        _cards(page)[0]
        == max(known, key=lambda row: row.probabilities[2] if row.probabilities is not None else 0).image_id
    )


def test_the_page_works_without_a_mouse(case: Case, page: Page) -> None:
    page.locator("#map").focus()
    page.keyboard.press("Tab")  # the gallery is one stop
    focus = "document.activeElement.querySelector('.name')?.textContent"
    assert page.evaluate(focus) == case.rows[0].image_id
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focus) == case.rows[1].image_id
    page.keyboard.press("End")
    assert page.evaluate(focus) == case.rows[-1].image_id
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    name, place = page.locator("#viewer-name"), page.locator("#viewer-place")
    assert name.inner_text() == case.rows[0].image_id
    page.keyboard.press("ArrowRight")
    assert (name.inner_text(), place.inner_text()) == (case.rows[1].image_id, f"2 of {len(case.rows)}")
    page.keyboard.press("End")
    assert name.inner_text() == case.rows[-1].image_id
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    assert page.evaluate(focus) == case.rows[-2].image_id


def test_keys_move_layers_and_sliders(page: Page) -> None:
    page.locator(".card").first.click()
    page.keyboard.press("t")
    page.keyboard.press("t")
    page.keyboard.press("T")
    assert page.locator("#threshold").input_value() == "0.55"
    page.keyboard.press("o")
    assert page.locator("#opacity").input_value() == "0.65"
    assert page.locator("#stage .heat").evaluate("e => getComputedStyle(e).opacity") == "0.65"
    for key, layer in (("h", ".heat"), ("r", "path.region"), ("a", "path.annotation")):
        elements = page.locator(f"#stage {layer}")
        page.keyboard.press(key)
        assert elements.last.evaluate("e => getComputedStyle(e).display") == "none"
        page.keyboard.press(key)
        assert elements.last.evaluate("e => getComputedStyle(e).display") != "none"
    page.keyboard.press("3")
    assert page.locator("#classes input").nth(2).is_checked()
    page.keyboard.press("?")
    assert page.get_by_text("previous, next radiograph").is_visible()


def test_arrow_keys_on_a_slider_move_the_slider(case: Case, page: Page) -> None:
    page.locator(".card").first.click()
    page.locator("#threshold").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#threshold").input_value() == "0.51"
    assert page.locator("#viewer-name").inner_text() == case.rows[0].image_id


def test_the_picture_can_be_enlarged_and_fits_again(page: Page) -> None:
    page.locator(".card").first.click()
    layers = page.locator("#stage .layers")
    fitted = layers.bounding_box()
    assert fitted is not None
    page.get_by_role("button", name="Larger").click()
    enlarged = layers.bounding_box()
    assert enlarged is not None
    assert enlarged["width"] == pytest.approx(1.25 * fitted["width"], rel=0.01)
    page.keyboard.press("0")
    assert layers.bounding_box() == fitted


def test_a_point_of_a_figure_opens_its_radiograph(case: Case, page: Page) -> None:
    """Also where filters had hidden it."""
    page.get_by_label("Name contains").fill("nothing has this name")
    assert page.get_by_text("No radiograph passes the filters.").is_visible()
    page.locator("figure", has_text="IoU by confidence").locator("svg .point").first.click()
    assert page.locator("#viewer-name").inner_text() in case.masks


def test_figures_show_their_numbers_on_demand(page: Page) -> None:
    figure = page.locator("figure", has_text="IoU over the threshold")
    assert figure.locator("table").count() == 0
    figure.get_by_text("Numbers").click()
    figure.locator("tbody tr").first.wait_for()
    assert figure.locator("tbody tr").count() >= 101


def test_print_holds_all_radiographs_and_no_controls(case: Case, page: Page) -> None:
    page.evaluate("window.print = () => { document.title = 'printed'; }")
    page.get_by_role("button", name="Print").click()
    expect(page).to_have_title("printed")
    shown = [row for row in case.rows if row.size is not None]
    images = page.locator("#cards img")
    assert images.evaluate_all("all => all.filter((one) => one.naturalWidth > 0).length") == len(shown)
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert page.locator("#tiles").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_many_classes_are_offered_in_a_menu(
    make_case: Callable[..., Case], tmp_path: Path, visit: Callable[..., Page]
) -> None:
    names = [f"class {number}" for number in range(24)]
    many = make_case(tmp_path, count=12, names=names)
    page = visit(many.write(layout="file"))
    assert page.locator("#confusion thead th").all_text_contents()[1:] == names[:20]  # those of 12 and 8 more
    assert "Shown are the 20 most frequent of 24 classes." in page.locator("#summary").inner_text()
    page.locator(".card").nth(5).click()
    row = many.rows[5]
    assert row.probabilities is not None
    assert row.predicted is not None
    assert row.label is not None
    probabilities = row.probabilities
    menu = page.locator("#classes select")
    options = menu.locator("option")
    assert options.count() == 24
    expect(menu).to_have_value("5")  # that of its true class, which was measured
    roles = {names[row.predicted]: "predicted", row.label: "true"}
    leading = sorted(roles, key=lambda name: -probabilities[names.index(name)])
    told = [f"{name} ({probabilities[names.index(name)]:.3f}, {roles[name]})" for name in leading]
    assert options.all_text_contents()[:2] == told
    menu.select_option(label=options.nth(7).inner_text())
    expect(page.locator("#classes input")).to_have_count(0)
    assert page.evaluate("document.querySelector('#classes select').selectedIndex") == 7
