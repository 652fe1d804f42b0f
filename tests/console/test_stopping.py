"""Signals that ask this process to end raise, with the exit code that shells give."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from btxrd_explain.console import stopping
from btxrd_explain.console.stopping import Stopped, exit_code_of, stop_on_signals, swallowed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no signal be ignored, as those of work in the background are; give them back after each test."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    monkeypatch.setattr(stopping, "_received", [])
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_with_the_exit_code_of_shells(number: signal.Signals) -> None:
    stop_on_signals()
    assert swallowed() is None
    with pytest.raises(Stopped) as caught:
        signal.raise_signal(number)
    assert caught.value.exit_code == 128 + number
    assert exit_code_of(caught.value) == 128 + number
    assert swallowed() is caught.value


def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_on_signals()
    signal.raise_signal(signal.SIGHUP)
    assert swallowed() is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_nothing_that_catches_errors_catches_it() -> None:
    assert not issubclass(Stopped, Exception | KeyboardInterrupt)


def test_ctrl_c_without_our_signals_has_its_usual_exit_code() -> None:
    assert exit_code_of(KeyboardInterrupt()) == 130
