"""One HTML file from the assets and the data, under a policy that lets the browser load nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# The page's scripts as one: modules of the assets, each in a scope of its own, in the order of their imports.
#
# A page that is opened from the disk may not load modules, and one file is what travels by mail. So much of the module
# syntax is understood as the assets use: ``import { a, b } from "./name.js";`` and ``export`` before a declaration.

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


@dataclass(frozen=True, slots=True)
class Head:
    """What is at the top of the page.

    Attributes:
        title: Title, as plain text.
        lead: A sentence on what the report is about, as plain text.
        conclusion: What the numbers say, a sentence each, as plain text.
        banner: A warning under it, as plain text; None for none.
        beside: Whether scripts and pictures are in a folder next to the page.
    """

    title: str
    lead: str
    conclusion: tuple[str, ...]
    banner: str | None
    beside: bool


def write_page(file: IO[bytes], head: Head, blocks: Iterable[tuple[str, Any]]) -> None:
    """Write the page, streaming its data.

    Args:
        file: Binary file, open for writing.
        head: What is at the top.
        blocks: Id and value of each data block; values are whatever JSON can hold.
    """
    script, style = bundle("main"), read_asset("report.css")
    banner = f'<p class="banner">{escape(head.banner)}</p>' if head.banner else ""
    conclusion = "".join(f"<li>{escape(sentence)}</li>" for sentence in head.conclusion)
    texts = {"title": escape(head.title), "lead": escape(head.lead), "banner": banner, "style": style, "script": script}
    texts["conclusion"] = f'<ul class="conclusion">{conclusion}</ul>' if conclusion else ""
    before, after = read_asset("report.html").split("$data")
    file.write(Template(before).substitute(texts, policy=_policy(script, style, beside=head.beside)).encode())
    for name, value in blocks:
        file.write(f'<script type="application/json" id="{escape(name)}">{to_json(value)}</script>\n'.encode())
    file.write(Template(after).substitute(texts).encode())


def to_json(value: Any) -> str:  # noqa: ANN401 -- whatever JSON can hold
    r"""Return a value as JSON that can be inside a script element.

    Text that would end the element is written with escapes; so is all that is not ASCII, for names of files may hold
    what no encoding takes.

    Raises:
        ValueError: The value holds NaN or an infinity.

    >>> to_json({"name": "</script>\udcff"}) == r'{"name":"\u003c/script>\udcff"}'
    True
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _policy(script: str, style: str, *, beside: bool) -> str:
    """Return the content security policy: our own script and style by their hashes, pictures from the page itself."""
    here = " file: 'self'" if beside else ""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'{here}",
            f"style-src '{_hash(style)}'",
            f"img-src data:{here}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
