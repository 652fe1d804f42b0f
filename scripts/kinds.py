"""Run every row of the pages of kinds, and write what becomes of it into them, as ``nox -s kinds`` does."""

from __future__ import annotations

from tests.support.kinds import annotations as annotation_kinds
from tests.support.kinds import inputs
from tests.support.kinds.pages import written

if __name__ == "__main__":
    for kinds in (annotation_kinds, inputs):
        kinds.PAGE.write_text(written(kinds.PAGE.read_text(encoding="utf-8"), kinds.RUNS), encoding="utf-8")
