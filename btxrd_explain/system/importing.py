"""Functions of the user's own, which settings name as ``package.module:callable``.

Only settings can name one: a file is data and cannot make this package import anything. The file that defines the
function is found without importing it, so that the fingerprint of a predictions table, which includes it, is quick.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import SettingsError
from btxrd_explain.plain import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator


_of_the_command_line: list[bool] = []


def leave_pandas_out() -> None:
    """Let PyArrow take pandas for not installed, as soon as :func:`settle_pyarrow` is called in this process.

    PyArrow imports pandas wherever it is installed, with the first value that it converts, only to see whether it is
    given something of it: half a second of each command, and 48 MiB. For a process of the command line alone: from
    then on, ``pyarrow.array`` takes NaN of a pandas series for a number, until ``to_pandas()`` imports pandas.
    """
    _of_the_command_line.append(True)


def settle_pyarrow() -> None:
    """Let PyArrow look for pandas now and find none, if :func:`leave_pandas_out` was called; nobody else is told so."""
    if not _of_the_command_line or "pandas" in sys.modules:
        return
    import pyarrow as pa  # the caller has it

    absent = _PandasAbsent()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([None])  # its part in Python and its part in C++ look once each
    finally:
        sys.meta_path.remove(absent)


class _PandasAbsent(MetaPathFinder):
    """Finds that pandas is not installed."""

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> None:
        """Raise ModuleNotFoundError where pandas is asked for."""
        if fullname == "pandas":
            raise ModuleNotFoundError(f"No module named '{fullname}'", name=fullname)


def source_of(reference: str, kind: str) -> Path | None:
    """Return the file that holds the function, found without importing it; None where it is not a file on the path.

    Args:
        reference: ``package.module:callable``.
        kind: What the function is for, ``factory`` or ``transform``, for the message.

    Raises:
        SettingsError: The reference is malformed.
    """
    module, _ = _parts(reference, kind)
    places = [str(Path.cwd()), *sys.path]
    found = None
    for part in module.split("."):  # by their full names, folders without __init__.py ask for the imported package
        found = PathFinder.find_spec(part, places)
        if found is None:
            return None
        places = list(found.submodule_search_locations or ())
    return Path(found.origin) if found is not None and found.has_location and found.origin else None


def resolve(reference: str, kind: str) -> Any:  # noqa: ANN401 -- any callable
    """Import the function; modules in the current directory are found too.

    Args:
        reference: ``package.module:callable``; the callable may be an attribute of a class.
        kind: What the function is for, ``factory`` or ``transform``, for the message.

    Raises:
        SettingsError: The reference is malformed, or the module or the function is missing or cannot be imported.
    """
    name, attributes = _parts(reference, kind)
    try:
        with current_directory_importable():
            found: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _import_failed(reference, kind, error) from error  # something that the module itself imports
        raise SettingsError(
            f"no module is called '{error.name}' for the {kind} '{reference}'",
            hint="start in the folder that holds it, or install it",
        ) from error
    except Exception as error:
        raise _import_failed(reference, kind, error) from error
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise SettingsError(
                f"module '{name}' ({getattr(sys.modules[name], '__file__', 'built in')}) has no '{attributes}'",
                hint=_form(kind),
            )
        found = getattr(found, attribute)
    if not callable(found):
        raise SettingsError(f"the {kind} '{reference}' is {kind_of(found)}, not a function", hint=_form(kind))
    return found


@contextmanager
def current_directory_importable() -> Iterator[None]:
    """Let modules in the current directory be imported, as ``python -m`` does and an installed command does not."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()  # the file may be younger than the process
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def reason_of(error: BaseException) -> str:
    r"""Return an exception in one line.

    >>> reason_of(ValueError("no luck\ntoday"))
    'ValueError: no luck'
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _parts(reference: str, kind: str) -> tuple[str, str]:
    """Split a reference into the names of module and callable."""
    module, colon, attributes = reference.partition(":")
    names = module.split(".") + attributes.split(".")
    if not colon or not all(name.isidentifier() for name in names):
        raise SettingsError(f"'{reference}' names no {kind}", hint=_form(kind))
    return module, attributes


def _form(kind: str) -> str:
    example = {"factory": "my_network:build", "transform": "my_images:transform"}[kind]
    return f"name it as package.module:callable, such as {example}"


def _import_failed(reference: str, kind: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"importing the {kind} '{reference}' failed ({reason_of(error)})", hint="make the module importable by itself"
    )
