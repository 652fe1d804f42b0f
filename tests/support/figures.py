"""Commands that draw nothing: most of their time goes into figures, which few tests look at."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from btxrd_explain import outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from matplotlib.figure import Figure


@contextmanager
def blank_figures() -> Iterator[None]:
    """Let commands gather what their figures show, and write white ones instead of them."""
    from matplotlib.figure import Figure  # noqa: PLC0415 -- only where a test needs it

    with pytest.MonkeyPatch.context() as patch:
        for build in _builders():
            patch.setattr(build, "__code__", _build_nothing.__code__)  # whoever has imported it already
        patch.setattr(Figure, "savefig", _save_white)
        yield


@contextmanager
def drawn_figures() -> Iterator[None]:
    """Let commands draw their figures after all, within :func:`blank_figures`."""
    from matplotlib.figure import Figure  # noqa: PLC0415 -- only where a test needs it

    with pytest.MonkeyPatch.context() as patch:
        for build, code in _builders().items():
            patch.setattr(build, "__code__", code)
        patch.setattr(Figure, "savefig", _savefig())
        yield


@cache
def _builders() -> dict[Callable[..., Figure], CodeType]:
    """Return the functions of the package that build figures, with what they really do."""
    _savefig()
    found = {}
    for module in pkgutil.iter_modules(outputs.__path__, "btxrd_explain.outputs."):
        if module.name.endswith(("_figure", "_figures")):
            for name, value in vars(importlib.import_module(module.name)).items():
                if name.startswith("build_") and value.__annotations__["return"] == "Figure":
                    found[value] = value.__code__
    return found


@cache
def _savefig() -> Any:  # noqa: ANN401 -- matplotlib's
    from matplotlib.figure import Figure  # noqa: PLC0415 -- only where a test needs it

    return Figure.savefig


def _build_nothing(*_: object, **_named: object) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 -- it runs in the place of code of other modules

    return Figure()


def _save_white(figure: Figure, file: Any, **look: Any) -> None:  # noqa: ANN401 -- matplotlib's
    if look["format"] == "png":
        facts = PngInfo()
        for key, value in look["metadata"].items():
            facts.add_text(key, value)
        Image.new("L", (8, 8), 255).save(file, "PNG", pnginfo=facts)
    else:
        _savefig()(figure, file, **look)
