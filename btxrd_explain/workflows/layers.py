"""Which layers of a classifier can be explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from btxrd_explain.core.geometry import Size
    from btxrd_explain.settings import Settings


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """A layer that can be explained.

    Attributes:
        name: Dotted name, for ``--target-layer``.
        grid: Rows and columns of its class-activation grid.
        order: ``NCHW``, ``NHWC`` or ``NLC``.
        chosen: True for the layer that the settings name, or that ``auto`` stands for.
    """

    name: str
    grid: Size
    order: str
    chosen: bool


def run(settings: Settings) -> tuple[LayerChoice, ...]:
    """List the layers of the classifier that the settings name, in the order in which they run.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        SettingsError: The named layer does not exist.
    """
    from btxrd_explain.model.layers import list_layers  # noqa: PLC0415 -- torch takes seconds to import
    from btxrd_explain.workflows.inference.compute import load_explainer  # noqa: PLC0415 -- likewise
    from btxrd_explain.workflows.inference.request import build_request  # noqa: PLC0415 -- likewise

    explainer = load_explainer(settings, build_request(settings))
    preprocessing = explainer.classifier.preprocessing
    chosen = {layer.name for layer in explainer.layers}
    layers = list_layers(explainer.classifier.network, input_size=preprocessing.size, channels=len(preprocessing.mean))
    return tuple(
        LayerChoice(layer.name, layer.layout.grid, layer.layout.order, layer.name in chosen) for layer in layers
    )
