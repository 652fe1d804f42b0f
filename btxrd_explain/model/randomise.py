"""Cascading randomisation: a network loses what it learned, stage by stage from the head to the stem.

A heat map that stays the same while the weights become random says nothing about the model (Adebayo et al., Sanity
checks for saliency maps, NeurIPS 2018, section 3.1).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from btxrd_explain.core.geometry import Size


@dataclass(frozen=True, slots=True)
class Stage:
    """Modules that are randomised together.

    Attributes:
        name: Dotted name of what they are part of, such as ``blocks.3``; of parameters of the network itself, their
            names.
        modules: Names of the modules that own parameters, in the order in which they run.
        parameters: Number of their parameters.
    """

    name: str
    modules: tuple[str, ...]
    parameters: int


def find_stages(network: nn.Module, *, input_size: Size, channels: int = 3, at_least: int = 10) -> tuple[Stage, ...]:
    """Divide a network into stages, in the order in which they are randomised: head first, stem last.

    The order is that in which modules run, whatever their names. Division follows the network's own tree: starting
    from its children, the part with the most modules is divided into its own children until there are enough stages.
    A module without a matrix of weights, such as a normalisation, belongs to the stage that runs before it.

    Args:
        network: The network, in eval mode.
        input_size: Size of the network's input.
        channels: Channels of the network's input.
        at_least: Number of stages from which nothing is divided further.

    Returns:
        The stages; fewer than asked for where the network has no more parts.
    """
    order = _run_order(network, input_size=input_size, channels=channels)
    owners = sorted((name for name, module in network.named_modules() if _own(module)), key=order.__getitem__)
    prefixes = {owner: owner.partition(".")[0] for owner in owners}
    stages = _stages(network, owners, prefixes)
    while len(stages) < at_least and _divide(prefixes):
        stages = _stages(network, owners, prefixes)
    return tuple(reversed(stages))


def cascade(network: nn.Module, stages: Sequence[Stage], *, seed: int) -> Iterator[tuple[Stage, nn.Module]]:
    """Randomise a copy of a network, one more stage at a time.

    Modules are initialised anew by their own ``reset_parameters``. Parameters that have none, or that it leaves as they
    are, are drawn from a normal distribution with their own mean and standard deviation; constants and
    single numbers stay.

    Args:
        network: The network; it stays as it is.
        stages: The stages, first to last.
        seed: Seed of the random weights, the same on every device.

    Yields:
        Each stage with the copy after it: the same module each time, with all stages so far randomised.
    """
    scrambled = copy.deepcopy(network)
    for index, stage in enumerate(stages):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(int(np.random.SeedSequence([seed, index]).generate_state(1)[0]))
            for name in stage.modules:
                _initialise(scrambled.get_submodule(name))
        yield stage, scrambled


def _run_order(network: nn.Module, *, input_size: Size, channels: int) -> Mapping[str, int]:
    """Return when each module first runs; one that is never called, as its parent uses its weights, with its parent."""
    names = {module: name for name, module in network.named_modules()}
    called: list[str] = []
    hooks = [module.register_forward_pre_hook(lambda ran, _inputs: called.append(names[ran])) for module in names]
    try:
        with torch.no_grad():
            network(torch.zeros(1, channels, *input_size).to(next(network.parameters())))
    finally:
        for hook in hooks:
            hook.remove()
    first = {name: index for index, name in reversed(list(enumerate(called)))}
    order: dict[str, int] = {}
    for name, _ in network.named_modules():  # parents come first
        order[name] = first.get(name, order.get(name.rpartition(".")[0], 0))
    return order


def _stages(network: nn.Module, owners: Sequence[str], prefixes: Mapping[str, str]) -> list[Stage]:
    """Group modules by prefix in the order of their first module; what holds no matrix joins what precedes it."""
    first = {prefix: index for index, prefix in reversed(list(enumerate(map(prefixes.__getitem__, owners))))}
    grouped = sorted(owners, key=lambda owner: first[prefixes[owner]])
    groups: list[tuple[str, list[str]]] = []
    for prefix, members in groupby(grouped, key=prefixes.__getitem__):
        names = list(members)
        parameters = [parameter for name in names for parameter in _own(network.get_submodule(name)).values()]
        if groups and all(parameter.ndim < 2 for parameter in parameters):
            groups[-1][1].extend(names)
        else:
            groups.append((prefix, names))
    return [_stage(network, prefix, names) for prefix, names in groups]


def _stage(network: nn.Module, prefix: str, names: Sequence[str]) -> Stage:
    own = [_own(network.get_submodule(name)) for name in names]
    count = sum(parameter.numel() for parameters in own for parameter in parameters.values())
    return Stage(prefix or ", ".join(own[0]), tuple(names), count)


def _divide(prefixes: dict[str, str]) -> bool:
    """Lengthen the prefix that most modules share by one name; say whether there was one to lengthen."""
    divisible = [prefix for owner, prefix in prefixes.items() if owner != prefix]
    if not divisible:
        return False
    largest = max(dict.fromkeys(divisible), key=divisible.count)
    depth = largest.count(".") + 2
    for owner, prefix in prefixes.items():
        if prefix == largest:
            prefixes[owner] = ".".join(owner.split(".")[:depth])
    return True


def _own(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False))


def _initialise(module: nn.Module) -> None:
    """Give a module new weights, drawn on the CPU so that they are the same on every device."""
    device = next(iter(_own(module).values())).device
    module.to("cpu")
    before = {name: parameter.clone() for name, parameter in _own(module).items()}
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
    for name, parameter in _own(module).items():
        if torch.equal(parameter, before[name]) and parameter.numel() > 1:
            parameter.normal_(float(parameter.mean()), float(parameter.std()))
    module.to(device)
