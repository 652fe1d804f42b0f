"""What `infer` tells of its rows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from btxrd_explain.commands import infer
from btxrd_explain.errors import FailedFileError
from btxrd_explain.predictions.record import Prediction, RowStatus
from btxrd_explain.progress import Listener
from btxrd_explain.settings import DataSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_run_that_stops_tells_the_rows_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of named images rows wait for their overlays, which a strict run may never draw."""
    row, told = Prediction("a.png", "a.png", None, None, RowStatus.OK), []

    class Rows(Listener):
        def predicted(self, row: Prediction, provenance: Any, overlay: Path | None = None) -> None:  # noqa: ANN401, ARG002 -- as listeners have it
            told.append((row.image_id, overlay))

    @contextmanager
    def stops(settings: Settings, listener: Listener, **_: object) -> Iterator[None]:  # noqa: ARG001 -- as it is called
        listener.predicted(row, None)  # type: ignore[arg-type]
        raise FailedFileError("b.png cannot be read")
        yield

    monkeypatch.setattr(infer, "up_to_date", stops)
    with pytest.raises(FailedFileError):
        infer.run(Settings(data=DataSettings(inputs=("a.png", "b.png"))), Rows())
    assert told == [("a.png", None)]
