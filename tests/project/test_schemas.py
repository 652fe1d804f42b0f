"""The JSON Schemas of all reports: current, true of what the commands write, and with one form of an estimate."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("blank_figures")

ROOT = Path(__file__).parents[2]
ESTIMATE = ("mean", "low", "high", "n", "units")
NAMES = (
    *("annotation_report", "check_report", "comparison", "gallery", "intervention_report", "performance"),
    *("sanity_report", "study_report"),
)
ELSEWHERE = ("performance-multi-label", "export")
"""The schemas of ``performance.json`` where classes do not exclude each other, and of ``export_<format>.json``."""


@pytest.fixture(scope="module")
def schemas() -> dict[str, str]:
    """The text of each schema as `nox -s schema` would write it, by the name of the report."""
    made: dict[Path, str] = runpy.run_path(str(ROOT / "scripts" / "schemas.py"))["SCHEMAS"]
    return {path.name.removesuffix(".schema.json"): text for path, text in made.items()}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> dict[str, Any]:
    """What each command writes of a dozen images, one of which cannot be read; its ``--json`` says the same."""
    folder = tmp_path_factory.mktemp("reports")
    write_root(folder, 12)
    (folder / "BTXRD" / "images" / "IMG000004.jpeg").write_bytes(b"no image")
    (folder / "groups.csv").write_text("image_id,half\n" + "".join(f"IMG{n:06d}.jpeg,{n % 2}\n" for n in range(12)))
    root, split, out = folder / "BTXRD", folder / "split.csv", folder / "out"
    network = f"{root} --split-csv {split} --checkpoint demo --device cpu --image-size 128"
    table = f"--predictions {out}/predictions.parquet"
    groups = f"--metadata {folder}/groups.csv"
    written = {}
    for command in (
        f"infer {network} -o {out} --no-overlay",
        f"infer {network} -o {folder}/other --no-overlay --method layercam",
        f"annotate-iou {table} --root {root} --boxes --by half {groups}",
        f"check {root} --split-csv {split}",
        f"compare {out}/predictions.parquet {folder}/other/predictions.parquet --annotations {root}/Annotations",
        f"gallery {table} --examples-per-class 1",
        f"performance {table} --group-column half {groups}",
        f"sanity {network} --sample 2 --stages 2 --insertion-deletion --steps 2",
        f"intervene {network} --controls 1 --by half {groups}",
        f"study {network} --sample 2 --stages 2 --controls 1",
    ):
        before = set(out.glob("*.json"))
        arguments = command.split() + ([] if command.startswith("infer") else ["-o", str(out)])
        result = run(*arguments, "--json", code=None)
        assert result.exit_code in {0, 1}, result.output
        for path in set(out.glob("*.json")) - before:
            written[path.stem] = json.loads(path.read_text("utf-8"))
            assert json.loads(result.stdout) == written[path.stem]
    return written


def _objects(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 -- whatever JSON holds
    """Yield all objects within a JSON value."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(part)


def test_every_report_has_a_schema_in_the_documentation_and_nowhere_else(schemas: dict[str, str]) -> None:
    folders = ("btxrd_explain", "docs", "scripts", "tests", "configs")
    kept = {path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.schema.json")}
    assert kept == {Path("docs", "reference", f"{name}.schema.json") for name in (*NAMES, *ELSEWHERE)}
    assert sorted(schemas) == sorted((*NAMES, *ELSEWHERE))


@pytest.mark.parametrize("name", [*NAMES, *ELSEWHERE])
def test_the_documented_schema_is_current(schemas: dict[str, str], name: str) -> None:
    kept = ROOT / "docs" / "reference" / f"{name}.schema.json"
    assert kept.read_text("utf-8") == schemas[name], "write it anew: nox -s schema"
    Draft202012Validator.check_schema(json.loads(schemas[name]))


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_takes_what_the_command_writes_and_nothing_else(
    schemas: dict[str, str], reports: dict[str, Any], name: str
) -> None:
    schema, report = Draft202012Validator(json.loads(schemas[name])), reports[name]
    schema.validate(report)
    assert set(report) == set(schema.schema["properties"])
    assert not schema.is_valid(report | {"unheard_of": 1})
    assert not schema.is_valid(report | {"schema_version": 0})
    for key in set(report) - {"schema_version", "failed_images"}:
        assert not schema.is_valid({known: value for known, value in report.items() if known != key}), key


@pytest.mark.parametrize("name", NAMES)
def test_whatever_has_an_interval_is_an_estimate_of_one_form(reports: dict[str, Any], name: str) -> None:
    found = [part for part in _objects(reports[name]) if {"low", "high"} & set(part)]
    assert bool(found) == (name not in {"check_report", "gallery"})
    for part in found:
        assert tuple(key for key in part if key in ESTIMATE) == ESTIMATE or "thresholds" in part, part
        assert set(ESTIMATE) <= set(part), part
        assert not {"value", "rho", "difference_low"} & set(part), part
        assert 0 <= part["units"] <= part["n"]
        if part["units"] < 2 and "probability" not in part:  # Wilson's interval is one of a single image too
            assert part["low"] is part["high"] is None


def test_bins_of_calibration_count_every_image_once(reports: dict[str, Any]) -> None:
    report = reports["performance"]
    assert sum(part["n"] for part in report["calibration"]["bins"]) == report["num_images"] == 11
    assert [part["mean"] for part in report["calibration"]["bins"] if part["n"] == 0] == [None] * sum(
        part["n"] == 0 for part in report["calibration"]["bins"]
    )
    assert report["statistics"] == {
        "interval": "percentile bootstrap", "level": 0.95, "resamples": 100, "seed": 0, "unit": "half", "units": 2
    }  # fmt: skip


def test_an_image_that_cannot_be_read_is_named_by_every_report_of_it(reports: dict[str, Any]) -> None:
    for name in ("annotation_report", "gallery", "performance"):
        assert [one["image_id"] for one in reports[name]["failed_images"]] == ["IMG000004.jpeg"], name
        assert all(one["reason"] for one in reports[name]["failed_images"])
