"""The methods of making heat maps by name, with what each does and costs; no torch, so that ``--help`` can tell."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from btxrd_explain.errors import SettingsError
from btxrd_explain.system.extras import to_install

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
        native: True where it is computed here, in one pass; False where pytorch-grad-cam or captum computes it.
        pixels: True where it explains the pixels of the input instead of the cells of a layer; captum computes it,
            which the extra ``[captum]`` installs.
        layer: Whether it looks at a layer, which ``--target-layer`` names.
    """

    name: str
    summary: str
    cost: str
    source: str
    native: bool = True
    pixels: bool = False
    layer: bool = True


def _of_pixels(name: str, summary: str, cost: str, source: str, *, layer: bool = False) -> Method:
    return Method(name, summary, cost, source, native=False, pixels=True, layer=layer)


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
    _of_pixels("gradient", "magnitude of the gradient, pixel by pixel", "3 per class", "Simonyan et al., 2013"),
    _of_pixels("input-x-gradient", "input times gradient", "3 per class", "Shrikumar et al., 2016"),
    _of_pixels(
        "guided-backprop",
        "magnitude of the gradient without its negative parts at each ReLU; networks with ReLU alone",
        "3 per class",
        "Springenberg et al., 2015",
    ),
    _of_pixels(
        "guided-gradcam",
        "guided backpropagation times Grad-CAM; networks with ReLU alone",
        "5 per class",
        "Selvaraju et al., ICCV 2017",
        layer=True,
    ),
    _of_pixels(
        "integrated-gradients",
        "gradients along the way from a grey image, times the difference from it; 25 steps",
        "55 per class",
        "Sundararajan et al., ICML 2017",
    ),
    _of_pixels(
        "smoothgrad", "magnitude of the mean gradient of 25 noisy copies", "55 per class", "Smilkov et al., 2017"
    ),
    _of_pixels(
        "smooth-integrated-gradients",
        "mean of the integrated gradients of 5 noisy copies",
        "275 per class",
        "Smilkov et al., 2017",
    ),
    _of_pixels(
        "expected-gradients",
        "gradients on the way from 25 even images, drawn at random, times the difference from them",
        "55 per class",
        "Erion et al., Nat Mach Intell 2021",
    ),
    _of_pixels(
        "deeplift",
        "differences from a grey image, handed back layer by layer (rescale rule)",
        "6 per class",
        "Shrikumar et al., ICML 2017",
    ),
    _of_pixels(
        "occlusion", "what the score loses when one of 7 x 7 windows is grey", "50 per class", "Zeiler and Fergus, 2014"
    ),
)  # fmt: skip -- a table

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
"""All methods by name: those computed here, then those of pytorch-grad-cam, then those of captum."""

MAP_SIZE = 56
"""Cells on a side of a map of pixels, unless somebody says otherwise: what the network's input is averaged to."""
LEAST_CELLS, MOST_CELLS = 7, 512
"""How few and how many of them may be asked for."""


def check_installed(name: str) -> None:
    """Refuse a method whose library is not installed.

    Raises:
        SettingsError: It is one of captum.
    """
    if METHODS[name].pixels and find_spec("captum") is None:
        raise SettingsError(f"method '{name}' needs captum, which is not installed", hint=to_install("captum"))
