"""Images through the network, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from btxrd_explain.core.choices import Smooth
from btxrd_explain.core.explained_classes import ALL
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.labels import USUAL_THRESHOLD
from btxrd_explain.core.methods import MAP_SIZE
from btxrd_explain.inference.reading import Prepared, read_ahead
from btxrd_explain.model.engine import PRECISIONS, Explanation, every_class, explain, joined
from btxrd_explain.model.ensemble import averaged
from btxrd_explain.model.scores import class_probabilities, log_odds, mean_log_odds, scores_of
from btxrd_explain.model.streams import BatchLimit, replica, sharing_cores
from btxrd_explain.predictions.record import RowStatus
from btxrd_explain.system.threads import Item, Result, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.inputs.dataset import ImageRecord
    from btxrd_explain.model.classifier import Classifier
    from btxrd_explain.model.layers import TargetLayer
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.predictions.record import Prediction

Chooser: TypeAlias = "Callable[[Sequence[int], NDArray[np.float32]], Sequence[Sequence[int]]]"


@dataclass(frozen=True, slots=True)
class Explainer:
    """A classifier on its device, with the layer to explain; or several that predict together.

    Attributes:
        classifier: The classifier.
        layers: The layers whose outputs are explained.
        device: Where the network is.
        batch_size: Radiographs per pass.
        streams: How many passes run at once.
        limit: How many of them fit into memory together, as far as is known.
        method: Name of the class-activation method.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        provenance: How its rows are made, and which classes have grids.
        others: The further members of an ensemble, which want the same input; none of a single network.
        map_size: Cells on a side of a map of pixels.
        smooth: Over which views of a radiograph maps are averaged.
    """

    classifier: Classifier
    layers: tuple[TargetLayer, ...]
    device: torch.device
    batch_size: int
    streams: int
    method: str
    precision: str
    provenance: Provenance
    limit: BatchLimit
    others: tuple[Explainer, ...] = ()
    map_size: int = MAP_SIZE
    smooth: Smooth = Smooth.NONE

    def predict(
        self, records: Sequence[ImageRecord], folder: Path, keep: Callable[[list[Prediction]], None] | None = None
    ) -> Iterator[list[Prediction]]:
        """Yield the rows of the images in their order, a list per batch.

        Args:
            records: The images.
            folder: The table's folder, to which paths are relative.
            keep: Called with the rows of each batch as soon as they are computed, by several threads and in any order.
        """

        def explained(explainer: Explainer, batch: list[Prepared]) -> list[Prediction]:
            rows = explainer._explained(batch)
            if keep is not None:
                keep(rows)
            return rows

        window = 2 * self.streams * self.batch_size
        prepared = read_ahead(records, self.classifier.preprocessing, folder=folder, window=window)
        batches = iter(lambda: list(islice(prepared, self.batch_size)), [])
        passes = -(-len(records) // self.batch_size)
        yield from self.side_by_side(explained, batches, passes)

    def side_by_side(
        self, work: Callable[[Explainer, Item], Result], items: Iterable[Item], passes: int
    ) -> Iterator[Result]:
        """Work on items, as many at once as the explainer has streams, and yield the results in order.

        Args:
            work: Takes an explainer like this one, which nobody else uses meanwhile, and an item.
            items: Taken in the calling thread.
            passes: How many items there are, at most.
        """
        streams = max(min(self.streams, passes), 1)
        idle: SimpleQueue[Explainer] = SimpleQueue()
        idle.put(self)
        for _ in range(streams - 1):
            idle.put(self.replicated())

        def with_idle(item: Item) -> Result:
            explainer = idle.get()
            try:
                return work(explainer, item)
            finally:
                idle.put(explainer)

        with sharing_cores(self.streams):
            yield from in_order(with_idle, items, threads=streams, ahead=2 * streams)

    def _explained(self, batch: list[Prepared]) -> list[Prediction]:
        """Explain the readable images of a batch; the others keep their reason."""
        tensors = [item.tensor for item in batch if item.tensor is not None]
        if not tensors:
            return [item.row for item in batch]
        true = [self.provenance.explained.true_of(item.row.label) for item in batch if item.tensor is not None]
        names = [item.row.image_id for item in batch if item.tensor is not None]
        randomised = names if self.provenance.random_channels else []
        explained = self.explain(self.stacked(tensors), self._choice(true), randomised)
        results = (result for part in explained for result in _of_each(part))
        return [item.row if item.tensor is None else _completed(item.row, *next(results)) for item in batch]

    def stacked(self, tensors: Sequence[NDArray[np.float32]]) -> Tensor:
        """Return inputs as a batch in main memory, from where a GPU can fetch it by itself."""
        batch = torch.empty((len(tensors), *tensors[0].shape), pin_memory=self.device.type == "cuda")
        np.stack(tensors, out=batch.numpy())
        return batch

    def on_device(self, batch: Tensor) -> Tensor:
        """Return a batch where the network is, in the network's layout."""
        return batch.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last)

    def replicated(self) -> Explainer:
        """Return the same explainer with networks of its own that share their weights with these."""
        return self.with_networks([replica(member.classifier.network) for member in self.members])

    def with_networks(self, networks: Sequence[nn.Module]) -> Explainer:
        """Return the same explainer of other networks of the same modules, such as ones with other weights.

        Args:
            networks: One for each of :attr:`members`.
        """
        first, *others = (
            replace(
                member,
                classifier=replace(member.classifier, network=own),
                layers=tuple(replace(layer, module=own.get_submodule(layer.name)) for layer in member.layers),
            )
            for member, own in zip(self.members, networks, strict=True)
        )
        return replace(first, others=tuple(others))

    def probabilities(self, batch: Tensor) -> Tensor:
        """Return the class probabilities of a batch, float32, shape ``(B, classes)``, on the CPU."""
        if self.others:
            return torch.stack([member.probabilities(batch) for member in self.members]).double().mean(dim=0).float()
        return class_probabilities(self.scores(batch), self.classifier.activation)

    def scores(self, batch: Tensor) -> Tensor:
        """Return the class scores of a batch, float64, shape ``(B, classes)``, on the CPU, without any map.

        Raises:
            ValueError: Several networks predict together, which have no class scores in common.
        """
        if self.others:
            raise ValueError("an ensemble has no class scores of its own")
        with torch.autocast(self.device.type, PRECISIONS[self.precision], enabled=self.precision != "fp32"):
            return scores_of(self.classifier.network, self.on_device(batch), self.classifier.activation)

    def log_odds(self, batch: Tensor) -> Tensor:
        """Return the log-odds of each class, float64, shape ``(B, classes)``, on the CPU.

        Those of an ensemble are of the mean probability, see :func:`btxrd_explain.model.scores.mean_log_odds`.
        """
        if self.others:
            return mean_log_odds(torch.stack([member.log_odds(batch) for member in self.members]))
        return log_odds(self.scores(batch).cpu(), self.classifier.activation)

    def _choice(self, true: Sequence[Sequence[int]]) -> Chooser | None:
        """Return what chooses classes of images by their places in a batch, given their true ones; None for all."""
        explained = self.provenance.explained
        if ALL in explained.wanted:
            return None

        def choose(places: Sequence[int], probabilities: NDArray[np.float32]) -> list[list[int]]:
            predicted = [[index] for index in probabilities.argmax(axis=1).tolist()]
            if explained.multi_label:
                for found, row in zip(predicted, probabilities, strict=True):
                    found.extend(np.flatnonzero(row >= USUAL_THRESHOLD).tolist())
            return [explained.of(found, true[place]) for place, found in zip(places, predicted, strict=True)]

        return choose

    def explain(
        self, batch: Tensor, choose: Chooser | None = None, randomised: Sequence[str] = ()
    ) -> list[Explanation]:
        """Explain a batch, in parts where the device has too little memory for all of it.

        Args:
            batch: Preprocessed radiographs, shape ``(B, channels, height, width)``.
            choose: Says of places in the batch, and of the probabilities there, which classes are explained; None takes
                all of them.
            randomised: Names of the radiographs; see :func:`btxrd_explain.model.engine.explain`.
        """
        if self.others:
            return [self._explained_together(batch, choose, randomised)]

        def work(places: Tensor) -> Explanation:
            some = slice(int(places[0]), int(places[-1]) + 1)
            return explain(
                self.classifier.network,
                self.layers,
                self.on_device(batch[some]),
                method=self.method,
                precision=self.precision,
                activation=self.classifier.activation,
                choose=every_class if choose is None else partial(choose, places.tolist()),
                map_size=self.map_size,
                smooth=self.smooth,
                randomised=randomised[some],
            )

        return self.limit.run(work, torch.arange(len(batch)))

    def _explained_together(self, batch: Tensor, choose: Chooser | None, randomised: Sequence[str]) -> Explanation:
        """Average what the members say of a batch; which classes they explain follows from the mean probabilities."""
        if choose is not None:
            chosen = choose(range(len(batch)), self.probabilities(batch).numpy())

            def choose(places: Sequence[int], _probabilities: NDArray[np.float32]) -> list[Sequence[int]]:
                return [chosen[place] for place in places]

        return averaged([joined(member.explain(batch, choose, randomised)) for member in self.members])

    @property
    def members(self) -> tuple[Explainer, ...]:
        """All members of an ensemble, each as a classifier of its own."""
        return replace(self, others=()), *self.others


def _of_each(part: Explanation) -> Iterator[tuple[Any, ...]]:
    """Yield what an explanation says of each radiograph."""
    alone: list[None] = [None] * len(part.probabilities)
    further = (alone if values is None else values for values in (part.stds, part.agreements, part.random_channels))
    yield from zip(part.probabilities, part.grids, part.statuses, *further, strict=True)


def _completed(
    row: Prediction,
    probabilities: Any,  # noqa: ANN401
    grids: Any,  # noqa: ANN401
    statuses: Any,  # noqa: ANN401
    stds: Any,  # noqa: ANN401
    agreements: Any,  # noqa: ANN401
    random_channels: Any,  # noqa: ANN401
) -> Prediction:
    """Return the row with what the network gave; scores that are not numbers are not a prediction."""
    if not np.isfinite(probabilities).all():
        reason = (
            "the network's scores are NaN or infinite (with activation none also outside of [0, 1]): compute with "
            "--precision fp32, or check the checkpoint"
        )
        return replace(row, status=RowStatus.NON_FINITE, error=reason)
    count = sum(status is not MapStatus.NOT_COMPUTED for status in statuses)
    return replace(
        row,
        probabilities=probabilities,
        grids=grids[:count],
        grid_statuses=statuses,
        member_stds=stds,
        map_agreements=agreements,
        random_channels=random_channels,
    )
