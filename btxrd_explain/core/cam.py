"""Class-activation grids from activations and gradients, as pure functions on tensors.

Shapes: ``B`` radiographs, ``K`` channels, ``h x w`` grid cells. All functions work on any device and leave their
arguments as they are. Grids are raw: signed, before ReLU, in units of the class score.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class RawGrid(NamedTuple):
    """A raw class-activation grid and the size of what it was summed from.

    Attributes:
        grid: Float32 tensor of shape ``(B, h, w)``, signed.
        magnitude: Float32 tensor of shape ``(B,)``: the largest cell of the same sum over absolute terms. Rounding
            errors of the grid are small against it, not against the grid.
    """

    grid: Tensor
    magnitude: Tensor


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
