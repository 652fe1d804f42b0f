"""No test reaches another machine; ``tests/conftest.py`` looks after each of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.network.sitecustomize import VARIABLE

ELSEWHERE = [
    ("socket.connect", (None, ("192.0.2.1", 443)), "192.0.2.1"),
    ("socket.connect", (None, ("2001:db8::1", 443, 0, 0)), "2001:db8::1"),
    ("socket.sendto", (None, ("192.0.2.1", 53)), "192.0.2.1"),
    ("socket.getaddrinfo", ("huggingface.example", 443, 0, 0, 0), "huggingface.example"),
    ("socket.getaddrinfo", (b"huggingface.example", 443, 0, 0, 0), "huggingface.example"),
    ("socket.gethostbyname", ("huggingface.example",), "huggingface.example"),
]
HERE = [
    ("socket.connect", (None, ("127.0.0.1", 443))),
    ("socket.connect", (None, ("::1", 443, 0, 0))),
    ("socket.connect", (None, "/run/socket")),
    ("socket.connect", (None, b"\0abstract")),
    ("socket.getaddrinfo", ("localhost", 443, 0, 0, 0)),
    ("socket.getaddrinfo", (None, 443, 0, 0, 0)),
    ("socket.gethostname", ()),
]
"""What Python says when a program is about to do so; nobody does it here."""


def _noted() -> str:
    notes = Path(os.environ[VARIABLE])
    text = notes.read_text() if notes.exists() else ""
    notes.unlink(missing_ok=True)
    return text


@pytest.mark.parametrize(("event", "arguments", "host"), ELSEWHERE)
def test_what_is_wanted_from_another_machine_is_noted(event: str, arguments: tuple[object, ...], host: str) -> None:
    sys.audit(event, *arguments)
    assert _noted().startswith(f"{event} {host} in ")


@pytest.mark.parametrize(("event", "arguments"), HERE)
def test_this_machine_may_be_reached(event: str, arguments: tuple[object, ...]) -> None:
    sys.audit(event, *arguments)
    assert _noted() == ""


def test_a_connection_to_this_machine_is_made_and_not_noted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    assert _noted() == ""


def test_processes_that_a_test_starts_are_watched() -> None:
    code = "import sys; sys.audit('socket.getaddrinfo', 'huggingface.example', 443, 0, 0, 0)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert _noted().startswith("socket.getaddrinfo huggingface.example in ")
