"""The tolerances that docs/explanation/engine.md states, on the demo's trained classifier."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame
from btxrd_explain.core.heatmap import heat_map
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Wishes, build_classifier
from btxrd_explain.model.engine import Explanation, explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.synthetic.radiographs import Diagnosis, draw_radiograph

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "engine.md").read_text("utf-8")
STATED = {
    name: (float(maps), float(probabilities))
    for name, maps, probabilities in re.findall(r"^\| (.+?) \| (0\.\d+) \| (0\.\d+) \|$", PAGE, flags=re.MULTILINE)
}


class Case:
    """The classifier, six radiographs, and what float32 says about them."""

    def __init__(self) -> None:
        classifier = build_classifier(read_checkpoint(demo_checkpoint()), Wishes())
        preprocessing = classifier.preprocessing
        random = np.random.default_rng(7)
        drawn = [draw_radiograph(random, diagnosis).pixels for diagnosis in list(Diagnosis) * 2]
        self.network: nn.Module = classifier.network
        self.images = torch.from_numpy(np.stack([preprocessing.apply(pixels) for pixels in drawn]))
        self.frame = Frame.fit(preprocessing.size, preprocessing.size, ResizeMode.SQUASH)
        self.layers: tuple[TargetLayer, ...] = find_target_layers(
            self.network, input_size=preprocessing.size, channels=self.images.shape[1]
        )
        self.exact = explain(self.network, self.layers, self.images)

    def maps(self, explanation: Explanation) -> NDArray[np.float32]:
        """Return the heat maps of the classes that float32 predicts."""
        classes = self.exact.probabilities.argmax(axis=1)
        return np.stack(
            [
                heat_map(explanation.grids[image, index], self.frame, status=explanation.statuses[image][index]).values
                for image, index in enumerate(classes)
            ]
        )

    def holds(self, explanation: Explanation, change: str) -> None:
        """Hold an explanation against what the page states of a change."""
        maps, probabilities = STATED[change]
        np.testing.assert_allclose(explanation.probabilities, self.exact.probabilities, atol=probabilities)
        np.testing.assert_allclose(self.maps(explanation), self.maps(self.exact), atol=maps)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def test_the_page_states_four_tolerances() -> None:
    assert list(STATED) == ["batch size, memory layout", "`--compile`", "`--precision fp16`", "`--precision bf16`"]


def test_the_maps_are_worth_comparing(case: Case) -> None:
    assert all(peak.max() == 1 for peak in case.maps(case.exact))


def test_batches_of_any_size(case: Case) -> None:
    for size in (1, 4):
        parts = [explain(case.network, case.layers, part) for part in torch.split(case.images, size)]
        together: Any = Explanation(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.grids for part in parts]),
            sum((part.statuses for part in parts), ()),
        )
        case.holds(together, "batch size, memory layout")


def test_memory_layouts(case: Case) -> None:
    network = case.network.to(memory_format=torch.channels_last)
    images = case.images.to(memory_format=torch.channels_last)
    case.holds(explain(network, case.layers, images), "batch size, memory layout")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_precisions(case: Case, precision: str) -> None:
    explained = explain(case.network, case.layers, case.images, precision=precision)
    case.holds(explained, f"`--precision {precision}`")
    assert np.abs(explained.grids - case.exact.grids).max() > 0  # it did something


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_another_device(case: Case) -> None:
    network = case.network.to("cuda")
    try:
        case.holds(explain(network, case.layers, case.images.to("cuda")), "`--precision fp16`")
    finally:
        network.to("cpu")
