"""From a checkpoint to a classifier: what the checkpoint knows counts, then the flags, then timm's own values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import timm

from btxrd_explain.core.geometry import ResizeMode, Size
from btxrd_explain.core.preprocess import Interpolation, Preprocessing
from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.weights import fit_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from btxrd_explain.model.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for; None leaves it to the checkpoint or to timm.

    Attributes:
        architecture: timm's name of the network.
        class_names: Class names in the network's order.
        image_size: Side of the square input, in pixels.
        mean: Mean per channel, of values in [0, 1].
        std: Standard deviation per channel, of values in [0, 1].
        resize: How a radiograph becomes the input.
        interpolation: Kernel of the resize.
        antialias: Whether the kernel widens when shrinking.
        crop_fraction: Share that a centre crop keeps.
    """

    architecture: str | None = None
    class_names: tuple[str, ...] | None = None
    image_size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: ResizeMode = ResizeMode.SQUASH
    interpolation: Interpolation = Interpolation.BILINEAR
    antialias: bool = False
    crop_fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network that is ready to be explained.

    Attributes:
        network: The network, in eval mode, on the CPU; it returns one score (logit) per class.
        architecture: timm's name of it.
        class_names: Class names in the order of the scores.
        preprocessing: How it wants its input.
        synthetic: True for the demo's classifier.
        notes: Decisions and disagreements that the user should know of.
    """

    network: nn.Module
    architecture: str
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    synthetic: bool = False
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Choice:
    """Picks one value from several sources, and keeps note of disagreements."""

    notes: list[str] = field(default_factory=list)

    def of(self, what: str, stored: Any, wished: Any, default: Any = None) -> Any:  # noqa: ANN401 -- any setting
        if stored is not None and wished is not None and stored != wished:
            self.notes.append(f"the checkpoint says {what} {stored}, the settings say {wished}: {stored} is used")
        return next((value for value in (stored, wished, default) if value is not None), None)


def build_classifier(checkpoint: Checkpoint, wishes: Wishes) -> Classifier:
    """Build the network that a checkpoint was trained as, and load its weights.

    Nothing is downloaded, whatever ``pretrained`` says in the checkpoint.

    Args:
        checkpoint: The checkpoint.
        wishes: What the user asks for.

    Returns:
        The classifier, in eval mode, on the CPU.

    Raises:
        CheckpointError: Architecture or class names are unknown, or the weights do not fit.
    """
    facts = _facts(checkpoint)
    choice = _Choice(list(checkpoint.notes))
    architecture = choice.of("architecture", facts.architecture, wishes.architecture)
    class_names = choice.of("class names", facts.class_names, wishes.class_names)
    _require(checkpoint, architecture, "the architecture", "--architecture, for example efficientnet_b0")
    _require(checkpoint, class_names, "the class names", "--class-names, for example Normal,Benign,Malignant")
    if facts.num_classes is not None and facts.num_classes != len(class_names):
        raise CheckpointError(
            f"'{checkpoint.path}' is for {facts.num_classes} classes, but {len(class_names)} are named "
            f"({', '.join(class_names)})",
            hint="check --class-names",
        )
    image_size = choice.of("image size", facts.image_size, wishes.image_size)
    network, own = _create(checkpoint, architecture, len(class_names), image_size)
    choice.notes += fit_weights(network, checkpoint)
    channels, *side = own["input_size"]
    preprocessing = Preprocessing(
        size=Size(image_size, image_size) if image_size else Size(*side),
        mean=_per_channel(choice.of("mean", facts.mean, wishes.mean, own["mean"]), channels),
        std=_per_channel(choice.of("std", facts.std, wishes.std, own["std"]), channels),
        resize=wishes.resize,
        interpolation=wishes.interpolation,
        antialias=wishes.antialias,
        crop_fraction=wishes.crop_fraction,
    )
    return Classifier(network.eval(), architecture, class_names, preprocessing, facts.synthetic, tuple(choice.notes))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a checkpoint says about its network, each None where it says nothing."""

    architecture: str | None
    class_names: tuple[str, ...] | None
    num_classes: int | None
    image_size: int | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    synthetic: bool


def _facts(checkpoint: Checkpoint) -> _Facts:
    """Gather what the dialects of checkpoints in the wild say under different names."""
    top = checkpoint.facts
    config = _mapping(top.get("config")) or _mapping(top.get("hyper_parameters")) or _mapping(top.get("args"))
    model, data = _mapping(config.get("model")), _mapping(config.get("data"))
    normalization = _mapping(top.get("normalization")) or _mapping(config.get("normalization"))
    architecture = _first((model, config, top), "backbone", "architecture", "arch", "model_name", "model")
    names = _first((top, data, config, model), "class_names", "classes")
    size = _first((data, config, top), "image_size", "img_size", "input_size")
    try:
        return _Facts(
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


def _create(
    checkpoint: Checkpoint, architecture: str, classes: int, image_size: int | None
) -> tuple[nn.Module, dict[str, Any]]:
    """Create the network without weights, and return timm's own configuration of it.

    The number of input channels is that of the checkpoint's first convolution.
    """
    if not timm.is_model(architecture):
        close = timm.list_models(f"*{architecture}*")[:3]
        raise CheckpointError(
            f"timm has no architecture '{architecture}', which '{checkpoint.path}' needs",
            hint=f"did you mean {', '.join(close)}" if close else "check --architecture against timm.list_models()",
        )
    registered: Any = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    own: dict[str, Any] = registered.to_dict() if registered else {}
    options: dict[str, Any] = {"in_chans": _input_channels(checkpoint, own)}
    if image_size and own.get("fixed_input_size"):
        options["img_size"] = image_size
    network: Any = timm.create_model(architecture, pretrained=False, num_classes=classes, **options)
    own = network.pretrained_cfg
    return network, {**own, "input_size": (options["in_chans"], *own["input_size"][1:])}


def _input_channels(checkpoint: Checkpoint, own: Mapping[str, Any]) -> int:
    """Return how many channels the checkpoint's first convolution takes; 3 where there is no telling."""
    first = own.get("first_conv") or ()
    tails = tuple(f"{name}.weight" for name in ((first,) if isinstance(first, str) else first))
    shapes = (tensor.shape for key, tensor in checkpoint.weights.items() if key.endswith(tails))
    return next((shape[1] for shape in shapes if len(shape) == 4), 3)


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Return one value per channel; a grey network takes the average of values that are meant for colours."""
    if len(values) == channels:
        return tuple(values)
    if channels == 1:
        return (sum(values) / len(values),)
    raise CheckpointError(
        f"the normalisation has {len(values)} channels, the network takes {channels}",
        hint="check --mean and --std",
    )


def _require(checkpoint: Checkpoint, value: object, what: str, flag: str) -> None:
    if value is None:
        raise CheckpointError(f"'{checkpoint.path}' does not say {what}", hint=f"give {flag}")


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
