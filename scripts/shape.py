"""The shape of the package in numbers: sizes of modules, who imports whom, and whether a command finds its room.

``nox -s shape`` prints the table. Imports count wherever they are: at the top, in a function, or for type checkers.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PACKAGE = "btxrd_explain"
SMALL = 60
"""Lines below which a module needs two importers."""

_DIALECT = re.compile(
    r"\b(?:is|are) no \w|Say whether|\bshares? of\b|held against|\bbeside (?:the|its?|an?|that|those|them)\b"
    r"|\bstands? (?:in|at|before|beside)\b|\bmend(?:s|ed|ing)?\b|\bof others\b|means ill"
)


@dataclass(frozen=True)
class Shape:
    """What the source says of itself.

    Args:
        root: The folder that holds the package and ``tests/``.
    """

    root: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """The module files by their dotted names."""
        names = (path.relative_to(self.root).with_suffix("") for path in self.root.glob(f"{PACKAGE}/**/*.py"))
        return {".".join(name.parts).removesuffix(".__init__"): self.root / name.with_suffix(".py") for name in names}

    @cached_property
    def sources(self) -> dict[str, str]:
        """The source text of each module."""
        return {name: path.read_text("utf-8") for name, path in self.files.items()}

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The syntax tree of each module."""
        return {name: ast.parse(source) for name, source in self.sources.items()}

    @cached_property
    def lines(self) -> dict[str, int]:
        """The number of lines of each module."""
        return {name: len(source.splitlines()) for name, source in self.sources.items()}

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """The modules of the package that each module imports."""
        return {name: {found for found in self._imported(tree) if found != name} for name, tree in self.trees.items()}

    def _imported(self, tree: ast.Module) -> set[str]:
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in self.files else node.module for name in inner}
            elif isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
        return names & set(self.files)

    @property
    def import_lines(self) -> int:
        """The number of lines that import something."""
        nodes = [node for tree in self.trees.values() for node in ast.walk(tree)]
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        return sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in imports)

    @property
    def small(self) -> list[str]:
        """Modules of few lines that one other module imports; packages' own files and entry points do not count."""
        counted = [name for name, path in self.files.items() if path.stem not in {"__init__", "__main__"}]
        importers = {name: sum(name in found for found in self.imports.values()) for name in counted}
        return sorted(name for name in counted if self.lines[name] < SMALL and importers[name] == 1)

    @property
    def circles(self) -> list[list[str]]:
        """Groups of modules of which each reaches the others by imports."""
        reach = {name: self._reached_from(name) for name in self.files}
        groups = {tuple(sorted({name} | {other for other in reach[name] if name in reach[other]})) for name in reach}
        return sorted(list(group) for group in groups if len(group) > 1)

    def _reached_from(self, name: str) -> set[str]:
        found: set[str] = set()
        front = [name]
        while front:
            news = self.imports[front.pop()] - found
            found |= news
            front += news
        return found

    @property
    def bodies(self) -> list[int]:
        """The number of lines of each function's body, without its docstring, sorted."""
        functions = [
            node
            for tree in self.trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        bodies = [node.body[1:] if ast.get_docstring(node) else node.body for node in functions]
        return sorted((body[-1].end_lineno or 0) - body[0].lineno + 1 for body in bodies if body)

    @property
    def dialect(self) -> int:
        """How often the source says what ``docs/style.md`` replaces, as far as a program can tell."""
        return sum(len(_DIALECT.findall(source)) for source in self.sources.values())

    @property
    def test_lines(self) -> int:
        """The number of lines under ``tests/``."""
        return sum(len(path.read_text("utf-8").splitlines()) for path in self.root.glob("tests/**/*.py"))

    def homeless(self, commands: list[str]) -> list[str]:
        """Return the commands without a package or module of their name below ``commands/``."""
        folder = self.root / PACKAGE / "commands"
        stems = {path.stem for path in folder.iterdir()}
        return [command for command in commands if command.replace("-", "_") not in stems]

    def without_result(self, commands: list[str]) -> list[str]:
        """Return the commands whose module has no class of results that is called like them."""
        homes = {command: f"{PACKAGE}.commands.{command.replace('-', '_')}" for command in commands}
        classes = {
            command: {node.name.lower() for node in self.trees[home].body if isinstance(node, ast.ClassDef)}
            for command, home in homes.items()
            if home in self.trees
        }
        return [one for one in commands if f"{one.replace('-', '')}result" not in classes.get(one, ())]

    def untested(self, commands: list[str]) -> list[str]:
        """Return the commands without a test file whose name begins with theirs, or a folder of tests that has it."""
        folder = self.root / "tests" / "commands"
        names = [command.replace("-", "_") for command in commands]
        return [name for name in names if not [*folder.glob(f"test_{name}*.py"), *folder.glob(f"{name}/test_*.py")]]


def commands() -> list[str]:
    """Return the names of the commands as users type them."""
    import typer.main  # noqa: PLC0415 -- only here

    from btxrd_explain.cli import app  # noqa: PLC0415 -- likewise

    return sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def table(shape: Shape, names: list[str]) -> list[tuple[str, str]]:
    """Return what is measured, and its value."""
    total = sum(shape.lines.values())
    bodies = shape.bodies
    return [
        ("modules", str(len(shape.files))),
        ("lines", str(total)),
        ("lines that import", f"{shape.import_lines} ({shape.import_lines / total:.1%})"),
        ("lines of a module: median, most", f"{median(shape.lines.values()):.0f}, {max(shape.lines.values())}"),
        (f"modules below {SMALL} lines with one importer", str(len(shape.small))),
        ("import circles", str(len(shape.circles))),
        ("commands without a module of their name", f"{len(shape.homeless(names))} of {len(names)}"),
        ("commands without results of their name", f"{len(shape.without_result(names))} of {len(names)}"),
        ("commands without a test of their name", f"{len(shape.untested(names))} of {len(names)}"),
        ("lines of a function's body: median, most", f"{median(bodies):.0f}, {bodies[-1]}"),
        ("dialect", str(shape.dialect)),
        ("test lines for a source line", f"{shape.test_lines / total:.2f}"),
    ]


def main() -> None:
    """Print the table, then what stands out by name."""
    shape, names = Shape(ROOT), commands()
    for what, value in table(shape, names):
        sys.stdout.write(f"{what:<50} {value}\n")
    by_name = {"homeless": shape.homeless, "without results": shape.without_result, "untested": shape.untested}
    for what, found in [("small", shape.small), *((what, find(names)) for what, find in by_name.items())]:
        if found:
            sys.stdout.write(f"{what}: {', '.join(found)}\n")
    for circle in shape.circles:
        sys.stdout.write(f"circle: {', '.join(circle)}\n")


if __name__ == "__main__":
    main()
