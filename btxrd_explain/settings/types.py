"""The kinds of value that settings hold, each of them readable from text.

Environment variables, ``--set`` and YAML files all bring text, so that every kind states once how its text is
read. A ``ValueError`` raised here ends as the last part of the user's message; it says what to write instead.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from btxrd_explain.core.choices import Clahe
from btxrd_explain.core.class_names import checked_class_names
from btxrd_explain.core.methods import METHODS
from btxrd_explain.plain import nearest
from btxrd_explain.system.places import is_url, on_this_machine, on_this_system, place_of

_LEAST_SIDE, _MOST_SIDE = 16, 4096

Value = TypeVar("Value")


def _path(value: object) -> object:
    """Expand ``~``, which no shell does inside a YAML file, and refuse what no file system takes."""
    if not isinstance(value, str | Path):
        return value
    if not str(value) or "\0" in str(value):
        raise ValueError("give a path that is not empty and holds no NUL character")
    if is_url(value):
        raise ValueError(
            "give a path on this machine; only radiographs (data.inputs, data.images) and the predictions table "
            "(output.predictions, for infer also output.directory) may be URLs"
        )
    return _expanded(Path(on_this_system(str(value))))


def checkpoint_path(text: str) -> Path:
    """Return the path of a checkpoint: ``./demo`` is a file or folder, ``demo`` alone the classifier of the demo."""
    path = Path(text)
    return Path.cwd() / path if path == Path("demo") and text != "demo" else path


def _checkpoint(value: object) -> object:
    return checkpoint_path(value) if isinstance(value, str) and Path(value) == Path("demo") else _path(value)


def _checkpoints(value: object) -> object:
    """Read one checkpoint, or those of an ensemble from a list; a list of one is that one.

    A text is split into several only in brackets: names of files may hold commas.
    """
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = _items(value)
    if not isinstance(value, list | tuple):
        return _checkpoint(value)
    checkpoints = tuple(map(_checkpoint, value))
    if all(isinstance(checkpoint, Path) for checkpoint in checkpoints):  # pydantic tells of others
        _distinct(checkpoints)
    if not checkpoints:
        raise ValueError("give at least one checkpoint, or null")
    return checkpoints[0] if len(checkpoints) == 1 else checkpoints


def _folder(value: object) -> Path:
    """Read the URL of a folder, or a path."""
    if isinstance(value, str | Path) and is_url(value):
        return place_of(str(value))
    path = _path(value)
    if not isinstance(path, Path):
        raise ValueError("give a path, or a URL")  # noqa: TRY004 -- pydantic shows these alone
    return path


def _results(value: object) -> Path:
    """Read the place of results: a path, or the URL of one or of a folder in a store."""
    return on_this_machine(_folder(value))


def _input(value: object) -> str:
    """Expand ``~`` in what may be a path; ``-`` and everything else stays to the letter.

    pydantic's own text would refuse file names that are not UTF-8, which Linux allows.
    """
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("give a list of paths, or - for the standard input")
    return _at_home(value)


def _at_home(text: str) -> str:
    """Expand ``~`` at the start of a text."""
    return str(_expanded(Path(text))) if text.startswith("~") else text


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("give a path without '~', whose home folder is unknown") from error


def _items(value: object) -> object:
    """Read a list from text: ``[a, b]`` as in YAML and JSON, or ``a, b``."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return [item.strip() for item in value.split(",")]
    from btxrd_explain.settings.document import parse_list  # noqa: PLC0415 -- PyYAML, only for such a text

    return parse_list(value)


def _input_size(value: object) -> int | str:
    """Read one side from a number, or height and width from a pair or from text; they become text like ``384x320``."""
    parts = value.lower().split("x") if isinstance(value, str) and not value.lstrip().startswith("[") else _items(value)
    sides = parts if isinstance(parts, list | tuple) else [parts]
    if not 1 <= len(sides) <= 2 or not all(_is_side(side) for side in sides):
        raise ValueError(
            f"give a whole number from {_LEAST_SIDE} to {_MOST_SIDE}, height x width such as 384x320, or null"
        )
    numbers = [int(str(side)) for side in sides]
    return numbers[0] if len(set(numbers)) == 1 else f"{numbers[0]}x{numbers[1]}"


def _is_side(value: object) -> bool:
    """Return whether a value, or its text, is a number of pixels that an input may have."""
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    return isinstance(value, int) and not isinstance(value, bool) and _LEAST_SIDE <= value <= _MOST_SIDE


def _rising(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] >= values[1]:
        raise ValueError("give the lower percentile first, such as [1, 99]")
    return values


def _mapping(value: object) -> object:
    """Read a mapping from text: ``{clip: 2.0, tiles: 8}`` as in YAML and JSON."""
    if not isinstance(value, str):
        return value
    from btxrd_explain.settings.document import parse_list  # noqa: PLC0415 -- PyYAML, only for such a text

    return parse_list(value)


def _meanings(value: object) -> object:
    """Read what labels mean from a mapping, or from a list of ``label=meaning``."""
    if isinstance(value, Mapping):
        return [f"{label}={meaning}" for label, meaning in value.items()]
    return _items(value)


def _one_each(items: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each item gives one label one meaning; only the last ``=`` of an item counts."""
    pairs = [item.rpartition("=") for item in items]
    if not all(label.strip() and meaning.strip() for label, _, meaning in pairs):
        raise ValueError("give label=meaning, such as osteosarcoma=Malignant, screw=ignore")
    _distinct(tuple(label.strip() for label, _, _ in pairs))
    return tuple(f"{label.strip()}={meaning.strip()}" for label, _, meaning in pairs)


def _places(items: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each item gives one name one place; the first ``=`` of an item counts."""
    pairs = [item.partition("=") for item in items]
    if not all(name.strip() and place.strip() for name, _, place in pairs):
        raise ValueError("give NAME=PATH, such as A=readers/A")
    _distinct(tuple(name.strip() for name, _, _ in pairs))
    return tuple(f"{name.strip()}={_at_home(place.strip())}" for name, _, place in pairs)


def _levels(value: object) -> object:
    """Read thresholds from one number for all classes, a mapping, or a list of ``class=threshold``."""
    if isinstance(value, Mapping):
        return [f"{name}={level}" for name, level in value.items()]
    return [str(value)] if isinstance(value, int | float) and not isinstance(value, bool) else _items(value)


def _fractions(items: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each item is a number from 0 to 1, for all classes or for one; only the last ``=`` counts."""
    pairs = [item.rpartition("=") for item in items]
    try:
        proper = all(0 <= float(level) <= 1 for _, _, level in pairs)
    except ValueError:
        proper = False
    if not proper or not all(name.strip() or not equals for name, equals, _ in pairs):
        raise ValueError("give a number from 0 to 1, or class=number, such as Effusion=0.3, Mass=0.6")
    _distinct(tuple(name.strip() for name, _, _ in pairs))
    return tuple(item.strip() for item in items)


def _columns(items: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names of columns that no split CSV needs."""
    unknown = [item for item in items if item.rpartition("=")[0] not in {"image_id", "split", "label"}]
    if unknown:
        raise ValueError("give image_id=name, split=name or label=name")
    return items


def _shard(text: str) -> str:
    """Refuse a shard that does not exist."""
    number, count = map(int, text.split("/"))
    if not 1 <= number <= count:
        raise ValueError(
            f"shards are counted from 1/{count} to {count}/{count}; where only some tasks of a job array are submitted "
            "again, SLURM_ARRAY_TASK_COUNT is not the number of shards"
        )
    return text


def _method(name: str) -> str:
    if name not in METHODS:
        near = nearest(name, METHODS)
        meant = "" if near is None else f"did you mean '{near}'? "
        raise ValueError(f"{meant}give {', '.join(list(METHODS)[:-1])} or {list(METHODS)[-1]}")
    return name


def _several(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a single name, from which nobody can tell which of two classes it means."""
    if len(names) < 2:
        raise ValueError("give at least two names; of a network with one output the negative one first: Normal,Tumour")
    return names


def _distinct(items: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(set(items)) < len(items):
        raise ValueError("name each one once")
    return items


FilePath = Annotated[Path, BeforeValidator(_path)]
"""A file or folder, existing or not; ``~`` is expanded, a relative path starts at the working directory."""

Checkpoints = Annotated[Path | tuple[Path, ...], BeforeValidator(_checkpoints)]
"""A checkpoint, which is a file, a folder, or an id of timm; or several that make up an ensemble."""

ImageFolder = Annotated[
    Path,
    PlainValidator(_folder),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""A folder as above, or the URL of one."""

ResultsPlace = Annotated[
    Path,
    PlainValidator(_results),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "path"}),
]
"""A file or folder of results as above, or its URL."""

Text = Annotated[str, Field(min_length=1)]
"""Text that says something."""

Input = Annotated[str, PlainValidator(_input), WithJsonSchema({"type": "string", "format": "path"})]
"""An image, a folder, a table, or ``-``."""

Inputs = Annotated[tuple[Input, ...], BeforeValidator(_items)]
"""What to work on."""

ClassNames = Annotated[
    tuple[Text, ...],
    Field(json_schema_extra={"minItems": 2}),
    AfterValidator(_several),
    AfterValidator(_distinct),
    AfterValidator(checked_class_names),
    BeforeValidator(_items),
]
"""At least two names, each of them once."""

LabelMap = Annotated[tuple[Text, ...], AfterValidator(_one_each), BeforeValidator(_meanings)]
"""What labels mean, each as ``label=meaning``."""

NamedPlaces = Annotated[tuple[Text, ...], AfterValidator(_places), BeforeValidator(_meanings)]
"""Files or folders, each as ``NAME=PATH``."""

ClassLevels = Annotated[tuple[Text, ...], AfterValidator(_fractions), BeforeValidator(_levels)]
"""A number from 0 to 1 for all classes, or one for each that is named, as ``class=number``."""

ColumnNames = Annotated[
    tuple[Text, ...], AfterValidator(_one_each), AfterValidator(_columns), BeforeValidator(_meanings)
]
"""What a split CSV calls its columns, each as ``label=name``."""

Names = Annotated[tuple[Text, ...], AfterValidator(_distinct), BeforeValidator(_items)]
"""Names, each of them once."""

ExplainClasses = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_distinct), BeforeValidator(_items)]
"""At least one of ``all``, ``predicted``, ``true`` and names of classes, each of them once."""

Percentage = Annotated[float, Field(gt=0, le=100)]
"""A fraction in per cent, in (0, 100]."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A number in [0, 1]."""

PositiveFraction = Annotated[float, Field(gt=0, le=1)]
"""A number in (0, 1]."""

Margins = Annotated[
    tuple[Annotated[float, Field(ge=0, le=100)], ...],
    Field(min_length=1, max_length=5),
    AfterValidator(_distinct),
    BeforeValidator(_items),
]
"""Widths in per cent, each of them once."""

Means = Annotated[tuple[Fraction, Fraction, Fraction], BeforeValidator(_items)]
"""The means of three channels whose values lie in [0, 1]."""

Deviations = Annotated[tuple[PositiveFraction, PositiveFraction, PositiveFraction], BeforeValidator(_items)]
"""The standard deviations of three channels whose values lie in [0, 1]."""

MethodName = Annotated[str, AfterValidator(_method), WithJsonSchema({"type": "string", "enum": list(METHODS)})]
"""One of the methods of :data:`btxrd_explain.core.methods.METHODS`."""

MethodNames = Annotated[tuple[MethodName, ...], AfterValidator(_distinct), BeforeValidator(_items)]
"""Methods, each of them once."""

Device = Literal["auto", "cpu", "cuda", "mps"] | Annotated[str, Field(pattern=r"^cuda:\d+$", examples=["cuda:0"])]
"""A device of PyTorch, or ``auto``."""

BatchSize = Literal["auto"] | Annotated[int, Field(ge=1, le=4096)]
"""Images in one forward pass, or ``auto``."""

InputSize = Annotated[
    int | str,
    PlainValidator(_input_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": _LEAST_SIDE, "maximum": _MOST_SIDE},
                {"type": "string", "examples": ["384x320"]},
            ]
        }
    ),
]
"""Side of the network's square input in pixels, or its height and width."""

Percentiles = Annotated[
    tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]],
    AfterValidator(_rising),
    BeforeValidator(_items),
]
"""Two percentiles, the lower one first."""

EqualisationSettings = Annotated[
    Clahe,
    BeforeValidator(_mapping),
    WithJsonSchema({"type": "string", "examples": ["{clip: 2.0, tiles: 8}"]}),
]
"""Clip and tiles of CLAHE, and where in the order it comes."""

CountOrAuto = Literal["auto"] | Annotated[int, Field(ge=1)]
"""A number of something, or ``auto``."""

Shard = Annotated[str, Field(pattern=r"^\d+/[1-9]\d*$", examples=["1/8"]), AfterValidator(_shard)]
"""Which of how many shards, counted from 1."""
