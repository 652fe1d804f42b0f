"""The page on scaling: its scripts are run, its manifests parsed, its arithmetic done again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.metrics.baselines import CHANNEL_DRAWS
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import SETTINGS
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text("utf-8")
COUNT = 6
NAMES = ("Normal", "Benign", "Malignant")


def _script(word: str) -> str:
    """Return the one shell script of the page that holds a word."""
    (script,) = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) if word in block]
    return str(script)


@pytest.fixture
def place(tmp_path: Path, write_root: Callable[[Path, int], None]) -> Path:
    """A folder with what the scripts name, and a `btxrd-explain` on the PATH that is this one."""
    write_root(tmp_path, COUNT)
    save_network(tmp_path / "best.pt", side=None)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "btxrd-explain"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m btxrd_explain "$@"\n')
    command.chmod(0o755)
    return tmp_path


def _run(script: str, place: Path, **variables: str) -> None:
    environment = os.environ | {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"} | variables
    subprocess.run(["bash", "-e", "-c", script], cwd=place, env=environment, check=True, timeout=1800)


def _rows(place: Path) -> list[str]:
    return [row.image_id for row in open_table(place / "run" / "predictions.parquet").index()]


def test_the_loop_over_gpus_runs(place: Path) -> None:
    script = _script("GPUS=8").replace("GPUS=8", "GPUS=2")
    _run(script, place)
    assert _rows(place) == [f"IMG{number:06d}.jpeg" for number in range(COUNT)]


def test_the_array_job_runs(place: Path) -> None:
    array, merge = _script("# array.sh"), _script("# merge.sh")
    _run(array, place, SLURM_ARRAY_TASK_ID="1", SHARDS="1")
    _run(merge, place)
    assert _rows(place) == [f"IMG{number:06d}.jpeg" for number in range(COUNT)]


def test_tasks_that_are_submitted_again_compute_the_same_shards(place: Path) -> None:
    """The count of tasks is that of the second submission; the script must not take it for the number of shards."""
    (place / "bin" / "btxrd-explain").write_text('#!/bin/sh\necho "$@" >> calls\n')
    for count, first, last in (("64", "1", "64"), ("2", "3", "5")):
        array = {"ID": "3", "COUNT": count, "MIN": first, "MAX": last}
        _run(_script("# array.sh"), place, **{f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()})
    first_time, again = (place / "calls").read_text().splitlines()
    assert first_time == again
    assert first_time.endswith("--shard 3/64")


def test_the_manifest_is_a_ray_job_whose_command_there_is() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    flags = set(re.findall(r"--[a-z-]+", job["spec"]["entrypoint"]))
    assert flags <= {setting.flag for setting in SETTINGS.values()}
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert f"--workers {group['maxReplicas']} " in job["spec"]["entrypoint"]
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["ray"] == [
        f"ray[data]>={job['spec']['rayClusterSpec']['rayVersion'].removesuffix('.0')}"
    ]


@pytest.mark.parametrize(("cells", "kilobytes"), [(7, 1.22), (12, 3.1)])
def test_the_table_is_as_large_as_the_page_says(tmp_path: Path, cells: int, kilobytes: float) -> None:
    made = Provenance(
        request={"checkpoint": "ab" * 32},
        class_names=NAMES,
        preprocessing=Preprocessing(Size(224, 224), (0.5,) * 3, (0.25,) * 3),
        checkpoint="best.pt",
        architecture="resnet18",
        method="gradcam",
        target_layer="layer4",
        grid=Size(cells, cells),
        random_channels=CHANNEL_DRAWS,
    )
    random = np.random.default_rng(0)
    rows = [
        Prediction(
            image_id=f"IMG{number:06d}.jpeg",
            path=f"../BTXRD/images/IMG{number:06d}.jpeg",
            label="Normal",
            split="test",
            status=RowStatus.OK,
            stamp=FileStamp(100_000 + number, 1_700_000_000_000_000_000 + number, random.bytes(32).hex()),
            size=Size(2000, 1500),
            probabilities=random.dirichlet([1, 1, 1]).astype(np.float32),
            grids=random.normal(size=(3, cells, cells)).astype(np.float32),
            grid_statuses=(MapStatus.OK,) * 3,
            random_channels=random.normal(size=(CHANNEL_DRAWS, cells, cells)).astype(np.float32),
        )
        for number in range(2048)
    ]
    write_table(tmp_path / "p.parquet", made, rows)
    assert (tmp_path / "p.parquet").stat().st_size / 2048 == pytest.approx(1000 * kilobytes, rel=0.02)


def test_the_arithmetic_of_the_page() -> None:
    many = 10_000_000
    results = dict(re.findall(r"^\| ([^|]+?) \|.*\| ([^|]+?) \|$", PAGE, flags=re.MULTILINE))
    assert results["radiographs"] == f"{many * 0.3e6 / 1e12:.0f} TB"
    assert results["table, 7 × 7 cells"] == f"{many * 1.22e3 / 1e9:.1f} GB"
    assert results["table, 12 × 12 cells"] == f"{many * 3.1e3 / 1e9:.0f} GB"
    assert results["heat maps as 8-bit pictures instead"] == f"{many * 3 * 1e6 / 1e12:.0f} TB"
    assert results["GPU hours"] == f"{many / (3600 * 500):.1f}"
    assert results["CPU core hours instead"] == f"{many / (3600 * 5):.0f}"
    assert f"= {many // 64:,} radiographs each, of {many / 64 * 1.22e3 / 1e6:.0f} MB" in PAGE
    assert results["with 64 shards"] == f"{many / 64 / 500 / 60:.0f} minutes on a GPU"
    assert f"about {round(many / 1024, -2):,.0f} for ten million" in PAGE
