"""Several networks as one classifier: their probabilities and maps averaged, and how far apart they are."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from btxrd_explain.core.heatmap import MapStatus, judge
from btxrd_explain.model.engine import Explanation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def averaged(members: Sequence[Explanation]) -> Explanation:
    """Average what networks say of the same radiographs and classes.

    Args:
        members: At least two explanations of the same batch, for the same classes of each radiograph; their grids may
            have different sizes.

    Returns:
        Mean probabilities. Mean grids: of each member the positive evidence, scaled by its maximum and brought to the
        finest grid; a map without evidence counts as 0, and one that is not finite, or incomplete, makes the mean so.
        Standard deviations of the probabilities: the root of the mean squared distance from their mean. Agreement: the
        mean over all pairs of members of the correlation coefficient of their maps (Pearson's, the measure CC of
        Bylinskii et al., IEEE Trans Pattern Anal Mach Intell 41:740, 2019); undefined where a member has no usable map.

    Raises:
        ValueError: The members explain different classes of a radiograph.
    """
    if len({tuple(map(tuple, map(_computed, member.statuses))) for member in members}) > 1:
        raise ValueError("members: expected explanations of the same classes")
    probabilities = np.stack([member.probabilities for member in members]).astype(np.float64)
    finest = max((member.grids.shape[2:] for member in members), key=np.prod)
    usable = np.stack([_places(member, MapStatus.OK) for member in members])
    broken = [_places(member, MapStatus.NON_FINITE) for member in members]
    placed = zip(members, usable, broken, strict=True)
    maps = np.stack([_scaled(member.grids, good, bad, finest) for member, good, bad in placed])
    grids = maps.mean(axis=0).astype(np.float32)
    agreements = np.where(usable.all(axis=0), _agreement(maps), np.nan)
    statuses, by_class = [], np.full(probabilities.shape[1:], np.nan, np.float32)
    for image, of_members in enumerate(zip(*(member.statuses for member in members), strict=True)):
        classes = _computed(of_members[0])
        by_class[image, classes] = agreements[image, : len(classes)]
        statuses.append(_statuses(of_members, dict(zip(classes, grids[image], strict=False))))
    return Explanation(
        probabilities.mean(axis=0).astype(np.float32),
        grids,
        tuple(statuses),
        probabilities.std(axis=0).astype(np.float32),
        by_class,
        _mean_of_random_channels(members, finest),
    )


def _mean_of_random_channels(members: Sequence[Explanation], size: tuple[int, ...]) -> NDArray[np.float32] | None:
    """Average the maps of random channels draw by draw, as those of classes; None where a member has none."""
    maps = []
    for member in members:
        if member.random_channels is None:
            return None
        finite: NDArray[np.bool_] = np.all(np.isfinite(member.random_channels), axis=(2, 3))
        maps.append(_scaled(member.random_channels, finite, ~finite, size))
    mean: NDArray[np.float32] = np.mean(maps, axis=0).astype(np.float32)
    return mean


def _computed(statuses: Sequence[MapStatus]) -> list[int]:
    """Return the classes of a radiograph that have a grid, in the order of the grids."""
    return [index for index, status in enumerate(statuses) if status is not MapStatus.NOT_COMPUTED]


def _places(member: Explanation, wanted: MapStatus) -> NDArray[np.bool_]:
    """Return which grids have a status, shape ``(B, k)``."""
    places = np.zeros(member.grids.shape[:2], np.bool_)
    for image, statuses in enumerate(member.statuses):
        classes = _computed(statuses)
        places[image, : len(classes)] = [statuses[index] is wanted for index in classes]
    return places


def _scaled(
    grids: NDArray[np.float32], usable: NDArray[np.bool_], broken: NDArray[np.bool_], size: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the positive evidence of each grid over its maximum, brought to a size, shape ``(B, k, *size)``."""
    positive = np.where(usable[..., None, None], grids, 0).clip(min=0).astype(np.float64)
    peaks = positive.max(axis=(2, 3), keepdims=True)
    scaled = positive / np.where(peaks > 0, peaks, 1)
    resized: NDArray[np.float64] = functional.interpolate(torch.from_numpy(scaled), size=size, mode="bilinear").numpy()
    resized[broken] = np.nan
    return resized


def _agreement(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean correlation of two maps, shape ``(B, k)``, of maps of shape ``(members, B, k, h, w)``."""
    cells = maps.reshape(*maps.shape[:3], -1)
    cells = cells - cells.mean(axis=-1, keepdims=True)
    norms = np.sqrt((cells**2).sum(axis=-1, keepdims=True))
    cells /= np.where(norms > 0, norms, np.nan)
    pairs = [(cells[one] * cells[other]).sum(axis=-1) for one, other in combinations(range(len(cells)), 2)]
    mean: NDArray[np.float64] = np.mean(pairs, axis=0).clip(-1, 1)
    return mean


def _statuses(of_members: Sequence[Sequence[MapStatus]], grids: dict[int, NDArray[Any]]) -> tuple[MapStatus, ...]:
    """Return what the mean grid of each class is worth; where no member has evidence, what the first one says.

    Attributions that do not add up say nothing, not even that evidence is missing: only other members would count.
    """
    statuses = []
    for index, found in enumerate(zip(*of_members, strict=True)):
        alike = index not in grids or not {MapStatus.OK, MapStatus.NON_FINITE}.intersection(found)
        broken = MapStatus.INCOMPLETE in found and MapStatus.NON_FINITE not in found
        statuses.append(MapStatus.INCOMPLETE if broken else found[0] if alike else judge(grids[index]))
    return tuple(statuses)
