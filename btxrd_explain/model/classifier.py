"""From a checkpoint to a classifier: what the checkpoint knows counts, then the flags, then the makers' values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import CheckpointError, SettingsError
from btxrd_explain.model.checkpoint import fit_weights
from btxrd_explain.model.facts import Facts, found_note, gather_facts, require_facts
from btxrd_explain.model.findings import disagreement, network_findings, preprocessing_findings
from btxrd_explain.model.networks import (
    Blueprint,
    fill_zero_heads,
    from_factory,
    from_timm,
    from_transformers,
    is_known,
)
from btxrd_explain.model.scores import one_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from btxrd_explain.finding import Finding
    from btxrd_explain.model.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for; None leaves it to the checkpoint or to timm.

    Attributes:
        architecture: timm's name of the network.
        factory: ``module:callable`` that builds the network, instead of timm.
        class_names: Class names in the network's order.
        preprocessing: Fields of :class:`btxrd_explain.core.preprocess.Preprocessing`, those that are asked for.
    """

    architecture: str | None = None
    factory: str | None = None
    class_names: tuple[str, ...] | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network that is ready to be explained.

    Attributes:
        network: The network, in eval mode, on the CPU; it returns one score (logit) per class.
        architecture: timm's name of it, or ``module:callable``.
        class_names: Class names in the order of the scores.
        preprocessing: How it wants its input.
        synthetic: True for the demo's classifier.
        notes: Decisions that the user should know of.
        findings: What may be wrong with network or preprocessing.
    """

    network: nn.Module
    architecture: str
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _Choice:
    """Picks one value from several sources, and keeps note of decisions and of disagreements."""

    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def of(self, what: str, stored: Any, wished: Any, default: Any = None) -> Any:  # noqa: ANN401 -- any setting
        if stored is not None and wished is not None and stored != wished:
            self.findings.append(disagreement(what, stored, wished))
        return next((value for value in (stored, wished, default) if value is not None), None)

    def of_side(self, facts: Facts, wishes: Wishes) -> int | None:
        stored, wished = (said.preprocessing.get("size") for said in (facts, wishes))
        side: int | None = self.of("image size", stored and stored.height, wished and wished.height)
        return side


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
        SettingsError: The factory cannot be used, or only the user can say what is missing.
    """
    facts = gather_facts(checkpoint)
    if facts.num_classes == 1:
        raise one_output(f"the network of '{checkpoint.path}' has one output (num_classes 1)")
    require_facts(
        checkpoint.path,
        facts,
        architecture=wishes.architecture,
        factory=wishes.factory,
        class_names=wishes.class_names,
        sized="size" in wishes.preprocessing,
    )
    choice = _Choice([*checkpoint.notes, *found_note(facts, _unlike(facts, wishes))], [*facts.findings])
    class_names = choice.of("class names", facts.class_names, wishes.class_names)
    if facts.num_classes is not None and facts.num_classes != len(class_names):
        raise CheckpointError(
            f"'{checkpoint.path}' is for {facts.num_classes} classes, but {len(class_names)} are named "
            f"({', '.join(class_names)})",
            hint="check --class-names",
        )
    _refuse_one_class(f"the network of '{checkpoint.path}'", class_names)
    image_size = choice.of_side(facts, wishes)
    blueprint = _blueprint(checkpoint, facts, wishes, choice, classes=len(class_names), image_size=image_size)
    choice.notes += [] if blueprint.filled else fit_weights(blueprint.network, checkpoint)
    preprocessing = _preprocessing(blueprint, facts, wishes, choice, image_size)
    return Classifier(
        blueprint.network.eval(),
        blueprint.name,
        class_names,
        preprocessing,
        facts.synthetic,
        tuple(choice.notes),
        (
            *choice.findings,
            *preprocessing_findings(preprocessing, blueprint, facts),
            *network_findings(blueprint.network.eval(), len(class_names)),
        ),
    )


def _unlike(facts: Facts, wishes: Wishes) -> set[str]:
    """Return what a checkpoint says and the settings decide otherwise."""
    unlike = {
        what
        for what in ("interpolation", "crop_fraction")
        if what in facts.preprocessing and facts.preprocessing[what] != wishes.preprocessing.get(what)
    }
    return unlike | ({"architecture"} if wishes.factory is not None else set())


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
    image_size = choice.of_side(Facts(), wishes)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        blueprint = _wished(wishes, classes=len(class_names), image_size=image_size)
    fill_zero_heads(blueprint.network)
    preprocessing = _preprocessing(blueprint, Facts(), wishes, choice, image_size)
    return Classifier(blueprint.network.eval(), blueprint.name, class_names, preprocessing, notes=tuple(choice.notes))


def _blueprint(
    checkpoint: Checkpoint, facts: Facts, wishes: Wishes, choice: _Choice, *, classes: int, image_size: int | None
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
        return from_timm(architecture, classes, image_size=image_size, checkpoint=checkpoint)
    except SettingsError as error:
        if stored is None:
            raise
        raise CheckpointError(f"{error.message}, which '{checkpoint.path}' needs", hint=error.hint) from error


def _wished(wishes: Wishes, *, classes: int, image_size: int | None) -> Blueprint:
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
    blueprint: Blueprint, facts: Facts, wishes: Wishes, choice: _Choice, image_size: int | None
) -> Preprocessing:
    """Decide how the network wants its input."""
    size = Size(image_size, image_size) if image_size else blueprint.size
    if size is None:
        raise SettingsError(
            f"neither the checkpoint nor the settings say which input size {blueprint.name} takes",
            hint="give --image-size",
        )
    stored, wished = facts.preprocessing, wishes.preprocessing
    mean, std = (choice.of(what, stored.get(what), wished.get(what)) for what in ("mean", "std"))
    if blueprint.size is None and (mean is None or std is None):
        choice.notes.append("nobody says how the input is normalised: as for ImageNet; preprocess.mean and .std set it")
    decided = {
        "size": size,
        "mean": _per_channel(mean or blueprint.mean, blueprint.channels),
        "std": _per_channel(std or blueprint.std, blueprint.channels),
    }
    return Preprocessing(**{**wished, **decided})


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
    """Refuse a network of one class before it is made."""
    if len(names) == 1:
        raise one_output(f"{network} is for one class ('{names[0]}')")
