"""The command line: options become settings, settings go to one command, its result to the console."""

import os
import sys
from typing import Annotated

import typer

# pydantic would search every installed distribution for plugins of its own before it defines the first model.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# NumPy's matrix products are small here; on several threads their last digits could depend on the number of cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from btxrd_explain.cli import analysis, data, network
from btxrd_explain.cli.once import App, question_of
from btxrd_explain.console.process import leave, leave_warnings_of_dependencies, open_streams
from btxrd_explain.console.stopping import Stopped, exit_code_of, stop_on_signals
from btxrd_explain.errors import ExitCode
from btxrd_explain.system.importing import leave_pandas_out

app = App(
    name="btxrd-explain",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour.",
    epilog="Start with [bold]btxrd-explain demo[/bold]; 'btxrd-explain COMMAND --help' tells more. "
    "Exit codes: 0 all good, 1 some files failed or check found something, 2 usage or settings, 3 checkpoint, 4 input, "
    "5 predictions table, 6 output, 7 cluster, 70 unexpected, 130 interrupted.",
)
for group in (network.app, analysis.app, data.app):
    for command in group.registered_commands:
        command.rich_help_panel = question_of(command.name or str(getattr(command.callback, "__name__", "")))
    app.add_typer(group)
app.add_typer(data.config_app, name="config", rich_help_panel=question_of("config"))


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version  # noqa: PLC0415 -- takes long to import, and only this needs it

        sys.stdout.write(f"btxrd-explain {version('btxrd-explain')}\n")
        raise typer.Exit


@app.callback()
def root(
    *,
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour."""


def main() -> None:
    """Run the command line tool; never returns."""
    try:
        stop_on_signals()
        open_streams()
        leave_warnings_of_dependencies()
        leave_pandas_out()
        app()
    except (KeyboardInterrupt, Stopped) as stop:  # before or after the command's own boundary
        raise SystemExit(exit_code_of(stop)) from None
    except SystemExit as end:
        is_pipe = isinstance(end.__context__, BrokenPipeError)  # the reader of the help is gone; Typer says 1
        leave(ExitCode.BROKEN_PIPE if is_pipe else end.code)
    except (MemoryError, SystemError) as error:  # without memory, the interpreter may even lose the exception
        sys.stderr.write(f"error: there is too little memory ({type(error).__name__}): give it more\n")
        os._exit(ExitCode.USAGE)
    except OSError as error:  # help or version, where the standard output leads to a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered would be tried again
        sys.stderr.write(f"error: cannot write to the standard output ({error.strerror}): check where it leads\n")
        raise SystemExit(ExitCode.OUTPUT) from None
