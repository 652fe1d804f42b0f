"""The names that the package lends, and the commands as functions."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import btxrd_explain
from btxrd_explain import api
from btxrd_explain.commands import annotate_iou, gallery, infer
from btxrd_explain.errors import CheckpointError, ExitCode, SettingsError, TableError
from btxrd_explain.finding import Finding, FindingWarning
from btxrd_explain.progress import AsWarnings
from btxrd_explain.settings import SETTINGS, Settings
from btxrd_explain.settings.flags import FLAGS
from tests.support.documents import ROOT
from tests.support.refusals import assert_refused

if TYPE_CHECKING:
    from collections.abc import Callable

bx: Any = btxrd_explain  # what types forbid is called, too
COMMANDS = sorted(name.replace("-", "_") for name in FLAGS if name != "intervene")
"""Commands that are functions of their flags; ``intervene`` is one of a network and arrays."""
REFERENCE = (ROOT / "docs" / "reference" / "library.md").read_text("utf-8")
HEAVY = ("numpy", "torch", "timm", "matplotlib", "cv2", "PIL", "pyarrow", "pandas", "pydantic")


def _modules_after(program: str) -> set[str]:
    command = [sys.executable, "-c", f"{program}\nimport sys; print(' '.join(sys.modules))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_package_shows_its_public_names_alone() -> None:
    assert dir(btxrd_explain) == sorted([*btxrd_explain.__all__, "__version__"])
    assert sorted(btxrd_explain.__all__) == sorted(api.__all__)
    assert not [name for name in btxrd_explain.__all__ if not callable(getattr(btxrd_explain, name))]
    assert btxrd_explain.__version__ == version("btxrd-explain")


def test_unknown_names_are_attribute_errors() -> None:
    for module in (btxrd_explain, api):
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            _ = module.nonsense


def test_looking_at_the_package_imports_nothing_heavy() -> None:
    loaded = _modules_after("import btxrd_explain as bx; dir(bx); bx.infer; bx.methods(); bx.__version__")
    assert not loaded & set(HEAVY)


def test_scores_of_arrays_need_no_torch_and_no_matplotlib() -> None:
    loaded = _modules_after(
        "import btxrd_explain as bx; bx.compute_cam_iou([[1.0]], [[1]]); bx.score([[0.0, 1.0]], [[0, 1]])"
    )
    assert "numpy" in loaded
    assert not loaded & {"torch", "timm", "matplotlib", "pyarrow", "pandas", "pydantic"}


NAMED = {"compare": ("a", "b"), "import_maps": ("maps",)}
"""What commands must be given without a keyword."""


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_keyword_is_a_type_error_of_one_line(command: str) -> None:
    with pytest.raises(TypeError) as caught:
        getattr(btxrd_explain, command)(*NAMED.get(command, ()), driectory="out")
    line = str(caught.value)
    assert line.startswith(f"{command}() has no keyword 'driectory': ")
    assert "did you mean 'directory'?" in line or command == "layers"
    assert "\n" not in line


@pytest.mark.parametrize("command", COMMANDS)
def test_keywords_are_the_flags_of_a_command(command: str) -> None:
    """No two settings of a command share a name, so that each keyword names one."""
    names = FLAGS[command.replace("_", "-")]
    assert len({SETTINGS[name].key for name in names}) == len(names)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: bx.gallery(dpi=1), SettingsError, r"setting 'output.dpi' \(keyword dpi\) is 1: give"),
        (
            lambda: btxrd_explain.gallery(method="gradcm"),
            ValueError,
            r"'gradcam.method' \(keyword method\) is 'gradcm'",
        ),
        (lambda: bx.gallery(threshold=0.5), TypeError, "gallery\\(\\) has no keyword 'threshold'"),
        (
            lambda: btxrd_explain.gallery(settings={"output.dppi": 3}),
            ValueError,
            "unknown setting 'output.dppi' in set",
        ),
        (lambda: bx.gallery(settings="output.dpi=3"), TypeError, "settings: expected settings by dotted na"),
        (lambda: bx.gallery(config="nowhere.yaml"), SettingsError, "nowhere.yaml"),
        (lambda: bx.gallery(config=3), TypeError, "config: expected a path as text or pathlib.Path, got 3"),
        (lambda: bx.infer(3), TypeError, "the input: expected a path as text or pathlib.Path, got 3"),
        (lambda: bx.infer(["a.png"]), TypeError, "the input: expected a path as text .*, got a list"),
        (lambda: bx.infer("a.png"), SettingsError, "no checkpoint is named"),
        (lambda: bx.compare("a.parquet"), SettingsError, "compare needs two or more different tables"),
        (lambda: bx.compare(1, 2), TypeError, "tables: expected a path as text or pathlib.Path, got 1"),
        (lambda: bx.merge(b"a", output="b"), TypeError, "parts: expected a path as text"),
        (lambda: bx.demo(None), TypeError, "folder: expected a path as text"),
        (lambda: bx.load_classifier(None), TypeError, "checkpoint: expected a path as text"),
        (
            lambda: btxrd_explain.load_classifier("demo", method="fem"),
            TypeError,
            "load_classifier\\(\\) has no keyword",
        ),
        (lambda: bx.load_classifier("demo", image_size=1), ValueError, "keyword image_size"),
        (lambda: bx.load_classifier("gone.pt"), CheckpointError, "no checkpoint at 'gone.pt': check checkpoint=$"),
        (lambda: bx.export(root="nowhere"), SettingsError, "no format is named: give to= labelme, coco"),
    ],
    ids=count(),
)
def test_wrong_calls_are_refused(
    call: Callable[[], object], kind: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(kind, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value)  # callers from Python have no flags
    assert not list(tmp_path.glob("btxrd-explain*"))


def _seen(monkeypatch: pytest.MonkeyPatch, room: Any) -> list[tuple[Settings, object]]:  # noqa: ANN401 -- a module
    """Record what a command is run with, instead of running it."""
    seen: list[tuple[Settings, object]] = []
    monkeypatch.setattr(room, "run", lambda settings, listener: seen.append((settings, listener)))
    return seen


def test_keywords_become_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = _seen(monkeypatch, infer)
    (tmp_path / "some.yaml").write_text("output: {dpi: 99, alpha: 0.2}\nmodel: {device: mps}\n")
    monkeypatch.setenv("BTXRD_EXPLAIN_MODEL__PRECISION", "bf16")
    btxrd_explain.infer(
        "a.png",
        Path("b.png"),
        checkpoint=Path("best.pt"),
        split_csv="split.csv",
        class_names=["Normal", "Benign"],
        device="cpu",
        overlay=False,
        config=tmp_path / "some.yaml",
        settings={"output.alpha": 0.3},
    )
    ((settings, listener),) = seen
    assert settings.data.inputs == ("a.png", "b.png")
    assert (settings.model.checkpoint, settings.data.split_csv) == (Path("best.pt"), Path("split.csv"))
    assert settings.model.class_names == ("Normal", "Benign")
    assert (settings.model.device, settings.output.overlay) == ("cpu", False)
    assert (settings.output.dpi, settings.output.alpha) == (99, 0.3)
    assert settings.model.precision == "fp32"  # the environment has no part
    assert isinstance(listener, AsWarnings)


@pytest.mark.parametrize("name", sorted(set(api.__all__) - set(api._HOMES)))
def test_a_command_takes_its_listener_by_keyword_and_its_result_is_in_the_reference(name: str) -> None:
    called = inspect.signature(getattr(btxrd_explain, name))
    listener = called.parameters.get("listener")
    assert listener is None or listener.kind is listener.KEYWORD_ONLY
    returned = re.findall(r"\w+Result|Method", str(called.return_annotation))
    assert returned
    assert {f".{kind}" for kind in returned} <= set(re.findall(r"^:::.*(\.\w+)$", REFERENCE, flags=re.MULTILINE))


def test_a_merge_of_nothing_says_so(tmp_path: Path) -> None:
    output = tmp_path / "predictions.parquet"
    assert_refused(lambda: btxrd_explain.merge(*tmp_path.glob("*.parquet"), output=output), SettingsError, "no tables")
    (tmp_path / "empty").mkdir()
    assert_refused(lambda: btxrd_explain.merge(tmp_path / "empty", output=output), TableError, "")


def test_a_listener_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, own = _seen(monkeypatch, gallery), AsWarnings()
    btxrd_explain.gallery(listener=own, examples_per_class=5)
    ((settings, listener),) = seen
    assert listener is own
    assert settings.gradcam.examples_per_class == 5


def test_several_methods_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    from btxrd_explain.commands import compare  # noqa: PLC0415 -- only here

    one, several = _seen(monkeypatch, annotate_iou), []
    monkeypatch.setattr(compare, "run_methods", lambda settings, _: several.append(settings))
    btxrd_explain.annotate_iou(threshold=0.3)
    btxrd_explain.annotate_iou(methods=["gradcam", "layercam"])
    assert [settings.annotation.threshold for settings, _ in one] == [0.3]
    assert [settings.evaluation.methods for settings in several] == [("gradcam", "layercam")]


def test_findings_become_warnings() -> None:
    with pytest.warns(FindingWarning, match=r"2 radiographs are copies: remove them \[duplicates\]"):
        AsWarnings().warn(Finding("duplicates", "2 radiographs are copies", "remove them"))
    with pytest.warns(FindingWarning, match=r"give label_map= L=ignore \[label\]"):
        AsWarnings().warn(Finding("label", "L may be the background", "give --label-map L=ignore"))


def test_wrong_settings_are_value_errors_with_their_exit_code() -> None:
    assert issubclass(SettingsError, ValueError)
    assert SettingsError.exit_code is ExitCode.USAGE


def test_what_is_not_a_listener_is_called_so() -> None:
    with pytest.raises(TypeError, match=r"listener: expected a btxrd_explain.progress.Listener, got 3"):
        btxrd_explain.gallery(listener=3)  # type: ignore[arg-type]
