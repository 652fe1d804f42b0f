"""The class-activation methods by name, with what each does and costs; no torch, so that ``--help`` can tell."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Method:
    """What users are told about a method.

    Attributes:
        name: Its name in settings and reports.
        summary: What it does, in one line.
        cost: Its cost for predictions and the maps of all classes, in forward passes per radiograph.
        source: Where it was published.
        native: True where it is computed here, in one pass; False where pytorch-grad-cam computes it, image by image.
    """

    name: str
    summary: str
    cost: str
    source: str
    native: bool = True


_ALL = (
    Method("gradcam", "channels weighted by the mean of their gradients", "1", "Selvaraju et al., ICCV 2017"),
    Method(
        "gradcam++",
        "channels weighted by their positive gradients, cell by cell",
        "1",
        "Chattopadhay et al., WACV 2018",
    ),
    Method("hirescam", "gradient times activation, summed over channels", "1", "Draelos and Carin, 2020"),
    Method("layercam", "positive gradient times activation; fine in early layers", "1", "Jiang et al., TIP 2021"),
    Method("xgradcam", "channels weighted by gradient times normalised activation", "1", "Fu et al., BMVC 2020"),
    Method("elementwise", "positive part of gradient times activation", "1", "Gildenblat, pytorch-grad-cam"),
    Method(
        "eigencam",
        "first principal component of the activations; the same for all classes",
        "1",
        "Muhammad and Yeasin, IJCNN 2020",
    ),
    Method(
        "randomcam",
        "channels weighted at random: a control; the same for all classes",
        "1",
        "Gildenblat, pytorch-grad-cam",
    ),
    Method(
        "eigengradcam",
        "first principal component of gradient times activation",
        "3 per class",
        "Gildenblat, pytorch-grad-cam",
        native=False,
    ),
    Method(
        "segeigencam",
        "Eigen-CAM of the gradients' magnitude, sign-corrected",
        "3 per class",
        "Chung and Ying, 2025",
        native=False,
    ),
    Method(
        "kpcacam",
        "first kernel principal component of the activations",
        "1 per class, and a kernel matrix",
        "Karmani et al., 2024",
        native=False,
    ),
    Method(
        "finercam",
        "Grad-CAM of the difference to the most similar classes",
        "3 per class",
        "Zhang et al., CVPR 2025",
        native=False,
    ),
    Method("shapleycam", "Grad-CAM with a second-order correction", "4 per class", "Cai, 2025", native=False),
    Method(
        "fem",
        "how often channels exceed their mean by two deviations",
        "1 per class",
        "Fuad et al., 2020",
        native=False,
    ),
    Method(
        "scorecam",
        "channels weighted by the score of the image masked with them",
        "1 per channel",
        "Wang et al., CVPRW 2020",
        native=False,
    ),
    Method(
        "ablationcam",
        "channels weighted by what the score loses without them",
        "1 per channel and class",
        "Desai and Ramaswamy, WACV 2020",
        native=False,
    ),
)  # fmt: skip -- a table

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
"""All methods by name: first those computed here, then those of pytorch-grad-cam."""
