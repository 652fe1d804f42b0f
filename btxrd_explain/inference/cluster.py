"""Images through the network on a Ray cluster: Ray Data hands out chunks of images, each worker writes its own files.

A chunk is done when its file is there, whole, under a name that follows from its images alone. A worker that dies
takes nothing with it but the chunks in its hands, which another one computes again and writes in their place.
"""

from __future__ import annotations

import logging
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import BtxrdExplainError, EngineError
from btxrd_explain.inference.cluster_worker import Job, Worker
from btxrd_explain.inference.target import claim_of
from btxrd_explain.predictions.table import table_files
from btxrd_explain.system.extras import to_install

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from btxrd_explain.inference.plan import Plan
    from btxrd_explain.inputs.record import ImageRecord
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings import Settings

_IMAGES_PER_PART = 1024
_PARTS_PER_WORKER = 4
"""At least so many chunks for each worker, so that none waits long for the others at the end."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of a run.

    Attributes:
        workers: How many there are.
        cpus: CPUs that each reserves and uses.
        gpus: GPUs that each reserves: one or none.
    """

    workers: int
    cpus: int
    gpus: int


def compute_on_cluster(settings: Settings, plan: Plan, provenance: Provenance) -> Iterator[int]:
    """Compute the pending images of a plan into the folder of its table.

    Args:
        settings: The settings that the plan was made from.
        plan: What to compute; its path is a folder that all machines of the cluster share, or a URL.
        provenance: How the rows are made.

    Yields:
        How many images are done, each time that some are.

    Raises:
        EngineError: Ray or the cluster is missing, or a worker sees other files or versions than this process.
        BtxrdExplainError: A worker cannot load the classifier or write its rows.
    """
    ray = _connected()
    crew = crew_of(settings, ray.cluster_resources())
    parts = chunks_of(plan.records, crew.workers, settings.model.batch_size)
    chunks = [pickle.dumps(chunk) for chunk in still_to_do(parts, plan.pending)]
    job = Job(settings, dict(plan.request), provenance, plan.path.absolute(), Path.cwd(), claim_of(plan.path))
    images = ray.data.from_items([{"chunk": chunk} for chunk in chunks], override_num_blocks=len(chunks))
    done = images.map(
        Worker,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(size=min(crew.workers, len(chunks))),
        num_cpus=crew.cpus,
        num_gpus=crew.gpus,
    )
    try:
        for result in done.iter_rows():
            yield _checked(result, plan.path)
            if settings.run.strict and result["failed"]:
                return
    except ray.exceptions.RayError as error:
        reason = str(error).splitlines()[0]
        raise EngineError(
            f"the Ray cluster gave up ({reason})", hint="read Ray's logs, then run the same again"
        ) from error


def crew_of(settings: Settings, resources: dict[str, float]) -> Crew:
    """Decide on the workers: one per GPU, and where there is none as many as the CPUs allow.

    Args:
        settings: How many of what are wanted.
        resources: What the cluster has, as Ray tells it.

    >>> from btxrd_explain.settings import Settings
    >>> crew_of(Settings(), {"CPU": 64.0, "GPU": 8.0})
    Crew(workers=8, cpus=8, gpus=1)
    >>> crew_of(Settings(), {"CPU": 64.0})
    Crew(workers=64, cpus=1, gpus=0)
    """
    all_cpus, all_gpus = max(int(resources.get("CPU", 0)), 1), int(resources.get("GPU", 0))
    gpus = 1 if all_gpus and settings.model.device != "cpu" else 0
    cpus, workers = settings.run.cpus_per_worker, settings.run.workers
    each = cpus if isinstance(cpus, int) else max(all_cpus // all_gpus, 1) if gpus else 1
    auto = all_gpus if gpus else max(all_cpus // each, 1)
    return Crew(workers if isinstance(workers, int) else auto, each, gpus)


def chunks_of(records: Sequence[ImageRecord], workers: int, batch_size: int | str) -> Iterator[Sequence[ImageRecord]]:
    """Cut images into chunks, one file of rows each: whole batches, and enough chunks for all workers.

    Args:
        records: All images that are asked for, so that a run that goes on cuts like the one before it: a worker of that
            one which still writes then writes a file that this one writes, too.
        workers: How many workers there are.
        batch_size: Images in one forward pass, or ``auto``.
    """
    batch = batch_size if isinstance(batch_size, int) else 32
    share = -(-len(records) // (_PARTS_PER_WORKER * workers))
    size = -(-min(share, _IMAGES_PER_PART) // batch) * batch
    return (records[start : start + size] for start in range(0, len(records), size))


def still_to_do(
    chunks: Iterable[Sequence[ImageRecord]], pending: Iterable[ImageRecord]
) -> Iterator[Sequence[ImageRecord]]:
    """Yield of each chunk what must be computed, with the labels and splits of the plan; no empty ones."""
    wanted = {record.image_id: record for record in pending}
    for chunk in chunks:
        left = [wanted[record.image_id] for record in chunk if record.image_id in wanted]
        if left:
            yield left


def _connected() -> Any:  # noqa: ANN401 -- the module, which may not be installed
    """Import Ray quietly, and connect to the cluster that RAY_ADDRESS names, or start one on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
    try:
        import ray  # noqa: PLC0415 -- an extra, and heavy
        import ray.data  # noqa: PLC0415 -- likewise
    except ImportError as error:
        raise EngineError("Ray is not installed", hint=to_install("ray")) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        ray.init(ignore_reinit_error=True, logging_level=logging.WARNING, log_to_driver=False)
    except (ConnectionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"no Ray cluster answers ({reason})", hint="check RAY_ADDRESS") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _checked(result: dict[str, Any], folder: Path) -> int:
    """Return how many rows a worker has written, where it has, and this process sees them."""
    error = pickle.loads(result["error"]) if result["error"] else None  # noqa: S301 -- from our own worker
    if isinstance(error, BtxrdExplainError):
        raise error
    if not table_files(folder / result["part"]):
        raise EngineError(
            f"'{folder / result['part']}' was written on '{result['host']}' and is not seen here",
            hint="name a folder with --predictions that all machines share",
        )
    return int(result["rows"])
