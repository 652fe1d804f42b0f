"""Trains the demo's classifier on synthetic radiographs: ``nox -s demo_model``.

A network this small does not find lesions of a few per cent of the image from image labels alone. It therefore sees
cut-outs first and whole radiographs later, and in both the cells of its last feature map are taught which of them lie
on a lesion: that its heat maps sit on lesions is partly taught, and says nothing about networks trained otherwise. The
classifier itself is an ordinary one: features, global average pooling, one linear layer.

The same seed and versions on the same machine give the same file. It takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import timm
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph
from btxrd_explain.system.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

ARCHITECTURE = "test_resnet"
SIDE = 384
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
PREPROCESSING = Preprocessing(Size(SIDE, SIDE), MEAN, STD)
CLASS_NAMES = tuple(diagnosis.value for diagnosis in Diagnosis)
NOTE = "trained on SYNTHETIC radiographs and on their lesion masks, for the demo of btxrd-explain; no medical meaning"

_STREAM = 0
"""Sets the random numbers of training apart from those of data sets."""
_CHUNK = 64
_CELL_WEIGHT = 0.3
"""Weight of the loss of cells against the loss of images."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training.

    Attributes:
        side: Side of the square cut-outs; the input's side for whole radiographs.
        passes: Number of pictures shown.
        batch: Pictures per step.
        rate: Highest learning rate.
    """

    side: int
    passes: int
    batch: int
    rate: float


STAGES = (Stage(128, 130_000, 64, 4e-3), Stage(SIDE, 24_000, 16, 2e-3))


@dataclass(frozen=True, slots=True)
class Examples:
    """Drawn radiographs as the network sees them.

    Attributes:
        pictures: Uint8, shape ``(n, side, side)``.
        labels: Class of each picture, int64, shape ``(n,)``.
        lesions: Uint8 masks of the lesions, shape ``(n, side, side)``.
    """

    pictures: Tensor
    labels: Tensor
    lesions: Tensor


def draw_examples(count: int, *, seed: int, workers: int) -> Examples:
    """Draw radiographs of all classes in turn, in processes; the result does not depend on their number."""
    spans = [(seed, start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:  # a fork of torch's threads may hang
        chunks = list(pool.map(_draw_span, spans))
    pictures, labels, lesions = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*chunks, strict=True))
    return Examples(pictures, labels, lesions)


def train(examples: Examples, stages: Sequence[Stage] = STAGES, *, seed: int = 0) -> nn.Module:
    """Train the classifier.

    Args:
        examples: What it learns from.
        stages: The parts of the training.
        seed: Seed of initial weights, order and augmentation.

    Returns:
        The network, in eval mode.
    """
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    chance = torch.Generator().manual_seed(seed)
    network: Any = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=len(CLASS_NAMES))
    network.to(memory_format=torch.channels_last).train()
    for stage in stages:
        _train_stage(network, examples, stage, chance)
    trained: nn.Module = network.eval()
    return trained


def _train_stage(network: nn.Module, examples: Examples, stage: Stage, chance: torch.Generator) -> None:
    steps = stage.passes // stage.batch
    optimizer = torch.optim.AdamW(network.parameters(), lr=stage.rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, stage.rate, total_steps=steps, pct_start=0.15)
    for step in range(steps):
        pictures, labels, lesions = _cut_out(examples, stage, chance)
        loss = _loss(network, *_augmented(pictures, lesions, chance), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 200 == 0:
            print(f"side {stage.side}, step {step + 1} of {steps}: loss {float(loss.detach()):.4f}", flush=True)  # noqa: T201 -- a log


def _cut_out(examples: Examples, stage: Stage, chance: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Choose pictures for a step: whole ones, or cut-outs, of tumours mostly around a lesion.

    A cut-out belongs to the lesion's class where the lesion covers at least 3 % of it, and else is Normal.
    """
    chosen = torch.randint(len(examples.labels), (stage.batch,), generator=chance)
    pictures, labels, lesions = (part[chosen] for part in (examples.pictures, examples.labels, examples.lesions))
    if stage.side == SIDE:
        return pictures, labels, lesions
    cell, room = 32, SIDE - stage.side
    cover = functional.avg_pool2d(lesions.float()[:, None], cell).flatten(1)
    anywhere = (cover.sum(dim=1) == 0) | (torch.rand(stage.batch, generator=chance) < 0.3)
    places = torch.multinomial(torch.where(anywhere[:, None], 1.0, cover), 1, generator=chance)[:, 0]
    rows, columns = places // (SIDE // cell), places % (SIDE // cell)
    shift = torch.randint(-stage.side // 4, stage.side // 4, (2, stage.batch), generator=chance)
    tops, lefts = (
        (index * cell + cell // 2 - stage.side // 2 + by).clamp(0, room).tolist()
        for index, by in zip((rows, columns), shift, strict=True)
    )
    spans = [
        (slice(top, top + stage.side), slice(left, left + stage.side)) for top, left in zip(tops, lefts, strict=True)
    ]
    pictures, lesions = (
        torch.stack([picture[span] for picture, span in zip(part, spans, strict=True)]) for part in (pictures, lesions)
    )
    seen = lesions.float().mean(dim=(1, 2)) > 0.03
    return pictures, torch.where(seen, labels, 0), lesions


def save_classifier(network: nn.Module, path: Path) -> None:
    """Write the classifier as safetensors, with all that is needed to use it as metadata."""
    facts = {
        "class_names": CLASS_NAMES,
        "normalization": {"mean": MEAN, "std": STD},
        "config": {"model": {"backbone": ARCHITECTURE, "num_classes": len(CLASS_NAMES)}, "data": {"image_size": SIDE}},
        "synthetic": True,
        "note": NOTE,
    }
    weights = {key: value.contiguous() for key, value in network.state_dict().items()}
    write_bytes(path, save(weights, {"btxrd_explain": json.dumps(facts, sort_keys=True)}))


def _draw_span(span: tuple[int, int, int]) -> tuple[np.ndarray[Any, Any], ...]:
    """Draw the radiographs of one span of numbers, each from random numbers of its own."""
    cv2.setNumThreads(1)
    seed, start, stop = span
    pictures = np.empty((stop - start, SIDE, SIDE), np.uint8)
    lesions = np.zeros_like(pictures)
    labels = np.arange(start, stop) % len(CLASS_NAMES)
    for row, number in enumerate(range(start, stop)):
        diagnosis = list(Diagnosis)[labels[row]]
        radiograph = draw_radiograph(np.random.default_rng([_STREAM, seed, number]), diagnosis)
        pictures[row] = PREPROCESSING.picture(radiograph.pixels)
        mask = np.zeros(radiograph.pixels.shape, np.uint8)
        for outline in radiograph.outlines:
            cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
        lesions[row] = PREPROCESSING.frame(Size(*radiograph.pixels.shape[:2])).mask_to_input(mask.astype(bool))
    return pictures, labels, lesions


def _augmented(pictures: Tensor, lesions: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return normalised inputs and masks: mirrored, and with another exposure and noise."""
    count = len(pictures)
    images, masks = pictures.float()[:, None] / 255, lesions.float()[:, None]
    for axis in (2, 3):
        flip = torch.rand(count, 1, 1, 1, generator=generator, device=images.device) < 0.5
        images, masks = (torch.where(flip, part.flip(axis), part) for part in (images, masks))
    drawn = torch.rand(3, count, 1, 1, 1, generator=generator, device=images.device)
    images = images.clamp(min=1e-4) ** (0.8 + 0.45 * drawn[0])
    images = images * (0.85 + 0.3 * drawn[1]) + 0.1 * (drawn[2] - 0.5)
    images = images + 0.02 * torch.randn(images.shape, generator=generator, device=images.device)
    inputs = (images.clamp(0, 1) - MEAN[0]) / STD[0]
    return inputs.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last), masks


def _loss(network: Any, inputs: Tensor, masks: Tensor, labels: Tensor) -> Tensor:  # noqa: ANN401 -- timm's methods
    """Return the loss of images and of cells.

    Images: cross entropy. Cells on a lesion: cross entropy of their evidence for the lesion's class. Cells off all
    lesions: as much as they speak for a tumour rather than for Normal, and nothing where they do not.
    """
    features = network.forward_features(inputs)
    scores = network.forward_head(features)
    evidence = functional.conv2d(features, network.fc.weight[:, :, None, None])
    cover = functional.avg_pool2d(masks, masks.shape[-1] // features.shape[-1])[:, 0]
    on, off = (cover > 0.3).float(), (cover == 0).float()
    of_class = functional.cross_entropy(evidence, labels[:, None, None].expand_as(cover), reduction="none")
    alarm = functional.softplus(evidence[:, 1:].amax(dim=1) - evidence[:, 0])
    cells = (of_class * on).sum() / on.sum().clamp(min=1) + (alarm * off).sum() / off.sum().clamp(min=1)
    return functional.cross_entropy(scores, labels, label_smoothing=0.05) + _CELL_WEIGHT * cells


def main() -> None:
    """Draw the examples, train, and write the weights; arguments are for trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=demo_checkpoint())
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    examples = draw_examples(options.images, seed=options.seed, workers=options.workers)
    save_classifier(train(examples, seed=options.seed), options.out)


if __name__ == "__main__":
    main()
