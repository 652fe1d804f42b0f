"""The command line: options become settings, settings go to one workflow, its result to the console."""
