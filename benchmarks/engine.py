"""What predictions with the maps of all classes cost, next to the bare network and to other libraries.

Every configuration has a process of its own, for what a C library does with memory depends on what it did before; all
take turns, round by round, so that a machine that is busy for a while slows all of them alike.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import statistics
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import RESULTS, Ratio, Result, Table, publish, span

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn

    from btxrd_explain.model.layers import TargetLayer

ARCHITECTURES = ("efficientnet_b0", "resnet50", "densenet121", "convnext_tiny")
CLASSES = 3
SIDE = 224


@dataclass(frozen=True)
class Configuration:
    """One way to get predictions, most of them with maps of all classes.

    Attributes:
        who: Name of a contender, see :data:`CONTENDERS`.
        batch: Images in one pass.
        channels_last: Memory layout of network and images.
        kept: True where the C library keeps freed memory, as this package has it.
        streams: Passes at once, which share the threads; a call is one of each.
    """

    who: str
    batch: int
    channels_last: bool = False
    kept: bool = False
    streams: int = 1

    @property
    def images(self) -> int:
        """Images in one call."""
        return self.batch * self.streams

    def __str__(self) -> str:
        """Say it as a table does."""
        layout = "channels last" if self.channels_last else "contiguous"
        batch = f"{self.streams} x batch {self.batch}" if self.streams > 1 else f"batch {self.batch}"
        return f"{self.who}, {batch}, {layout}{', memory kept' if self.kept else ''}"


USUAL = Configuration("bare", 16)
PEERS = [Configuration("grad-cam", 1), Configuration("torch-cam", 16), Configuration("captum", 16)]


def ours() -> Configuration:
    """Return the configuration that the package takes on a CPU."""
    from btxrd_explain.inference.device import CPU_BATCH
    from btxrd_explain.model.streams import cpu_streams

    return Configuration("ours", CPU_BATCH, channels_last=True, kept=True, streams=cpu_streams())


def configurations(batches: list[int], peers: list[str]) -> list[Configuration]:
    """Return what takes turns: bare in all ways, this package at several batch sizes, and other libraries."""
    ways = [Configuration("bare", *way) for way in product(batches, (False, True), (False, True))]
    mine = [replace(ours(), batch=batch, streams=1) for batch in batches]
    others = [each for each in PEERS if each.who in peers]
    return list(dict.fromkeys([USUAL, replace(ours(), who="bare"), *ways, ours(), *mine, *others]))


def bare(network: nn.Module, _layers: tuple[TargetLayer, ...], images: torch.Tensor) -> None:
    """Predict, and nothing else."""
    import torch

    with torch.inference_mode():
        network(images)


def with_ours(network: nn.Module, layers: tuple[TargetLayer, ...], images: torch.Tensor) -> None:
    """Predict, with the raw maps of all classes."""
    from btxrd_explain.model.engine import explain

    explain(network, layers, images)


def with_grad_cam(network: nn.Module, layers: tuple[TargetLayer, ...], images: torch.Tensor) -> None:
    """Ask pytorch-grad-cam once per class; its calls hold the prediction."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAM(network, [layers[0].module]) as cam:
        for index in range(CLASSES):
            cam(images, [ClassifierOutputTarget(index)] * len(images))


def with_torch_cam(network: nn.Module, layers: tuple[TargetLayer, ...], images: torch.Tensor) -> None:
    """Run torch-cam: one pass, and one way back per class."""
    from torchcam.methods import GradCAM

    with GradCAM(network, layers[0].name) as cam:
        scores = network(images)
        for index in range(CLASSES):
            cam([index] * len(images), scores, retain_graph=index + 1 < CLASSES)


def with_captum(network: nn.Module, layers: tuple[TargetLayer, ...], images: torch.Tensor) -> None:
    """Ask captum once per class, and the network for the prediction."""
    from captum.attr import LayerGradCam

    bare(network, layers, images)
    cam = LayerGradCam(network, layers[0].module)
    for index in range(CLASSES):
        cam.attribute(images, target=index)


CONTENDERS: dict[str, Callable[[nn.Module, tuple[TargetLayer, ...], torch.Tensor], None]] = {
    "bare": bare,
    "ours": with_ours,
    "grad-cam": with_grad_cam,
    "torch-cam": with_torch_cam,
    "captum": with_captum,
}

_DISTRIBUTIONS = {"grad-cam": "grad-cam", "torch-cam": "torchcam", "captum": "captum"}

_ready: dict[str, Any] = {}
"""In a configuration's own process: the call that is timed, and the network."""


def prepare(architecture: str, configuration: Configuration, threads: int) -> float:
    """Set up a configuration in its own process; return the MiB that its calls add to one that holds the network."""
    import timm
    import torch

    from btxrd_explain.core.geometry import Size
    from btxrd_explain.model.layers import find_target_layers
    from btxrd_explain.model.streams import keep_freed_memory, replica

    torch.set_num_threads(max(threads // configuration.streams, 1))
    if configuration.kept:
        keep_freed_memory()
    torch.manual_seed(0)
    network = timm.create_model(architecture, pretrained=False, num_classes=CLASSES).eval()
    layers = find_target_layers(network, input_size=Size(SIDE, SIDE))
    layout = torch.channels_last if configuration.channels_last else torch.contiguous_format
    network.to(memory_format=layout)
    images = torch.randn(configuration.batch, 3, SIDE, SIDE).to(memory_format=layout)
    contender = CONTENDERS[configuration.who]
    contender(network, layers, images[:1])  # libraries set themselves up
    copies = [network, *(replica(network) for _ in range(configuration.streams - 1))]
    passes: list[Callable[[], object]] = [partial(contender, each, _layers_of(each, layers), images) for each in copies]
    _ready.update(network=network, call=_side_by_side(passes) if len(passes) > 1 else passes[0])
    return _peak(_ready["call"])


def _layers_of(network: nn.Module, layers: tuple[TargetLayer, ...]) -> tuple[TargetLayer, ...]:
    return tuple(replace(layer, module=network.get_submodule(layer.name)) for layer in layers)


def _side_by_side(passes: list[Callable[[], object]]) -> Callable[[], object]:
    pool = ThreadPoolExecutor(len(passes))
    return lambda: deque(pool.map(lambda each: each(), passes), maxlen=0)


def _peak(call: Callable[[], object]) -> float:
    """Return the MiB by which calls raise the process's peak above what it holds before (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, see proc(5)
    before = _status("VmRSS")
    call()
    call()
    return _status("VmHWM") - before


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def seconds(calls: int, clock: str) -> float:
    """Return the seconds of one call, in a process that is prepared."""
    now = time.perf_counter if clock == "wall" else time.process_time
    started = now()
    for _ in range(calls):
        _ready["call"]()
    return (now() - started) / calls


def arithmetic(clock: str) -> float:
    """Return the seconds per image that the network's arithmetic takes at the speed of large matrix products."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        _ready["network"](torch.zeros(1, 3, SIDE, SIDE))
    side = 1024
    left, right = torch.randn(side, side), torch.randn(side, side)
    now = time.perf_counter if clock == "wall" else time.process_time
    best = float("inf")
    for _ in range(20):
        started = now()
        left @ right
        best = min(best, now() - started)
    return float(counter.get_total_flops()) * best / (2 * side**3)


@dataclass(frozen=True)
class Race:
    """What was measured on one network.

    Attributes:
        seconds: Median time per image.
        peaks: MiB above a process that holds the network.
        arithmetic: Seconds per image that arithmetic alone takes.
    """

    seconds: dict[Configuration, float]
    peaks: dict[Configuration, float]
    arithmetic: float

    @property
    def fastest(self) -> Configuration:
        """The fastest of the bare configurations."""
        return min((each for each in self.seconds if each.who == "bare"), key=self.seconds.__getitem__)


def race(architecture: str, options: argparse.Namespace) -> Race:
    """Let configurations take turns on a network, each in its own process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "timm"])
    turns = configurations(options.batches, options.peers)
    measured: dict[Configuration, list[float]] = {each: [] for each in turns}
    with ExitStack() as stack:
        own = {each: stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for each in turns}
        peaks = {
            each: process.submit(prepare, architecture, each, options.threads).result() for each, process in own.items()
        }
        for _ in range(options.rounds):
            for each, process in own.items():
                calls = max(1, (4 if each.who == "grad-cam" else 16) // each.images)
                per_call = process.submit(seconds, calls, options.clock).result()
                measured[each].append(per_call / each.images)
        floor = own[ours()].submit(arithmetic, options.clock).result()
    return Race({each: statistics.median(times) for each, times in measured.items()}, peaks, floor)


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    races = {}
    for architecture in options.architectures:
        races[architecture] = race(architecture, options)
        print(architecture, *_ratios(races[architecture]).values(), flush=True)
    publish(_result(races, options), options.results)


def _ratios(found: Race) -> dict[str, float]:
    """Return what this package needs on a network as shares of what others need."""
    mine = ours()
    others = {USUAL: "bare network as usual", found.fastest: "fastest bare network"}
    others |= {each: f"{each.who}, batch {each.batch}" for each in PEERS if each in found.seconds}
    likewise = replace(mine, who="bare")
    return {
        **{f"time / {name}": found.seconds[mine] / found.seconds[each] for each, name in others.items()},
        "memory / bare network as usual": found.peaks[mine] / found.peaks[USUAL],
        "memory / bare network with the same batch and layout": found.peaks[mine] / found.peaks[likewise],
    }


_WANTED = {
    "time / bare network as usual": "at most 0.5",
    "time / fastest bare network": "at most 1.1",
    "time / grad-cam, batch 1": "at most 0.2",
    "memory / bare network as usual": "at most 1.15",
    "memory / bare network with the same batch and layout": "at most 1.15",
}


def _result(races: dict[str, Race], options: argparse.Namespace) -> Result:
    ratios = {name: _ratios(found) for name, found in races.items()}
    compared = list(next(iter(ratios.values())))
    turns = list(next(iter(races.values())).seconds)
    return Result(
        name="engine",
        title="Predictions and the maps of all classes, at the price of a forward pass",
        tables=[
            Table(
                "What this package needs, as a fraction of what others need",
                ("network", *compared, "arithmetic alone / bare network as usual", "fastest bare network"),
                [
                    (name, *ratios[name].values(), found.arithmetic / found.seconds[USUAL], str(found.fastest))
                    for name, found in races.items()
                ],
            ),
            Table(
                f"Milliseconds per image ({options.clock} clock, median of {options.rounds} rounds)",
                ("configuration", *races),
                [(str(each), *(found.seconds[each] * 1000 for found in races.values())) for each in turns],
            ),
            Table(
                "MiB above the network",
                ("configuration", *races),
                [(str(each), *(found.peaks[each] for found in races.values())) for each in turns],
            ),
        ],
        ratios=[
            Ratio(
                f"predictions and the maps of {CLASSES} classes: {what}",
                span([line[what] for line in ratios.values()]),
                _WANTED.get(what, "below 1"),
            )
            for what in compared
        ],
        notes=[
            f"{CLASSES} classes, {SIDE} x {SIDE} pixels, float32, {options.threads} threads, random weights.",
            f"This package: {ours()}. All libraries explain the same layer.",
            "Maps are as the layer has them; only grad-cam's are scaled up to the input's size.",
            "Bare as usual: inference_mode, contiguous, batch 16, the C library's default settings.",
            "Arithmetic alone: the network's multiplications and additions at the speed of a large matrix product.",
            "No float32 pass can be faster: a ratio to the bare network as usual below that one is out of reach.",
            "MiB above the network: VmHWM of a fresh process during two calls, less its VmRSS before them.",
        ],
        packages=("torch", "timm", *(_DISTRIBUTIONS[peer] for peer in options.peers)),
    )


def _options() -> argparse.Namespace:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--batches", type=int, nargs="*", default=[4, 8, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu where others use the machine")
    parser.add_argument("--peers", nargs="*", default=list(_DISTRIBUTIONS), choices=_DISTRIBUTIONS)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
