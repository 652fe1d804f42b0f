"""Importing timm without torch's compiler, which takes half of the time and a fifth of the memory of the import.

``benchmarks/startup.py`` measures it. torchvision, of which timm takes a few functions, imports ``torch._dynamo`` for
one function that its region pooling may call, and a module of timm for a decorator. Here both get what imports it when
it is called. What the two packages do is the same, and ``--compile`` imports the compiler itself.
"""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMPILER, _UTILS = "torch._dynamo", "torch._dynamo.utils"


def _is_compile_supported(device_type: Any) -> Any:  # noqa: ANN401 -- as the function that it stands for
    from torch._dynamo.utils import is_compile_supported  # noqa: PLC0415 -- what is avoided until here

    return is_compile_supported(device_type)


def _disable_later(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``torch.compiler.disable`` whose functions are wrapped when they are called first."""

    def disable(fn: Callable[..., Any] | None = None, *options: Any, **named: Any) -> Any:  # noqa: ANN401
        if not callable(fn):
            return lambda function: disable(function, *options, **named)

        @functools.cache
        def wrapped() -> Callable[..., Any]:
            done: Callable[..., Any] = real(fn, *options, **named)
            return done

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return wrapped()(*args, **kwargs)

        return call

    return disable


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keep what is imported from importing torch's compiler."""
    if _COMPILER in sys.modules:  # somebody has it already
        yield
        return
    package, utils = ModuleType(_COMPILER), ModuleType(_UTILS)
    package.__path__ = []
    utils.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    package.utils = utils  # type: ignore[attr-defined]
    sys.modules |= {_COMPILER: package, _UTILS: utils}
    try:
        import torchvision.ops  # noqa: F401, PLC0415 -- of which timm takes functions
    finally:
        for name, module in ((_COMPILER, package), (_UTILS, utils)):
            if sys.modules.get(name) is module:
                del sys.modules[name]
    disable = torch.compiler.disable
    torch.compiler.disable = _disable_later(disable)
    try:
        yield
    finally:
        torch.compiler.disable = disable


with _without_compiler():
    import timm
    import timm.data.config

__all__ = ["timm"]
