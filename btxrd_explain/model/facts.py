"""What a checkpoint says about its network, whatever dialect its training script spoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.model.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Facts:
    """What a checkpoint says about its network, each None where it says nothing.

    Attributes:
        architecture: timm's name of the network.
        class_names: Class names in the network's order.
        num_classes: Number of classes.
        image_size: Side of the square input, in pixels.
        mean: Mean per channel, of values in [0, 1].
        std: Standard deviation per channel, of values in [0, 1].
        synthetic: True for the demo's classifier.
    """

    architecture: str | None = None
    class_names: tuple[str, ...] | None = None
    num_classes: int | None = None
    image_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    synthetic: bool = False


def gather_facts(checkpoint: Checkpoint) -> Facts:
    """Gather what the dialects of checkpoints in the wild say under different names.

    Raises:
        CheckpointError: A value has the wrong type.
    """
    top = checkpoint.facts
    config = _mapping(top.get("config")) or _mapping(top.get("hyper_parameters")) or _mapping(top.get("args"))
    model, data = _mapping(config.get("model")), _mapping(config.get("data"))
    normalization = _mapping(top.get("normalization")) or _mapping(config.get("normalization"))
    architecture = _first((model, config, top), "backbone", "architecture", "arch", "model_name", "model")
    names = _first((top, data, config, model), "class_names", "classes")
    size = _first((data, config, top), "image_size", "img_size", "input_size")
    try:
        return Facts(
            architecture=architecture if isinstance(architecture, str) else None,
            class_names=_names(names),
            num_classes=_integer(_first((model, config, top), "num_classes")),
            image_size=_integer(size),
            mean=_floats(normalization.get("mean")),
            std=_floats(normalization.get("std")),
            synthetic=top.get("synthetic") is True,
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"the configuration in '{checkpoint.path}' has a value of the wrong type ({error})",
            hint="save the checkpoint with plain numbers and names",
        ) from error


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(places: tuple[Mapping[str, Any], ...], *keys: str) -> Any:  # noqa: ANN401 -- any value of a config
    """Return the first value that is there, place by place and key by key."""
    found = (place[key] for place in places for key in keys if place.get(key) is not None)
    return next(found, None)


def _names(value: Any) -> tuple[str, ...] | None:  # noqa: ANN401 -- any value of a config
    """Return class names in order of their index, from a list or from a mapping of name and index."""
    if value is None:
        return None
    if isinstance(value, dict):
        by_index = value if all(isinstance(key, int) for key in value) else {v: k for k, v in value.items()}
        return tuple(str(by_index[index]) for index in sorted(by_index))
    return tuple(str(name) for name in value)


def _integer(value: Any) -> int | None:  # noqa: ANN401 -- any value of a config
    """Return a whole number; of a pair such as an image size, both sides must be equal."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        if len(set(value[-2:])) != 1:
            raise ValueError(f"{value} is not square")
        value = value[-1]
    return int(value)


def _floats(value: Any) -> tuple[float, ...] | None:  # noqa: ANN401 -- any value of a config
    return None if value is None else tuple(round(float(number), 6) for number in value)
