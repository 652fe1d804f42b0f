"""Commands that draw nothing: most of their time goes into figures, which few tests look at."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest

from btxrd_explain import outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from matplotlib.figure import Figure


@contextmanager
def blank_figures() -> Iterator[None]:
    """Let commands gather what their figures show, and write white ones instead of them."""
    with pytest.MonkeyPatch.context() as patch:
        for build in _builders():
            patch.setattr(build, "__code__", _build_nothing.__code__)  # whoever has imported it already
        yield


@contextmanager
def drawn_figures() -> Iterator[None]:
    """Let commands draw their figures after all, within :func:`blank_figures`."""
    with pytest.MonkeyPatch.context() as patch:
        for build, code in _builders().items():
            patch.setattr(build, "__code__", code)
        yield


@cache
def _builders() -> dict[Callable[..., Figure], CodeType]:
    """Return the functions of the package that build figures, with what they really do."""
    found = {}
    for module in pkgutil.iter_modules(outputs.__path__, "btxrd_explain.outputs."):
        if module.name.endswith(("_figure", "_figures")):
            for name, value in vars(importlib.import_module(module.name)).items():
                if name.startswith("build_") and value.__annotations__["return"] == "Figure":
                    found[value] = value.__code__
    return found


def _build_nothing(*_: object, **_named: object) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 -- it runs in the place of code of other modules

    return Figure()
