"""The command line: options become settings, settings go to one workflow, its result to the console."""

from btxrd_explain.cli.app import app


def main() -> None:
    """Run the command line tool; never returns."""
    app()
