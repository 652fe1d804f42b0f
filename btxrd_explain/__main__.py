"""``python -m btxrd_explain`` is the command line tool."""

from btxrd_explain.cli import main

if __name__ == "__main__":
    main()
