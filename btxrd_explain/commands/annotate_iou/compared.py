"""Human readers, detectors and segmenters next to heat maps, all of them given as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from btxrd_explain.core.arrays import checked_choice, checked_mask
from btxrd_explain.core.choices import Consensus
from btxrd_explain.core.metrics import agreement
from btxrd_explain.core.metrics.plain import as_heat_map, measured, region_at
from btxrd_explain.core.readers import Drawing, Fate, ReaderComparison, centre_of, consensus_of
from btxrd_explain.evaluation.comparators import check_names
from btxrd_explain.evaluation.readers import ReadImage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core.heatmap import HeatMap
    from btxrd_explain.core.metrics import ImageMetrics, RegionAgreement
    from btxrd_explain.core.threshold import Threshold


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What heat maps are compared with besides masks.

    Attributes:
        heats: The heat maps.
        readers: What each reader drew on each image, or why there is nothing.
        comparators: What each detector or segmenter found on each image; None where nothing is known.
        consensus: Of the readers, with which heat maps are compared; None where there are masks.
    """

    heats: Sequence[HeatMap]
    readers: Mapping[str, Sequence[Drawing | Fate]]
    comparators: Mapping[str, Sequence[HeatMap | None]]
    consensus: Consensus | None

    @classmethod
    def of(
        cls,
        heats: Sequence[HeatMap],
        readers: Mapping[str, Sequence[Any]],
        comparators: Mapping[str, Sequence[Any]],
        consensus: Consensus | str | None,
        grid: Sequence[int],
    ) -> Compared:
        """Check arrays; see :func:`btxrd_explain.evaluate`."""
        for what, given in (("readers", readers), ("comparators", comparators)):
            for name, values in given.items():
                if len(values) != len(heats):
                    raise ValueError(f"{what}[{name!r}]: expected {len(heats)}, one per heat map, got {len(values)}")
        check_names(comparators)
        if consensus is not None and len(readers) < 2:
            raise ValueError("masks: expected a mask per image, or at least two readers")
        return cls(
            heats,
            {name: _drawn(name, values, heats) for name, values in readers.items()},
            {name: _found(name, values, heats, grid) for name, values in comparators.items()},
            None if consensus is None else checked_choice(consensus, Consensus, "consensus"),
        )

    def agreed(self) -> list[NDArray[np.bool_]]:
        """Return what at least two readers of each image agree on; nothing where there are fewer."""
        if self.consensus is None:
            raise ValueError("there is no consensus where there are masks")
        masks = []
        for row, heat in enumerate(self.heats):
            own = [of[row] for of in self.readers.values()]
            known = [one.mask for one in own if isinstance(one, Drawing)]
            empty = np.zeros(heat.values.shape, np.bool_)
            masks.append(consensus_of(known, self.consensus) if len(known) > 1 else empty)
        return masks

    def read(self, names: Sequence[str], masks: Sequence[NDArray[np.bool_]], threshold: Threshold) -> list[ReadImage]:
        """Return what the readers of each image score; nothing without readers."""
        comparison = ReaderComparison(threshold, self.consensus)
        if not self.readers:
            return []
        return [
            ReadImage(
                name,
                name,
                reading=comparison.read({one: of[row] for one, of in self.readers.items()}, heat, Drawing.of(mask)),
            )
            for row, (name, heat, mask) in enumerate(zip(names, self.heats, masks, strict=True))
        ]

    def scores(
        self, row: int, mask: NDArray[np.bool_], threshold: Threshold, tolerance: float | None
    ) -> dict[str, ImageMetrics]:
        """Return what detectors and segmenters score on an image."""
        return {
            name: measured(heat, mask, None, threshold, tolerance).metrics
            for name, maps in self.comparators.items()
            if (heat := maps[row]) is not None
        }

    def agreements(self, row: int, threshold: Threshold) -> dict[str, RegionAgreement]:
        """Return how far the heat map of an image marks what detectors and segmenters found on it."""
        found = (
            (name, agreement(self.heats[row], heat, threshold))
            for name, maps in self.comparators.items()
            if (heat := maps[row]) is not None
        )
        return {name: agreed for name, agreed in found if agreed is not None}


def _drawn(name: str, values: Sequence[Any], heats: Sequence[HeatMap]) -> list[Drawing | Fate]:
    return [
        Fate.ABSENT if mask is None else Drawing.of(checked_mask(mask, heat.values.shape, f"readers[{name!r}][{row}]"))
        for row, (mask, heat) in enumerate(zip(values, heats, strict=True))
    ]


def _found(name: str, values: Sequence[Any], heats: Sequence[HeatMap], grid: Sequence[int]) -> list[HeatMap | None]:
    """Return what was found on each image, divided by its highest score.

    As of findings in files, the hottest pixel is the centre of the surest one, the first of equals.
    """
    found: list[HeatMap | None] = []
    for row, (value, heat) in enumerate(zip(values, heats, strict=True)):
        if value is None:
            found.append(None)
            continue
        scores = value.astype(np.float32) if getattr(value, "dtype", None) == np.bool_ else value  # a mask
        one = as_heat_map(scores, grid, f"comparators[{name!r}][{row}]")
        if one.values.shape != heat.values.shape:
            expected, got = heat.values.shape, one.values.shape
            raise ValueError(f"comparators[{name!r}][{row}]: expected shape {expected}, got {got}")
        if one.hottest is None:
            found.append(one)
            continue
        highest = one.values[one.hottest]
        surest = region_at(one.values == highest, one.hottest)
        found.append(replace(one, source=one.values / highest, hottest=centre_of(surest)))
    return found
