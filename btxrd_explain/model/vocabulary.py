"""What the pickle of a checkpoint may name; all else would run code, or is no part of weights."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from btxrd_explain.model.numpy_data import PlainArray, PlainType, plain_scalar

STORAGES = {
    "torch.FloatStorage": 4, "torch.HalfStorage": 2, "torch.BFloat16Storage": 2, "torch.DoubleStorage": 8,
    "torch.LongStorage": 8, "torch.IntStorage": 4, "torch.ShortStorage": 2, "torch.CharStorage": 1,
    "torch.ByteStorage": 1, "torch.BoolStorage": 1, "torch.ComplexFloatStorage": 8, "torch.ComplexDoubleStorage": 16,
}  # fmt: skip
"""Kinds of numbers that tensors hold, with the bytes of each."""

BYTES = "_codecs.encode"
DICT = "collections.OrderedDict"
SETS = frozenset({"collections.Counter", "builtins.set", "__builtin__.set"})

SCALARS = {f"numpy.{core}.multiarray.scalar": plain_scalar for core in ("core", "_core")}
_ARRAYS = {f"numpy.{core}.multiarray._reconstruct": PlainArray for core in ("core", "_core")}
_TYPES = {"numpy.dtype": PlainType}
_PATHS = {
    f"{module}.{prefix}{kind}": pure  # as left behind by configurations; pure paths touch no file system
    for kind, pure in (("PosixPath", PurePosixPath), ("WindowsPath", PureWindowsPath))
    for module in ("pathlib", "pathlib._local")
    for prefix in ("", "Pure")
}
STAND_INS: dict[str, Any] = {**SCALARS, **_ARRAYS, **_TYPES, **_PATHS, "numpy.ndarray": PlainArray}
"""Of what torch does not know: what is called in its place."""

CALLED = frozenset(
    {*SCALARS, *_ARRAYS, *_TYPES, *_PATHS, *SETS, BYTES, DICT, "torch.Size", "torch.device"}
    | {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"}
)
"""What may be called."""
_NUMBERS = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
NAMED = CALLED | {*STORAGES, "numpy.ndarray", *(f"torch.{name}" for name in _NUMBERS)}
"""What may be named."""
FILLED = frozenset({DICT, *_ARRAYS, *_TYPES})
"""What makes objects that take a state of their own."""
