"""The page's scripts as one: modules of the assets, each in a scope of its own, in the order of their imports.

A page that is opened from the disk may not load modules, and one file is what travels by mail. So much of the module
syntax is understood as the assets use: ``import { a, b } from "./name.js";`` and ``export`` before a declaration.
"""

from __future__ import annotations

import re
from importlib.resources import files

_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";\n', flags=re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async function|function|class|const) (\w+))", flags=re.MULTILINE)
_LEFT = re.compile(r"^(import|export)\b.*", flags=re.MULTILINE)


def read_asset(name: str) -> str:
    """Return the text of a file that the package ships for the page."""
    return files(__package__).joinpath("assets", name).read_text("utf-8")


def bundle(entry: str) -> str:
    """Join a module and all that it imports into one script.

    Args:
        entry: Name of the module, without ``.js``.

    Returns:
        A script in strict mode that leaves no global names behind.

    Raises:
        ValueError: Modules import each other in a circle, or use syntax that is not understood.
    """
    modules: dict[str, str] = {}
    _add(entry, modules, ())
    return "\n".join(['(() => {\n"use strict";', *modules.values(), "})();"])


def _add(name: str, modules: dict[str, str], importers: tuple[str, ...]) -> None:
    """Add a module after those that it imports."""
    if name in importers:
        raise ValueError(f"modules import each other in a circle: {' -> '.join((*importers, name))}")
    if name in modules:
        return
    source = read_asset(f"{name}.js")
    for _, imported in _IMPORT.findall(source):
        _add(imported, modules, (*importers, name))
    modules[name] = _scoped(name, source)


def _scoped(name: str, source: str) -> str:
    """Turn a module into a function that is called once and returns what is exported."""
    exported = [found for _, found in _EXPORT.findall(source)]
    body = _EXPORT.sub(r"\1", _IMPORT.sub(r"const { \1 } = $\2;\n", source))
    if left := _LEFT.search(body):
        raise ValueError(f"{name}.js: cannot bundle '{left[0]}'")
    return f"const ${name} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();"
