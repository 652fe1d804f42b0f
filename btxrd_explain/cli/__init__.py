"""The command line: options become settings, settings go to one workflow, its result to the console."""

import os

# pydantic would search every installed distribution for plugins of its own before it defines the first model.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from btxrd_explain.cli.app import app
from btxrd_explain.console.process import leave_warnings_of_dependencies, open_streams
from btxrd_explain.console.stopping import Stopped, exit_code_of, stop_on_signals


def main() -> None:
    """Run the command line tool; never returns."""
    try:
        stop_on_signals()
        open_streams()
        leave_warnings_of_dependencies()
        app()
    except (KeyboardInterrupt, Stopped) as stop:  # before or after the command's own boundary
        raise SystemExit(exit_code_of(stop)) from None
