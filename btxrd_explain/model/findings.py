"""What may be wrong with a network or its input although everything loads: a rule each, silent where unsure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.finding import Finding
from btxrd_explain.model.scores import score_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.core.preprocess import Preprocessing
    from btxrd_explain.model.facts import Facts
    from btxrd_explain.model.networks import Blueprint


def disagreement(what: str, stored: Any, wished: Any) -> Finding:  # noqa: ANN401 -- any setting
    """Return the finding that checkpoint and settings disagree on something; the checkpoint counts.

    >>> print(disagreement("image size", 96, 224))
    the checkpoint says image size 96, the settings say 224, and 96 is used: check the training code [preprocessing]
    """
    code = {"class names": "class-names", "architecture": "architecture"}.get(what, "preprocessing")
    if what == "class names" and sorted(stored) == sorted(wished):
        code = "class-order"
    return Finding.of(code, f"the checkpoint says {what} {stored}, the settings say {wished}, and {stored} is used")


def preprocessing_findings(preprocessing: Preprocessing, blueprint: Blueprint, facts: Facts) -> Iterator[Finding]:
    """Compare the input with what the checkpoint says of it, and where that says nothing, with timm.

    Args:
        preprocessing: What is done to radiographs.
        blueprint: What the network's makers say of its input.
        facts: What the checkpoint says.
    """
    if max(*preprocessing.mean, *preprocessing.std) > 1:
        yield Finding.of(
            "normalisation-scale",
            f"mean {preprocessing.mean} and std {preprocessing.std} are for values in 0-255, and are applied to values "
            "in 0-1",
        )
    for what in ("interpolation", "crop_fraction", "resize"):
        stored, used = facts.preprocessing.get(what), getattr(preprocessing, what)
        if stored is not None and stored != used:
            yield Finding.of(
                "preprocessing",
                f"the checkpoint says {what} {stored}, {used} is used, as preprocess.from is settings",
            )
    if preprocessing.crop_fraction != 1 and preprocessing.resize not in {ResizeMode.CROP, ResizeMode.SQUASH_CROP}:
        yield Finding.of(
            "preprocessing",
            f"crop_fraction {preprocessing.crop_fraction} has no effect with resize {preprocessing.resize}",
            advice="set preprocess.resize to crop or squash-crop, or leave crop_fraction out",
        )
    if facts.channels not in (None, blueprint.channels):
        yield Finding.of(
            "preprocessing", f"the checkpoint says {facts.channels} channels, its weights take {blueprint.channels}"
        )
    yield from _unlike_timm(preprocessing, blueprint, facts)


def network_findings(network: nn.Module, classes: int) -> Iterator[Finding]:
    """Look for signs that a network was never trained, or that its scores depend on more than the radiograph.

    Args:
        network: The network with its weights, in eval mode.
        classes: Number of its scores.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001 -- the class has no public name
    if norms and all(_untouched(norm) for norm in norms):
        yield Finding.of(
            "network-untrained",
            f"the running statistics of all {len(norms)} batch norms are as they were created: no image has ever gone "
            "through the network in training",
        )
    if (name := _fresh_head(network, classes)) is not None:
        yield Finding.of("head-untrained", f"the biases of the head '{name}' are exactly 0, as they were created")
    if any(norm.running_mean is None for norm in norms):
        yield Finding.of(
            "batch-dependent",
            "batch norms without running statistics: scores depend on which radiographs share a batch",
        )
    if training := sum(module.training for module in network.modules()):
        yield Finding.of("train-mode", f"modules that stay in training mode after eval(): {training}")


def pass_findings(network: nn.Module, shape: tuple[int, ...]) -> Iterator[Finding]:
    """Look whether two passes of the same input give the same scores; dropout that ignores eval mode does not.

    Args:
        network: The network, in eval mode, on the CPU.
        shape: Shape of one input, ``(channels, height, width)``.
    """
    with torch.random.fork_rng(devices=()), torch.inference_mode():
        torch.manual_seed(0)
        batch = torch.randn(1, *shape)
        first, second = (score_matrix(network(batch), 1) for _ in range(2))
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-4, equal_nan=True):
        yield Finding.of(
            "not-deterministic", f"the same input gives scores that differ by {float((first - second).abs().max()):.3g}"
        )


def _unlike_timm(preprocessing: Preprocessing, blueprint: Blueprint, facts: Facts) -> Iterator[Finding]:
    """Compare a normalisation that only the settings state with that of timm's weights."""
    if blueprint.size is None or preprocessing.standardize:
        return
    for what in ("mean", "std"):
        used, usual = getattr(preprocessing, what), getattr(blueprint, what)
        if what not in facts.preprocessing and len(used) == len(usual) and used != usual:
            yield Finding.of(
                "preprocessing",
                f"the settings say {what} {used}, the checkpoint says nothing, and timm says {usual} of "
                f"{blueprint.name}",
            )


def _untouched(norm: nn.Module) -> bool:
    mean, variance = norm.running_mean, norm.running_var
    return (
        isinstance(mean, torch.Tensor)
        and isinstance(variance, torch.Tensor)
        and not mean.any()
        and bool((variance == 1).all())
    )


def _fresh_head(network: nn.Module, classes: int) -> str | None:
    """Return the name of the head, the last layer that gives the scores, where its biases are all 0."""
    heads = [
        (name, module)
        for name, module in network.named_modules()
        if (isinstance(module, nn.Linear) and module.out_features == classes)
        or (isinstance(module, nn.Conv2d) and module.out_channels == classes)
    ]
    if not heads:
        return None
    name, head = heads[-1]
    return name if isinstance(head.bias, torch.Tensor) and not head.bias.any() else None
