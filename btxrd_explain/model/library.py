"""The further methods of pytorch-grad-cam, with the same result as the native ones.

The library is asked for one radiograph and one class at a time: some of its methods mix the images of a batch, and
with fewer targets than images it returns silent zeros. It runs with gradients enabled and parameters that require
them, as it expects; both are given back afterwards. Its raw maps are taken before it scales them.
"""

from __future__ import annotations

import io
from contextlib import contextmanager, redirect_stderr
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_grad_cam as library
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from btxrd_explain.core.cam import RawGrid
from btxrd_explain.core.choices import Activation
from btxrd_explain.model.scores import class_scores, score_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from btxrd_explain.model.layers import TargetLayer

_CLASSES: dict[str, str] = {
    "eigengradcam": "EigenGradCAM",
    "segeigencam": "SegEigenCAM",
    "kpcacam": "KPCA_CAM",
    "finercam": "GradCAM",
    "shapleycam": "ShapleyCAM",
    "fem": "FEM",
    "scorecam": "ScoreCAM",
    "ablationcam": "AblationCAM",
}


class _Zeros(library.AblationLayer):  # type: ignore[misc]  # the library has no types
    """Sets channels to zero, as published.

    The library's own layer does so only where all activations are at least zero. Elsewhere it takes the smallest value
    less 10^7, and takes it anew after each channel, so that a channel's weight depends on its place.
    """

    def __call__(self, _grid: Tensor) -> Tensor:
        ablated: Tensor = self.activations
        ablated[range(len(ablated)), self.indices[: len(ablated)]] = 0
        return ablated


def library_grids(
    network: nn.Module,
    layer: TargetLayer,
    batch: Tensor,
    method: str,
    scores: Tensor,
    chosen: Sequence[Sequence[int]],
    activation: Activation = Activation.SOFTMAX,
) -> list[RawGrid]:
    """Compute the raw grids of classes with a method of pytorch-grad-cam.

    Args:
        network: The classifier, in eval mode.
        layer: The layer to explain.
        batch: Shape ``(B, channels, height, width)``, on the network's device.
        method: Name of the method.
        scores: The class scores of the batch, shape ``(B, C)``.
        chosen: The classes of each radiograph that are explained.
        activation: What turns the network's outputs into probabilities.

    Returns:
        Place by place the raw grids of the batch; NaN where a radiograph has fewer classes than others.
    """
    watched = _Watched(network, layer, activation).eval()
    with _as_expected(network), redirect_stderr(io.StringIO()):  # some methods draw a progress bar per image
        rows = [
            [_grid(watched, image[None], index, method, one) for index in classes]
            for image, classes, one in zip(batch, chosen, scores, strict=True)
        ]
    undefined = np.full(layer.layout.grid, np.nan, np.float32)
    places = max(1, *map(len, rows))
    filled = ([*row, *[undefined] * (places - len(row))] for row in rows)
    columns = (torch.from_numpy(np.stack(column)) for column in zip(*filled, strict=True))
    return [RawGrid(grids, grids.abs().amax(dim=(1, 2))) for grids in columns]


class _Watched(nn.Module):
    """A network whose target layer passes its grid, channels first, through a module that the library can hook.

    The library would need a reshaping function for channels-last and token networks, and ignores it in places.
    """

    def __init__(self, network: nn.Module, layer: TargetLayer, activation: Activation) -> None:
        super().__init__()
        self.network = network
        self.grid: nn.Module = nn.Identity()
        self._layer = layer
        self._activation = activation
        self._calls = count()

    def forward(self, image: Tensor) -> Tensor:
        self._calls = count()
        handle = self._layer.module.register_forward_hook(self._through_grid)
        try:
            scores = score_matrix(self.network(image), len(image))
        finally:
            handle.remove()
        return class_scores(scores, self._activation)

    def _through_grid(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:  # noqa: ANN401 -- torch's
        if next(self._calls) != self._layer.call:
            return output
        layout = self._layer.layout
        return layout.from_grid(self.grid(layout.to_grid(output).clone()), output)


def _grid(watched: _Watched, image: Tensor, index: int, method: str, scores: Tensor) -> np.ndarray[Any, Any]:
    """Compute one raw grid of shape ``(rows, columns)``, as the library has it before scaling."""
    options = {"ablation_layer": _Zeros()} if method == "ablationcam" else {}
    cam: Any = getattr(library, _CLASSES[method])(watched, [watched.grid], **options)
    store = cam.activations_and_grads
    try:
        target = _target(index, method, scores)
        image = image.clone().requires_grad_(cam.compute_input_gradient)
        score = target(store(image)[0])
        cam.outputs = score
        if cam.uses_gradients and cam.detach:
            score.backward(retain_graph=True)
        elif cam.uses_gradients:
            torch.autograd.grad(score, image, retain_graph=True, create_graph=True)
        activations, gradients = store.activations[0], store.gradients[0] if store.gradients else None
        if cam.detach:
            activations, gradients = activations.numpy(), None if gradients is None else gradients.numpy()
        if not (_finite(activations) and _finite(gradients)):
            return _undefined(activations)
        raw = cam.get_cam_image(image, watched.grid, [target], activations, gradients, eigen_smooth=False)
    except np.linalg.LinAlgError:  # products of large numbers that are not finite
        return _undefined(activations)
    finally:
        store.activations, store.gradients = [], []  # its own way of clearing fails on views
        store.release()
    grid: np.ndarray[Any, Any] = np.asarray(raw, dtype=np.float32)[0]
    return grid


def _finite(values: Any) -> bool:  # noqa: ANN401 -- a tensor, an array or None
    return values is None or bool(torch.isfinite(torch.as_tensor(values)).all())


def _undefined(activations: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401 -- a tensor or an array
    """Return the grid of a radiograph that has none: the library would take NaN for 0, or fail."""
    return np.full(activations.shape[2:], np.nan, np.float32)


def _target(index: int, method: str, scores: Tensor) -> Any:  # noqa: ANN401 -- the library has no type for it
    """Return what the library differentiates: a class score, or its lead over the classes nearest to it."""
    if method != "finercam":
        return ClassifierOutputTarget(index)
    others = [other for other in range(len(scores)) if other != index]
    nearest = sorted(others, key=lambda other: abs(float(scores[other] - scores[index])))[:3]
    return FinerWeightedTarget(index, nearest, 1.0)


@contextmanager
def _as_expected(network: nn.Module) -> Iterator[None]:
    """Let all parameters require gradients for a while, and leave neither that nor gradients behind."""
    before = [(parameter, parameter.requires_grad, parameter.grad) for parameter in network.parameters()]
    try:
        network.requires_grad_(requires_grad=True)
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # the only attention with second derivatives
            yield
    finally:
        for parameter, required, gradient in before:
            parameter.requires_grad_(required).grad = gradient
