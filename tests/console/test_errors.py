from __future__ import annotations

import pytest

from btxrd_explain.errors import BtxrdExplainError, InputError, TableError


@pytest.mark.parametrize("text", ["two\nlines", "\x1b]0;title\x07", "left\u202eright", "\udcff", "\x00", "\u2028"])
def test_what_is_quoted_stays_on_one_line(text: str) -> None:
    error = InputError(f"cannot read '{text}.png'", hint=f"look at {text}")
    assert str(error).isprintable()
    assert str(error).startswith("cannot read '")
    assert ".png': look at" in str(error)


def test_printable_text_stays_to_the_letter() -> None:
    text = "Größe 3 × 4 in 'C:\\日本\\a.png'"
    assert str(InputError(text, hint="kürzer")) == f"{text}: kürzer"


@pytest.mark.parametrize("sign", ["x", "\x1b"])
def test_what_is_quoted_cannot_make_a_message_endless(sign: str) -> None:
    error = TableError(f"no table '{sign * 10**7}'", hint="name another")
    assert len(str(error)) <= 1000
    assert str(error).startswith("no table '")
    assert str(error).endswith("': name another")
    assert len(str(BtxrdExplainError("what", hint=sign * 10**7))) <= 1000
