from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

import btxrd_explain.settings.document  # noqa: F401 -- PyYAML, so that its import does not count
from btxrd_explain.commands.config import default_yaml
from btxrd_explain.errors import SettingsError
from btxrd_explain.settings import SECTIONS, SETTINGS, LoadedSettings, load_settings
from tests.hostile.fuzz.documents import NASTY
from tests.hostile.fuzz.harness import examples, outcome
from tests.hostile.fuzz.mutations import mutated

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = (
    *(part.encode() for part in default_yaml().split("\n\n") if part.strip()),
    b"data:\n  inputs: [a.png, b.png]\n  split: test\nmodel:\n  class_names: [Normal, Benign, Malignant]\n",
    b"annotation:\n  label_map: {osteosarcoma: Malignant, '*': ignore}\n  threshold: 0.4\noutput:\n  dpi: 150\n",
)
TOKENS = (
    b"&a [*a, *a]",
    b"*a",
    b"!!python/object/apply:os.system ['touch owned']",
    b"!!python/name:os.system",
    b"<<: {a: b}",
    b"? [a]\n: b\n",
    b".nan",
    b".inf",
    b"2024-01-02",
    b"0x10",
    b"1_000",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x00",
    b"\x1b[31m",
    b"\xe2\x80\xa8",
    b"[" * 400,
    b"- " * 400,
    b"{a: " * 200,
    b"---\n",
    b"%YAML 9.9\n",
    b"|\n  ",
    b"threshold: 0.5\n",
    b"null",
)


def _check(result: LoadedSettings | Exception) -> None:
    """Make sure that settings are refused, or hold numbers that can be computed with."""
    assert isinstance(result, LoadedSettings | SettingsError)
    if isinstance(result, LoadedSettings):
        numbers = [value for section in SECTIONS for _, value in getattr(result.settings, section)]
        assert all(math.isfinite(value) for value in numbers if isinstance(value, float))


@given(data=mutated(SEEDS, TOKENS))
@examples(quick=50, long=15_000)
def test_a_mutated_file_is_loaded_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(data)
    _check(outcome(lambda: load_settings(path, environ={}), folder=tmp_path))


names = st.sampled_from(sorted(SETTINGS)) | st.sampled_from(sorted(SECTIONS)) | st.text(max_size=12)
values = (
    st.sampled_from([*NASTY, "nan", "1e999", "-1", "[a", "9" * 5000, "1/0", "null", "~", "cuda:٣", "[[[[]]]]"])
    | st.text()
)


@given(pairs=st.lists(st.tuples(names, values, st.booleans()), max_size=4))
@examples(quick=40, long=10_000)
def test_any_variable_and_assignment_is_taken_or_refused(tmp_path: Path, pairs: list[tuple[str, str, bool]]) -> None:
    variables = {
        f"BTXRD_EXPLAIN_{name.replace('.', '__').upper()}": value for name, value, as_flag in pairs if not as_flag
    }
    assignments = [f"{name}={value}" for name, value, as_flag in pairs if as_flag]
    _check(outcome(lambda: load_settings(environ=variables, assignments=assignments), folder=tmp_path))
