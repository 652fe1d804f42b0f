"""Which layer to explain: found by watching a forward pass, not from a list of names."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from btxrd_explain.core.geometry import Size

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class TargetLayer:
    """The layer whose output is explained.

    Attributes:
        name: Dotted name within the network.
        module: The module itself.
    """

    name: str
    module: nn.Module


def find_target_layer(network: nn.Module, name: str = AUTO, *, input_size: Size, channels: int = 3) -> TargetLayer:
    """Find the layer to explain.

    ``auto`` runs one blank image through the network and takes the module whose output is the last feature map
    that the classification head receives: what ``forward_features`` returns in a timm network, and otherwise the
    last output that still is a grid. Of several modules that hand over the same tensor the outermost counts.

    Args:
        network: The classifier.
        name: Dotted module name, or ``auto``.
        input_size: Size of the network's input.
        channels: Channels of the network's input.

    Returns:
        The layer.

    Raises:
        SettingsError: There is no such module, or no layer's output is a grid.
    """
    if name != AUTO:
        return TargetLayer(name, _named(network, name))
    blank = torch.zeros(1, channels, *input_size, device=next(network.parameters()).device)
    outputs, features = _watch(network, blank)
    candidates = [seen for seen in outputs if seen[1] is features] if features is not None else []
    if not candidates:
        candidates = [seen for seen in outputs if _is_grid(seen[1])][-1:]
    if not candidates:
        raise SettingsError(
            "no layer of the network has a grid as its output", hint="name one with --target-layer"
        )
    best, _ = min(candidates, key=lambda seen: seen[0].count("."))
    return TargetLayer(best, network.get_submodule(best))


def _named(network: nn.Module, name: str) -> nn.Module:
    try:
        return network.get_submodule(name)
    except AttributeError as error:
        known = [child for child, _ in network.named_children()]
        raise SettingsError(
            f"the network has no layer '{name}'",
            hint=f"use a dotted name that starts with one of {', '.join(known)}",
        ) from error


def _watch(network: nn.Module, image: Tensor) -> tuple[list[tuple[str, Tensor]], Tensor | None]:
    """Run one image; return every module's output in order of execution, and the features the head receives."""
    outputs: list[tuple[str, Tensor]] = []
    with ExitStack() as stack, torch.no_grad():
        for name, module in network.named_modules():
            if name:
                handle = module.register_forward_hook(_recorder(name, outputs))
                stack.callback(handle.remove)
        forward_features = getattr(network, "forward_features", None)
        if not callable(forward_features):
            network(image)
            return outputs, None
        features = forward_features(image)
    return outputs, features if isinstance(features, Tensor) and _is_grid(features) else None


def _recorder(name: str, outputs: list[tuple[str, Tensor]]) -> Any:  # noqa: ANN401 -- torch's hook type
    def record(_module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401 -- torch's hook type
        if isinstance(output, Tensor):
            outputs.append((name, output))

    return record


def _is_grid(output: Tensor) -> bool:
    return output.ndim == 4 and output.shape[2] * output.shape[3] > 1
