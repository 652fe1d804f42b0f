"""What `intervene` costs beyond the network: its time compared with that of as many bare forward passes.

python benchmarks/intervene.py [--images 60] [--architecture resnet18] [--side 224] [--batch 4]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import timm
import torch

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
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--architecture", default="resnet18")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=4)
    wanted = parser.parse_args()
    preprocessing = Preprocessing(Size(wanted.side, wanted.side), IMAGENET_MEAN, IMAGENET_STD)
    network = timm.create_model(wanted.architecture, pretrained=False, num_classes=3).eval()
    seen = [_seen(preprocessing, number) for number in range(wanted.images)]

    def change(number: int) -> tuple[int, Interventions]:
        picture, mask, window = seen[number]
        rng = generator_of(str(number), 0)
        return number, intervene(picture, window, mask, None, design=Design(), rng=rng)

    def predict(batch: list[np.ndarray]) -> np.ndarray:
        tensor = torch.from_numpy(np.stack([preprocessing.normalised(picture) for picture in batch]))
        with torch.inference_mode():
            return log_odds(network(tensor), Activation.SOFTMAX).numpy()

    threads = available_cores()
    began = time.perf_counter()
    images = in_order(change, range(wanted.images), threads=threads, ahead=threads + 1)
    readings = list(read_conditions(images, lambda batches: map(predict, batches), wanted.batch))
    took = time.perf_counter() - began
    counts = [len(reading.log_odds) for _, reading in readings]
    began = time.perf_counter()
    for count in counts:
        for start in range(0, count, wanted.batch):
            with torch.inference_mode():
                network(torch.zeros(min(wanted.batch, count - start), 3, wanted.side, wanted.side))
    bare = time.perf_counter() - began
    print(
        f"{wanted.architecture} {wanted.side}: {wanted.images} images, {sum(counts)} pictures, {took:.1f} s, "
        f"bare passes {bare:.1f} s, ratio {took / bare:.2f}"
    )


def _seen(preprocessing: Preprocessing, number: int) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    radiograph = draw_radiograph(np.random.default_rng(number), Diagnosis.BENIGN)
    frame = preprocessing.frame(Size(*radiograph.pixels.shape))
    shapes = [Shape("x", ShapeType.POLYGON, outline) for outline in radiograph.outlines]
    mask = frame.mask_to_input(annotation_mask(shapes, frame.original))
    return preprocessing.picture(radiograph.pixels), mask, frame.window_filled


if __name__ == "__main__":
    main()
