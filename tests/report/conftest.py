"""A small data set whose every number is known, its reports, and a real browser to open them in."""

from __future__ import annotations

import csv
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from btxrd_explain.commands import report
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import judge
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import write_table
from btxrd_explain.settings import AnnotationSettings, OutputSettings, ReportSettings, Settings
from btxrd_explain.system.files import sha256_of
from tests.support.labelme import write_labelme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page

GRID = Size(4, 5)


@dataclass(frozen=True)
class Case:
    """A predictions table with its images and annotations, laid out like a BTXRD download.

    Attributes:
        folder: Where all of it is; the table is ``results/predictions.parquet``.
        provenance: How the table was "made".
        rows: Its rows, with grids.
        masks: Annotation mask of each image that has one: boolean, on the radiograph's pixels.
    """

    folder: Path
    provenance: Provenance
    rows: tuple[Prediction, ...]
    masks: dict[str, np.ndarray[Any, np.dtype[np.bool_]]]

    def settings(self, **sections: Any) -> Settings:  # noqa: ANN401 -- any section
        return Settings(**({"output": OutputSettings(directory=self.folder / "results")} | sections))

    def write(self, **wanted: Any) -> Path:  # noqa: ANN401 -- any setting
        """Write the report with settings of ``report`` or ``annotation``; return the page."""
        own = {name: wanted[name] for name in wanted.keys() & ReportSettings.model_fields.keys()}
        others = {name: value for name, value in wanted.items() if name not in own}
        settings = self.settings(report=ReportSettings(**own), annotation=AnnotationSettings(**others))
        return report.run(settings).page


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    """Return a function that makes a case."""

    def make(
        folder: Path,
        *,
        count: int = 12,
        resize: ResizeMode = ResizeMode.SQUASH,
        names: Sequence[str] = ("Normal", "Benign", "Malignant"),
        name_of: Callable[[int], str] = "IMG{:06d}.png".format,
        pictures: int | None = None,
    ) -> Case:
        """Make ``count`` rows; they share ``pictures`` image files where that is fewer."""
        root = folder / "BTXRD"
        (root / "images").mkdir(parents=True)
        (root / "Annotations").mkdir()
        provenance = Provenance(
            request={"checkpoint": "ab" * 32, "versions": {"torch": "2"}},
            class_names=tuple(names),
            preprocessing=Preprocessing(Size(32, 40), (0.5,), (0.25,), resize=resize),
            checkpoint="best.pth",
            architecture="resnet18",
            method="gradcam",
            target_layer="layer4",
            grid=GRID,
        )
        files = [_picture(root, number, name_of(number)) for number in range(min(count, pictures or count))]
        rows = [_row(number, name_of(number), files[number % len(files)], names) for number in range(count)]
        rows.append(
            Prediction("zz-unreadable.png", "zz.png", names[0], None, RowStatus.UNREADABLE, error="it is empty")
        )
        rows.sort(key=lambda row: row.image_id)
        write_table(folder / "results" / "predictions.parquet", provenance, rows)
        _describe(root / "dataset.csv", rows)
        return Case(folder, provenance, tuple(rows), _masks(root, rows, names))

    return make


def _picture(root: Path, number: int, name: str) -> Path:
    """Write a radiograph, elongated one way or the other, and from the second class on its annotation."""
    random = np.random.default_rng(number)
    height, width = (60, 34) if number % 2 else (37, 82)
    path = root / "images" / name
    Image.fromarray(random.integers(0, 256, (height, width), np.uint8)).save(path, format="PNG")
    if number % 3:
        box = (3 + number % 5, 4, 3 + number % 5 + 18, 4 + 20)
        left, top, right, bottom = box
        triangle = ("tumour", [[left, top], [right, top], [left, bottom]])
        write_labelme(root / "Annotations" / f"{path.stem}.json", (height, width), triangle, imagePath="x")
    return path


def _row(number: int, name: str, path: Path, names: Sequence[str]) -> Prediction:
    random = np.random.default_rng(1000 + number)
    grids = random.normal(0.2, 1, (len(names), *GRID)).astype(np.float32)
    if number % 7 == 4:
        grids[number % 3] = -1  # nothing speaks for that class
    probabilities = random.dirichlet(np.ones(len(names))).astype(np.float32)
    status = path.stat()
    with Image.open(path) as image:
        size = Size(image.height, image.width)
    return Prediction(
        image_id=name,
        path=f"../BTXRD/images/{path.name}",
        label=names[number % len(names)],
        split="test",
        status=RowStatus.OK,
        stamp=FileStamp(status.st_size, status.st_mtime_ns, sha256_of(path)),
        size=size,
        probabilities=probabilities,
        grids=grids,
        grid_statuses=tuple(judge(grid) for grid in grids),
    )


def _describe(path: Path, rows: Sequence[Prediction]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        table = csv.writer(file)
        table.writerow(["image_id", "center", "age", "femur"])
        for number, row in enumerate(rows):
            table.writerow([row.image_id, number % 3 + 1, 20 + number, number % 2])


def _masks(
    root: Path, rows: Sequence[Prediction], names: Sequence[str]
) -> dict[str, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Draw the annotations again, by the library's own public function."""
    from btxrd_explain import read_annotation  # noqa: PLC0415 -- imports OpenCV

    masks = {}
    for row in rows:
        file = root / "Annotations" / f"{Path(row.path).stem}.json"
        if file.exists() and row.size is not None and row.label != names[0]:
            masks[row.image_id] = read_annotation(file, row.size).mask
    return masks


@pytest.fixture(scope="session")
def case(make_case: Callable[..., Case], tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The case of most tests: twelve radiographs and one that could not be read."""
    return make_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="session")
def page_file(case: Case) -> Path:
    """Its report as one file, in a folder of its own as if sent by mail."""
    target = case.folder / "mail" / "report.html"
    target.parent.mkdir()
    shutil.copy(case.write(layout="file"), target)
    return target


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Return the system's Chromium without a window."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")  # the first takes least
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium: .ci/run should have installed it")
        pytest.skip("there is no Chromium on the PATH")
    driver.expect.set_options(timeout=120_000)  # a busy machine may take its time
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def requests() -> list[str]:
    """Addresses that the pages of a test asked for, but for what lies in the page itself."""
    return []


@pytest.fixture
def visit(chromium: Browser, requests: list[str]) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page; in the end no page may have complained, nor asked for anything outside."""
    complaints: list[str] = []
    allowed: list[str] = []
    contexts = []

    def open_page(path: Path, **wanted: Any) -> Page:  # noqa: ANN401 -- whatever a browser context takes
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        context = chromium.new_context(**(usual | wanted))
        contexts.append(context)
        allowed.extend((path.as_uri(), path.with_name(f"{path.stem}_files").as_uri()))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: None if request.url.startswith("data:") else requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [address for address in requests if not address.startswith(tuple(allowed))] == []
