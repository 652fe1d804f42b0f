"""A classifier of the user's own: a function, named as ``package.module:callable``, that builds the network.

The function is called as ``callable(num_classes=N)`` and returns a ``torch.nn.Module`` that maps images of shape
``(B, channels, height, width)`` to class scores (logits) of shape ``(B, N)``. Only settings can name it: a checkpoint
is data and cannot make this package import anything. No torch is imported here, so that the fingerprint of a
predictions table, which includes the file that holds the function, costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORM = "name it as package.module:callable, such as my_network:build"


def call_factory(reference: str, *, num_classes: int) -> Any:  # noqa: ANN401 -- whatever the user's function returns
    """Import the function and call it with ``num_classes``; modules in the current directory are found too.

    Args:
        reference: ``package.module:callable``; the callable may be an attribute of a class.
        num_classes: Number of classes.

    Returns:
        What the function returned.

    Raises:
        SettingsError: The reference is malformed, the module or the function is missing, or one of them fails.
    """
    with _current_directory_importable():
        factory = _resolve(reference)
        try:
            return factory(num_classes=num_classes)
        except Exception as error:
            raise SettingsError(
                f"the factory '{reference}' failed when called with num_classes={num_classes} ({_reason(error)})",
                hint="it must build the network from that one argument",
            ) from error


def factory_source(reference: str) -> Path | None:
    """Return the file that holds the function, found without importing it; None where it is not a file on the path.

    Raises:
        SettingsError: The reference is malformed.
    """
    module, _ = _parts(reference)
    places: list[str] | None = [str(Path.cwd()), *sys.path]
    found = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = PathFinder.find_spec(name, places)
        if found is None:
            return None
        places = found.submodule_search_locations
    return Path(found.origin) if found is not None and found.has_location and found.origin else None


def _resolve(reference: str) -> Any:  # noqa: ANN401 -- any callable
    name, attributes = _parts(reference)
    try:
        found: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _import_failed(reference, error) from error  # something that the module itself imports
        raise SettingsError(
            f"there is no module '{error.name}' for the factory '{reference}'",
            hint="start in the folder that holds it, or install it",
        ) from error
    except Exception as error:
        raise _import_failed(reference, error) from error
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise SettingsError(
                f"module '{name}' ({getattr(sys.modules[name], '__file__', 'built in')}) has no '{attributes}'",
                hint=_FORM,
            )
        found = getattr(found, attribute)
    if not callable(found):
        raise SettingsError(f"the factory '{reference}' is a {type(found).__name__}, not a function", hint=_FORM)
    return found


def _parts(reference: str) -> tuple[str, str]:
    """Split a reference into the names of module and callable."""
    module, colon, attributes = reference.partition(":")
    names = module.split(".") + attributes.split(".")
    if not colon or not all(name.isidentifier() for name in names):
        raise SettingsError(f"'{reference}' names no factory", hint=_FORM)
    return module, attributes


@contextmanager
def _current_directory_importable() -> Iterator[None]:
    """Let modules in the current directory be imported, as ``python -m`` does and an installed command does not."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()  # the file may be younger than the process
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _import_failed(reference: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"importing the factory '{reference}' failed ({_reason(error)})", hint="make the module importable by itself"
    )


def _reason(error: Exception) -> str:
    """Return an exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
