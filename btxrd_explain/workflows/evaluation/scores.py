"""The scores of all radiographs, of which most may have no annotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from btxrd_explain.workflows.evaluation.score import Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction
    from btxrd_explain.workflows.evaluation.score import Exclusion

_Facts = tuple["int | None", "int | None", "Exclusion | None", "str | None", None, "int | None", "float | None"]
"""What a score says of an excluded radiograph beyond its row, in the order of the attributes of a score."""


class Scores(Sequence[Score]):
    """A score per radiograph, in the order of the table.

    Scores of evaluated radiographs are kept as they are. Of an excluded one only the reason is kept, once for all
    radiographs of which the same is to be said: 8 bytes each. Its score is made anew, from its row, wherever somebody
    looks at it.

    Args:
        rows: The radiographs, without grids.
        scores: A score for each of them, in their order.
    """

    def __init__(self, rows: Index, scores: Iterable[Score]) -> None:
        """Keep the scores."""
        self._rows = rows
        shared: dict[_Facts, _Facts] = {}
        self._known = [
            score if score.excluded is None else shared.setdefault(facts := _facts(score), facts) for score in scores
        ]
        self.evaluated = {place: score for place, score in enumerate(self._known) if isinstance(score, Score)}
        """Scores of the radiographs that are not excluded, by their places."""

    def __len__(self) -> int:
        """Return the number of radiographs."""
        return len(self._known)

    def __iter__(self) -> Iterator[Score]:
        """Yield the scores; those of excluded radiographs are not kept."""
        return (_score(row, known) for row, known in zip(self._rows, self._known, strict=True))

    @overload
    def __getitem__(self, place: int) -> Score: ...
    @overload
    def __getitem__(self, place: slice) -> list[Score]: ...
    def __getitem__(self, place: int | slice) -> Score | list[Score]:
        """Return one score, or those of a slice."""
        if isinstance(place, slice):
            return [_score(row, known) for row, known in zip(self._rows[place], self._known[place], strict=True)]
        known = self._known[place]
        return known if isinstance(known, Score) else _score(self._rows[place], known)


def _facts(score: Score) -> _Facts:
    return score.true, score.target, score.excluded, score.detail, None, score.lesions, score.lesion_share


def _score(row: Prediction, known: Score | _Facts) -> Score:
    return known if isinstance(known, Score) else Score(row, *known)
