"""Flags that take one value take one: a flag that is given twice with different values is an error."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_MISSING = object()
_REFERENCE = "annotations"


class _Command(TyperCommand):
    """A command that refuses a flag that is given twice with different values."""

    def make_parser(self, ctx: Any) -> Any:  # noqa: ANN401 -- of the click that Typer brings along
        """Return a parser that compares each value with the one before it."""
        return _comparing(super().make_parser(ctx), ctx)


class _Group(TyperGroup):
    """A group of commands that does so with its own flags."""

    def make_parser(self, ctx: Any) -> Any:  # noqa: ANN401 -- see above
        """Return a parser that compares each value with the one before it."""
        return _comparing(super().make_parser(ctx), ctx)


class App(typer.Typer):
    """A Typer whose commands refuse flags that are given twice with different values."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- Typer's
        """Take what Typer takes."""
        super().__init__(cls=_Group, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401 -- Typer's
        """Take what Typer takes."""
        return super().command(name, cls=_Command, **options)


def _comparing(parser: Any, context: Any) -> Any:  # noqa: ANN401 -- see above
    """Make the options of a parser compare the values that they are given; those that take lists collect them."""
    for option in {id(option): option for option in (*parser._short_opt.values(), *parser._long_opt.values())}.values():  # noqa: SLF001 -- Typer has no public way
        if option.action in {"store", "store_const"}:
            option.process = _comparing_one(option, context)
    return parser


def _comparing_one(option: Any, context: Any) -> Callable[[Any, Any], None]:  # noqa: ANN401 -- see above
    take = option.process

    def process(value: Any, state: Any) -> None:  # noqa: ANN401 -- see above
        before = state.opts.get(option.dest, _MISSING)
        take(value, state)
        now = state.opts[option.dest]
        if before is not _MISSING and before != now and not context.resilient_parsing:
            both = "on and off" if isinstance(now, bool) else f"as {before!r} and as {now!r}"
            others = "; other readers' annotations are --reader NAME=PATH" if option.dest == _REFERENCE else ""
            raise typer.BadParameter(f"it is given twice, {both}: give it once{others}", ctx=context, param=option.obj)

    return process
