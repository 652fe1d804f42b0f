"""The commands as a group: by the question that they answer, each with flags that take one value once."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "See: where does the classifier look?": ("demo", "infer", "gallery", "report"),
        "Measure: does it look at the tumour, and is it right?": ("annotate-iou", "performance", "compare", "study"),
        "Doubt: do the maps show what the classifier uses?": ("sanity", "intervene"),
        "Share: other programs, other people": ("export", "import-maps", "merge"),
        "Look after data, network and settings": ("check", "layers", "methods", "config"),
    }
)
"""The commands by the question that they answer, in the order of the help."""
_ORDER = [name for names in QUESTIONS.values() for name in names]
_MISSING = object()
_REFERENCE = "annotations"
_ALL_FLAGS = "btxrd_explain.all_flags"


class _Command(TyperCommand):
    """A command that refuses a flag that is given twice with different values."""

    def make_parser(self, ctx: Any) -> Any:  # noqa: ANN401 -- of the click that Typer brings along
        """Return a parser that compares each value with the one before it."""
        return _comparing(super().make_parser(ctx), ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- see above
        """Show what most runs need, or with ``--help-all`` every flag."""
        parameters: list[Any] = self.get_params(ctx)
        # Rich would break the lines of a paragraph where those of the code break.
        self.help = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(self.help or ""))
        with _narrowed(parameters):
            for each in parameters:
                each.hidden |= _is_further(each) and _ALL_FLAGS not in ctx.meta
            super().format_help(ctx, formatter)


class _Group(TyperGroup):
    """A group of commands that does so with its own flags, and lists commands by the question that they answer."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 -- see above
        """Return the names of the commands in the order of the help; those without a question come last."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))

    def make_parser(self, ctx: Any) -> Any:  # noqa: ANN401 -- see above
        """Return a parser that compares each value with the one before it."""
        return _comparing(super().make_parser(ctx), ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- see above
        """Show switches as the commands do."""
        with _narrowed(self.get_params(ctx)):
            super().format_help(ctx, formatter)


class App(typer.Typer):
    """A Typer whose commands refuse flags that are given twice with different values."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- Typer's
        """Take what Typer takes."""
        super().__init__(cls=_Group, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:  # noqa: ANN401 -- Typer's
        """Take what Typer takes."""
        return super().command(name, cls=_Command, **options)


def _help_all(context: typer.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        context.meta[_ALL_FLAGS] = True
        typer.echo(context.get_help())
        raise typer.Exit


HelpAll = Annotated[
    bool, typer.Option("--help-all", callback=_help_all, is_eager=True, help="Show all flags and exit.")
]
"""The flag of a command whose ``--help`` leaves flags out."""


def _is_further(parameter: Any) -> bool:  # noqa: ANN401 -- see above
    return getattr(parameter, "rich_help_panel", None) is not None


@contextmanager
def _narrowed(parameters: list[Any]) -> Iterator[None]:
    """Leave out columns that take the place of the texts: the opposites of switches, and the types of arguments.

    In the end the parameters are as they were: a command line may follow in the same process.
    """
    kept = [dict(vars(each)) for each in parameters]
    try:
        for each in parameters:
            if getattr(each, "is_flag", False):
                each.metavar, each.secondary_opts = "", []
            if each.param_type_name == "argument":
                each.display_type_rich = lambda ctx: None  # noqa: ARG005 -- Typer's signature
        yield
    finally:
        for each, attributes in zip(parameters, kept, strict=True):
            vars(each).clear()
            vars(each).update(attributes)


def question_of(command: str) -> str | None:
    """Return the question that a command answers; None for one that no question names.

    >>> question_of("gallery")
    'See: where does the classifier look?'
    """
    return next((question for question, names in QUESTIONS.items() if command in names), None)


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
            reads = any("--reader" in each.opts for each in context.command.params)
            others = (
                "; other readers' annotations are --reader NAME=PATH" if reads and option.dest == _REFERENCE else ""
            )
            raise typer.BadParameter(f"it is given twice, {both}: give it once{others}", ctx=context, param=option.obj)

    return process
