"""Settings as command line flags: each command names the settings that it takes, and the catalogue tells the rest."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from btxrd_explain.console.terminal import Terminal
from btxrd_explain.core.methods import METHODS
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import SETTINGS, Setting, load_settings

_SHORT = {"model.checkpoint": "-c", "output.directory": "-o"}
_REPEATABLE = frozenset({"model.checkpoint"})
"""Settings that take one value or a list, and whose flag may be given several times."""

_PANELS = {
    "data": "What to work on",
    "model": "Network",
    "preprocess": "Network",
    "gradcam": "Heat maps",
    "annotation": "Annotations",
    "evaluation": "Evaluation",
    "sanity": "Checks",
    "intervention": "Checks",
    "check": "Checks",
    "output": "Results",
    "run": "How it runs",
    "export": "Format",
    "maps": "Heat maps",
    "report": "Results",
}

_Command = Callable[..., ExitCode]

Config = Annotated[
    Path | None,
    typer.Option(help="YAML file with settings; 'btxrd-explain config init' writes one.", rich_help_panel="Settings"),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting by its dotted name, such as output.dpi=300; repeatable.",
        rich_help_panel="Settings",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print results as JSON on stdout, and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Results and errors only: no notes, no progress.")]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Also a line per image, timings, and where unexpected errors come from."),
]


def command(*names: str, **further: Any) -> Callable[[_Command], Callable[..., None]]:  # noqa: ANN401 -- annotations
    """Make a function of settings a Typer command with a flag for each named setting.

    The command gets the loaded settings and the terminal, and returns an exit code. Errors of the package, an
    interrupt and a closed pipe end in the terminal's one error boundary.

    Args:
        names: Dotted names of the settings that get a flag; ``data.inputs`` becomes the argument INPUT.
        further: Parameters that are not settings, name to Typer annotation; the command gets them as keywords, None
            where they are not given.
    """

    def decorate(function: _Command) -> Callable[..., None]:
        def run(
            *,
            config: Path | None,
            assignments: list[str] | None,
            json: bool,
            quiet: bool,
            verbose: bool,
            **given: object,
        ) -> None:
            terminal = Terminal(json=json, quiet=quiet, verbose=verbose)
            flags = {name: _value(name, given[SETTINGS[name].key]) for name in names}
            others = {name: given[name] for name in further}
            code = terminal.guarded(
                lambda: function(load_settings(config, flags, assignments or ()), terminal, **others)
            )
            raise typer.Exit(code)

        parameters = [_keyword(name, annotation, default=None) for name, annotation in further.items()]
        parameters += [_parameter(SETTINGS[name]) for name in names]
        parameters += [
            _keyword("config", Config, default=None),
            _keyword("assignments", Assignments, default=None),
        ]
        switches = {"json": Json, "quiet": Quiet, "verbose": Verbose}
        parameters += [_keyword(name, annotation, default=False) for name, annotation in switches.items()]
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def examples(*lines: str) -> str:
    """Return the examples under a command's help, as Typer takes them."""
    return "Examples:\n\n" + "\n\n".join(f"[dim]$[/dim] btxrd-explain {line}" for line in lines)


def _parameter(setting: Setting) -> inspect.Parameter:
    """Return a setting as the parameter that Typer reads; text, so that one place says what is allowed."""
    if setting.name == "data.inputs":
        argument = typer.Argument(
            metavar="[INPUT]...",
            help="Images, folders, a split CSV, a BTXRD root, or - for paths on the standard input.",
        )
        return _keyword(setting.key, Annotated[list[str] | None, argument], default=None)
    panel = _PANELS[setting.section]
    if isinstance(setting.default, bool) or setting.name == "output.overlay":
        switch = typer.Option(
            f"{setting.flag}/--no-{setting.flag[2:]}", help=_literal(setting.description), rich_help_panel=panel
        )
        return _keyword(setting.key, Annotated[bool | None, switch], default=None)
    flags = [_SHORT[setting.name], setting.flag] if setting.name in _SHORT else [setting.flag]
    option = typer.Option(*flags, metavar=_metavar(setting), help=_help(setting), rich_help_panel=panel)
    if isinstance(setting.default, tuple) or setting.name in _REPEATABLE:
        return _keyword(setting.key, Annotated[list[str] | None, option], default=None)
    return _keyword(setting.key, Annotated[str | None, option], default=None)


def _value(name: str, given: object) -> object:
    """Return the value of a flag: one that takes a list and is given once may hold several, separated by commas."""
    return given[0] if isinstance(given, list) and len(given) == 1 and name != "data.inputs" else given


def _keyword(name: str, annotation: Any, *, default: object) -> inspect.Parameter:  # noqa: ANN401 -- any annotation
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _help(setting: Setting) -> str:
    """Return the description of a setting with its default, as the settings file tells it."""
    text = setting.description
    if setting.name == "gradcam.method":
        text += " In brackets the cost for all classes, in forward passes:"
        text += "".join(f"\n\n{method.name}: {method.summary} ({method.cost})" for method in METHODS.values())
    return _literal(text if setting.default in (None, ()) else f"{text} [default: {setting.default}]")


def _literal(text: str) -> str:
    r"""Return a text whose brackets the help shows as they are; rich takes words within brackets for its markup.

    >>> _literal("pip install 'btxrd-explain[ray]'")
    "pip install 'btxrd-explain\\[ray]'"
    """
    return re.sub(r"\[(?=[a-z#/@])", r"\\[", text)


def _metavar(setting: Setting) -> str:
    return setting.key.upper().rsplit("_", 1)[-1]
