"""Which layer to explain: found by watching a forward and a backward pass, not from a list of names."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from btxrd_explain.core.arrays import shown
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import BtxrdExplainError, CheckpointError, SettingsError
from btxrd_explain.model.layout import Layout, Order, find_layout
from btxrd_explain.model.scores import score_matrix
from btxrd_explain.plain import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        call: Which of its runs in one pass is explained, from 0: the last that gives a grid on which the scores depend.
        runs: How often it runs in one pass, up to the head.
    """

    name: str
    module: nn.Module
    layout: Layout
    call: int = 0
    runs: int = 1

    @property
    def remark(self) -> str | None:
        """What to know of a module that runs more than once; None of one that does not."""
        if self.runs == 1:
            return None
        which = f"its run {self.call + 1} is explained, the last one that gives a grid on which the scores depend"
        return f"layer '{self.name}' runs {self.runs} times in one pass: {which}"


def find_target_layers(
    network: nn.Module, names: str = AUTO, *, input_size: Size, channels: int = 3, like: Tensor | None = None
) -> tuple[TargetLayer, ...]:
    """Find the layers to explain.

    ``auto`` takes ``network.gradcam_target_layer``, a module or names, where the network declares it; else what the
    classification head receives, where it is a grid of cells on which the class scores depend. A transformer that
    classifies by its class token hands over cells that no longer matter; there it is the last layer before the class
    token's last look at the cells. Of a module that runs more than once, such as a ReLU that all blocks share, the last
    run that gives a grid on which the scores depend is explained.

    Args:
        network: The classifier, in eval mode.
        names: Dotted module names, separated by commas, or ``auto``.
        input_size: Size of the network's input.
        channels: Channels of the network's input.
        like: A tensor whose device and dtype a network without weights takes; None is float32 on the CPU.

    Returns:
        The layers, in the order of their names; one for ``auto``, unless the network declares several.

    Raises:
        SettingsError: The module is unknown, its output is not a grid of cells on which the scores depend, or nothing
            of the image reaches the scores, or the network cannot take an input of that shape or returns no scores.
    """
    named = (_declared(network) if name.strip() == AUTO else name for name in names.split(","))
    wanted = [name.strip() for each in named for name in each.split(",")]
    for name in wanted:
        if name != AUTO:
            _check_name(network, name)
    probe = _probe(network, input_size=input_size, channels=channels, like=like)
    return tuple(_choose(network, probe) if name == AUTO else _find(network, probe, name) for name in wanted)


def _declared(network: nn.Module) -> str:
    """Return what the network itself says is to be explained, names with commas; ``auto`` where it says nothing."""
    layer = getattr(network, "gradcam_target_layer", None)
    try:
        return AUTO if layer is None else layer_name(network, layer)
    except (TypeError, ValueError) as error:
        reason = str(error).removeprefix("target_layer: ")
        raise SettingsError(f"the network's gradcam_target_layer: {reason}") from None


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
        inside = ": give the module itself, or names separated by commas" if isinstance(layer, list | tuple) else ""
        expected = "a module of the model or its dotted name"
        raise TypeError(f"target_layer: expected {expected}, got {shown(layer)}{inside}")
    found: list[str] = [name for name, module in network.named_modules() if module is layer and name]
    if not found:
        raise ValueError(f"target_layer: expected a module of the model, got {kind_of(layer)} that is not")
    return found[0]


def list_layers(network: nn.Module, *, input_size: Size, channels: int = 3) -> list[TargetLayer]:
    """List the layers that can be explained, in the order in which they run, each output once."""
    seen = _probe(network, input_size=input_size, channels=channels).seen
    last_run = {one.name: one for one in seen}
    outermost: dict[int, _Seen] = {}
    for one in last_run.values():
        other = outermost.pop(id(one.output), one)  # modules that work in place hand the same tensor on
        outermost[id(one.output)] = min(one, other, key=lambda seen: seen.depth)
    return [_layer(network, one) for one in outermost.values()]


@dataclass(frozen=True, slots=True)
class _Output:
    """What a module returned during the probe."""

    name: str
    output: Tensor
    version: int
    """How often the output had been changed in place when the module returned it."""
    call: int
    """How often the module had run before."""


@dataclass(frozen=True, slots=True)
class _Seen(_Output):
    """A module's output during the probe: a grid of cells on which the scores depend."""

    layout: Layout
    runs: int

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
        unfit: Outputs that cannot be explained, in that order.
        features: What the head receives; empty where the network does not say.
        widths: Numbers of channels of the features.
    """

    seen: list[_Seen]
    unfit: list[_Unfit]
    features: list[Tensor]
    widths: set[int]


class _Unfit(NamedTuple):
    """A module's output that cannot be explained."""

    name: str
    reason: str
    cells: Size | None
    """The grid of an output with four axes on which the scores depend; None of any other."""

    @classmethod
    def of(cls, name: str, output: Tensor, gradient: Tensor | None, input_size: Size) -> _Unfit:
        height, width = input_size
        shape = tuple(output.shape)
        if gradient is None or not gradient.any():
            return cls(name, "is an output on which the scores do not depend", None)
        if len(shape) != 4:
            return cls(name, f"gives an output of shape {shape}, which is not a grid of cells", None)
        cells = min((Size(*shape[2:]), Size(*shape[1:3])), key=lambda size: size.height * size.width)
        if cells == (1, 1):
            return cls(name, f"gives a single cell at an input of {height} x {width} pixels", cells)
        rows, columns = shape[2:]
        reason = f"gives {rows} x {columns} cells, which as squares do not cover an input of {height} x {width} pixels"
        return cls(name, reason, Size(rows, columns))


def _choose(network: nn.Module, probe: _Probe) -> TargetLayer:
    """Choose the layer that ``auto`` stands for; see :func:`find_target_layers`."""
    handed_over = [one for one in probe.seen if any(_same(one.output, features) for features in probe.features)]
    if handed_over:
        latest = [one for one in handed_over if _same(one.output, handed_over[-1].output)]
        return _layer(network, min(latest, key=lambda one: (-one.version, one.depth)))
    seen = [one for one in probe.seen if one.width in probe.widths or not probe.widths]
    if not seen:
        raise _no_layer(probe)
    last = seen[-1]
    if last.block and last.layout.order is Order.TOKENS:
        alike = [one for one in seen if one.block == last.block]
    else:
        alike = [one for one in seen if one.output is last.output]
    outermost = min(one.depth for one in alike)
    return _layer(network, [one for one in alike if one.depth == outermost][-1])


def _no_layer(probe: _Probe) -> SettingsError:
    """Return the error that no layer can be explained: the shape of its grids, or that there are none."""
    grids = [unfit for unfit in probe.unfit if unfit.cells is not None]
    several = [unfit for unfit in grids if unfit.cells != (1, 1)]
    if several:
        return SettingsError(
            f"no layer of the network can be explained: '{several[-1].name}' {several[-1].reason}",
            hint="use another size of the input, such as a multiple of 32",
        )
    if grids:
        return SettingsError(
            f"no layer of the network can be explained: '{grids[0].name}' {grids[0].reason}, and no layer gives more",
            hint="use a larger input",
        )
    return SettingsError(
        "no layer of the network gives a grid of cells on which the scores depend",
        hint="only networks with a feature map or patch tokens can be explained",
    )


def _find(network: nn.Module, probe: _Probe, name: str) -> TargetLayer:
    found = [seen for seen in probe.seen if seen.name == name]
    if not found:
        reasons = [unfit.reason for unfit in probe.unfit if unfit.name == name]
        reason = reasons[-1] if reasons else "gives no tensor that comes from the image, or does not run"
        raise SettingsError(
            f"layer '{name}' cannot be explained: it {reason}",
            hint=f"choose auto, or a layer such as {', '.join(dict.fromkeys(one.name for one in probe.seen[-3:]))}",
        )
    return _layer(network, found[-1])


def first_tensor(network: nn.Module) -> Tensor | None:
    """Return the first weight of a network, or its first buffer of floating values; None where it has neither."""
    tensors = chain(network.parameters(), network.buffers())
    return next((tensor for tensor in tensors if tensor.is_floating_point()), None)


def _probe(network: nn.Module, *, input_size: Size, channels: int, like: Tensor | None = None) -> _Probe:
    """Send an image of noise forth and back through the network."""
    generator = torch.Generator().manual_seed(0)
    own = first_tensor(network)
    own = like if own is None else own
    with torch.inference_mode(mode=False), torch.enable_grad():
        image = torch.randn(1, channels, *input_size, generator=generator)
        image = (image if own is None else image.to(own.device, own.dtype)).requires_grad_()
        outputs, features, scores = _watch(network, image)
        scores = score_matrix(scores, 1)
        if not scores.requires_grad:
            raise SettingsError(
                "no gradient of the class scores reaches the layers of the network",
                hint="take torch.no_grad, torch.inference_mode, detach and rounding out of its forward",
            )
        mixture = (scores * torch.randn(scores.shape, generator=generator).to(scores)).sum()
        tensors = [image, *(one.output for one in outputs)]
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(mixture, tensors, allow_unused=True)
    if gradients[0] is None or not gradients[0].any():
        raise _constant(network)
    tokens = getattr(network, "num_prefix_tokens", 0)
    prefixes = tuple(dict.fromkeys((tokens if isinstance(tokens, int) else 0, *_PREFIXES)))
    layout_of = partial(find_layout, input_size=input_size, prefixes=prefixes)
    seen, unfit, runs = [], [], {one.name: one.call + 1 for one in outputs}
    for one, gradient in zip(outputs, gradients[1:], strict=True):
        layout = layout_of(tuple(one.output.shape))
        if layout is not None and gradient is not None and bool(layout.to_grid(gradient).any()):
            seen.append(_Seen(one.name, one.output, one.version, one.call, layout, runs[one.name]))
        else:
            unfit.append(_Unfit.of(one.name, one.output, gradient, input_size))
    layouts = [layout_of(tuple(one.shape)) for one in features]
    widths = {
        one.shape[-1] if lay is None else lay.to_grid(one).shape[1] for one, lay in zip(features, layouts, strict=True)
    }
    return _Probe(seen, unfit, features, widths)


def _same(output: Tensor, features: Tensor) -> bool:
    """Return whether two tensors are one, or one is the other with its axes permuted or flattened."""
    same_memory = output.untyped_storage().data_ptr() == features.untyped_storage().data_ptr()
    return same_memory and output.numel() == features.numel()


def _constant(network: nn.Module) -> BtxrdExplainError:
    """Return the error that no class score depends on the image: the weights' fault where zeros are the reason."""
    zeros = [name for name, weight in network.named_parameters() if weight.ndim > 1 and not weight.any()]
    what, hint = "the class scores do not depend on the image", "load a trained checkpoint"
    if zeros:
        return CheckpointError(f"{what} (the weights '{zeros[-1]}' are all zero)", hint=hint)
    return SettingsError(what, hint=hint)


def _watch(network: nn.Module, image: Tensor) -> tuple[list[_Output], list[Tensor], Tensor]:
    """Run one image; return the modules' outputs up to the head, what the head receives, and the scores."""
    outputs: list[_Output] = []
    body, head = (_method(network, name) for name in ("forward_features", "forward_head"))
    with ExitStack() as stack:
        for name, module in network.named_modules():
            if name:
                stack.callback(module.register_forward_hook(_recorder(name, outputs)).remove)
        with _refusing(image):
            if body is None or head is None:
                return outputs, [], network(image)
            features = body(image)
    with _refusing(image):
        scores = head(features)
    parts = features.values() if isinstance(features, dict) else features
    several = [features] if isinstance(features, Tensor) else parts
    return outputs, [part for part in several if isinstance(part, Tensor)], scores


@contextmanager
def _refusing(image: Tensor) -> Iterator[None]:
    """Add to whatever a network raises what it was given."""
    try:
        yield
    except (BtxrdExplainError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = type(error).__name__ + (f": {lines[0]}" if lines else "")
        grey = "repeat a grey image in three channels if the network takes RGB, or " if image.shape[1] == 1 else ""
        raise SettingsError(
            f"the network cannot take an input of shape {tuple(image.shape)} ({reason})",
            hint=f"{grey}check the channels and the size of the input",
        ) from error


def _method(network: nn.Module, name: str) -> Callable[[Any], Any] | None:
    method = getattr(network, name, None)
    return method if callable(method) else None


def _recorder(name: str, outputs: list[_Output]) -> Any:  # noqa: ANN401 -- torch's hook type
    calls = count()

    def record(_module: nn.Module, _inputs: Any, output: Any) -> None:  # noqa: ANN401 -- torch's hook type
        call = next(calls)
        if isinstance(output, Tensor) and output.requires_grad:
            version = output._version  # noqa: SLF001 -- torch's counter has no public name
            outputs.append(_Output(name, output, version, call))

    return record


def _layer(network: nn.Module, seen: _Seen) -> TargetLayer:
    return TargetLayer(seen.name, network.get_submodule(seen.name), seen.layout, seen.call, seen.runs)


def _check_name(network: nn.Module, name: str) -> None:
    try:
        network.get_submodule(name)
    except AttributeError as error:
        known = ", ".join(child for child, _ in network.named_children())
        raise SettingsError(
            f"the network has no layer '{name}'", hint=f"use a dotted name that starts with one of {known}"
        ) from error
