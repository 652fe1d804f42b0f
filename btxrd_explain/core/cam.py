"""Class-activation grids from activations and gradients, as pure functions on tensors.

Shapes: ``B`` radiographs, ``K`` channels, ``h x w`` grid cells. All functions work on any device and leave their
arguments as they are. Grids are raw: signed, before ReLU, in units of the class score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


class RawGrid(NamedTuple):
    """A raw class-activation grid and the size of what it was summed from.

    Attributes:
        grid: Float32 tensor of shape ``(B, h, w)``, signed.
        magnitude: Float32 tensor of shape ``(B,)``: the largest cell of the same sum over absolute terms. Rounding
            errors of the grid are small against it, not against the grid.
        violation: Float32 tensor of shape ``(B,)``, at least 0: by which fraction the method's own law is violated;
            None of a method that has none.
    """

    grid: Tensor
    magnitude: Tensor
    violation: Tensor | None = None


def weighted_sum(activations: Tensor, weights: Tensor) -> RawGrid:
    """Sum activation channels with one weight per channel.

    Args:
        activations: Shape ``(B, K, h, w)``.
        weights: Shape ``(B, K)``.

    Returns:
        ``Σ_k w_k A_k`` in float32.
    """
    activations, weights = activations.float(), weights.float()
    grid = torch.einsum("bkhw,bk->bhw", activations, weights)
    magnitude = torch.einsum("bkhw,bk->bhw", activations.abs(), weights.abs())
    return RawGrid(grid, magnitude.amax(dim=(1, 2)))


def gradcam(activations: Tensor, gradients: Tensor) -> RawGrid:
    """Grad-CAM: each channel counts with the mean of its gradients.

    ``Σ_k w_k A_k`` with ``w_k = mean_ij dy/dA_kij`` (Selvaraju et al., ICCV 2017, eq. 1 and 2; the ReLU follows
    after judging the raw grid).

    Args:
        activations: Output of the target layer, shape ``(B, K, h, w)``.
        gradients: Gradient of the class score with respect to it, the same shape.

    Returns:
        The raw grid.

    >>> activations = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    >>> gradients = torch.tensor([[[[1.0, 1.0]], [[-1.0, 0.0]]]])
    >>> gradcam(activations, gradients).grid.tolist()
    [[[-0.5, 2.0]]]
    """
    return weighted_sum(activations, gradients.float().mean(dim=(2, 3)))


def gradcam_plusplus(activations: Tensor, gradients: Tensor) -> RawGrid:
    """Grad-CAM++: each channel counts with its positive gradients, weighted cell by cell.

    ``w_k = Σ_ij a_kij max(g_kij, 0)`` with ``a = g² / (2 g² + g³ Σ_ij A_kij)`` and 0 where ``g`` is 0
    (Chattopadhay et al., WACV 2018, eq. 7 and 19; the exponential of the score is taken to be locally linear).
    """
    gradients = gradients.float()
    squares = gradients.square()
    sums = activations.float().sum(dim=(2, 3), keepdim=True)
    shares = squares / (2 * squares + sums * squares * gradients + 1e-6)
    shares = torch.where(gradients != 0, shares, 0.0)
    return weighted_sum(activations, (shares * gradients.clamp(min=0)).sum(dim=(2, 3)))


def xgradcam(activations: Tensor, gradients: Tensor) -> RawGrid:
    """XGrad-CAM: each channel counts with its gradient, averaged with the activations as weights.

    ``w_k = Σ_ij g_kij A_kij / Σ_ij A_kij`` (Fu et al., BMVC 2020, eq. 8).
    """
    activations = activations.float()
    sums = activations.sum(dim=(2, 3)) + 1e-7
    return weighted_sum(activations, (gradients.float() * activations).sum(dim=(2, 3)) / sums)


def hirescam(activations: Tensor, gradients: Tensor) -> RawGrid:
    """HiResCAM: ``Σ_k g_k A_k``, cell by cell (Draelos and Carin, 2020, eq. 2)."""
    return _summed(gradients.float() * activations.float())


def layercam(activations: Tensor, gradients: Tensor) -> RawGrid:
    """LayerCAM: ``Σ_k max(g_k, 0) A_k``, cell by cell (Jiang et al., TIP 2021, eq. 5 and 6)."""
    return _summed(gradients.float().clamp(min=0) * activations.float())


def elementwise(activations: Tensor, gradients: Tensor) -> RawGrid:
    """Grad-CAM element-wise: ``Σ_k max(g_k A_k, 0)`` (as in pytorch-grad-cam)."""
    return _summed((gradients.float() * activations.float()).clamp(min=0))


def eigencam(activations: Tensor, gradients: Tensor) -> RawGrid:  # noqa: ARG001 -- one signature for all methods
    """Eigen-CAM: the cells' projection onto the first principal component of the channels.

    Computed on centred activations (Muhammad and Yeasin, IJCNN 2020, eq. 3). A principal component has no sign of its
    own: here the cell that is farthest from the mean is positive, whatever the device's linear algebra says.
    Where the activations of a radiograph are not finite its grid is NaN: the decomposition would refuse the batch.
    """
    cells = activations.float().flatten(2)
    cells = cells - cells.mean(dim=2, keepdim=True)
    usable = torch.isfinite(cells).all(dim=2).all(dim=1)[:, None, None]
    cells = torch.where(usable, cells, 0.0)
    _, sizes, components = torch.linalg.svd(cells, full_matrices=False)
    projection = sizes[:, :1] * components[:, 0]
    farthest = projection.gather(1, projection.abs().argmax(dim=1, keepdim=True))
    grid = torch.where(farthest < 0, -projection, projection).reshape(len(cells), *activations.shape[2:])
    return RawGrid(torch.where(usable, grid, torch.nan), torch.linalg.vector_norm(cells, dim=(1, 2)))


def randomcam(activations: Tensor, gradients: Tensor) -> RawGrid:  # noqa: ARG001 -- one signature for all methods
    """Random-CAM: channels weighted at random, uniformly in [-1, 1]; a control that other methods have to beat.

    The weights are seeded, the same for every radiograph, class and device (as in pytorch-grad-cam, which draws them
    anew each time).
    """
    weights = torch.rand(activations.shape[1], generator=torch.Generator().manual_seed(0)) * 2 - 1
    return weighted_sum(activations, weights.to(activations.device).expand(len(activations), -1))


NATIVE: dict[str, Callable[[Tensor, Tensor], RawGrid]] = {
    "gradcam": gradcam,
    "gradcam++": gradcam_plusplus,
    "hirescam": hirescam,
    "layercam": layercam,
    "xgradcam": xgradcam,
    "elementwise": elementwise,
    "eigencam": eigencam,
    "randomcam": randomcam,
}
"""The methods that are computed here, by their names in :mod:`btxrd_explain.core.methods`."""


def _summed(terms: Tensor) -> RawGrid:
    """Sum terms of shape ``(B, K, h, w)`` over channels."""
    return RawGrid(terms.sum(dim=1), terms.abs().sum(dim=1).amax(dim=(1, 2)))
