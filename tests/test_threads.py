from __future__ import annotations

import os
from typing import TYPE_CHECKING

from btxrd_explain.model.threads import share_cores

if TYPE_CHECKING:
    import pytest


def test_waiting_threads_sleep_unless_the_user_wants_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    share_cores()
    assert os.environ == {"OMP_WAIT_POLICY": "passive"}
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": "active"})
    share_cores()
    assert os.environ == {"OMP_WAIT_POLICY": "active"}
