"""Which networks and methods a study takes, and what they cost, before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from btxrd_explain.commands.intervene.gather import design_of, duration
from btxrd_explain.commands.sanity import stages_of
from btxrd_explain.core.methods import METHODS, check_installed
from btxrd_explain.errors import SettingsError
from btxrd_explain.inference.intervened import Cost, cost_of
from btxrd_explain.inference.loading import load_explainer
from btxrd_explain.inference.request import checkpoints_of, have_several_labels, request_for
from btxrd_explain.system.places import check_own_folders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.inputs.record import Collection
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.progress import Listener
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class Network:
    """A network with a method, ready to explain.

    Attributes:
        name: Which network, in words.
        settings: The settings of its table, which is in a folder of its own.
        provenance: How its table is made.
        seconds: How long a row of its table takes, measured on noise.
        seconds_of_class: How long the map of one class takes, likewise.
        stages: Stages of the randomisation test; 0 where its weights cannot be made random.
        cost: What the interventions cost, at most.
    """

    name: str
    settings: Settings
    provenance: Provenance
    seconds: float
    seconds_of_class: float
    stages: int
    cost: Cost

    @property
    def table(self) -> Path:
        """Its predictions table."""
        return self.settings.output.predictions_path


@dataclass(frozen=True, slots=True)
class MethodPlan:
    """A method, with all networks that it explains.

    Attributes:
        method: Its name.
        first: The network that is studied; else why the method cannot explain it.
        second: The second one, likewise; None where none was given.
        members: The members of the first one, where it is an ensemble, each as a network of its own.
    """

    method: str
    first: Network | str
    second: Network | str | None
    members: tuple[Network, ...]


def make_plan(settings: Settings, collection: Collection, listener: Listener) -> list[MethodPlan]:
    """Load every network with every method, and say what the study costs.

    Args:
        settings: The settings.
        collection: The radiographs.
        listener: Told of the cost.

    Raises:
        SettingsError: A method is not installed, no method can explain the network, or both checkpoints are one.
        CheckpointError: A checkpoint cannot be used.
        OutputError: Something is in the way of a method's folder.
    """
    methods = settings.evaluation.methods or (settings.gradcam.method,)
    for method in methods:
        check_installed(method)
    plans = [_plan(method, settings, collection) for method in methods]
    for plan in plans:
        if isinstance(plan.first, str):
            listener.note(f"{plan.method} is not studied: {plan.first}")
        elif isinstance(plan.second, str):
            listener.note(f"{plan.method}: the second checkpoint is not compared: {plan.second}")
    usable = [plan.first for plan in plans if not isinstance(plan.first, str)]
    if not usable:
        raise SettingsError(f"no method can be studied: {plans[0].first}")
    _tell(plans, usable[0], settings, collection, listener)
    return plans


def networks_of(plans: Sequence[MethodPlan]) -> list[Provenance]:
    """Return what makes the maps of the first network, and of the second one if there is one, by the first method."""
    firsts = [plan.first for plan in plans if isinstance(plan.first, Network)]
    seconds = [plan.second for plan in plans if isinstance(plan.second, Network)]
    return [network.provenance for network in (*firsts[:1], *seconds[:1])]


def _plan(method: str, settings: Settings, collection: Collection) -> MethodPlan:
    folder, second = settings.output.directory / method, settings.study.second_checkpoint
    first = _network(_of(settings, method, folder), "the first network", collection)
    other = None
    if second is not None:
        model = settings.model.model_copy(update={"checkpoint": second})
        own = _of(settings.model_copy(update={"model": model}), method, folder / "second")
        other = _network(own, "the second checkpoint", collection)
    if isinstance(first, str):
        return MethodPlan(method, first, other, ())
    if isinstance(other, Network):
        _refuse_shared(first.provenance, other.provenance)
    return MethodPlan(method, first, other, tuple(_members(settings, method, folder, collection)))


def _refuse_shared(first: Provenance, second: Provenance) -> None:
    """Refuse to compare the maps of a network with its own, which may be part of an ensemble.

    Raises:
        SettingsError: Both have a checkpoint in common.
    """
    if not _hashes(first) & _hashes(second):
        return
    both = f"is the first one ('{first.checkpoint}')"
    if first.members or second.members:
        both = f"('{second.checkpoint}') and the first one ('{first.checkpoint}') have a network in common"
    raise SettingsError(
        f"the second checkpoint {both}, so that maps would agree whatever they show",
        hint="give another training as --second-checkpoint, or leave it out",
    )


def _hashes(made: Provenance) -> set[str]:
    """Return the hashes of a network's checkpoint, or of those of an ensemble."""
    members = made.request.get("members", {}).values()
    return {member["checkpoint"] for member in members} or {made.checkpoint_sha256}


def _members(settings: Settings, method: str, folder: Path, collection: Collection) -> list[Network]:
    """Return the members of an ensemble whose weights are not those of a member before."""
    paths = checkpoints_of(settings)
    members: list[Network] = []
    for number, path in enumerate(paths if len(paths) > 1 else (), start=1):
        model = settings.model.model_copy(update={"checkpoint": path})
        own = _of(settings.model_copy(update={"model": model}), method, folder / f"member{number}")
        member = _network(own, f"member {number}", collection)
        if isinstance(member, Network) and all(_weights(member) != _weights(other) for other in members):
            members.append(member)
    return members


def _of(settings: Settings, method: str, folder: Path) -> Settings:
    """Return the settings of a method's table, in a folder of its own.

    Raises:
        OutputError: The folder, or the one in which it is, is a link, or not a folder.
    """
    check_own_folders(folder / "predictions.parquet", settings.output.directory / method)
    return settings.model_copy(
        update={
            "gradcam": settings.gradcam.model_copy(update={"method": method}),
            "output": settings.output.model_copy(update={"directory": folder, "predictions": None, "overlay": False}),
        }
    )


def _weights(network: Network) -> str:
    return network.provenance.checkpoint_sha256


def _network(settings: Settings, name: str, collection: Collection) -> Network | str:
    """Load a network and time it; else return why the method cannot explain it."""
    several = have_several_labels(settings, collection)
    request = request_for(settings.output.predictions_path, settings, collection, several_labels=several)
    try:
        explainer = load_explainer(settings, request)
        seconds = _seconds(explainer)
    except SettingsError as error:
        return str(error)
    design = design_of(settings)
    pictures = [design.least if record.annotation is None else design.most for record in collection.records]
    at_once = METHODS[explainer.method].native  # the maps of all classes come from one pass
    return Network(
        name,
        settings,
        explainer.provenance,
        seconds if at_once else seconds * explainer.provenance.explained.slots,
        seconds,
        _stages(explainer, settings),
        cost_of(explainer, pictures),
    )


def _stages(explainer: Explainer, settings: Settings) -> int:
    try:
        return len(stages_of(explainer, settings.sanity.stages))
    except SettingsError:  # which the test says when it is its turn
        return 0


_LONG = 5.0
"""Seconds from which the first measurement, which loads libraries, is close enough."""


def _seconds(explainer: Explainer) -> float:
    """Return how long the map of a class takes, from a batch of noise; of one where a method takes many passes."""
    preprocessing = explainer.classifier.preprocessing
    count = explainer.batch_size if METHODS[explainer.method].native else 1
    shape = (count, len(preprocessing.mean), *preprocessing.size)
    batch = torch.from_numpy(np.random.default_rng(0).standard_normal(shape, np.float32))
    taken = 0.0
    for _ in range(2):
        began = time.perf_counter()
        explainer.explain(batch, lambda places, _: [[0] for _ in places])
        taken = time.perf_counter() - began
        if taken / count > _LONG:
            break
    return taken / count


def _tell(
    plans: Sequence[MethodPlan], network: Network, settings: Settings, collection: Collection, listener: Listener
) -> None:
    """Say what each method costs at most, and all of it."""
    images, total = len(collection.records), network.cost.seconds
    for plan in plans:
        if isinstance(plan.first, str):
            continue
        others = [*([plan.second] if isinstance(plan.second, Network) else []), *plan.members]
        sample = min(settings.sanity.sample, images) * (plan.first.stages + 1 if plan.first.stages else 0)
        seconds = images * sum(one.seconds for one in (plan.first, *others)) + sample * plan.first.seconds_of_class
        total += seconds
        listener.note(
            f"{plan.method}: at most {images * (1 + len(others))} rows of tables ({images} radiographs, "
            f"{1 + len(others)} network{'s' if others else ''}) and {sample} maps for random weights, some "
            f"{duration(seconds)}; forward passes for a row: {METHODS[plan.method].cost}"
        )
    listener.note(
        f"interventions: at most {network.cost.pictures} pictures in {network.cost.passes} passes, once for all "
        f"methods, some {duration(network.cost.seconds)}"
    )
    listener.note(
        f"the study takes the network some {duration(total)} without what an earlier run computed; reading and scoring "
        "come on top"
    )
