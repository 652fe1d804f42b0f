"""From a checkpoint to a classifier: what the checkpoint knows counts, then the flags, then the makers' values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from btxrd_explain.core.choices import Activation, Depth, ResizeMode
from btxrd_explain.core.intensity import transform_named
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import CheckpointError, SettingsError
from btxrd_explain.finding import Finding
from btxrd_explain.model.activation import Outputs, decide, watch_outputs
from btxrd_explain.model.checkpoint import OneOutputError, fit_weights
from btxrd_explain.model.evaluation_transform import USUAL, evaluation_transform
from btxrd_explain.model.facts import Facts, found_note, gather_facts, require_facts
from btxrd_explain.model.findings import disagreement, network_findings, preprocessing_findings
from btxrd_explain.model.networks import (
    Blueprint,
    fill_zero_heads,
    from_factory,
    from_timm,
    from_transformers,
    in_eval_mode,
    is_known,
)
from btxrd_explain.model.scores import return_scores
from btxrd_explain.plain import short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.model.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for; None leaves it to the checkpoint or to timm.

    Attributes:
        architecture: timm's name of the network.
        factory: ``module:callable`` that builds the network, instead of timm.
        class_names: Class names in the network's order; of a network with one output the negative class, then the
            positive one.
        preprocessing: Fields of :class:`btxrd_explain.core.preprocess.Preprocessing`, those that are asked for.
        activation: What turns the network's outputs into probabilities; None leaves it to what is known.
        multi_label_labels: True where labels name several classes of one radiograph: each class of a network with
            several outputs then has a sigmoid of its own, unless ``activation`` or the checkpoint say otherwise. As it
            decides about results, whoever sets it makes it part of the request. None where no labels are looked at.
        from_timm: Whether the rest of them is that of timm's evaluation transform.
        own_resize: Whether resize, interpolation, antialias and crop_fraction are those of the settings, whatever the
            checkpoint says of them.
    """

    architecture: str | None = None
    factory: str | None = None
    class_names: tuple[str, ...] | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    activation: Activation | None = None
    multi_label_labels: bool | None = None
    from_timm: bool = False
    own_resize: bool = False


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network that is ready to be explained.

    Attributes:
        network: The network, in eval mode, on the CPU; it returns scores of shape ``(B, n)``, whatever its ``forward``
            returns. ``n`` is the number of classes, or 1 for two classes.
        architecture: timm's name of it, or ``module:callable``.
        class_names: Class names in the order of the scores; where there is one score, the second one is the class for
            which it is high.
        preprocessing: How it wants its input.
        synthetic: True for the demo's classifier.
        notes: Decisions that the user should know of.
        findings: What may be wrong with network or preprocessing.
        activation: What turns the scores into probabilities.
        multi_label: True where each class has a probability of its own.
    """

    network: nn.Module
    architecture: str
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    activation: Activation = Activation.SOFTMAX
    multi_label: bool = False

    __repr__ = short_repr


@dataclass(slots=True)
class _Choice:
    """Picks one value from several sources, and keeps note of decisions and of disagreements."""

    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def of(self, what: str, stored: Any, wished: Any, default: Any = None) -> Any:  # noqa: ANN401 -- any setting
        if stored is not None and wished is not None and stored != wished:
            self.findings.append(disagreement(what, stored, wished))
        return next((value for value in (stored, wished, default) if value is not None), None)

    def of_size(self, facts: Facts, wishes: Wishes) -> Size | None:
        stored, wished = (said.preprocessing.get("size") for said in (facts, wishes))
        if stored is not None and wished is not None and stored != wished:
            self.findings.append(disagreement("image size", _shown(stored), _shown(wished)))
        return stored or wished


def build_classifier(checkpoint: Checkpoint, wishes: Wishes) -> Classifier:
    """Build the network that a checkpoint was trained as, and load its weights.

    Nothing is downloaded, whatever ``pretrained`` says in the checkpoint.

    Args:
        checkpoint: The checkpoint.
        wishes: What the user asks for.

    Returns:
        The classifier, in eval mode, on the CPU.

    Raises:
        CheckpointError: Architecture or class names are unknown, there is one class, or the weights do not fit.
        SettingsError: The factory cannot be used, only the user can say what is missing, or the network returns no
            scores that fit the classes.
    """
    facts = _known_facts(checkpoint, wishes)
    choice = _Choice([*checkpoint.notes, *found_note(facts, _unlike(facts, wishes))], [*facts.findings])
    class_names = _class_names(checkpoint, facts, wishes, choice)
    image_size = choice.of_size(facts, wishes)
    blueprint = _fitted(checkpoint, facts, wishes, choice, classes=len(class_names), image_size=image_size)
    preprocessing = _preprocessing(blueprint, facts, wishes, choice, image_size)
    network = in_eval_mode(blueprint.network)
    outputs = _outputs(network, preprocessing, class_names)
    decision = decide(
        outputs,
        wished=wishes.activation,
        stored=facts.activation,
        several_labels=wishes.multi_label_labels,
        positive=f"'{class_names[-1]}'",
    )
    notes = (*choice.notes, *_taken(outputs), *decision.notes)
    findings = (
        *choice.findings,
        *decision.findings,
        *preprocessing_findings(preprocessing, blueprint, facts),
        *network_findings(network, outputs.count),
    )
    return Classifier(
        network,
        blueprint.name,
        class_names,
        preprocessing,
        facts.synthetic,
        notes,
        findings,
        decision.activation,
        decision.multi_label,
    )


def _known_facts(checkpoint: Checkpoint, wishes: Wishes) -> Facts:
    """Return what a checkpoint says, which with the wishes is all that is needed."""
    facts = gather_facts(checkpoint)
    require_facts(
        checkpoint.path,
        facts,
        architecture=wishes.architecture,
        factory=wishes.factory,
        class_names=wishes.class_names,
        sized="size" in wishes.preprocessing,
    )
    return facts


def _unlike(facts: Facts, wishes: Wishes) -> set[str]:
    """Return what a checkpoint says and the settings decide otherwise."""
    unlike = {
        what
        for what in ("interpolation", "crop_fraction", "resize")
        if wishes.own_resize
        and what in facts.preprocessing
        and facts.preprocessing[what] != wishes.preprocessing.get(what)
    }
    return unlike | ({"architecture"} if wishes.factory is not None else set())


def _class_names(checkpoint: Checkpoint, facts: Facts, wishes: Wishes, choice: _Choice) -> tuple[str, ...]:
    """Decide on the names of the classes: two of a network with one output, the negative one first."""
    stored, wished = facts.class_names, wishes.class_names
    if stored is not None and len(stored) == 1 and wished is not None and len(wished) == 2:
        if wished[0] == stored[0]:
            raise SettingsError(
                f"'{stored[0]}' is the class for which the one output of '{checkpoint.path}' is high, and is named "
                "first",
                hint=f"name the negative class first: --class-names '{wished[1]},{wished[0]}'",
            )
        stored = (wished[0], *stored)
    names: tuple[str, ...] = choice.of("class names", stored, wished)
    _refuse_one_class(f"the network of '{checkpoint.path}'", names)
    said = facts.num_classes
    if said is not None and said != len(names) and (said, len(names)) != (1, 2):
        raise CheckpointError(
            f"'{checkpoint.path}' is for {said} class{'es' * (said != 1)}, but {len(names)} are named "
            f"({', '.join(names)})",
            hint="check --class-names" + ("; of one output, name the negative class first" if said == 1 else ""),
        )
    return names


def _fitted(
    checkpoint: Checkpoint, facts: Facts, wishes: Wishes, choice: _Choice, *, classes: int, image_size: Size | None
) -> Blueprint:
    """Create the network and load its weights: of two classes also one with one output, where they are of such."""

    def made(outputs: int) -> Blueprint:
        blueprint = _blueprint(checkpoint, facts, wishes, choice, classes=outputs, image_size=image_size)
        choice.notes += [] if blueprint.filled else fit_weights(blueprint.network, checkpoint)
        return blueprint

    if facts.num_classes == 1:
        return made(1)
    before = len(choice.notes), len(choice.findings)
    try:
        return made(classes)
    except OneOutputError:
        if classes != 2:
            raise
    del choice.notes[before[0] :], choice.findings[before[1] :]  # the second try says them again
    return made(1)


def _outputs(network: nn.Module, preprocessing: Preprocessing, class_names: tuple[str, ...]) -> Outputs:
    """Look at what the network returns, and let it return its scores alone from now on."""
    classes = len(class_names)
    expected = {classes} if classes > 2 else {1, classes}
    outputs = watch_outputs(network, torch.zeros(1, len(preprocessing.mean), *preprocessing.size), expected)
    if outputs.count not in expected:
        one = outputs.count == 1
        raise SettingsError(
            f"the network gives {outputs.count} score{'s' * (not one)} for {classes} classes",
            hint="check --class-names" + ("; of one output, name two, the negative one first" if one else ""),
        )
    return_scores(network, expected)
    return outputs


def _taken(outputs: Outputs) -> tuple[str, ...]:
    """Return what of the network's output is taken."""
    return (f"the scores are {outputs.how}",) if outputs.how else ()


def build_untrained(wishes: Wishes) -> Classifier:
    """Build a network with random weights, always the same ones, to look at its layers.

    Args:
        wishes: What the user asks for; either ``architecture`` or ``factory`` must be given.

    Returns:
        The classifier, in eval mode, on the CPU.

    Raises:
        SettingsError: No network is named, the architecture is unknown, or the factory cannot be used.
        CheckpointError: There is one class.
    """
    class_names = wishes.class_names or ("Normal", "Benign", "Malignant")
    _refuse_one_class("the network", class_names)
    choice = _Choice(["the weights are random: layers and grids are those of a trained network, heat maps are not"])
    image_size = choice.of_size(Facts(), wishes)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        blueprint = _wished(wishes, classes=len(class_names), image_size=image_size)
    fill_zero_heads(blueprint.network)
    preprocessing = _preprocessing(blueprint, Facts(), wishes, choice, image_size)
    network = in_eval_mode(blueprint.network)
    outputs = _outputs(network, preprocessing, class_names)
    return Classifier(network, blueprint.name, class_names, preprocessing, notes=(*choice.notes, *_taken(outputs)))


def _blueprint(
    checkpoint: Checkpoint, facts: Facts, wishes: Wishes, choice: _Choice, *, classes: int, image_size: Size | None
) -> Blueprint:
    """Create the network that the checkpoint belongs to: the user's own, else timm's of the name that it says."""
    if wishes.factory is not None:
        if facts.architecture is not None:
            choice.notes.append(
                f"the checkpoint says architecture {facts.architecture}; the network is that of {wishes.factory}"
            )
        return _wished(wishes, classes=classes, image_size=image_size)
    stored = facts.architecture
    if facts.transformers is not None:
        choice.of("architecture", stored, wishes.architecture)
        return from_transformers(facts.transformers, classes, checkpoint)
    if stored is not None and wishes.architecture is not None and not is_known(stored):
        choice.notes.append(
            f"timm has no architecture {stored}, which the checkpoint says: {wishes.architecture} is used"
        )
        stored = None  # a class of timm, for example, which several architectures share
    architecture = choice.of("architecture", stored, wishes.architecture)
    try:
        return from_timm(architecture, classes, image_size=image_size, checkpoint=checkpoint, arguments=facts.arguments)
    except SettingsError as error:
        if stored is None:
            raise
        raise CheckpointError(f"{error.message}, which '{checkpoint.path}' needs", hint=error.hint) from error


def _wished(wishes: Wishes, *, classes: int, image_size: Size | None) -> Blueprint:
    """Create the network that the user names."""
    if wishes.factory is not None and wishes.architecture is not None:
        raise SettingsError(
            f"both a factory ({wishes.factory}) and an architecture of timm ({wishes.architecture}) are named",
            hint="give one of --factory and --architecture",
        )
    if wishes.factory is not None:
        return from_factory(wishes.factory, classes)
    if wishes.architecture is None:
        raise SettingsError("no network is named", hint="name a checkpoint or an architecture, or give --factory")
    return from_timm(wishes.architecture, classes, image_size=image_size)


def _preprocessing(
    blueprint: Blueprint, facts: Facts, wishes: Wishes, choice: _Choice, image_size: Size | None
) -> Preprocessing:
    """Decide how the network wants its input."""
    wished = dict(wishes.preprocessing)
    if wishes.from_timm:
        taken, note = evaluation_transform(blueprint, wished)
        wished |= taken
        choice.notes.append(note)
    if not wishes.own_resize:
        wished |= _stored_resize(facts, wished, choice)
    size = image_size or wished.get("size") or blueprint.size
    if size is None:
        raise SettingsError(
            f"neither the checkpoint nor the settings say which input size {blueprint.name} takes",
            hint="give --image-size",
        )
    if wished.get("transform") is not None:
        transform_named(wished["transform"])  # a function that cannot be imported fails before the first radiograph
    choice.notes += _depth_notes(wished)
    made = Preprocessing(**{**wished, "size": size, **_normalisation(blueprint, facts, wished, choice)})
    known = {**facts.preprocessing, **wished, "size": image_size or wished.get("size")}
    choice.notes += _input_of_timm(made, blueprint, [what for what in _INPUT if known.get(what) is None])
    return made


_INPUT = ("size", "mean", "std")
"""Facts of the input that a network of timm has a usual value of."""


def _input_of_timm(made: Preprocessing, blueprint: Blueprint, unsaid: list[str]) -> list[str]:
    """Return a note of what is taken from timm's usual input, as neither the checkpoint nor the settings say it."""
    if blueprint.size is None or not unsaid or made.standardize:
        return []
    values = {"size": f"{made.size.height} x {made.size.width}", "mean": made.mean, "std": made.std}
    taken = ", ".join(f"{what} {values[what]}" for what in unsaid)
    return [f"the input is that of timm's {blueprint.name}, as nothing else says it: {taken}"]


def _stored_resize(facts: Facts, wished: Mapping[str, Any], choice: _Choice) -> dict[str, Any]:
    """Return what the checkpoint says of resize, interpolation and crop, which wins over the settings.

    The names of the crop are timm's, whose resize antialiases, and which crops the centre unless its checkpoint says
    otherwise. A setting that has its default counts as not given.
    """
    stored = {what: facts.preprocessing[what] for what in _RESIZE if what in facts.preprocessing}
    if stored.get("crop_fraction", 1) != 1 and "resize" not in stored:
        whole = wished.get("resize") is ResizeMode.SQUASH_CROP
        stored["resize"] = ResizeMode.SQUASH_CROP if whole else ResizeMode.CROP
    asked = {what: value for what, value in wished.items() if value != USUAL.get(what)}
    for what, value in stored.items():
        choice.of(what, value, asked.get(what))
    if "resize" not in stored:
        return stored
    if not wished.get("antialias"):
        mode = stored["resize"]
        choice.notes.append(f"resize {mode} with antialias, as timm's: the checkpoint says its crop in timm's words")
    return stored | {"antialias": True}


_RESIZE = ("interpolation", "crop_fraction", "resize")
"""Facts of the resize."""


def _normalisation(
    blueprint: Blueprint, facts: Facts, wished: Mapping[str, Any], choice: _Choice
) -> dict[str, tuple[float, ...]]:
    """Decide mean and standard deviation of each channel; 0 and 1 where each image has its own."""
    stored = facts.preprocessing
    if wished.get("standardize"):
        if "mean" in stored or "std" in stored:
            told = f"mean {stored.get('mean')} and std {stored.get('std')}"
            choice.findings.append(
                Finding.of("preprocessing", f"the checkpoint says {told}, and standardize takes each image's own")
            )
        return {"mean": (0.0,) * blueprint.channels, "std": (1.0,) * blueprint.channels}
    known = {what: None if _agree(stored.get(what), wished.get(what)) else stored.get(what) for what in ("mean", "std")}
    mean, std = (choice.of(what, values, wished.get(what)) for what, values in known.items())
    if blueprint.size is None and (mean is None or std is None):
        choice.notes.append("nobody says how the input is normalised: as for ImageNet; preprocess.mean and .std set it")
    return {
        "mean": _per_channel(mean or blueprint.mean, blueprint.channels),
        "std": _per_channel(std or blueprint.std, blueprint.channels),
    }


def _agree(stored: tuple[float, ...] | None, wished: tuple[float, ...] | None) -> bool:
    """Return whether both say the same within the six digits that are kept of a checkpoint's numbers."""
    if stored is None or wished is None or len(stored) != len(wished):
        return False
    return all(math.isclose(one, other, abs_tol=1e-6) for one, other in zip(stored, wished, strict=True))


def _depth_notes(wished: Mapping[str, Any]) -> list[str]:
    """Return in words what a value of 16 bits means where nothing says which value is white."""
    if wished.get("depth", Depth.EIGHT_BIT) is Depth.EIGHT_BIT or wished.get("clip_percentiles") is not None:
        return []
    note = (
        "depth 16-bit: a value v of a 16-bit radiograph becomes v / 65535; preprocess.clip_percentiles: [0, 100] takes "
        "each image's own range"
    )
    return [note]


def _shown(size: Size) -> int | str:
    """Return one side of a square, else height x width."""
    return size.height if size.height == size.width else f"{size.height}x{size.width}"


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Return one value per channel.

    A single value is for all channels, and a grey network takes the average of values that are meant for colours.
    """
    if len(values) == channels:
        return tuple(values)
    if len(values) == 1:
        return tuple(values) * channels
    if channels == 1:
        return (sum(values) / len(values),)
    raise CheckpointError(
        f"the normalisation has {len(values)} channels, the network takes {channels}",
        hint="check preprocess.mean and preprocess.std",
    )


def _refuse_one_class(network: str, names: tuple[str, ...]) -> None:
    """Refuse one name, before the network is made: which of two classes it means decides about all results."""
    if len(names) == 1:
        raise CheckpointError(
            f"{network} has one class name ('{names[0]}'), and one output has two classes",
            hint=f"give both, the negative one first: --class-names 'no {names[0]},{names[0]}'",
        )
