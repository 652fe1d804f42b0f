"""The class score while pixels are taken from an image, or given back to a blurred one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from btxrd_explain.core.perturbation import pixel_counts

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Curves(NamedTuple):
    """Class probability after each step, float64 arrays of shape ``(steps + 1,)``.

    Attributes:
        insertion: From the baseline to the image, the most important pixels first; high is good.
        deletion: From the image to the baseline, the most important pixels first; low is good.
    """

    insertion: NDArray[np.float64]
    deletion: NDArray[np.float64]


def perturbation_curves(
    predict: Callable[[Tensor], Tensor],
    image: NDArray[np.float32],
    baseline: NDArray[np.float32],
    ranks: NDArray[np.intp],
    *,
    target: int,
    steps: int,
    batch_size: int,
) -> Curves:
    """Follow the probability of a class while the pixels change, the most important ones first.

    Args:
        predict: Class probabilities, shape ``(B, classes)``, of a batch of shape ``(B, channels, height, width)``.
        image: The network's input, shape ``(channels, height, width)``.
        baseline: What its pixels become, the same shape.
        ranks: Rank of each pixel, 0 for the most important one, shape ``(height, width)``.
        target: Index of the class.
        steps: Number of even steps from none to all pixels.
        batch_size: Images per pass.

    Returns:
        Both curves.
    """
    counts = torch.from_numpy(pixel_counts(ranks.size, steps))
    given, taken, rank = torch.from_numpy(image), torch.from_numpy(baseline.copy()), torch.from_numpy(ranks)
    insertion, deletion = [], []
    for start in range(0, len(counts), batch_size):
        changed = (rank < counts[start : start + batch_size, None, None])[:, None]
        insertion.append(predict(torch.where(changed, given, taken))[:, target])
        deletion.append(predict(torch.where(changed, taken, given))[:, target])
    return Curves(*(torch.cat(scores).double().cpu().numpy() for scores in (insertion, deletion)))
