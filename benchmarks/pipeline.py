"""How fast radiographs go from disk to table, next to what the machine can give and to a plain loop.

Every contender runs in processes of its own, in turns. The radiographs are made up: synthetic scenes with noise, at
sizes drawn like those of BTXRD.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from report import RESULTS, Ratio, Result, Table, publish

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch.utils.data import Dataset

    from btxrd_explain.inference.compute import Explainer
    from btxrd_explain.settings import Settings

ARCHITECTURE = "efficientnet_b0"
NAMES = ("Normal", "Benign", "Malignant")
SIDE = 224
LOOP_BATCH = 16
GREY = 0.8
"""Fraction of grey radiographs in BTXRD."""


def make_radiographs(folder: Path, count: int) -> list[Path]:
    """Write JPEG files; the longest sides are log-normal around 2,000 pixels and lie between 311 and 4,881."""
    import numpy as np

    from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph

    rng = np.random.default_rng(0)
    scenes = [draw_radiograph(rng, Diagnosis.NORMAL).pixels for _ in range(12)]
    noise = rng.normal(0, 3, (1024, 1024)).astype(np.float32)
    longest = np.exp(rng.normal(np.log(2000), 0.5, count)).clip(311, 4881)
    shares, greys = rng.uniform(0.4, 1.0, count), rng.random(count) < GREY
    paths = [folder / f"IMG{number:06d}.jpeg" for number in range(count)]

    def write(number: int) -> None:
        size = max(153, round(longest[number] * shares[number])), round(longest[number])
        _write_jpeg(paths[number], scenes[number % len(scenes)], size, noise, grey=bool(greys[number]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(count)))
    return paths


def _write_jpeg(
    path: Path, scene: NDArray[np.uint8], size: tuple[int, int], noise: NDArray[np.float32], *, grey: bool
) -> None:
    import cv2
    import numpy as np

    picture = cv2.resize(scene, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    repeats = -(-size[1] // noise.shape[0]), -(-size[0] // noise.shape[1])
    picture += np.tile(noise, repeats)[: size[1], : size[0]]
    pixels = picture.clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(path), pixels if grey else np.dstack([pixels] * 3), [cv2.IMWRITE_JPEG_QUALITY, 85])


def make_checkpoint(folder: Path, architecture: str = ARCHITECTURE, side: int = SIDE) -> Path:
    """Write a checkpoint with random weights, as training scripts leave them."""
    import timm
    import torch

    torch.manual_seed(0)
    sized: dict[str, Any] = {"img_size": side} if architecture.startswith("vit") else {}
    network: Any = timm.create_model(architecture, pretrained=False, num_classes=len(NAMES), **sized)
    content = {"state_dict": network.state_dict(), "class_names": list(NAMES)}
    path = folder / f"{architecture}-{side}.pt"
    torch.save(content | {"config": {"model": {"backbone": architecture}, "data": {"image_size": side}}}, path)
    return path


def decode_only(job: Job) -> float:
    """Read, decode and prepare, with all cores and no network."""
    from btxrd_explain.inference.reading import read_ahead
    from btxrd_explain.inputs.record import ImageRecord

    preprocessing = _explainer(job).classifier.preprocessing
    records = [ImageRecord(path.name, path, None, None, None) for path in job.paths]
    return job.seconds(lambda: deque(read_ahead(records, preprocessing, folder=job.folder, window=32), maxlen=0))


def network_only(job: Job) -> float:
    """Predict and explain noise, with all cores and nothing to decode."""
    import torch

    explainer = _explainer(job)
    images = torch.randn(explainer.batch_size, 3, SIDE, SIDE)

    def work() -> None:
        passes = len(job.paths) // len(images)
        deque(explainer.side_by_side(type(explainer).explain, [images] * passes, passes), maxlen=0)

    work()  # libraries set themselves up
    return job.seconds(work)


def infer(job: Job) -> float:
    """Run the whole command but its imports: from the folder to the table on disk."""
    from btxrd_explain.commands import infer as workflow
    from btxrd_explain.system.threads import share_cores

    share_cores()
    from btxrd_explain.inference import loading  # noqa: F401 -- start-up has a benchmark of its own

    with tempfile.TemporaryDirectory() as out:
        settings = _settings(job, Path(out))
        return job.seconds(lambda: workflow.run(settings))


def plain_loop(job: Job) -> float:
    """Decode to RGB, transform and load with the usual means, and ask grad-cam for one map per radiograph."""
    import torch
    from PIL import Image
    from pytorch_grad_cam import GradCAM
    from torch.utils.data import DataLoader
    from torchvision import transforms

    network: Any = _explainer(job).classifier.network.to(memory_format=torch.contiguous_format)
    transform = transforms.Compose(
        [transforms.Resize((SIDE, SIDE)), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    )
    loader: DataLoader[Any] = DataLoader(
        cast("Dataset[Any]", job.paths),  # a list has what a loader asks of a data set
        batch_size=LOOP_BATCH,
        num_workers=os.cpu_count() or 1,
        collate_fn=lambda paths: torch.stack([transform(Image.open(path).convert("RGB")) for path in paths]),
        multiprocessing_context="fork",
    )

    def work() -> None:
        with GradCAM(network, [network.bn2]) as cam:
            for batch in loader:
                cam(batch, None)  # of the predicted classes

    return job.seconds(work)


CONTENDERS: dict[str, Callable[[Job], float]] = {
    "decoding alone": decode_only,
    "network alone": network_only,
    "infer": infer,
    "plain loop": plain_loop,
}


class Job(NamedTuple):
    """What a contender works on.

    Attributes:
        folder: Holds the radiographs and nothing else.
        paths: Those to read.
        checkpoint: The classifier.
        clock: ``wall``, or ``cpu`` where others use the machine.
        device: Where the network runs.
        precision: Of the network's arithmetic.
    """

    folder: Path
    paths: list[Path]
    checkpoint: Path
    clock: str
    device: str = "cpu"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"

    def seconds(self, work: Callable[[], object]) -> float:
        """Return how long work takes."""
        started = self._now()
        work()
        return self._now() - started

    def _now(self) -> float:
        if self.clock == "wall":
            return time.perf_counter()
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system


def _settings(job: Job, out: Path) -> Settings:
    from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, Settings

    return Settings(
        data=DataSettings(inputs=(str(job.folder),)),
        model=ModelSettings(checkpoint=job.checkpoint, device=job.device, precision=job.precision),
        output=OutputSettings(directory=out),
    )


def _explainer(job: Job) -> Explainer:
    from btxrd_explain.inference.loading import load_explainer

    return load_explainer(_settings(job, job.folder), {"checkpoint": ""})


def _run(name: str, job: Job) -> float:
    return CONTENDERS[name](job)


def main() -> None:
    """Measure, print and keep."""
    options = _options()
    context = multiprocessing.get_context("spawn")
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "images"
        folder.mkdir()
        paths = make_radiographs(folder, options.files)
        checkpoint = make_checkpoint(Path(temporary))
        size = sum(path.stat().st_size for path in paths)
        job = Job(folder, paths, checkpoint, options.clock)
        for _ in range(options.rounds):
            for name in CONTENDERS:
                of = job if name in {"infer", "decoding alone"} else job._replace(paths=paths[: options.files // 4])
                with ProcessPoolExecutor(1, mp_context=context) as process:
                    took = process.submit(_run, name, of).result()
                rates[name].append(len(of.paths) / took)
                print(name, f"{rates[name][-1]:.1f} per second", flush=True)
    publish(_result({name: statistics.median(each) for name, each in rates.items()}, size, options), options.results)


def _result(rates: dict[str, float], size: int, options: argparse.Namespace) -> Result:
    bound = 1 / (1 / rates["decoding alone"] + 1 / rates["network alone"])
    shares = {
        "infer / what decoding and network allow": (rates["infer"] / bound, "at least 0.9"),
        "infer / plain loop with grad-cam": (rates["infer"] / rates["plain loop"], "at least 2"),
    }
    return Result(
        name="pipeline",
        title="From files to the table",
        tables=[
            Table(
                f"Radiographs per second ({options.clock} clock, median of {options.rounds} rounds)",
                ("what", "per second"),
                [*rates.items(), ("1 / (1 / decoding alone + 1 / network alone)", bound)],
            )
        ],
        ratios=[Ratio(f"throughput: {what}", f"{value:.2f}", wanted) for what, (value, wanted) in shares.items()],
        notes=[
            f"{options.files} JPEG files, {size / options.files / 1000:.0f} kB on average, {GREY:.0%} of them grey.",
            f"{ARCHITECTURE} at {SIDE} x {SIDE} pixels, float32, random weights; all cores for each contender.",
            "infer: the command's workflow from the folder to the table, with the maps of all classes.",
            "Plain loop: Pillow to RGB, torchvision's transforms, a DataLoader with a worker per core, batches of 16.",
            "The plain loop's map is grad-cam's of the predicted class alone. No contender's time holds imports.",
        ],
        packages=("torch", "timm", "torchvision", "pillow", "opencv-python-headless", "grad-cam"),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu where others use the machine")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
