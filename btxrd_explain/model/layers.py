"""Which layer to explain: found by watching a forward and a backward pass, not from a list of names."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from math import ceil, floor, log, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from btxrd_explain.core.arrays import shown
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.scores import score_matrix

if TYPE_CHECKING:
    from collections.abc import Callable

# How a layer's output holds a grid of cells: channels first, channels last, or a sequence of tokens.

_LOST = 0.1
"""Share of the input that convolutions without padding may lose at the borders."""


class Order(StrEnum):
    """In which order a layer's output holds channels and cells."""

    CHANNELS_FIRST = "NCHW"
    CHANNELS_LAST = "NHWC"
    TOKENS = "NLC"


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a layer's output as a grid of cells.

    Attributes:
        order: Order of channels and cells.
        grid: Rows and columns of cells.
        prefix: For tokens, how many precede the cells (class and register tokens).
    """

    order: Order
    grid: Size
    prefix: int = 0

    def from_grid(self, grid: Tensor, output: Tensor) -> Tensor:
        """Put a grid of shape ``(B, K, rows, columns)`` back into the layer's own order; the inverse of to_grid.

        Args:
            grid: The grid.
            output: The layer's output, from which tokens before the cells are taken.
        """
        if self.order is Order.CHANNELS_FIRST:
            return grid
        cells = grid.permute(0, 2, 3, 1)
        if self.order is Order.CHANNELS_LAST:
            return cells
        return torch.cat([output[:, : self.prefix], cells.flatten(1, 2)], dim=1)

    def to_grid(self, output: Tensor) -> Tensor:
        """Return a layer's output, or its gradient, as a view of shape ``(B, K, rows, columns)``."""
        if self.order is Order.CHANNELS_FIRST:
            return output
        if self.order is Order.CHANNELS_LAST:
            return output.permute(0, 3, 1, 2)
        cells = output[:, self.prefix :]
        return cells.reshape(len(cells), *self.grid, -1).permute(0, 3, 1, 2)


def find_layout(
    shape: tuple[int, ...], input_size: Size, *, channels: int | None = None, prefixes: tuple[int, ...] = (0,)
) -> Layout | None:
    """Find how an output of that shape holds a grid that covers the network's input.

    Args:
        shape: Shape of the output, batch first.
        input_size: Size of the network's input, whose aspect ratio a grid has up to rounding.
        channels: Number of channels where it is known; it tells channels first from channels last.
        prefixes: How many tokens may precede the cells, the likeliest first.

    Returns:
        The layout; None where the output is not a grid, or a grid of a single cell.

    >>> find_layout((1, 768, 7, 7), Size(224, 224))
    Layout(order=<Order.CHANNELS_FIRST: 'NCHW'>, grid=Size(height=7, width=7), prefix=0)
    >>> find_layout((1, 197, 192), Size(224, 224), prefixes=(1,)).grid
    Size(height=14, width=14)
    """
    if len(shape) == 4:
        return _of_image(shape, input_size, channels)
    if len(shape) == 3 and channels in {None, shape[2]}:
        found = (_of_tokens(shape[1] - prefix, input_size) for prefix in prefixes)
        pairs = zip(prefixes, found, strict=True)
        return next((Layout(Order.TOKENS, grid, prefix) for prefix, grid in pairs if grid is not None), None)
    return None


def _of_image(shape: tuple[int, ...], input_size: Size, channels: int | None) -> Layout | None:
    """Find the grid of a 4-D output; where both orders are possible, channels come first."""
    for order, grid, count in (
        (Order.CHANNELS_FIRST, Size(*shape[2:]), shape[1]),
        (Order.CHANNELS_LAST, Size(*shape[1:3]), shape[3]),
    ):
        if channels in {None, count} and grid.height * grid.width > 1 and _covers(grid, input_size, lost=_LOST):
            return Layout(order, grid)
    return None


def _covers(grid: Size, input_size: Size, *, lost: float = 0.0) -> bool:
    """Return whether a grid can be made of square cells of whole pixels.

    That is whether some stride ``s`` fits both sides: ``n`` cells cover ``H`` pixels up to less than one cell more or
    less, or up to the share that is lost at the borders. A matrix of attention between tokens is not a grid: its rows
    would be fractions of a pixel apart.
    """
    sides = list(zip(grid, input_size, strict=True))
    smallest = max(min(pixels // (cells + 1) + 1, ceil((1 - lost) * pixels / cells)) for cells, pixels in sides)
    largest = min(pixels if cells == 1 else ceil(pixels / (cells - 1)) - 1 for cells, pixels in sides)
    return smallest <= largest


def _of_tokens(count: int, input_size: Size) -> Size | None:
    """Return the grid of that many cells whose aspect ratio is nearest to the input's; None where none fits."""
    if count < 2:
        return None
    rows = sqrt(count * input_size.height / input_size.width)
    guesses = sorted((floor(rows), ceil(rows)), key=lambda guess: abs(log(max(guess, 1) / rows)))
    candidates = (Size(guess, count // guess) for guess in guesses if guess and count % guess == 0)
    # a class and a distillation token make no grid of 2 x 1
    return next((grid for grid in candidates if min(grid) > 1 and _covers(grid, input_size)), None)


AUTO = "auto"

_PREFIXES = (0, 1, 2)
"""How many tokens networks put before the cells where they do not say; more guesses would find grids by chance."""


@dataclass(frozen=True, slots=True)
class TargetLayer:
    """A layer whose output is explained.

    Attributes:
        name: Dotted name within the network.
        module: The module itself.
        layout: How its output holds the grid of cells.
    """

    name: str
    module: nn.Module
    layout: Layout


def find_target_layers(
    network: nn.Module, names: str = AUTO, *, input_size: Size, channels: int = 3
) -> tuple[TargetLayer, ...]:
    """Find the layers to explain.

    ``auto`` takes what the classification head receives, where it is a grid of cells on which the class scores
    depend. A transformer that classifies by its class token hands over cells that no longer matter; there it is the
    last layer before the class token's last look at the cells.

    Args:
        network: The classifier, in eval mode.
        names: Dotted module names, separated by commas, or ``auto``.
        input_size: Size of the network's input.
        channels: Channels of the network's input.

    Returns:
        The layers, in the order of their names; one for ``auto``.

    Raises:
        SettingsError: The module is unknown, its output is not a grid of cells on which the scores depend, or nothing
            of the image reaches the scores, or the network returns no scores.
    """
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name != AUTO:
            _check_name(network, name)
    probe = _probe(network, input_size=input_size, channels=channels)
    return tuple(_choose(network, probe) if name == AUTO else _find(network, probe, name) for name in wanted)


def layer_name(network: nn.Module, layer: nn.Module | str) -> str:
    """Return the dotted name of a layer that may be named or be a module of the network.

    Raises:
        TypeError: It is neither.
        ValueError: The module is not one of the network's.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    >>> layer_name(network, network[1]), layer_name(network, "0")
    ('1', '0')
    """
    if isinstance(layer, str):
        return layer
    if not isinstance(layer, nn.Module):
        raise TypeError(f"target_layer: expected a module of the model or its dotted name, got {shown(layer)}")
    found: list[str] = [name for name, module in network.named_modules() if module is layer and name]
    if not found:
        raise ValueError(f"target_layer: expected a module of the model, got a {type(layer).__name__} that is not")
    return found[0]


def list_layers(network: nn.Module, *, input_size: Size, channels: int = 3) -> list[TargetLayer]:
    """List the layers that can be explained, in the order in which they run, each output once."""
    seen = _probe(network, input_size=input_size, channels=channels).seen
    outermost: dict[int, _Seen] = {}
    for one in seen:
        other = outermost.pop(id(one.output), one)  # modules that work in place hand the same tensor on
        outermost[id(one.output)] = min(one, other, key=lambda seen: seen.depth)
    return [_layer(network, one) for one in outermost.values()]


_Output: TypeAlias = "tuple[str, Tensor, int]"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A module's output during the probe: a grid of cells on which the scores depend."""

    name: str
    output: Tensor
    layout: Layout
    version: int
    """How often the output had been changed in place when the module returned it."""

    @property
    def depth(self) -> int:
        return self.name.count(".")

    @property
    def width(self) -> int:
        """Number of channels."""
        return self.layout.to_grid(self.output).shape[1]

    @property
    def block(self) -> str:
        """Name of the innermost numbered block that the module is part of, such as ``blocks.11``."""
        parts = self.name.split(".")
        numbered = [index for index, part in enumerate(parts[:-1]) if part.isdigit()]
        return ".".join(parts[: numbered[-1] + 1]) if numbered else ""


@dataclass(frozen=True, slots=True)
class _Probe:
    """What one image of noise found out.

    Attributes:
        seen: Outputs that can be explained, in the order in which their modules ran.
        features: What the head receives; empty where the network does not say.
        widths: Numbers of channels of the features.
    """

    seen: list[_Seen]
    features: list[Tensor]
    widths: set[int]


def _choose(network: nn.Module, probe: _Probe) -> TargetLayer:
    """Choose the layer that ``auto`` stands for; see :func:`find_target_layers`."""
    handed_over = [one for one in probe.seen if any(_same(one.output, features) for features in probe.features)]
    if handed_over:
        latest = [one for one in handed_over if _same(one.output, handed_over[-1].output)]
        return _layer(network, min(latest, key=lambda one: (-one.version, one.depth)))
    seen = [one for one in probe.seen if one.width in probe.widths or not probe.widths]
    if not seen:
        raise SettingsError(
            "no layer of the network gives a grid of cells on which the scores depend",
            hint="only networks with a feature map or patch tokens can be explained",
        )
    last = seen[-1]
    if last.block and last.layout.order is Order.TOKENS:
        alike = [one for one in seen if one.block == last.block]
    else:
        alike = [one for one in seen if one.output is last.output]
    outermost = min(one.depth for one in alike)
    return _layer(network, [one for one in alike if one.depth == outermost][-1])


def _find(network: nn.Module, probe: _Probe, name: str) -> TargetLayer:
    found = [seen for seen in probe.seen if seen.name == name]
    if not found:
        raise SettingsError(
            f"layer '{name}' gives no grid of cells on which the scores depend",
            hint="list the layers that can be explained with 'btxrd-explain layers'",
        )
    return _layer(network, found[-1])


def _probe(network: nn.Module, *, input_size: Size, channels: int) -> _Probe:
    """Send an image of noise forth and back through the network."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, channels, *input_size, generator=generator)
    image = image.to(next(network.parameters())).requires_grad_()
    with torch.inference_mode(mode=False), torch.enable_grad():
        outputs, features, scores = _watch(network, image)
        scores = score_matrix(scores, 1)
        mixture = (scores * torch.randn(scores.shape, generator=generator).to(scores)).sum()
        tensors = [image, *(output for _, output, _ in outputs)]
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(mixture, tensors, allow_unused=True)
    if gradients[0] is None or not gradients[0].any():
        raise _constant(network)
    tokens = getattr(network, "num_prefix_tokens", 0)
    prefixes = tuple(dict.fromkeys((tokens if isinstance(tokens, int) else 0, *_PREFIXES)))
    layout_of = partial(find_layout, input_size=input_size, prefixes=prefixes)
    seen = []
    for (name, output, version), gradient in zip(outputs, gradients[1:], strict=True):
        layout = layout_of(tuple(output.shape))
        if layout is not None and gradient is not None and bool(layout.to_grid(gradient).any()):
            seen.append(_Seen(name, output, layout, version))
    layouts = [layout_of(tuple(one.shape)) for one in features]
    widths = {
        one.shape[-1] if lay is None else lay.to_grid(one).shape[1] for one, lay in zip(features, layouts, strict=True)
    }
    return _Probe(seen, features, widths)


def _same(output: Tensor, features: Tensor) -> bool:
    """Return whether two tensors are one, or one is the other with its axes permuted or flattened."""
    same_memory = output.untyped_storage().data_ptr() == features.untyped_storage().data_ptr()
    return same_memory and output.numel() == features.numel()


def _constant(network: nn.Module) -> SettingsError:
    """Say that no class score depends on the image, and where zeros stand in the way."""
    zeros = [name for name, weight in network.named_parameters() if weight.ndim > 1 and not weight.any()]
    reason = f" (the weights '{zeros[-1]}' are all zero)" if zeros else ""
    return SettingsError(f"the class scores do not depend on the image{reason}", hint="load a trained checkpoint")


def _watch(network: nn.Module, image: Tensor) -> tuple[list[_Output], list[Tensor], Tensor]:
    """Run one image; return the modules' outputs up to the head, what the head receives, and the scores."""
    outputs: list[_Output] = []
    body, head = (_method(network, name) for name in ("forward_features", "forward_head"))
    with ExitStack() as stack:
        for name, module in network.named_modules():
            if name:
                stack.callback(module.register_forward_hook(_recorder(name, outputs)).remove)
        if body is None or head is None:
            return outputs, [], network(image)
        features = body(image)
    scores = head(features)
    parts = features.values() if isinstance(features, dict) else features
    several = [features] if isinstance(features, Tensor) else parts
    return outputs, [part for part in several if isinstance(part, Tensor)], scores


def _method(network: nn.Module, name: str) -> Callable[[Any], Any] | None:
    method = getattr(network, name, None)
    return method if callable(method) else None


def _recorder(name: str, outputs: list[_Output]) -> Any:  # noqa: ANN401 -- torch's hook type
    def record(_module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401 -- torch's hook type
        if isinstance(output, Tensor) and output.requires_grad:
            outputs.append((name, output, output._version))  # noqa: SLF001 -- torch's counter has no public name

    return record


def _layer(network: nn.Module, seen: _Seen) -> TargetLayer:
    return TargetLayer(seen.name, network.get_submodule(seen.name), seen.layout)


def _check_name(network: nn.Module, name: str) -> None:
    try:
        network.get_submodule(name)
    except AttributeError as error:
        known = ", ".join(child for child, _ in network.named_children())
        raise SettingsError(
            f"the network has no layer '{name}'", hint=f"use a dotted name that starts with one of {known}"
        ) from error
