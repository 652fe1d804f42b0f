"""``btxrd-explain`` and ``python -m btxrd_explain``: the command line tool, to be stopped from its first line."""

import _signal as signal  # type: ignore[import-not-found] # the part in C: Python's own takes time, and Ctrl-C is not ours yet
import os


def main() -> None:
    """Run the command line tool; never returns.

    Its own modules take a moment to be imported. A signal that comes before the tool listens ends it at once and in
    silence: nothing has begun.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from btxrd_explain import cli  # noqa: PLC0415 -- see above

    cli.main()


def _leave(number: int, _frame: object) -> None:
    os._exit(128 + number)  # whatever is being imported might swallow or show an exception


if __name__ == "__main__":
    main()
