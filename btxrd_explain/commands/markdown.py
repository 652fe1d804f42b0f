"""Reports in Markdown: numbers with intervals, tables, and text of other people that shows to the letter."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.preprocess import in_words
from btxrd_explain.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from btxrd_explain.evaluation.parts import Estimate
    from btxrd_explain.finding import Finding


def interval(found: Estimate | None) -> str:
    """Write a number with its interval, such as ``0.051 [0.012, 0.105]``; an undefined one as a dash."""
    if found is None or found.low is None or found.high is None:
        return number(None if found is None else found.mean)
    return f"{found.mean:z.3f} [{found.low:z.3f}, {found.high:z.3f}]"


def plain_markdown(text: str) -> str:
    r"""Return foreign text, such as names of files, classes and columns, as Markdown that shows it to the letter.

    >>> print(plain_markdown("<img src=x> [a](b) *c* d_e `f` $g$"))
    &lt;img src=x&gt; \[a\](b) \*c\* d\_e \`f\` \$g\$
    """
    return re.sub(r"([\\`*_\[\]~$])", r"\\\1", escape(plain(text), quote=False))


def code(text: str) -> str:
    """Return foreign text as code, in which nothing else is markup."""
    return "`" + plain(text).replace("`", "'") + "`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def number(value: float | None) -> str:
    """Write a number; an undefined one as a dash."""
    return "–" if value is None else f"{value:z.3f}"


def caveats(warnings: Iterable[Finding], limits: Iterable[str]) -> Iterator[str]:
    """Yield the sections of warnings, where there are any, and of limits."""
    warned = [f"{one.message}: {one.advice} ({one.code})" for one in warnings]
    if warned:
        yield _listed("Warnings", warned)
    yield _listed("Limits", limits)


def _listed(heading: str, lines: Iterable[str]) -> str:
    return f"## {heading}\n\n" + "\n".join(f"- {plain_markdown(line)}" for line in lines)


def definitions(said: Mapping[str, str]) -> str:
    """Return the section that says what the names of a report mean."""
    lines = (f"- *{plain_markdown(name)}*: {plain_markdown(meaning)}." for name, meaning in said.items())
    return "## Definitions\n\n" + "\n".join(lines)


def provenance_table(made: Mapping[str, Any]) -> str:
    """Return how a table of predictions was made, as a table."""
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return table(
        ["", ""],
        [
            *([["predictions table", _named_table(made)]] if "table" in made else []),
            ["fingerprint", made["fingerprint"]],
            ["checkpoint", f"{plain_markdown(made['checkpoint'])} ({made['checkpoint_sha256']})"],
            ["network", plain_markdown(made["architecture"])],
            ["preprocessing", plain_markdown(in_words(made["preprocessing"]))],
            ["versions", plain_markdown(versions)],
            *([["notes", plain_markdown("; ".join(made["notes"]))]] if made["notes"] else []),
        ],
    )


def _named_table(made: Mapping[str, Any]) -> str:
    """Return the name and the hash of a table's file, or files."""
    return f"{plain_markdown(made['table'])} (SHA-256 {made['table_sha256'] or 'not known'})"
