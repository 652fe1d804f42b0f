"""Scores of many radiographs: whole where there is something to score, and next to nothing where there is not."""

from __future__ import annotations

import gc
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.evaluation.evaluate import Scores
from btxrd_explain.evaluation.report import _unseen
from btxrd_explain.evaluation.score import Exclusion, Score
from btxrd_explain.predictions.provenance import Provenance
from btxrd_explain.predictions.record import FileStamp, Prediction, RowStatus
from btxrd_explain.predictions.store import write_table
from btxrd_explain.predictions.table import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from btxrd_explain.predictions.index import Index

ROWS = 2000
EVERY = 500
"""So many rows have one that is evaluated."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Index:
    path: Path = tmp_path_factory.mktemp("table") / "predictions.parquet"
    preprocessing = Preprocessing(Size(8, 8), (0.5,) * 3, (0.5,) * 3)
    request = {"checkpoint": "0" * 64, "versions": {}}
    made = Provenance(request, ("Normal", "Benign"), preprocessing, "c", "a", "gradcam", "l", Size(1, 1))
    write_table(path, made, (_row(number) for number in range(ROWS)))
    return open_table(path).index()


def _row(number: int) -> Prediction:
    return Prediction(
        f"{number:06d}.png",
        f"{number:06d}.png",
        "Normal",
        "test",
        RowStatus.OK,
        stamp=FileStamp(1, 2, f"{number:064d}"),
        size=Size(8, 8),
        probabilities=np.array([0.75, 0.25], np.float32),
        grids=np.zeros((2, 1, 1), np.float32),
        grid_statuses=(MapStatus.OK, MapStatus.OK),
    )


def _scores(rows: Index) -> Iterator[Score]:
    for number, row in enumerate(rows):
        if number % EVERY == 1:
            yield Score(row, 0, 1, lesions=2, lesion_share=0.25)
        elif number % EVERY == 2:
            yield Score(row, 0, 1, Exclusion.BAD_ANNOTATION, f"line {number}")
        elif number % EVERY == 3:
            yield Score(row, 1, 0, Exclusion.EMPTY_ANNOTATION, lesions=3, lesion_share=0.0)
        else:
            yield Score(row, 0, 1, Exclusion.NO_ANNOTATION)


def _facts(score: Score) -> tuple[object, ...]:
    said = score.true, score.target, score.excluded, score.detail, score.undefined, score.lesions, score.lesion_share
    return score.row.image_id, score.row.stamp, score.row.confidence, *said


def test_every_score_is_what_it_was_when_it_was_made(rows: Index) -> None:
    scores, expected = Scores(rows, _scores(rows)), [_facts(score) for score in _scores(rows)]
    assert len(scores) == ROWS
    assert [_facts(score) for score in scores] == expected
    assert [_facts(scores[place]) for place in (0, 1, 2, 3, -1)] == [expected[place] for place in (0, 1, 2, 3, -1)]
    assert list(scores.evaluated) == [1, 501, 1001, 1501]
    assert all(scores[place] is score for place, score in scores.evaluated.items())


def test_scores_of_other_rows_are_an_error(rows: Index) -> None:
    with pytest.raises(ValueError, match="shorter"):
        list(Scores(rows, [score for score, _ in zip(_scores(rows), range(3), strict=False)]))


def test_a_radiograph_without_annotation_takes_a_few_bytes(rows: Index) -> None:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    scores = Scores(rows, _scores(rows))
    gc.collect()  # what waits to be collected is not taken
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(scores) == ROWS
    assert taken < 40 * ROWS


def test_images_whose_lesions_were_cut_off_are_counted_once_of_any_class() -> None:
    row = Prediction("a.png", "", None, None, RowStatus.OK)
    scores = [Score(row, seen_fraction=0.5, lesion_seen_fraction=fraction) for fraction in (0.25, 1.0)]
    evaluation: Any = SimpleNamespace(evaluated=scores)
    (limit,) = _unseen(evaluation)
    assert "on average 50 % of the pixels" in limit
    assert "in 1 of 1 images" in limit
