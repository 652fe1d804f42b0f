"""How long the browser takes with the report of many radiographs, compared with few.

The page is opened in Chromium until the first heat map is drawn; then the radiographs are sorted, and filtered by class
and name. Tables are simulated, as those of ``memory.py`` are. Without Chromium on the PATH nothing is measured.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from memory import make_images, provenance, rows
from report import RESULTS, Ratio, Result, Table, publish

from btxrd_explain.commands import report
from btxrd_explain.predictions.store import write_table
from btxrd_explain.settings import OutputSettings, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FEW, MANY = 20, 2_000


def write_page(count: int, images: list[Path], folder: Path) -> Path:
    """Write the report of that many simulated rows, and return the page."""
    folder.mkdir()
    write_table(folder / "predictions.parquet", provenance(), rows(count, images, folder, seed=0))
    return report.run(Settings(output=OutputSettings(directory=folder))).page


def visit(browser: Browser, page_file: Path) -> tuple[float, float]:
    """Return the seconds until the first heat map is drawn, and those that sorting and filtering take."""
    page = browser.new_page()
    started = time.perf_counter()
    page.goto(page_file.as_uri())
    page.locator(".card").first.scroll_into_view_if_needed()
    page.locator(".card canvas").first.wait_for()
    drawn = time.perf_counter()
    page.get_by_label("Sorted by").select_option("iou")
    page.locator("#filter-label").select_option("Normal")
    page.get_by_label("Name contains").fill("IMG")
    page.locator(".card").first.wait_for()
    ended = time.perf_counter()
    page.close()
    return drawn - started, ended - drawn


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        print("there is no Chromium on the PATH: the report is not measured", file=sys.stderr)
        return
    took: dict[int, list[tuple[float, float]]] = {FEW: [], MANY: []}
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        images = make_images(Path(temporary, "data"))
        pages = {count: write_page(count, images, Path(temporary, str(count))) for count in took}
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for number in range(options.rounds + 1):
            for count, page in pages.items():
                seconds = visit(browser, page)
                if number > 0:  # the first round fills the caches
                    took[count].append(seconds)
        browser.close()
    publish(_result(took, options), options.results)


def _result(took: dict[int, list[tuple[float, float]]], options: argparse.Namespace) -> Result:
    medians = {count: [statistics.median(each) for each in zip(*times, strict=True)] for count, times in took.items()}
    steps = ("until the first heat map is drawn", "sort and filter")
    ratios = [many / few for few, many in zip(medians[FEW], medians[MANY], strict=True)]
    return Result(
        name="page",
        title="The report in the browser",
        tables=[
            Table(
                f"Seconds (wall clock, median of {options.rounds} rounds)",
                ("radiographs", *steps),
                [(f"{count:,}", *each) for count, each in medians.items()],
            )
        ],
        ratios=[
            Ratio(f"report, {step}: {MANY:,} radiographs / {FEW}", f"{ratio:.2f}", "at most 4")
            for step, ratio in zip(steps, ratios, strict=True)
        ],
        notes=["Each visit opens a page of its own; the radiographs share eight files.", "The browser is Chromium."],
        packages=("btxrd-explain", "playwright"),
    )


if __name__ == "__main__":
    main()
