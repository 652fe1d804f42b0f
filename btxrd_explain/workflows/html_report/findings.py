"""What the annotations say of all heat maps together: as `annotate-iou` has found it, else as measured now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from btxrd_explain.workflows.evaluation.report import build_report, excluded_images
from btxrd_explain.workflows.evaluation.schema import Document

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.workflows.evaluation.evaluate import Evaluation
    from btxrd_explain.workflows.evaluation.extent import Extent
    from btxrd_explain.workflows.evaluation.sample import Sample
    from btxrd_explain.workflows.evaluation.schema import Report
    from btxrd_explain.workflows.progress import Listener


def find_report(folder: Path, evaluation: Evaluation, sample: Sample, extent: Extent, listener: Listener) -> Report:
    """Return the report of `annotate-iou` where it says the same of every radiograph, else one made now.

    The one on disk may know more: baselines take time, and slices by metadata must be asked for.

    Args:
        folder: The folder of results.
        evaluation: What was measured now.
        sample: Its evaluated images in columns.
        extent: What is reported beyond the scores.
        listener: Told of a report that does not fit.
    """
    now = build_report(evaluation, sample, extent)
    path = folder / "annotation_report.json"
    try:
        known = Document.model_validate(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return now
    except (OSError, ValueError):
        listener.note(f"'{path}' is damaged or of another release, and is not taken into account")
        return now
    if _agree(known, now) and known.excluded_images == list(excluded_images(evaluation)):
        return known
    listener.note(
        f"'{path}' is of other radiographs, another table or another protocol, and is not taken into account; "
        "run 'btxrd-explain annotate-iou' with the same settings to have its baselines and slices in the page"
    )
    return now


def _agree(known: Report, now: Report) -> bool:
    """Say whether two reports are of the same table, protocol and radiographs, with the same scores."""
    unrelated = {"average_mask"}  # what the baselines were made of
    return (
        known.provenance.get("fingerprint") == now.provenance["fingerprint"]
        and known.protocol.model_dump(exclude=unrelated) == now.protocol.model_dump(exclude=unrelated)
        and _scores(known) == _scores(now)
    )


def _scores(report: Report) -> list[tuple[str, float | None]]:
    return [(image.image_id, getattr(image, "iou", None)) for image in report.per_image]
