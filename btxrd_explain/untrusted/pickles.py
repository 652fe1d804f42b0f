"""Looking through a pickle before it is loaded: what it calls, and how much it makes of few bytes.

torch's restricted unpickler runs nothing outside of a list. But that list is long, and a pickle that keeps to it can
still ask for a terabyte of zeros, or for the hash of a tuple that holds itself 2**60 times. A checkpoint needs little
of the language; what goes beyond that is refused before anything is built.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# NumPy's numbers and arrays in a pickle, rebuilt from their bytes by functions of our own.
#
# NumPy's own constructors take any state that a pickle hands them, such as a type whose bytes are addresses of objects.
# These know plain numbers and text, and nothing else.

_PLAIN_TYPE = re.compile(r"[?biufcUS]\d{0,6}")


class PlainType:
    """The type of numbers or texts of fixed length.

    Args:
        code: NumPy's code of it, such as ``f8``.
    """

    def __init__(self, code: object, *_: object) -> None:
        """Take no type that holds objects or has fields."""
        if not isinstance(code, str) or not _PLAIN_TYPE.fullmatch(code):
            raise ValueError(f"NumPy's type {str(code)[:20]!r} is not a plain number or text")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the order of the bytes, which is all that a plain type has."""
        if state[1] in {"<", ">"}:
            self.dtype = self.dtype.newbyteorder(state[1])


class PlainArray:
    """An array, to iterate over; nothing that is read from checkpoints needs more."""

    def __init__(self, *_: object) -> None:
        """Wait for the state."""
        self._values: np.ndarray[Any, Any] = np.zeros(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take shape and content, which must fit each other."""
        _, shape, kind, by_columns, data = state
        self._values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if by_columns else "C")

    def __iter__(self) -> Iterator[Any]:
        """Yield the items: plain numbers and texts of an array of one dimension."""
        return (item.item() if item.ndim == 0 else item for item in self._values)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._values)


def plain_scalar(kind: PlainType, data: bytes) -> Any:  # noqa: ANN401 -- a number of any kind
    """Return a number or text from its bytes."""
    return np.frombuffer(data, kind.dtype, 1)[0].item()


class Fields(dict[str, Any]):
    """The fields of a plain record, such as an ``argparse.Namespace``."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take the fields."""
        self.update(state)


def _without_factory(*_: object) -> OrderedDict[Any, Any]:
    """Return the dict that a ``defaultdict`` is without its factory, which has no part in it."""
    return OrderedDict()


def _never_called() -> None:
    """Stand for the factory, such as list."""


# What the pickle of a checkpoint may name; all else would run code, or has no part in weights.

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
_FIELDS = dict.fromkeys(("argparse.Namespace", "types.SimpleNamespace", "optparse.Values"), Fields)
_LIGHTNING = ("lightning.fabric", "lightning_fabric", "lightning.pytorch", "pytorch_lightning")
_DICTS = dict.fromkeys(
    (
        *(f"{package}.utilities.{module}.AttributeDict" for package in _LIGHTNING for module in ("data", "parsing")),
        *("easydict.EasyDict", "addict.addict.Dict", "yacs.config.CfgNode"),
    ),
    OrderedDict,  # what torch puts items into is a dict or this, and no class of our own
)
_DEFAULTDICT = {"collections.defaultdict": _without_factory}
_RECORDS = _FIELDS | _DICTS | _DEFAULTDICT
_FACTORIES = {
    f"{module}.{kind}": _never_called
    for module in ("builtins", "__builtin__")
    for kind in ("list", "dict", "int", "long", "float", "str", "bool", "tuple")
}
STAND_INS: dict[str, Any] = SCALARS | _ARRAYS | _TYPES | _PATHS | _RECORDS | _FACTORIES | {"numpy.ndarray": PlainArray}
"""Of what torch does not know: what is called in its place."""

CALLED = frozenset(
    {*SCALARS, *_ARRAYS, *_TYPES, *_PATHS, *_RECORDS, *SETS, BYTES, DICT, "torch.Size", "torch.device"}
    | {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"}
)
"""What may be called."""
_NUMBERS = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
NAMED = CALLED | {*STORAGES, *_FACTORIES, "numpy.ndarray", *(f"torch.{name}" for name in _NUMBERS)}
"""What may be named."""
FILLED = frozenset({DICT, *_ARRAYS, *_TYPES, *_RECORDS})
"""What makes objects that take a state of their own."""


_MOST_STEPS = 1_000_000
"""Steps of a pickle; a network of a thousand tensors with its optimiser takes a tenth of that."""
_DEEPEST = 100
"""Containers within containers."""
_LONGEST_NUMBER = 2**64
"""Numbers beyond it can be made to share one hash, which turns a dict of many keys into hours of comparisons."""


class RefusedPickleError(ValueError):
    """A pickle goes beyond what a checkpoint needs."""


class ForeignObjectsError(RefusedPickleError):
    """A pickle holds objects that would run code.

    Attributes:
        names: The functions and classes that it names and that are not allowed, in their order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Keep the names."""
        self.names = tuple(names)
        super().__init__(f"it names {', '.join(self.names)}")


def look_through(pickle: IO[bytes] | bytes) -> int:
    """Look through one pickle without building anything; of a file that holds several, up to the end of the first.

    Args:
        pickle: The pickle.

    Returns:
        Bytes of the tensors' storages that it asks for.

    Raises:
        ForeignObjectsError: It names what is not allowed.
        RefusedPickleError: It does what no checkpoint needs.
        ValueError: It is damaged.
    """
    walk = _Walk()
    foreign: dict[str, None] = {}  # in their order
    try:
        for opcode, argument, _ in islice(pickletools.genops(pickle), _MOST_STEPS):
            if opcode.name == "GLOBAL" and _dotted(argument) not in NAMED:
                foreign[_dotted(argument)] = None
            elif not foreign:  # else no more than the names is of interest
                walk.step(opcode.name, argument)
    except RefusedPickleError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if not foreign:
            raise ValueError("its pickle is damaged") from error
    if foreign:
        raise ForeignObjectsError(foreign)
    if not walk.ended:
        raise RefusedPickleError(f"its pickle takes more than {_MOST_STEPS} steps")
    return sum(walk.storages.values())


# What a pickle says apart from tensors, without torch.


class _Left:
    """Stands for a tensor, or for another object of torch."""

    def __init__(self, *_: object) -> None:
        """Take what makes it, and keep none of it."""


_CALLS: dict[str, Any] = {
    **STAND_INS,
    **{name: Counter if name == "collections.Counter" else set for name in SETS},
    DICT: OrderedDict,
    "torch.Size": tuple,
    BYTES: lambda text, _: text.encode("latin1"),
}


class _PlainUnpickler(pickle.Unpickler):
    """Builds what :func:`look_through` lets pass, with nothing of torch."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 -- functions and classes
        return _CALLS.get(f"{module}.{name}", _Left)

    def persistent_load(self, _pid: Any) -> _Left:  # noqa: ANN401 -- whatever tells a storage
        return _Left()


def plain_values(content: bytes) -> Any:  # noqa: ANN401 -- whatever was pickled
    """Return what a pickle holds apart from tensors, which are left out of the mappings that hold them.

    Args:
        content: The pickle.

    Raises:
        ForeignObjectsError: It names what is not allowed.
        RefusedPickleError: It does what no checkpoint needs.
        ValueError: It is damaged.
    """
    look_through(content)
    try:
        return _without_tensors(_PlainUnpickler(io.BytesIO(content), encoding="latin1").load(), {})
    except Exception as error:  # a damaged or hostile pickle can raise anything
        raise ValueError("its pickle is damaged") from error


def _without_tensors(value: Any, done: dict[int, Any]) -> Any:  # noqa: ANN401 -- as above
    """Leave tensors out of mappings within each other, each of which a hostile pickle can hold in many places."""
    if not isinstance(value, dict):
        return value
    if id(value) not in done:
        kept = {key: item for key, item in value.items() if item is not _Left and not isinstance(item, _Left)}
        done[id(value)] = {key: _without_tensors(item, done) for key, item in kept.items()}
    return done[id(value)]


def _dotted(argument: Any) -> str:  # noqa: ANN401 -- pickletools gives arguments of all kinds
    return str(argument).replace(" ", ".", 1)


@dataclass(slots=True, eq=False)
class _Value:
    """What is known of a value that the pickle would build.

    Attributes:
        content: A number or a text; the parts of a tuple; the name of a function.
        depth: Containers within containers; 0 for what may be a key.
        maker: The name of the function that made it.
        first: Depth of the first item of a list or tuple, which is a key where a dict is made of pairs.
        keys: The largest such depth of the lists and tuples within it.
        used: It is part of another value already, and must stay as it is.
    """

    content: Any = None
    depth: int = 0
    maker: str | None = None
    first: int | None = None
    keys: int = 0
    used: bool = False


def _is_factory(value: _Value) -> bool:
    """Return whether a value is one of the types whose instances a ``defaultdict`` makes, or None."""
    return value.content in _FACTORIES if value.maker == "GLOBAL" else value.content is None and value.maker is None


_Stack: TypeAlias = "list[_Value]"


@dataclass(slots=True)
class _Walk:
    """Goes through the steps of a pickle as an unpickler does, with values of which only the outline is known."""

    stack: _Stack = field(default_factory=list)
    below: list[_Stack] = field(default_factory=list)
    memo: dict[int, _Value] = field(default_factory=dict)
    storages: dict[str, int] = field(default_factory=dict)
    ended: bool = False

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401 -- pickletools gives arguments of all kinds
        """Take one step."""
        if name in _SCALARS:
            self.stack.append(_Value(argument, int(isinstance(argument, int) and abs(argument) >= _LONGEST_NUMBER)))
        elif name in {"BINPUT", "LONG_BINPUT"}:
            self.memo[argument] = self.stack[-1]
        elif name in {"BINGET", "LONG_BINGET"}:
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.stack.append(_Value(_dotted(argument), 1, maker="GLOBAL"))
        elif name == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif name in _EMPTY:
            self.stack.append(_Value([], 1, maker=name))
        elif name in _STEPS:
            _STEPS[name](self)
        elif name == "STOP":
            self.ended = True
        elif name != "PROTO":
            raise RefusedPickleError(f"its pickle has a step {name}")

    def marked(self) -> _Stack:
        """Take what was put on the stack since the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def last(self, count: int) -> _Stack:
        """Take some values off the stack."""
        taken = [self.stack.pop() for _ in range(count)]
        return taken[::-1]

    def tuple_of(self, items: _Stack) -> None:
        """Put a tuple on the stack."""
        made = _Value(items, 1, maker="TUPLE")
        self.put_into(made, items)
        self.stack.append(made)

    def fill_list(self, items: _Stack) -> None:
        """Put items into the list on the stack."""
        if self.stack[-1].maker != "EMPTY_LIST":
            raise RefusedPickleError("it appends to what is not a list")
        self.put_into(self.stack[-1], items)

    def fill_dict(self, items: _Stack) -> None:
        """Put items, keys and values in turn, into the dict on the stack."""
        if self.stack[-1].maker not in {"EMPTY_DICT", DICT, *_DICTS, *_DEFAULTDICT}:
            raise RefusedPickleError("it has keys for what is not a dict")
        if any(key.depth for key in items[::2]):
            raise RefusedPickleError("it has a dict with keys that are neither texts nor numbers")
        self.put_into(self.stack[-1], items)

    def put_into(self, target: _Value, items: Iterable[_Value]) -> None:
        """Note that a value holds others; one that is held itself must not change, or its depth would be wrong."""
        for item in items:
            item.used = True
            target.depth = max(target.depth, item.depth + 1)
            target.keys = max(target.keys, item.first or 0)
            target.first = item.depth if target.first is None else target.first
        if target.used:
            raise RefusedPickleError("it holds a list or dict that holds itself")
        if target.depth > _DEEPEST:
            raise RefusedPickleError(f"it has more than {_DEEPEST} lists or dicts within each other")

    def call(self) -> None:
        """Call a function on the stack with the tuple above it."""
        function, arguments = self.last(2)
        name, parts = function.content, arguments.content
        if function.maker != "GLOBAL" or arguments.maker not in {"TUPLE", "EMPTY_TUPLE"}:
            raise RefusedPickleError("it calls what is not a function")
        if name not in CALLED:
            raise RefusedPickleError(f"it calls {name}")
        if name in _RECORDS and any(name not in _DEFAULTDICT or not _is_factory(part) for part in parts):
            raise RefusedPickleError(f"it makes a {name} of more than its fields")
        if name in SETS and arguments.depth > 2:
            raise RefusedPickleError("it has a set of what is neither texts nor numbers")
        if name == DICT and any(part.keys for part in parts):
            raise RefusedPickleError("it has a dict with keys that are neither texts nor numbers")
        if name == BYTES and [part.content for part in parts[1:]] != ["latin1"]:
            raise RefusedPickleError("it encodes text other than as bytes")
        made = _Value(maker=name)
        if name not in SCALARS:
            self.put_into(made, [arguments])
        self.stack.append(made)

    def new(self) -> None:
        """Make an object of a class on the stack, without calling it; only records are made in this way."""
        if self.stack[-2].content not in _FIELDS | _DICTS or self.stack[-1].content:
            raise RefusedPickleError("it makes an object of what is not a plain record")
        self.call()

    def build(self) -> None:
        """Give an object its state; that of a record is a dict of its fields."""
        (state,) = self.last(1)
        if self.stack[-1].maker not in FILLED:
            raise RefusedPickleError("it gives a state to what takes none")
        if self.stack[-1].maker in _RECORDS and state.maker not in {"EMPTY_DICT", DICT}:
            raise RefusedPickleError("it gives a record a state that is not a dict")
        self.put_into(self.stack[-1], [state])

    def storage(self) -> None:
        """Take the storage of a tensor from outside of the pickle."""
        (wanted,) = self.last(1)
        word, kind, key, _, count, *_ = (part.content for part in wanted.content)
        if word != "storage" or not isinstance(count, int) or count < 0:
            raise RefusedPickleError("it asks for what is not a storage of a tensor")
        self.storages[key] = max(self.storages.get(key, 0), count * STORAGES[kind])
        self.stack.append(_Value(depth=1, maker="BINPERSID"))


_SCALARS = {
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING",
}  # fmt: skip
_EMPTY = {"EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"}
_STEPS: dict[str, Callable[[_Walk], None]] = {
    "TUPLE": lambda walk: walk.tuple_of(walk.marked()),
    "TUPLE1": lambda walk: walk.tuple_of(walk.last(1)),
    "TUPLE2": lambda walk: walk.tuple_of(walk.last(2)),
    "TUPLE3": lambda walk: walk.tuple_of(walk.last(3)),
    "APPEND": lambda walk: walk.fill_list(walk.last(1)),
    "APPENDS": lambda walk: walk.fill_list(walk.marked()),
    "SETITEM": lambda walk: walk.fill_dict(walk.last(2)),
    "SETITEMS": lambda walk: walk.fill_dict(walk.marked()),
    "REDUCE": _Walk.call,
    "NEWOBJ": _Walk.new,
    "BUILD": _Walk.build,
    "BINPERSID": _Walk.storage,
}
