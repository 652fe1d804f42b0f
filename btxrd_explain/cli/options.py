"""Settings as command line flags: each command names the settings that it takes, and the catalogue tells the rest."""

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from btxrd_explain.cli.completion import complete_assignment, completion_of
from btxrd_explain.cli.flag_texts import notes_of, text_of
from btxrd_explain.cli.once import HelpAll
from btxrd_explain.console.terminal import Terminal
from btxrd_explain.errors import ExitCode
from btxrd_explain.settings import SETTINGS, LoadedSettings, load_settings
from btxrd_explain.settings.flags import check_results
from btxrd_explain.system.places import is_url

_SHORT = {"model.checkpoint": "-c", "output.directory": "-o"}
_REPEATABLE = frozenset({"model.checkpoint", "study.second_checkpoint"})
"""Settings that take one value or a list, and whose flag may be given several times."""
_MAIN = frozenset(
    {
        *("data.annotations", "data.split_csv", "data.split", "model.checkpoint", "gradcam.method"),
        *("annotation.threshold", "export.to", "output.directory"),
        *("evaluation.methods", "evaluation.agreement", "report.layout", "check.fail_on", "maps.scores", "maps.ids"),
        *("sanity.sample", "sanity.stability", "study.second_checkpoint", "gradcam.examples_per_class"),
    }
)
"""Settings whose flags most runs need: they are in the first panel, and ``--help`` shows no others."""

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
    "study": "Network",
}

_Command = Callable[..., ExitCode]


Config = Annotated[
    Path | None,
    typer.Option(metavar="YAML", help="Settings file; 'config init' writes one."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting by its dotted name, such as output.dpi=300; repeatable.",
        rich_help_panel="How it runs",
        autocompletion=complete_assignment,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Results and errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="A line per image, timings, error details.")]


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
            all_flags: bool,  # noqa: ARG001 -- it has shown all flags and ended
            **given: object,
        ) -> None:
            terminal = Terminal(json=json, quiet=quiet, verbose=verbose)
            flags = {name: _value(name, given[SETTINGS[name].key]) for name in names}
            others = {name: given[name] for name in further}

            def loaded_and_run() -> ExitCode:
                loaded = load_settings(config, flags, assignments or ())
                check_results(function.__name__.replace("_", "-"), loaded.settings)
                for text in (*loaded.ignored, *_on_folder(loaded)):
                    terminal.note(text)
                return function(loaded, terminal, **others)

            raise typer.Exit(terminal.guarded(loaded_and_run))

        parameters = [_keyword(name, annotation, default=None) for name, annotation in further.items()]
        parameters += [_parameter(name) for name in names]
        parameters += [
            _keyword("config", Config, default=None),
            _keyword("assignments", Assignments, default=None),
        ]
        switches = {"all_flags": HelpAll, "json": Json, "quiet": Quiet, "verbose": Verbose}
        parameters += [_keyword(name, annotation, default=False) for name, annotation in switches.items()]
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _on_folder(loaded: LoadedSettings) -> Iterator[str]:
    """Tell where results go that nobody named a folder for, if it is the folder of another table."""
    output = loaded.settings.output
    if output.predictions is None or loaded.origins["output.directory"] != "default":
        return
    other, named = output.directory / "predictions.parquet", output.predictions
    if other.exists() and (is_url(named) or not (named.exists() and other.samefile(named))):
        yield (
            f"results go to '{output.directory}', which has another table than '{output.predictions}': name a folder "
            "for them with -o"
        )


def examples(*lines: str, settings: bool = True) -> str:
    """Return the examples under a command's help, as Typer takes them, and where its settings are told of in full."""
    shown = "\n".join(_literal(f"btxrd-explain {line}") for line in lines)
    return f"Examples:\n\n{shown}" + (f"\n\n{_IN_FULL}" if settings else "")


_IN_FULL = (
    "Each switch has its opposite, such as --no-strict. All settings in full: 'btxrd-explain config init', and "
    "docs/reference/settings.md."
)


@cache
def _parameter(name: str) -> inspect.Parameter:
    """Return a setting as the parameter that Typer reads; text, so that one place says what is allowed.

    Made once for all commands: what a setting may be is asked of its section's JSON Schema.
    """
    setting = SETTINGS[name]
    if setting.name == "data.inputs":
        argument = typer.Argument(
            metavar="INPUT",
            help="Images, folders, a split CSV, a BTXRD root, or - (stdin).",
            show_default=False,
        )
        return _keyword(setting.key, Annotated[list[str] | None, argument], default=None)
    panel = None if setting.name in _MAIN else _PANELS[setting.section]
    shown, said = text_of(setting), " ".join(filter(None, (text_of(setting).text, notes_of(setting))))
    if isinstance(setting.default, bool) or setting.name == "output.overlay":
        switch = typer.Option(f"{setting.flag}/--no-{setting.flag[2:]}", help=_literal(said), rich_help_panel=panel)
        return _keyword(setting.key, Annotated[bool | None, switch], default=None)
    flags = [_SHORT[setting.name], setting.flag] if setting.name in _SHORT else [setting.flag]
    option = typer.Option(
        *flags,
        metavar=shown.metavar,
        help=_literal(said),
        rich_help_panel=panel,
        autocompletion=completion_of(setting),
    )
    if isinstance(setting.default, tuple) or setting.name in _REPEATABLE:
        return _keyword(setting.key, Annotated[list[str] | None, option], default=None)
    return _keyword(setting.key, Annotated[str | None, option], default=None)


def _value(name: str, given: object) -> object:
    """Return the value of a flag: one that takes a list and is given once may hold several, separated by commas."""
    return given[0] if isinstance(given, list) and len(given) == 1 and name != "data.inputs" else given


def _keyword(name: str, annotation: Any, *, default: object) -> inspect.Parameter:  # noqa: ANN401 -- any annotation
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _literal(text: str) -> str:
    r"""Return a text whose brackets the help shows as they are; rich takes words within brackets for its markup.

    >>> _literal("pip install 'btxrd-explain[ray]'")
    "pip install 'btxrd-explain\\[ray]'"
    """
    return re.sub(r"\[(?=[a-z#/@])", r"\\[", text)
