"""Write the texts of the reference that are made from the code into its pages, as ``nox -s references`` does."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from btxrd_explain import errors
from btxrd_explain.commands import config
from btxrd_explain.model.aliases import FACTS
from btxrd_explain.model.aliases import SECTIONS as CHECKPOINT_SECTIONS
from btxrd_explain.settings import SECTIONS, SETTINGS, section_description
from btxrd_explain.settings.flags import FLAGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def commands() -> str:
    """Return the help of all commands, as Typer documents them."""
    command = [sys.executable, "-m", "typer", "btxrd_explain.cli", "utils", "docs", "--name", "btxrd-explain"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = re.sub(r"\[/?(?:bold|dim)\]", "", text).replace("\\[", "[")
    text = re.sub(r"(\* `[A-Z|]+) <[^>]*>`", r"\1`", text)  # the types of arguments, in Python's words
    text = re.sub(r"(?<=Examples:\n\n)(?:btxrd-explain .*\n+)+", _examples, text)
    return text.partition("**Commands**")[0].partition("\n")[2] + "".join(_sections(text))


def _sections(text: str) -> Iterator[str]:
    """Yield the sections of the single commands."""
    for section in text.split("\n## ")[1:]:
        yield f"\n## {section}\n"


def _examples(lines: re.Match[str]) -> str:
    """Return lines of examples as a block of code."""
    return "\n".join(["```sh", *filter(None, lines[0].splitlines()), "```", "", ""])


def settings() -> str:
    """Return a table of settings per section, each with its flag where a command has one."""
    defaults = {row.name: row.value for row in config.run(environ={}).rows}
    flags = set(chain.from_iterable(FLAGS.values())) - {"data.inputs"}  # which is an argument
    parts = []
    for section in SECTIONS:
        rows = [
            (
                f"`{setting.key}`" + (f", `{setting.flag}`" if setting.name in flags else ""),
                setting.description,
                setting.allowed,
                f"`{defaults[setting.name]}`",
            )
            for setting in SETTINGS.values()
            if setting.section == section
        ]
        table = _table(("setting, and its flag", "meaning", "value", "default"), rows)
        parts.append(f"## {section}\n\n{section_description(section)}\n\n{table}")
    return "\n\n".join(parts)


def checkpoint_facts() -> str:
    """Return a table of the names of facts in checkpoints, and one of the sections in which they are looked for."""
    facts = [
        (aliases.meaning, _code(aliases.certain), _code(aliases.likely), _code(aliases.within))
        for aliases in FACTS.values()
    ]
    columns = ("fact", "names", "names that may mean something else", "names for the fact in sections of its kind only")
    kinds = {aliases.kind: aliases.meaning for aliases in FACTS.values() if aliases.within}
    sections = [(kind, _code(names), kinds.get(kind, "")) for kind, names in CHECKPOINT_SECTIONS.items()]
    of_sections = _table(("kind of section", "names", "where more names count for the"), sections)
    return f"{_table(columns, facts)}\n\n{of_sections}"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def exit_codes() -> str:
    """Return the table of exit codes, which the module of errors documents."""
    return "\n".join(line for line in (errors.__doc__ or "").splitlines() if line.startswith("|"))


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a Markdown table; bars in cells are escaped."""
    lines = [list(columns)]
    lines.append(["---"] * len(lines[0]))
    lines += [[" ".join(str(cell).replace("|", r"\|").replace("<", "&lt;").split()) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TEXTS = {"commands": commands, "settings": settings, "exit_codes": exit_codes, "checkpoint_facts": checkpoint_facts}
"""What makes the texts that are kept in pages of the reference, by their names."""
_REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
PAGES = [_REFERENCE / f"{name.replace('_', '-')}.md" for name in TEXTS]


def written(page: str) -> str:
    """Return a page with its texts as they are today, each between two comments."""
    marked = r"(?s)(<!-- (\w+) from the code -->\n).*?(<!-- end -->)"
    return re.sub(marked, lambda found: f"{found[1]}\n{TEXTS[found[2]]().strip()}\n\n{found[3]}", page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(written(path.read_text("utf-8")), "utf-8")
