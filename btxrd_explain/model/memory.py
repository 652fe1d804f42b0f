"""Batches that fit: where a device runs out of memory, the batch is halved, and the rest of the run keeps to that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from btxrd_explain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_Result = TypeVar("_Result")

_MESSAGES = ("not enough memory", "out of memory", "can't allocate memory")
"""How devices without an exception of their own for it (CPU, MPS) say that memory is short."""


@dataclass(slots=True)
class BatchLimit:
    """The largest batch that is tried.

    Attributes:
        size: Radiographs in one pass; halved whenever that many do not fit.
    """

    size: int

    def run(self, work: Callable[[Tensor], _Result], batch: Tensor) -> list[_Result]:
        """Work on a batch in parts that fit.

        Args:
            work: What to do with a part; it may be called again with a smaller one after it ran out of memory.
            batch: Any tensor, batch first.

        Returns:
            The results of the parts, in order.

        Raises:
            SettingsError: A single radiograph does not fit.
        """
        results: list[_Result] = []
        done = 0
        while done < len(batch):
            part = batch[done : done + self.size]
            try:
                results.append(work(part))
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                if len(part) == 1:
                    raise SettingsError(
                        f"device '{batch.device}' has too little memory for one radiograph",
                        hint="use a smaller --image-size, or another --device",
                    ) from error
            else:
                done += len(part)
                continue
            self._halve(len(part))  # behind the except clause, whose traceback holds on to the tensors
        return results

    def _halve(self, tried: int) -> None:
        self.size = tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error).lower() for text in _MESSAGES)
