"""The command line: options become settings, settings go to one workflow, its result to the console."""

import os

# pydantic would search every installed distribution for plugins of its own before it defines the first model.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from btxrd_explain.cli.app import app


def main() -> None:
    """Run the command line tool; never returns."""
    app()
