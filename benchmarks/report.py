"""How benchmarks keep what they measured: JSON with machine and versions, and the same as Markdown.

``python benchmarks/report.py`` writes the kept results anew as Markdown, all ratios next to what is wanted of them into
``benchmarks/README.md``, and what users gain, in a few lines, into the project's README.
"""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from textwrap import fill
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
GOALS = ROOT / "benchmarks" / "README.md"
START, END = "<!-- made by benchmarks/report.py -->", "<!-- end -->"
GAINS = (
    """Predictions with the maps of 3 classes take
    {predictions and the maps of 3 classes: time / grad-cam, batch 1} times as long as with pytorch-grad-cam,
    {predictions and the maps of 3 classes: time / torch-cam, batch 16} times as long as with torch-cam, and
    {predictions and the maps of 3 classes: time / captum, batch 16} times as long as with captum.""",
    """Compared with the fastest forward pass that only predicts, they take
    {predictions and the maps of 3 classes: time / fastest bare network} times the time, and
    {predictions and the maps of 3 classes: memory / bare network with the same batch and layout} times the memory.""",
    """From files to the table, `infer` is {throughput: infer / plain loop with grad-cam} times as fast as a plain
    loop with pytorch-grad-cam, and reaches {throughput: infer / what decoding and network allow} of what decoding and
    network allow.""",
    """All scores of a heat map take {all scores / a NumPy loop of IoU over 101 thresholds} times as long as a NumPy
    loop for the IoU at 101 thresholds, and {all scores / decoding the radiograph as stored} times as long as decoding
    the radiograph.""",
    """A table of 100,000 radiographs takes {memory: gallery, peak at 100,000 rows / at 1,000} (`gallery`) and
    {memory: annotate-iou, peak at 100,000 rows / at 1,000} (`annotate-iou`) times the memory of one with 1,000. The
    first radiograph takes
    {infer, one radiograph, from start to end / import torch and timm, one forward pass} times as long as importing
    torch and timm and one forward pass.""",
)
"""What the README says, with the ratios where their names are."""


@dataclass(frozen=True)
class Table:
    """Numbers as they were measured.

    Attributes:
        caption: What is in it, and in which unit.
        columns: Names of the columns.
        rows: A value per column: text, numbers, or None where there is none.
    """

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Ratio:
    """An outcome, and what is wanted of it.

    Attributes:
        what: What was compared with what.
        value: The outcome, such as ``0.41-0.58``.
        wanted: What it should be, such as ``at most 0.5``.
    """

    what: str
    value: str
    wanted: str


def _machine() -> dict[str, str]:
    """Describe this machine as far as it decides about times."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}".rstrip(", "),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name; Linux keeps it in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


@dataclass(frozen=True)
class Result:
    """What one benchmark found out.

    Attributes:
        name: Name of the script, without suffix.
        title: What was measured.
        tables: The numbers.
        ratios: What follows from them.
        notes: How it was measured, one sentence each.
        packages: Distributions whose versions matter.
        machine: Where it was measured.
        versions: Of the packages.
    """

    name: str
    title: str
    tables: list[Table]
    ratios: list[Ratio]
    notes: list[str]
    packages: tuple[str, ...] = ()
    machine: dict[str, str] = field(default_factory=_machine)
    versions: dict[str, str] = field(default_factory=dict)


def publish(result: Result, folder: Path = RESULTS) -> None:
    """Print a result as Markdown, and keep it in a folder."""
    result.versions.update({name: version(name) for name in result.packages})
    folder.mkdir(exist_ok=True)
    path = folder / f"{result.name}.json"
    path.write_text(json.dumps(asdict(result), indent=2, ensure_ascii=False) + "\n", "utf-8")
    text = markdown(load(path))
    path.with_suffix(".md").write_text(text, "utf-8")
    print(text)


def load(path: Path) -> Result:
    """Read a kept result."""
    document = json.loads(path.read_text("utf-8"))
    tables = [Table(each["caption"], tuple(each["columns"]), each["rows"]) for each in document.pop("tables")]
    ratios = [Ratio(**each) for each in document.pop("ratios")]
    return Result(**document, tables=tables, ratios=ratios)


def markdown(result: Result) -> str:
    """Return a result as a page of Markdown."""
    parts = [f"# {result.title}", ", ".join(f"{key}: {value}" for key, value in result.machine.items())]
    if result.versions:
        parts.append(", ".join(f"{name} {number}" for name, number in result.versions.items()))
    for table in result.tables:
        parts += [f"**{table.caption}**", _grid(table.columns, table.rows)]
    parts += [_ratios(result.ratios), "\n".join(f"- {note}" for note in result.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def span(values: list[float]) -> str:
    """Return what a ratio comes to over several networks or radiographs."""
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low}-{high}"


def kept() -> list[Result]:
    """Return all kept results."""
    return [load(path) for path in sorted(RESULTS.glob("*.json"))]


def goals() -> str:
    """Return ``benchmarks/README.md``: the ratios of all kept results, next to what is wanted of them."""
    parts = [
        "# What the benchmarks measured, and what is wanted",
        "Made by `benchmarks/report.py` of what `nox -s bench` keeps; what is compared took turns on one machine.",
    ]
    for result in kept():
        parts += [f"## [{result.title}](results/{result.name}.md)", _ratios(result.ratios)]
    return "\n\n".join(parts) + "\n"


def gains() -> str:
    """Return what users gain, and compared with what, in a few lines.

    Raises:
        KeyError: A ratio that these lines name was not measured.
    """
    results = kept()
    values = {ratio.what: ratio.value for result in results for ratio in result.ratios}
    said = [" ".join(each.split()) for each in GAINS]
    sentences = (re.sub(r"\{(.*?)\}", lambda found: values[found[1]], each) for each in said)
    lines = [fill(f"- {each}", 120, subsequent_indent="  ", break_on_hyphens=False) for each in sentences]
    named = [each for each in results if any(f"{{{ratio.what}}}" in " ".join(said) for ratio in each.ratios)]
    machines = dict.fromkeys(f"{each.machine['cores']} cores of {each.machine['processor']}" for each in named)
    source = "[all numbers, and what is wanted](benchmarks/README.md)"
    return "\n".join(lines) + f"\n\nMeasured on {' and '.join(machines)}; {source}."


def into_readme(readme: str) -> str:
    """Return the README's text with what users gain, as it was measured last, between its two marks."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{gains()}\n{END}{after}"


def _ratios(ratios: list[Ratio]) -> str:
    rows = [(ratio.what, ratio.value, ratio.wanted) for ratio in ratios]
    return _grid(("compared", "measured", "wanted"), rows) if rows else ""


def _grid(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_shown(value) for value in line)} |" for line in lines)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":
    for each in kept():
        (RESULTS / f"{each.name}.md").write_text(markdown(each), "utf-8")
    GOALS.write_text(goals(), "utf-8")
    page = ROOT / "README.md"
    page.write_text(into_readme(page.read_text("utf-8")), "utf-8")
