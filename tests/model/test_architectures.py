"""One architecture of each kind, and the page that tells of all."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "architectures.md").read_text("utf-8")
KINDS = {
    "test_resnet": "channels first",
    "efficientnet_b0": "a normalisation feeds the head",
    "convnext_atto": "a whole stage feeds the head",
    "test_mambaout": "channels last",
    "nest_tiny": "features are a permuted view",
    "efficientvim_m1": "several features feed several heads",
    "crossvit_tiny_240": "two sequences of tokens; square inputs only",
    "levit_128s": "tokens without a class token; few cells",
    "hiera_tiny_224": "tokens in windows until the last stage",
    "test_vit": "a class token",
    "deit_tiny_distilled_patch16_224": "a class and a distillation token",
    "pit_ti_distilled_224": "features are the two tokens alone",
    "vit_medium_patch16_reg4_gap_256": "register tokens, pooled cells",
    "naflexvit_base_patch16_map": "attention pooling",
    "coat_lite_tiny": "class tokens within a stage",
    "gmlp_ti16_224": "a head that starts as zeros",
}


@pytest.fixture(scope="module")
def benchmark_module() -> Any:  # noqa: ANN401 -- a module
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("architectures", ROOT / "benchmarks" / "architectures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _rows() -> dict[str, list[str]]:
    """Return the page's rows, architecture to cells."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| ")]
    return {row[1].split("`")[1]: row for row in rows if "`" in row[1]}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_explained_as_the_library_does(benchmark_module: Any, name: str) -> None:  # noqa: ANN401
    row = benchmark_module.examine(name)
    assert row.layer is not None, row.remark
    assert row.in_place > 0.7
    assert row.maps > 0
    assert row.difference < 1e-4
    written = _rows()[name]
    assert [f"`{row.layer.name}`", f"{row.layer.layout.grid.height} × {row.layer.layout.grid.width}"] == [
        written[3],
        written[5],
    ]


def test_the_page_tells_of_all_and_the_library_agrees(benchmark_module: Any) -> None:  # noqa: ANN401
    rows = _rows()
    assert set(rows) == set(benchmark_module.ARCHITECTURES)
    agreeing = [name for name, row in rows.items() if re.fullmatch(r"[0-9.]+e-0[5-9] \([1-6]\)", row[7])]
    assert len(agreeing) >= 60
    assert len({rows[name][0] for name in agreeing}) >= 60
    unexplained = {name: row[8] for name, row in rows.items() if name not in agreeing}
    assert all(unexplained.values()), f"without a reason: {unexplained}"
