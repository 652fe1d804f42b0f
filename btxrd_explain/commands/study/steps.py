"""The commands that a study runs for a method, each of which goes on where an earlier run stopped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from btxrd_explain.commands import annotate_iou, compare, infer, intervene, sanity
from btxrd_explain.commands.sanity.report import SanityReport
from btxrd_explain.commands.study.criteria import Pair
from btxrd_explain.commands.study.plan import MethodPlan, Network
from btxrd_explain.errors import InputError, SettingsError, TableError
from btxrd_explain.evaluation.file_set import read_report
from btxrd_explain.system.files import sha256_of, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from btxrd_explain.commands.infer import InferResult
    from btxrd_explain.commands.intervene.report import InterventionReport
    from btxrd_explain.evaluation.schema import Report
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings

_Result = TypeVar("_Result")
_NO_REPEAT = "neither a second checkpoint of the same architecture nor an ensemble of it was given"
_NO_OTHER = "no checkpoint of another architecture was given"


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a method; of each part else why it was not.

    Attributes:
        scored: The report of `annotate-iou`.
        checked: That of `sanity`.
        changed: That of `intervene`.
        pairs: How its maps of two networks agree.
        no_repeat: Why there is no pair of one architecture, where there is none.
        no_other: Why there is none of two architectures, likewise.
        provenance: How its table was made.
    """

    scored: Report | str
    checked: SanityReport | str
    changed: InterventionReport | str
    pairs: tuple[Pair, ...]
    no_repeat: str
    no_other: str
    provenance: Provenance | None


def measure(plan: MethodPlan, journal: Path, listener: Listener) -> Measured:
    """Run the commands for a method.

    Args:
        plan: The method and its networks.
        journal: Folder of what the network says of changed radiographs, which is the same for all methods.
        listener: Told of progress.
    """
    first, second = plan.first, plan.second
    if isinstance(first, str):
        return Measured(first, first, first, (), first, first, None)
    listener.note(f"method {plan.method}")
    own = first.settings
    filled = infer.run(own, listener)
    # The checklist of annotate-iou looks at the reports of the two before it.
    checked = _attempt(lambda: _sanity(own, filled, listener))
    changed = _attempt(lambda: intervene.run(own, listener, journal=journal).report)
    scored = _attempt(lambda: annotate_iou.run(own, listener).report)
    pairs = [] if not isinstance(second, Network) else [_pair(first, second, listener)]
    for member in plan.members[:1]:
        infer.run(member.settings, listener)
        pairs += [_pair(member, other, listener) for other in plan.members[1:]]
    missing = f"; the second checkpoint: {second}" if isinstance(second, str) else ""
    made = filled.table.provenance
    return Measured(scored, checked, changed, tuple(pairs), _NO_REPEAT + missing, _NO_OTHER + missing, made)


def _attempt(step: Callable[[], _Result]) -> _Result | str:
    """Take a step, or return why these radiographs or this network have no part in it."""
    try:
        return step()
    except (InputError, SettingsError, TableError) as error:
        return str(error)


def _pair(one: Network, other: Network, listener: Listener) -> Pair:
    """Compare the maps of two networks; that of the first is there."""
    infer.run(other.settings, listener)
    wanted = other.settings.evaluation.model_copy(update={"agreement": True})
    settings = other.settings.model_copy(update={"evaluation": wanted})
    found = _attempt(lambda: compare.run(settings, [one.table, other.table], listener).report)
    agreement = found if isinstance(found, str) else list(found.tables.values())[1].agreement
    same = one.provenance.architecture == other.provenance.architecture
    return Pair(f"{one.name} and {other.name}", same, agreement or "not compared")


# The randomisation test, which keeps nothing of an interrupted run.


def _sanity(settings: Settings, filled: InferResult, listener: Listener) -> SanityReport:
    """Run the test, unless an earlier run did so for the same network, settings and radiographs."""
    document = settings.output.directory / "sanity_report.json"
    done, key = document.with_name("sanity_done.json"), _key(settings, filled)
    try:
        if read_report(done) == {"key": key, "sha256": sha256_of(document)}:
            listener.note("the maps with random weights are those of an earlier run")
            return SanityReport.model_validate(read_report(document))
    except (OSError, ValueError):  # there is none, or it was damaged
        pass
    report = sanity.run(settings, listener).report
    write_json(done, {"key": key, "sha256": sha256_of(document)})
    return report


def _key(settings: Settings, filled: InferResult) -> str:
    """Return what the test depends on, as a hash."""
    annotated = set(filled.collection.annotations)
    columns = (filled.rows.column(name).to_pylist() for name in ("image_id", "sha256", "label"))
    images = [[image_id, *facts, image_id in annotated] for image_id, *facts in zip(*columns, strict=True)]
    known: dict[str, Any] = {
        "fingerprint": filled.table.provenance.fingerprint,
        "sanity": settings.sanity.model_dump(mode="json"),
        "images": images,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
