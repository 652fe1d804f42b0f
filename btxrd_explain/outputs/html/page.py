"""One HTML file from the assets and the data, under a policy that lets the browser load nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass
from html import escape
from string import Template
from typing import IO, TYPE_CHECKING, Any

from btxrd_explain.outputs.html.bundle import bundle, read_asset

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the top of the page.

    Attributes:
        title: Title, as plain text.
        lead: A sentence on what the report is about, as plain text.
        banner: A warning under it, as plain text; None for none.
        beside: Whether scripts and pictures lie in a folder beside the page.
    """

    title: str
    lead: str
    banner: str | None
    beside: bool


def write_page(file: IO[bytes], head: Head, blocks: Iterable[tuple[str, Any]]) -> None:
    """Write the page, streaming its data.

    Args:
        file: Binary file, open for writing.
        head: What stands at the top.
        blocks: Id and value of each data block; values are whatever JSON can hold.
    """
    script, style = bundle("main"), read_asset("report.css")
    banner = f'<p class="banner">{escape(head.banner)}</p>' if head.banner else ""
    texts = {"title": escape(head.title), "lead": escape(head.lead), "banner": banner, "style": style, "script": script}
    before, after = read_asset("report.html").split("$data")
    file.write(Template(before).substitute(texts, policy=_policy(script, style, beside=head.beside)).encode())
    for name, value in blocks:
        file.write(f'<script type="application/json" id="{escape(name)}">{to_json(value)}</script>\n'.encode())
    file.write(Template(after).substitute(texts).encode())


def to_json(value: Any) -> str:  # noqa: ANN401 -- whatever JSON can hold
    r"""Return a value as JSON that can stand inside a script element.

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
