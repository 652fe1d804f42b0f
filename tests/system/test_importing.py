"""Functions that settings name: found without being imported, imported with one-line errors."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.errors import SettingsError
from btxrd_explain.system.importing import current_directory_importable, reason_of, resolve, source_of
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a module and a package of their own names, which are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_module.py").write_text(
        "NUMBER = 3\ndef build(): return 'built'\nclass Kind:\n    @staticmethod\n    def make(): return 'made'\n"
    )
    package = tmp_path / "own_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "inner" / "deep.py").write_text("def f(): pass\n")
    (tmp_path / "broken.py").write_text("raise ValueError('no luck\\ntoday')\n")
    (tmp_path / "needs.py").write_text("import own_missing_dependency\n")
    for name in ("own_module", "own_package", "broken", "needs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_a_function_and_a_method_are_found_in_the_current_directory(here: Path) -> None:
    assert resolve("own_module:build", "factory")() == "built"
    assert resolve("own_module:Kind.make", "factory")() == "made"
    assert str(here) not in sys.path


def test_the_file_is_found_without_importing_it(here: Path) -> None:
    assert source_of("own_module:build", "factory") == here / "own_module.py"
    assert source_of("own_package.inner.deep:f", "factory") == here / "own_package" / "inner" / "deep.py"
    assert source_of("own_package:f", "factory") == here / "own_package" / "__init__.py"
    assert "own_package" not in sys.modules


@pytest.mark.parametrize("reference", ["no_such_module:f", "own_module.json:f", "own_package.other:f", "sys:exit"])
def test_a_module_without_a_file_has_no_source(here: Path, reference: str) -> None:
    assert here.exists()
    assert source_of(reference, "factory") is None


MALFORMED = ["", "own_module", "own_module:", ":f", "a b:f", "own_module:f.", "a:b:c", "1a:f"]


@pytest.mark.parametrize("reference", MALFORMED)
@pytest.mark.parametrize("kind", ["factory", "transform"])
def test_a_reference_of_another_form_is_refused_with_an_example(reference: str, kind: str) -> None:
    for find in (resolve, source_of):
        assert_refused(lambda find=find: find(reference, kind), SettingsError, f"'{reference}' names no {kind}")  # type: ignore[misc]
    with pytest.raises(SettingsError) as caught:
        resolve(reference, kind)
    example = {"factory": "my_network:build", "transform": "my_images:transform"}[kind]
    assert str(caught.value.hint).endswith(example)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_module:f", "no module is called 'no_such_module' for the factory 'no_such_module:f'"),
        ("own_module.inner:f", "no module is called 'own_module.inner'"),
        ("own_module:missing", "module 'own_module' ("),
        ("own_module:Kind.missing", "module 'own_module' ("),
        ("own_module:NUMBER", "the factory 'own_module:NUMBER' is an int, not a function"),
        ("broken:f", "importing the factory 'broken:f' failed (ValueError: no luck)"),
        ("needs:f", "importing the factory 'needs:f' failed (ModuleNotFoundError: No module named"),
    ],
)
def test_what_cannot_be_imported_is_one_line(here: Path, reference: str, message: str) -> None:
    assert here.exists()
    assert_refused(lambda: resolve(reference, "factory"), SettingsError, message)


def test_the_path_is_as_before_whatever_happens(here: Path) -> None:
    before = list(sys.path)
    with suppress(RuntimeError), current_directory_importable():
        assert sys.path[0] == str(here)
        raise RuntimeError
    assert sys.path == before
    with current_directory_importable():
        sys.path.remove(str(here))  # as a module may do
    assert sys.path == before


@pytest.mark.parametrize(
    ("error", "said"),
    [(KeyError(), "KeyError"), (ValueError("  a\nb"), "ValueError: a"), (OSError("\n"), "OSError")],
)
def test_a_reason_is_one_line(error: Exception, said: str) -> None:
    assert reason_of(error) == said


_TABLES = """
import sys
from btxrd_explain.cli import leave_pandas_out
CALL
from btxrd_explain.predictions import schema
import numpy as np, pyarrow as pa
for values in ([1.0, None], np.zeros(2), ["text"]):
    pa.array(values)
print("pandas" in sys.modules)
import pandas
"""


@pytest.mark.parametrize(("call", "imported"), [("", "True"), ("leave_pandas_out()", "False")])
def test_a_process_of_the_command_line_writes_tables_without_pandas(call: str, imported: str) -> None:
    pytest.importorskip("pandas")
    command = [sys.executable, "-c", _TABLES.replace("CALL", call)]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert made.stdout.split() == [imported]
