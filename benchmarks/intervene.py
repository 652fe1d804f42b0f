"""What `intervene` costs beyond the network: its time compared with that of as many bare forward passes, in turns."""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import timm
import torch
from report import RESULTS, Ratio, Result, Table, publish

from btxrd_explain.core.choices import Activation
from btxrd_explain.core.controls import generator_of
from btxrd_explain.core.geometry import Size
from btxrd_explain.core.intervention import Design, Interventions, intervene
from btxrd_explain.core.masks import annotation_mask
from btxrd_explain.core.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from btxrd_explain.core.shapes import Shape, ShapeType
from btxrd_explain.model.intervene import read_conditions
from btxrd_explain.model.scores import log_odds
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph
from btxrd_explain.system.threads import available_cores, in_order


def main() -> None:
    """Measure, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    preprocessing = Preprocessing(Size(options.side, options.side), IMAGENET_MEAN, IMAGENET_STD)
    network = timm.create_model(options.architecture, pretrained=False, num_classes=3).eval()
    seen = [_seen(preprocessing, number) for number in range(options.images)]
    ours, bare, counts = [], [], []
    for _ in range(options.rounds):
        began = time.perf_counter()
        counts = _changed(network, preprocessing, seen, options.batch)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        _bare(network, counts, options.batch, options.side)
        bare.append(time.perf_counter() - began)
    took = statistics.median(ours), statistics.median(bare)
    result = Result(
        name="intervene",
        title="Changing radiographs, next to the network that looks at them",
        tables=[
            Table(
                f"Seconds (median of {options.rounds} rounds)",
                ("what", "seconds"),
                list(zip(("intervene", "as many bare forward passes"), took, strict=True)),
            )
        ],
        ratios=[Ratio("interventions / as many bare forward passes", f"{took[0] / took[1]:.2f}", "at most 1.3")],
        notes=[
            f"{options.images} radiographs with a lesion, {sum(counts)} pictures in batches of {options.batch}.",
            f"{options.architecture} at {options.side} x {options.side} pixels, float32, random weights.",
            "Reading the files is no part of either.",
        ],
        packages=("torch", "timm", "opencv-python-headless", "numpy"),
    )
    publish(result, options.results)


def _changed(
    network: torch.nn.Module,
    preprocessing: Preprocessing,
    seen: list[tuple[np.ndarray, np.ndarray, tuple[slice, slice]]],
    batch: int,
) -> list[int]:
    """Make the pictures of all conditions and predict them; return how many each radiograph has."""

    def change(number: int) -> tuple[int, Interventions]:
        picture, mask, window = seen[number]
        rng = generator_of(str(number), 0)
        return number, intervene(picture, window, mask, None, design=Design(), rng=rng)

    def predict(pictures: list[np.ndarray]) -> np.ndarray:
        tensor = torch.from_numpy(np.stack([preprocessing.normalised(picture) for picture in pictures]))
        with torch.inference_mode():
            return log_odds(network(tensor), Activation.SOFTMAX).numpy()

    threads = available_cores()
    images = in_order(change, range(len(seen)), threads=threads, ahead=threads + 1)
    readings = read_conditions(images, lambda batches: map(predict, batches), batch)
    return [len(reading.log_odds) for _, reading in readings]


def _bare(network: torch.nn.Module, counts: list[int], batch: int, side: int) -> None:
    """Pass as many pictures through the network, in the same batches."""
    with torch.inference_mode():
        for count in counts:
            for start in range(0, count, batch):
                network(torch.zeros(min(batch, count - start), 3, side, side))


def _seen(preprocessing: Preprocessing, number: int) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    radiograph = draw_radiograph(np.random.default_rng(number), Diagnosis.BENIGN)
    frame = preprocessing.frame(Size(*radiograph.pixels.shape))
    shapes = [Shape("x", ShapeType.POLYGON, outline) for outline in radiograph.outlines]
    mask = frame.mask_to_input(annotation_mask(shapes, frame.original))
    return preprocessing.picture(radiograph.pixels), mask, frame.window_filled


if __name__ == "__main__":
    main()
