"""What a checkpoint says about its network, whatever dialect its training script spoke."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from btxrd_explain.core.choices import Interpolation
from btxrd_explain.core.class_names import MOST_CLASSES, checked_class_names
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import LARGEST_SIDE, MOST_CHANNELS
from btxrd_explain.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.model.checkpoint import Checkpoint


_ARCHITECTURE = re.compile(r"[\w.-]{1,100}")

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a checkpoint says about its network, each None where it says nothing.

    Attributes:
        architecture: timm's name of the network.
        class_names: Class names in the network's order.
        num_classes: Number of classes.
        channels: Channels of the input.
        synthetic: True for the demo's classifier.
        preprocessing: Fields of :class:`btxrd_explain.core.preprocess.Preprocessing`, those that it says.
    """

    architecture: str | None = None
    class_names: tuple[str, ...] | None = None
    num_classes: int | None = None
    channels: int | None = None
    synthetic: bool = False
    preprocessing: Mapping[str, Any] = field(default_factory=dict)


def gather_facts(checkpoint: Checkpoint) -> Facts:
    """Gather what the dialects of checkpoints in the wild say under different names.

    Raises:
        CheckpointError: A value has the wrong type, or is out of range.
    """
    top = checkpoint.facts
    config = _mapping(top.get("config")) or _mapping(top.get("hyper_parameters")) or _mapping(top.get("args"))
    model, data = _mapping(config.get("model")), _mapping(config.get("data"))
    normalization = _mapping(top.get("normalization")) or _mapping(config.get("normalization"))
    architecture = _first((model, config, top), "backbone", "architecture", "arch", "model_name", "model")
    names = _first((top, data, config, model), "class_names", "classes")
    size = _first((data, config, top), "image_size", "img_size", "input_size")
    try:
        side = _side(size)
        preprocessing = {
            "size": None if side is None else Size(side, side),
            "mean": _floats(normalization.get("mean")),
            "std": _above_zero(_floats(normalization.get("std"))),
            "interpolation": _interpolation(_first((data, config, top), "interpolation")),
            "crop_fraction": _plain_number(_first((data, config, top), "crop_pct", "crop_fraction"), float),
        }
        return Facts(
            architecture=_architecture(architecture),
            class_names=_names(names),
            num_classes=_integer(_first((model, config, top), "num_classes")),
            channels=_plain_number(_first((model, data, config, top), "in_chans", "in_channels"), int),
            synthetic=top.get("synthetic") is True,
            preprocessing={name: value for name, value in preprocessing.items() if value is not None},
        )
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the latter from tensors of wrong shape
        raise CheckpointError(
            f"the configuration in '{checkpoint.path}' has a value that cannot be used ({error})",
            hint="save the checkpoint with plain numbers and names",
        ) from error


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(places: tuple[Mapping[str, Any], ...], *keys: str) -> Any:  # noqa: ANN401 -- any value of a config
    """Return the first value that is there, place by place and key by key."""
    found = (place[key] for place in places for key in keys if place.get(key) is not None)
    return next(found, None)


def _architecture(value: object) -> str | None:
    """Return the name of an architecture; what is not text is something else of that key, such as the weights."""
    if not isinstance(value, str):
        return None
    if not _ARCHITECTURE.fullmatch(value):
        raise ValueError(f"{value[:100]!r} is not the name of an architecture")
    return value


def _names(value: Any) -> tuple[str, ...] | None:  # noqa: ANN401 -- any value of a config
    """Return class names in order of their index, from a list or from a mapping of name and index."""
    if value is None:
        return None
    if isinstance(value, str | bytes | set):
        raise TypeError(f"the class names are a {type(value).__name__}, which has no order")
    if isinstance(value, dict):
        by_index = value if all(isinstance(key, int) for key in value) else {v: k for k, v in value.items()}
        value = [by_index[index] for index in sorted(by_index)]
    return checked_class_names([_name(name) for name in islice(value, MOST_CLASSES + 1)])


def _name(value: object) -> str:
    """Return the name of a class, which may be a number."""
    if not isinstance(value, str | int | float):
        raise TypeError(f"a class name is a {type(value).__name__}")
    return str(value)


def _integer(value: Any) -> int | None:  # noqa: ANN401 -- any value of a config
    """Return a whole number; of a pair such as an image size, both sides must be equal."""
    if value is None:
        return None
    sides = [int(side) for side in value[-2:]] if isinstance(value, list | tuple) else [int(value)]
    if len(set(sides)) != 1:
        raise ValueError(f"{sides} is not square")
    return sides[0]


def _side(value: Any) -> int | None:  # noqa: ANN401 -- any value of a config
    side = _integer(value)
    if side is not None and not 1 <= side <= LARGEST_SIDE:
        raise ValueError(f"an image size of {side} is not 1 to {LARGEST_SIDE} pixels")
    return side


def _interpolation(value: object) -> Interpolation | None:
    """Return the kernel of that name; training scripts also say ``random``, which is not a kernel."""
    return Interpolation(value) if isinstance(value, str) and value in set(Interpolation) else None


def _plain_number(value: object, kind: type[Number]) -> Number | None:
    """Return a number of that kind; whatever else is kept under its name does not make a checkpoint unusable."""
    return value if isinstance(value, kind) else None


def _floats(value: Any) -> tuple[float, ...] | None:  # noqa: ANN401 -- any value of a config
    """Return one finite number per channel."""
    if value is None:
        return None
    numbers = tuple(round(float(number), 6) for number in islice(value, MOST_CHANNELS + 1))
    if not 1 <= len(numbers) <= MOST_CHANNELS or not all(map(math.isfinite, numbers)):
        raise ValueError("the normalisation is not one finite number per channel")
    return numbers


def _above_zero(numbers: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if numbers and min(numbers) <= 0:
        raise ValueError("a standard deviation of the normalisation is not above 0")
    return numbers
