"""What a checkpoint says about its network, whatever dialect its training script spoke."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from btxrd_explain.core.choices import Activation, Interpolation, ResizeMode
from btxrd_explain.core.class_names import MOST_CLASSES, checked_class_names
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import LARGEST_SIDE, MOST_CHANNELS
from btxrd_explain.errors import CheckpointError
from btxrd_explain.finding import Finding
from btxrd_explain.model.aliases import FACTS, NUMBERED, Said, find
from btxrd_explain.plain import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from btxrd_explain.model.checkpoint import Checkpoint
    from btxrd_explain.model.location import Beside


_ARCHITECTURE = re.compile(r"(?:(?:hf[-_]hub:)?timm/)?([\w.-]{1,100})")
TRANSFORMERS = ("vit", "deit", "swin", "swinv2", "convnext", "convnextv2")
"""Families of transformers whose classifiers are understood, by their ``model_type``."""
_PLACEHOLDER = re.compile(r"LABEL_\d+")
"""What transformers calls classes that nobody named."""
_PREPROCESSING = ("size", "mean", "std", "interpolation", "crop_fraction", "resize")
_LONGEST = 60
"""Characters of a value in a message."""


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
        activation: What turns the network's outputs into probabilities.
        transformers: The configuration of a network of transformers.
        arguments: Further arguments with which timm's own formats say that the network was made.
        numbered: The classes are those of a mapping that says the number of each.
        places: Where each of them is, such as ``config.data.image_size``, by the names of
            :data:`btxrd_explain.model.aliases.FACTS`.
        unused: What was found under names of facts and cannot be used, with the reasons.
        findings: Places that say different things.
    """

    architecture: str | None = None
    class_names: tuple[str, ...] | None = None
    num_classes: int | None = None
    channels: int | None = None
    synthetic: bool = False
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    activation: Activation | None = None
    transformers: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    numbered: bool = False
    places: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


class _Read(NamedTuple):
    """A fact that was read, and what was found on the way."""

    value: Any
    said: Said | None
    unused: list[str]
    findings: list[Finding]


def gather_facts(checkpoint: Checkpoint) -> Facts:
    """Gather what a checkpoint says; see :func:`facts_of`."""
    return facts_of(checkpoint.path, checkpoint.facts, checkpoint.beside)


def _with_pair(top: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a file holds, a mean and a standard deviation of one number as those of all channels.

    A mean alone may be that of anything; both together are a normalisation.
    """
    pair = {key: top.get(key) for key in ("mean", "std")}
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in pair.values()):
        return top
    return {**top, **{key: [value] for key, value in pair.items()}}


def facts_of(path: Path, top: Mapping[str, Any], beside: Beside) -> Facts:
    """Gather what the dialects of checkpoints in the wild say under different names.

    Args:
        path: The file, for messages.
        top: What it holds apart from weights.
        beside: What files next to it say.

    Raises:
        CheckpointError: A value has the wrong type, or is out of range.
    """
    top = _with_pair(top)
    try:
        read = {fact: _read(fact, top, beside.content) for fact in FACTS}
        config = beside.content.get("config.json", {})
        transformers = read["architecture"].said is None and _of_transformers(config, read)
    except ValueError as error:
        raise CheckpointError(
            f"the configuration in '{path}' has a value that cannot be used ({error})",
            hint="save the checkpoint with plain numbers and names",
        ) from error
    names = read["class_names"].said
    arguments, odd = _arguments(top, beside.content)
    return Facts(
        **{fact: found.value for fact, found in read.items() if fact not in _PREPROCESSING},
        synthetic=top.get("synthetic") is True,
        preprocessing={fact: read[fact].value for fact in _PREPROCESSING if read[fact].said is not None},
        transformers=config if transformers else None,
        arguments=arguments,
        numbered=names is not None and names.key in NUMBERED,
        places={fact: found.said.place for fact, found in read.items() if found.said is not None},
        unused=(*beside.unused, *(text for found in read.values() for text in found.unused), *odd),
        findings=tuple(finding for found in read.values() for finding in found.findings),
    )


_TOLD_OTHERWISE = frozenset({"num_classes", "in_chans", "img_size"})
"""Arguments that other facts, or the weights, say."""
_NOT_OF_A_NETWORK = frozenset(
    {
        *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict", "pretrained_model_args"),
        *("checkpoint_path", "cache_dir", "scriptable", "exportable", "no_jit", "features_only"),
    }
)
"""Arguments by which timm would load something, or make something else than a classifier."""
_MOST_PARTS, _LARGEST = 16, 4096
"""Of an argument: values of a list, and the largest whole number, so that a few bytes do not ask for much work."""


def _arguments(
    top: Mapping[str, Any], beside: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the arguments that timm's export and its training script keep, and what of them cannot be used.

    They are those that timm passes when it loads such an export: pooling, activation and the like change what weights
    of the same shapes mean.
    """
    config, args = beside.get("config.json", {}), top.get("args")
    said = {"config.json: model_args": config.get("model_args")}
    if isinstance(args, Mapping) and {"model", "gp", "model_kwargs"} <= args.keys():
        said |= {"args.model_kwargs": args["model_kwargs"], "args": {"global_pool": args["gp"]}}
    found: dict[str, Any] = {}
    unused = []
    for place, arguments in said.items():
        for name, value in arguments.items() if isinstance(arguments, Mapping) else ():
            if name in _TOLD_OTHERWISE or value is None:
                continue
            if isinstance(name, str) and name not in _NOT_OF_A_NETWORK and _is_argument(value):
                found.setdefault(name, value)
            else:
                unused.append(f"{place}.{str(name)[:_LONGEST]} (not an argument of a network that is understood)")
    pool = config.get("global_pool")
    if isinstance(pool, str) and "architecture" in config and "global_pool" not in found:
        unused.append(f"config.json: global_pool {pool[:_LONGEST]} (timm does not use it without model_args)")
    return found, tuple(unused)


def _is_argument(value: object) -> bool:
    """Return whether a value can be an argument of a network: a text or a number, or a few of them."""
    if isinstance(value, list | tuple):
        flat = not any(isinstance(part, list | tuple) for part in value)
        return len(value) <= _MOST_PARTS and flat and all(map(_is_argument, value))
    if isinstance(value, str):
        return len(value) <= _LONGEST
    return isinstance(value, int | float) and abs(value) <= _LARGEST


def _of_transformers(config: Mapping[str, Any], read: dict[str, _Read]) -> bool:
    """Return whether a configuration is that of a classifier of transformers, and take its name as architecture."""
    family, names = config.get("model_type"), config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    if not isinstance(family, str) or not isinstance(name, str):
        return False
    place = "config.json: architectures"
    if family not in TRANSFORMERS or not name.endswith("ForImageClassification"):
        told = f"{place} ({name[:_LONGEST]} of transformers; known are classifiers of {', '.join(TRANSFORMERS)})"
        read["architecture"].unused.append(told)
        return False
    said = Said(place, "architectures", name, certain=True)
    read["architecture"] = read["architecture"]._replace(value=name, said=said)
    return True


def _read(fact: str, top: Mapping[str, Any], beside: Mapping[str, Mapping[str, Any]]) -> _Read:
    """Read a fact: the first place that says it counts, and others are compared with it."""
    found = _Read(None, None, [], [])
    for said in find(fact, top, beside):
        try:
            value = _READERS[fact](said)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the latter from tensors of wrong shape
            if said.certain and not isinstance(error, _PlaceholderError):
                raise ValueError(f"{said.place}: {error}") from error
            found.unused.append(f"{said.place} ({error})")
            continue
        if value is None:
            continue
        if found.said is None:
            found = found._replace(value=value, said=said)
        elif _differ(fact, found.value, value):
            found.findings.append(_contradiction(fact, found, said, value))
    return found


def _differ(fact: str, value: Any, other: Any) -> bool:  # noqa: ANN401 -- any fact
    """Return whether two values of a fact differ; an architecture may be named with or without timm's tag."""
    if fact == "architecture":
        return bool(value.partition(".")[0] != other.partition(".")[0])
    return bool(value != other)


def _contradiction(fact: str, taken: _Read, said: Said, value: Any) -> Finding:  # noqa: ANN401 -- any fact
    place = "" if taken.said is None else taken.said.place
    return Finding.of(
        "checkpoint-contradicts",
        f"the checkpoint says {FACTS[fact].meaning} {_text(taken.value)} ({place}) and {_text(value)} ({said.place}), "
        f"and {_text(taken.value)} is used",
    )


def _text(value: object) -> str:
    """Return a fact as messages show it."""
    if isinstance(value, Size):
        return str(value.height) if value.height == value.width else f"{value.height} x {value.width}"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def found_note(facts: Facts, unlike: Collection[str] = ()) -> list[str]:
    """Return in one line what a checkpoint says, where, and what of it is not used.

    Args:
        facts: What it says.
        unlike: Facts that it says and that are not used, by the names of :data:`btxrd_explain.model.aliases.FACTS`.
    """
    said = {
        fact: f"{FACTS[fact].meaning} {_text(_value(facts, fact))} ({place})" for fact, place in facts.places.items()
    }
    used = [text for fact, text in said.items() if fact not in unlike]
    unused = [text for fact, text in said.items() if fact in unlike]
    used += [f"{name} {_text(value)} (arguments of timm)" for name, value in facts.arguments.items()]
    unused += facts.unused
    parts = [f"the checkpoint says {', '.join(used)}"] if used else []
    parts += [f"not used of the checkpoint: {', '.join(unused)}"] if unused else []
    return ["; ".join(parts)] if parts else []


def _value(facts: Facts, fact: str) -> Any:  # noqa: ANN401 -- any fact
    return facts.preprocessing[fact] if fact in _PREPROCESSING else getattr(facts, fact)


def require_facts(
    path: Path,
    facts: Facts,
    *,
    architecture: str | None,
    factory: str | None,
    class_names: tuple[str, ...] | None,
    sized: bool,
) -> None:
    """Refuse a checkpoint of which the user must say more, before its network is made.

    Args:
        path: The checkpoint.
        facts: What it says.
        architecture: What the user says.
        factory: What the user says.
        class_names: What the user says.
        sized: The user says an image size.

    Raises:
        CheckpointError: Something is missing: all of it is named, with the flags that give it; or the user names the
            classes in another order than that in which the checkpoint numbers them.
    """
    missing = {}
    if facts.architecture is None and architecture is None and factory is None:
        missing["the architecture"] = (
            "--architecture, for example efficientnet_b0 (--factory for a network of your own)"
        )
    if facts.class_names is None and class_names is None:
        missing["the class names"] = "--class-names, for example Normal,Benign,Malignant (in the order of the outputs)"
    if missing and factory and not sized and "size" not in facts.preprocessing:
        missing["the image size"] = "--image-size, for example 224"
    if missing:
        unused = f" (not used: {', '.join(facts.unused)})" if facts.unused else ""
        raise CheckpointError(
            f"'{path}' does not say {', '.join(missing)}{unused}", hint=f"give {', '.join(missing.values())}"
        )
    if facts.numbered and class_names is not None and facts.class_names != class_names:
        _refuse_other_order(path, facts, class_names)


def _refuse_other_order(path: Path, facts: Facts, wished: tuple[str, ...]) -> None:
    """Refuse class names in another order than that in which the training numbered them."""
    if sorted(facts.class_names or ()) == sorted(wished):
        raise CheckpointError(
            f"'{path}' numbers the classes {_text(facts.class_names)} ({facts.places['class_names']}), "
            f"and the settings say {_text(wished)}",
            hint="leave --class-names out, or check which of them the training used",
        )


# Readers: each returns the value of a fact, None where a value says nothing of it, or raises an error that says why it
# cannot be used.


def _architecture(said: Said) -> str | None:
    """Return the name of an architecture; what is not text is something else of that key, such as the weights."""
    if not isinstance(said.value, str):
        return None
    named = _ARCHITECTURE.fullmatch(said.value)
    if named is None:
        raise ValueError(f"{said.value[:_LONGEST]!r} is not the name of an architecture")
    return named[1]


def _class_names(said: Said) -> tuple[str, ...] | None:
    """Return class names in order of their index, from a list or from a mapping of name and index."""
    value = said.value
    if said.key in FACTS["num_classes"].likely and isinstance(value, int):
        return None
    if isinstance(value, str | bytes | set):
        raise TypeError(f"the class names are {kind_of(value)}, which has no order")
    if isinstance(value, Mapping):
        value = _by_index(value)
    names = [_name(name, text_only=not said.certain) for name in islice(value, MOST_CLASSES + 1)]
    if names and all(map(_PLACEHOLDER.fullmatch, names)):
        raise _PlaceholderError(f"'{names[0]}' is not a name that somebody gave")
    return checked_class_names(names)


class _PlaceholderError(ValueError):
    """Class names are placeholders."""


def _by_index(names: Mapping[Any, Any]) -> list[Any]:
    """Return what a mapping names, in the order of the numbers, which are its keys or its values."""
    keys, values = names.keys(), names.values()
    whole = [all(isinstance(each, int) for each in side) for side in (keys, values)]
    by_key = whole[0] or not (whole[1] or (all(map(_is_digits, values)) and not all(map(_is_digits, keys))))
    numbered = [
        (int(key), value) if by_key else (int(value), key) for key, value in islice(names.items(), MOST_CLASSES + 1)
    ]
    indices = sorted(index for index, _ in numbered)
    if indices != list(range(len(indices))):
        raise ValueError(f"the numbers of the classes are {_text(tuple(indices))}, not 0 to {len(indices) - 1}")
    return [name for _, name in sorted(numbered, key=lambda pair: pair[0])]


def _is_digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _name(value: object, *, text_only: bool) -> str:
    """Return the name of a class, which may be a number where the place holds nothing but class names."""
    if not isinstance(value, str if text_only else str | int | float):
        raise TypeError(f"a class name is {kind_of(value)}")
    return str(value)


def _count(said: Said) -> int | None:
    """Return a number of classes; a list of them says it elsewhere."""
    if isinstance(said.value, bool) or (not said.certain and not isinstance(said.value, int)):
        return None
    return int(said.value)


def _size(said: Said) -> Size | None:
    """Return the size of the input, from a number, a pair, or a shape with the channels before or behind them."""
    value = said.value
    if isinstance(value, Mapping):
        value = [value[key] for key in ("height", "width", "shortest_edge") if key in value]
        value = value * 2 if len(value) == 1 else value[:2]
    if isinstance(value, list | tuple) and len(value) > 2 and value[-1] in {1, 3} and value[-3] not in {1, 3}:
        value = value[:-1]
    sides = [int(side) for side in value[-2:]] if isinstance(value, list | tuple) else [int(value)]
    if not sides:
        raise ValueError("an image size of no sides")
    if not all(1 <= side <= LARGEST_SIDE for side in sides):
        raise ValueError(f"an image size of {' x '.join(map(str, sides))} is not 1 to {LARGEST_SIDE} pixels")
    return Size(sides[0], sides[-1])


def _channels(said: Said) -> int | None:
    return said.value if isinstance(said.value, int) and not isinstance(said.value, bool) else None


def _floats(said: Said) -> tuple[float, ...] | None:
    """Return one finite number per channel; a single one alone only where it can be nothing else."""
    value = said.value
    if isinstance(value, int | float):
        if not said.certain:
            return None  # at the top it may be the mean of anything
        value = [value]
    numbers = tuple(round(float(number), 6) for number in islice(value, MOST_CHANNELS + 1))
    if not 1 <= len(numbers) <= MOST_CHANNELS or not all(map(math.isfinite, numbers)):
        raise ValueError("the normalisation is not one finite number per channel")
    return numbers


def _deviations(said: Said) -> tuple[float, ...] | None:
    numbers = _floats(said)
    if numbers and min(numbers) <= 0:
        raise ValueError("a standard deviation of the normalisation is not above 0")
    return numbers


_PILLOW = {0: "nearest", 2: "bilinear", 3: "bicubic", 4: "area"}
"""Numbers of Pillow's kernels, as transformers saves them."""


def _interpolation(said: Said) -> Interpolation | None:
    """Return the kernel of that name or number; training scripts also say ``random``, which is not a kernel."""
    name = _PILLOW.get(said.value, said.value) if isinstance(said.value, int) else said.value
    if not isinstance(name, str):
        return None
    return Interpolation(name.rpartition(".")[2].lower())


def _fraction(said: Said) -> float | None:
    return float(said.value) if isinstance(said.value, float) or said.value == 1 else None


_CROP_MODES = {"center": ResizeMode.CROP, "squash": ResizeMode.SQUASH_CROP}
"""timm's names; its third, ``border``, pads."""


def _resize(said: Said) -> ResizeMode | None:
    if said.value not in _CROP_MODES:
        raise ValueError(f"{str(said.value)[:_LONGEST]!r} is not {' or '.join(_CROP_MODES)}")
    return _CROP_MODES[said.value]


_LOSSES = {
    Activation.SIGMOID: re.compile(r"bce|binary[_ -]?cross[_ -]?entropy|sigmoid|multi[_ -]?label"),
    Activation.SOFTMAX: re.compile(r"softmax|cross[_ -]?entropy|nll|single[_ -]?label|^ce$"),
}
"""What the names of losses, activations and problems say, the former first."""


def _activation(said: Said) -> Activation | None:
    """Return what the name of a loss or of an activation says, or that several classes can be true."""
    value = said.value
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("name", "type", "_target_") if key in value), None)
    if value is True and said.key in {"multi_label", "multilabel", "bce_loss"}:
        return Activation.SIGMOID
    if not isinstance(value, str):
        return None
    return next((found for found, names in _LOSSES.items() if names.search(value.lower())), None)


_READERS: dict[str, Callable[[Said], Any]] = {
    "architecture": _architecture,
    "class_names": _class_names,
    "num_classes": _count,
    "size": _size,
    "mean": _floats,
    "std": _deviations,
    "interpolation": _interpolation,
    "crop_fraction": _fraction,
    "resize": _resize,
    "channels": _channels,
    "activation": _activation,
}
