"""What predictions with the maps of all classes cost on a GPU, next to the bare network, and where decoding limits."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from itertools import product, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pipeline import NAMES, Job, decode_only, infer, make_checkpoint, make_radiographs
from report import RESULTS, Ratio, Result, Table, publish, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch
    from torch import nn

    from btxrd_explain.inference.compute import Explainer

ARCHITECTURES = ("resnet50", "efficientnet_b0", "convnext_tiny", "vit_small_patch16_224")
SIDES = (224, 384)
PRECISIONS: tuple[Literal["fp32", "bf16", "fp16"], ...] = ("fp32", "bf16", "fp16")
BATCHES = (32, 128)
"""The bare network takes whichever of them it is faster with."""
WANTED = "at most 1.1"
_WARM = 5
"""Passes before the clock starts: libraries set themselves up, in each thread anew."""


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        architecture: Name in timm.
        side: Height and width of the input.
        precision: Of the arithmetic.
        compiled: Whether ``torch.compile`` is used, by both.
    """

    architecture: str
    side: int
    precision: Literal["fp32", "bf16", "fp16"]
    compiled: bool = False


@dataclass(frozen=True)
class Rates:
    """Images per second, from a batch in main memory to results in main memory.

    Attributes:
        bare: Of the network alone, at the batch size that suits it best.
        batch: That batch size.
        ours: Of this package, with the maps of all classes, as ``infer`` calls it.
    """

    bare: float
    batch: int
    ours: float

    @property
    def ratio(self) -> float:
        """Time of this package as a fraction of the bare network's."""
        return self.bare / self.ours


def bare(network: nn.Module, images: torch.Tensor, device: str, precision: str) -> Iterator[object]:
    """Predict a batch again and again, and nothing else, in the way that suits a GPU best."""
    import torch

    from btxrd_explain.model.engine import PRECISIONS as DTYPES

    while True:
        with torch.inference_mode(), torch.autocast(device, DTYPES[precision], enabled=precision != "fp32"):
            on_device = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
            yield network(on_device).float().cpu()


def ours(explainer: Explainer, images: torch.Tensor) -> Iterator[object]:
    """Explain all classes of a batch again and again, as ``infer`` does."""
    return explainer.side_by_side(type(explainer).explain, repeat(images), passes=sys.maxsize)


def rate(results: Iterator[object], images: int, seconds: float) -> float:
    """Return images per second of a run that goes on for a while; what it yields is in main memory by then."""
    for _ in range(_WARM):
        next(results)
    passes, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < seconds:
        next(results)
        passes += 1
    results.close()  # type: ignore[attr-defined]  # both are generators
    return passes * images / took


def measure(case: Case, folder: Path, options: argparse.Namespace) -> Rates:
    """Measure one case; both take turns, and the median of the rounds counts."""
    import torch

    torch.compiler.reset()
    checkpoint = make_checkpoint(folder, case.architecture, case.side)
    explainer = _explainer(checkpoint, case, options.device, compiled=case.compiled)
    network: Any = _explainer(checkpoint, case, options.device, compiled=False).classifier.network
    network = torch.compile(network) if case.compiled else network
    own = explainer.batch_size
    # A compiled network takes the package's own batch size alone: each size is compiled anew.
    batches = [own] if case.compiled else sorted({own, *options.batches})
    pixels = np.random.default_rng(0).random((3, case.side, case.side), np.float32)
    inputs = {batch: explainer.stacked([pixels] * batch) for batch in batches}
    rounds: dict[int, list[float]] = {batch: [] for batch in [0, *batches]}
    for _ in range(options.rounds):
        for batch, images in inputs.items():
            rounds[batch].append(rate(bare(network, images, options.device, case.precision), batch, options.seconds))
        rounds[0].append(rate(ours(explainer, inputs[own]), own, options.seconds))
    best = {batch: statistics.median(rates) for batch, rates in rounds.items()}
    fastest = max(batches, key=best.__getitem__)
    return Rates(best[fastest], fastest, best[0])


def _explainer(checkpoint: Path, case: Case, device: str, *, compiled: bool) -> Explainer:
    from btxrd_explain.inference.loading import load_explainer
    from btxrd_explain.settings import ModelSettings, Settings

    model = ModelSettings(checkpoint=checkpoint, device=device, precision=case.precision, compile=compiled)
    return load_explainer(Settings(model=model), {"checkpoint": ""})


def measure_all(cases: Sequence[Case], options: argparse.Namespace) -> dict[Case, Rates]:
    """Measure cases one by one."""
    found: dict[Case, Rates] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            rates = found[case] = measure(case, Path(folder), options)
            print(
                f"{case}: bare {rates.bare:.0f} ({rates.batch}), ours {rates.ours:.0f}: {rates.ratio:.2f}", flush=True
            )
    return found


def _on_cores(cores: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _decode(job: Job, cores: int) -> float:
    _on_cores(cores)
    return decode_only(job)


def measure_files(options: argparse.Namespace) -> dict[str, float]:
    """Return radiographs per second: decoded by one core and by all of them, and through the whole command."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        folder.mkdir()
        paths = make_radiographs(folder, options.files)
        checkpoint = make_checkpoint(Path(temporary), options.architectures[0], options.sides[0])
        job = Job(folder, paths, checkpoint, "wall", options.device, "fp32")
        few = job._replace(paths=paths[: max(len(paths) // 8, 1)])
        works: list[tuple[str, Job, Callable[[], float]]] = [
            ("decoding alone, 1 core", few, partial(_decode, few, 1)),
            (f"decoding alone, {cores} cores", job, partial(_decode, job, cores)),
            (f"infer, {cores} cores", job, partial(infer, job)),
        ]
        for name, of, work in works:
            with ProcessPoolExecutor(1, mp_context=context) as process:
                rates[name] = len(of.paths) / process.submit(work).result()
            print(f"{name}: {rates[name]:.0f} per second", flush=True)
    return rates


def main() -> None:
    """Measure, print and keep; what compiling gives comes last, since it takes longest."""
    options = _options()
    plain = [Case(*each) for each in product(options.architectures, options.sides, options.precisions)]
    compiled = [Case(name, options.sides[0], "bf16", compiled=True) for name in options.compiled]
    found, files = measure_all(plain, options), measure_files(options)
    publish(_result(found, files, options), options.results)
    if compiled:
        publish(_result(found | measure_all(compiled, options), files, options), options.results)


def _card(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _result(found: dict[Case, Rates], files: dict[str, float], options: argparse.Namespace) -> Result:
    kinds = {"as it is": False, "compiled": True}
    spans = {
        kind: [rates.ratio for case, rates in found.items() if case.compiled is both] for kind, both in kinds.items()
    }
    name, side = options.architectures[0], options.sides[0]
    network = found[Case(name, side, "fp32")].ours
    one, every, whole = files.values()
    return Result(
        name="gpu",
        title="Predictions and the maps of all classes on a GPU",
        tables=[
            Table(
                "Images per second",
                ("network", "side", "precision", "compiled", "bare", "at batch", "with maps", "time / bare"),
                [
                    (
                        *astuple(case)[:3],
                        "yes" if case.compiled else "no",
                        rates.bare,
                        rates.batch,
                        rates.ours,
                        rates.ratio,
                    )
                    for case, rates in found.items()
                ],
            ),
            Table("Radiographs per second, from files", ("what", "per second"), list(files.items())),
        ],
        ratios=[
            *(
                Ratio(f"on a GPU, network {kind}: time with maps / bare", span(of), WANTED)
                for kind, of in spans.items()
                if of
            ),
            Ratio(
                "on a GPU: infer / the slower of decoding and network",
                f"{whole / min(every, network):.2f}",
                "at least 0.9",
            ),
            Ratio("on a GPU: cores whose decoding keeps the network busy", f"{network / one:.0f}", ""),
        ],
        notes=[
            f"Card: {_card(options.device)}. {len(NAMES)} classes, random weights, channels last, from pinned memory.",
            "With maps: as `infer` calls it, with the maps of all classes, at its own batch size.",
            f"Bare: the faster of batches {tuple(options.batches)}; compiled: `torch.compile` of all of it.",
            f"Files: {options.files} JPEG files at the sizes of BTXRD; {name} at {side} pixels, fp32.",
        ],
        packages=("torch", "timm", "opencv-python-headless"),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    parser.add_argument("--compiled", nargs="*", default=ARCHITECTURES, help="networks that are compiled too")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each contender in each round")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
