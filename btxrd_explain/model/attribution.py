"""The methods that explain the pixels of the input, as captum computes them (the extra ``[captum]``).

They run in float32 whatever the precision of the prediction. Where a method compares the radiograph with something,
that is 0: the grey that normalisation subtracts. Noise is drawn anew for each radiograph from the same seed, so that a
map depends neither on the batch nor on the images before it; another kind of device draws other noise.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from captum import attr as captum
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from btxrd_explain.core.cam import RawGrid
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.scores import class_scores, score_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from btxrd_explain.core.choices import Activation
    from btxrd_explain.core.geometry import Size
    from btxrd_explain.model.layers import TargetLayer

STEPS = 25
"""Places on the way from the grey image at which integrated gradients looks."""
SAMPLES = 25
"""Noisy copies of a radiograph (SmoothGrad), or places drawn at random (expected gradients)."""
COPIES = 5
"""Noisy copies whose integrated gradients are averaged, and images that go through the network together."""
NOISE = 0.15
"""Standard deviation of the noise as a fraction of the radiograph's range, in the middle of what is advised."""
WINDOWS = 7
"""Windows on a side that are occluded in turn."""
SEED = 0

_GUIDED = frozenset({"guided-backprop", "guided-gradcam"})
_MAGNITUDES = _GUIDED | {"gradient", "smoothgrad"}
"""Methods whose sign says what a brighter pixel would do, not whether the pixel speaks for the class."""
_COMPLETE = frozenset({"integrated-gradients", "deeplift"})
"""Methods whose law it is to add up to the change of the class score."""


def pixel_maps(
    network: nn.Module,
    layer: TargetLayer | None,
    batch: Tensor,
    method: str,
    chosen: Sequence[Sequence[int]],
    activation: Activation,
    size: Size,
) -> list[RawGrid]:
    """Compute the raw maps of classes on the pixels of the input, averaged onto a grid.

    Args:
        network: The classifier, in eval mode.
        layer: The layer of guided Grad-CAM; the other methods have none.
        batch: Shape ``(B, channels, height, width)``, on the network's device.
        method: Name of the method.
        chosen: The classes of each radiograph that are explained.
        activation: What turns the network's outputs into probabilities.
        size: Rows and columns of the grid, not more than the input has.

    Returns:
        Place by place the raw grids of the batch; one with fewer classes than others has those of class 0, which
        nobody takes.

    Raises:
        SettingsError: captum cannot compute the method for this network.
    """
    places = max(map(len, chosen), default=0)
    index = torch.tensor([[*classes, *[0] * (places - len(classes))] for classes in chosen], device=batch.device)
    changes = _changes(network, batch, activation) if places and method in _COMPLETE else None
    grids = []
    for place in range(places):
        classes = index[:, place].long()
        values = attributions(network, layer, batch, method, classes, activation)
        violation = None if changes is None else _violation(values, changes.gather(1, classes[:, None])[:, 0])
        values[~torch.isfinite(batch).flatten(1).all(dim=1)] = torch.nan  # of which a gradient of 0 says nothing
        grids.append(_on_grid(values, method, size, violation))
    return grids or [RawGrid(batch.new_full((len(batch), *size), torch.nan), batch.new_ones(len(batch)))]


def attributions(
    network: nn.Module,
    layer: TargetLayer | None,
    batch: Tensor,
    method: str,
    classes: Tensor,
    activation: Activation,
) -> Tensor:
    """Return what captum says of one class of each radiograph, value by value of the input.

    Args:
        network: As for :func:`pixel_maps`, and so the next three.
        layer: The layer of guided Grad-CAM.
        batch: The radiographs.
        method: Name of the method.
        classes: The class of each, shape ``(B,)``.
        activation: What turns the network's outputs into probabilities.

    Returns:
        Float32, the shape of the batch.

    Raises:
        SettingsError: See :func:`pixel_maps`.
    """
    # captum says each time that it sets hooks; a filter of its own would change those of all threads
    warnings.filterwarnings("ignore", message=r"Setting (forward, )?backward hooks", category=UserWarning)
    watched = _Scores(network, activation).eval()
    with torch.enable_grad(), _in_float32(batch), _out_of_place(network):
        inputs = batch.detach().clone().requires_grad_()
        try:
            if method == "guided-gradcam":
                values = _guided_gradcam(watched, layer, inputs, classes)
            else:
                values = _METHODS[method](watched, inputs, classes)
        except (AssertionError, RuntimeError) as error:
            reason = _why_not(error)
            if reason is None:
                raise
            raise SettingsError(
                f"{method} cannot explain this network: {reason}", hint="choose another --method"
            ) from error
    result: Tensor = values.detach().float()
    return result


_TWICE = "it uses one activation module several times, or one that captum cannot follow"
_CUT, _CHANGED = "no gradient of its class scores reaches the input", "it changes the output of a module in place"
_REASONS = {
    "required for DeepLift": _TWICE,
    "require grad": _CUT,
    "not have been used in the graph": _CUT,
    "inplace": _CHANGED,
    "in-place": _CHANGED,
}
"""What errors of captum and torch mean by what they say."""


def _why_not(error: Exception) -> str | None:
    """Return why a method does not suit a network; None where an error says something else, as of memory."""
    if isinstance(error, AssertionError):
        return _TWICE
    return next((reason for part, reason in _REASONS.items() if part in str(error)), None)


@contextmanager
def watching(network: nn.Module, method: str) -> Iterator[None]:
    """Watch a pass through the network, and refuse guided methods where an activation is not a ReLU module.

    Raises:
        SettingsError: Another activation runs, or a ReLU that is a function, whose gradient captum cannot change.
    """
    if method not in _GUIDED:
        yield
        return
    seen, calls = _Activations(), []
    with ExitStack() as stack:
        for module in network.modules():
            if isinstance(module, nn.ReLU):
                handle = module.register_forward_hook(lambda *_: calls.append(1))
                stack.callback(handle.remove)
        stack.enter_context(seen)
        yield
    others = seen.names - {"relu"}
    if len(calls) < seen.relus:
        others |= {"relu as a function"}
    if others or not calls:
        raise SettingsError(
            f"{method} works on networks whose activations are all ReLU modules; this one has "
            f"{', '.join(sorted(others)) or 'none'}",
            hint="choose another --method",
        )


class _Activations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Notes the activations that run, whether modules or functions call them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()
        self.relus = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        name = func.overloadpacket.__name__.strip("_")
        if name in _NONLINEAR or "attention" in name:
            self.names.add(name)
            self.relus += name == "relu"
        return func(*args, **(kwargs or {}))


_NONLINEAR = frozenset(
    {
        *("relu", "silu", "gelu", "sigmoid", "tanh", "softmax", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu"),
        *("elu", "celu", "selu", "prelu", "prelu_kernel", "softplus", "mish", "glu", "threshold", "softshrink"),
        *("hardshrink", "log_sigmoid_forward", "rrelu_with_noise", "log_softmax", "erf", "exp", "sin"),
    }
)


class _Scores(nn.Module):
    """A network that returns its class scores; see :func:`btxrd_explain.model.scores.class_scores`."""

    def __init__(self, network: nn.Module, activation: Activation) -> None:
        super().__init__()
        self.network = network
        self._activation = activation

    def forward(self, batch: Tensor) -> Tensor:
        return class_scores(score_matrix(self.network(batch), len(batch)), self._activation)


def _asked(method: Any, batch: Tensor, classes: Tensor, **options: Any) -> Tensor:  # noqa: ANN401 -- captum's
    values: Tensor = method.attribute(batch, target=classes, **options)
    return values


def _gradient(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    return _asked(captum.Saliency(network), batch, classes, abs=False)


def _input_x_gradient(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    return _asked(captum.InputXGradient(network), batch, classes)


def _guided_backprop(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    return _asked(captum.GuidedBackprop(network), batch, classes)


def _guided_gradcam(network: nn.Module, layer: TargetLayer | None, batch: Tensor, classes: Tensor) -> Tensor:
    if layer is None or layer.call:
        raise SettingsError(
            "guided-gradcam needs a layer that runs once in a pass", hint="choose another --target-layer or --method"
        )
    return _asked(captum.GuidedGradCam(network, layer.module), batch, classes, interpolate_mode="bilinear")


def _integrated_gradients(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    method = captum.IntegratedGradients(network)
    return _asked(method, batch, classes, n_steps=STEPS, internal_batch_size=len(batch))


def _smoothgrad(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    return _noisy(captum.Saliency(network), batch, classes, SAMPLES, abs=False)


def _smooth_integrated_gradients(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    return _noisy(
        captum.IntegratedGradients(network), batch, classes, COPIES, n_steps=STEPS, internal_batch_size=COPIES
    )


def _noisy(method: Any, batch: Tensor, classes: Tensor, samples: int, **options: Any) -> Tensor:  # noqa: ANN401
    """Average a method over noisy copies of each radiograph."""
    values = []
    for image, index in zip(torch.split(batch.detach(), 1), classes.tolist(), strict=True):
        with _seeded(image.device):
            values.append(
                captum.NoiseTunnel(method).attribute(
                    image,
                    nt_type="smoothgrad",
                    nt_samples=samples,
                    nt_samples_batch_size=COPIES,
                    stdevs=max(0.0, NOISE * float(image.max() - image.min())),
                    target=index,
                    **options,
                )
            )
    return torch.cat(values)


def _expected_gradients(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    """Average over places on the way from even images between the radiograph's darkest and brightest value.

    Erion et al. draw from training images, which a checkpoint does not have.
    """
    method, values = captum.GradientShap(network), []
    for image, index in zip(torch.split(batch.detach(), 1), classes.tolist(), strict=True):
        low, high = image.amin(dim=(2, 3), keepdim=True), image.amax(dim=(2, 3), keepdim=True)
        levels = torch.linspace(0, 1, COPIES, device=image.device)[:, None, None, None]
        even = (low + (high - low) * levels).expand(-1, -1, *image.shape[2:])
        with _seeded(image.device):
            parts = [
                method.attribute(image, baselines=even, n_samples=COPIES, stdevs=0.0, target=index)
                for _ in range(SAMPLES // COPIES)
            ]
        values.append(torch.stack(parts).mean(dim=0))
    return torch.cat(values)


def _deeplift(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    return _asked(captum.DeepLift(network), batch, classes)


def _occlusion(network: nn.Module, batch: Tensor, classes: Tensor) -> Tensor:
    window = (batch.shape[1], *(-(-side // WINDOWS) for side in batch.shape[2:]))
    with torch.no_grad():
        return _asked(captum.Occlusion(network), batch, classes, sliding_window_shapes=window, strides=window)


_METHODS: dict[str, Callable[[nn.Module, Tensor, Tensor], Tensor]] = {
    "gradient": _gradient,
    "input-x-gradient": _input_x_gradient,
    "guided-backprop": _guided_backprop,
    "integrated-gradients": _integrated_gradients,
    "smoothgrad": _smoothgrad,
    "smooth-integrated-gradients": _smooth_integrated_gradients,
    "expected-gradients": _expected_gradients,
    "deeplift": _deeplift,
    "occlusion": _occlusion,
}


def _changes(network: nn.Module, batch: Tensor, activation: Activation) -> Tensor:
    """Return by how much each class score differs from that of the grey image, shape ``(B, C)``."""
    with torch.no_grad(), _in_float32(batch):
        scores: Tensor = _Scores(network, activation).eval()(torch.cat([batch, torch.zeros_like(batch[:1])]))
    return scores[:-1].double() - scores[-1:].double()


def _violation(values: Tensor, change: Tensor) -> Tensor:
    """Return by which fraction of the change attributions fail to add up to it, shape ``(B,)``."""
    missed = (values.double().sum(dim=(1, 2, 3)) - change).abs()
    return torch.where(missed == 0, 0.0, missed / change.abs())


def _on_grid(values: Tensor, method: str, size: Size, violation: Tensor | None) -> RawGrid:
    """Bring values of shape ``(B, channels, height, width)`` to one map, and average it onto a grid.

    Of magnitudes the largest channel counts, as in Simonyan et al.; others add up. What occlusion says is the same for
    all channels of a pixel, and counts once.
    """
    if method in _MAGNITUDES:
        flat = terms = values.abs().amax(dim=1, keepdim=True)
    else:
        values = values[:, :1] if method == "occlusion" else values
        flat, terms = values.sum(dim=1, keepdim=True), values.abs().sum(dim=1, keepdim=True)
    grid, most = (nn.functional.adaptive_avg_pool2d(one, (size.height, size.width))[:, 0] for one in (flat, terms))
    return RawGrid(grid, most.amax(dim=(1, 2)), violation)


def _in_float32(batch: Tensor) -> torch.autocast:
    return torch.autocast(batch.device.type, enabled=False)


@contextmanager
def _out_of_place(network: nn.Module) -> Iterator[None]:
    """Let no module work in place for a while, which captum's hooks do not bear."""
    modules: list[Any] = [module for module in network.modules() if getattr(module, "inplace", False) is True]
    try:
        for module in modules:
            module.inplace = False
        yield
    finally:
        for module in modules:
            module.inplace = True


@contextmanager
def _seeded(device: torch.device) -> Iterator[None]:
    """Seed the generators that captum draws from, and give them back as they were."""
    state = np.random.get_state()  # noqa: NPY002 -- captum's expected gradients draw from it
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(SEED)
            np.random.seed(SEED)  # noqa: NPY002
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
