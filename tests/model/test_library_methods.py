"""Each method of pytorch-grad-cam against the library itself, or by hand where the library cannot."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytorch_grad_cam as library
import timm
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import heat_map
from btxrd_explain.core.methods import METHODS
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE = 96
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "CNN": ("test_resnet", {}),
    "NHWC": (
        "swin_tiny_patch4_window7_224",
        {"img_size": SIDE, "window_size": 2, "embed_dim": 8, "depths": (1, 1, 1), "num_heads": (1, 2, 4)},
    ),
    "tokens": ("test_vit", {"img_size": SIDE, "embed_dim": 16, "depth": 2, "num_heads": 2}),
}
PEERS = {
    "gradcam": "GradCAM",
    "gradcam++": "GradCAMPlusPlus",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "xgradcam": "XGradCAM",
    "elementwise": "GradCAMElementWise",
    "eigencam": "EigenCAM",
    "randomcam": "RandomCAM",
    "eigengradcam": "EigenGradCAM",
    "segeigencam": "SegEigenCAM",
    "kpcacam": "KPCA_CAM",
    "finercam": "FinerCAM",
    "shapleycam": "ShapleyCAM",
    "fem": "FEM",
    "scorecam": "ScoreCAM",
    "ablationcam": "AblationCAM",
}
MACHINERY = {"AblationLayer", "AblationLayerVit", "AblationLayerFasterRCNN", "ActivationsAndGradients"}
NOT_IN_THE_LIBRARY = {
    ("shapleycam", "NHWC"): "multiplies weights by activations that it has not reshaped",
    ("shapleycam", "tokens"): "likewise",
    ("ablationcam", "NHWC"): "ablates rows instead of channels",
    ("ablationcam", "tokens"): "ablates the class token too, and puts -10^7 in the place of zero",
}


LEFT_OUT = {
    "FullGrad": "its map lies on the pixels of the input and belongs to no layer; it counts the biases of convolutions "
    "and batch normalisation alone, so that it misses most of ConvNeXt, Swin and ViT",
    "GuidedBackpropReLUModel": "guided-backprop is captum's, which all layers' ReLUs go through",
    "RefineCAM": "multiplies the finished maps of several layers; several layers in --target-layer are averaged",
    "SESS": "runs another method on dozens of crops of each image and merges the maps",
    "DeepFeatureFactorization": "finds parts that images have in common; it speaks of no class",
}


def test_no_method_of_the_library_is_missing() -> None:
    """What the library offers is a method here, is left out for a reason, or is not a method."""
    offered = {name for name, value in vars(library).items() if isinstance(value, type)}
    assert offered == set(PEERS.values()) | set(LEFT_OUT) | MACHINERY
    assert set(PEERS) == {name for name, method in METHODS.items() if not method.pixels}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[str, nn.Module, TargetLayer, Tensor]:
    name, options = NETWORKS[request.param]
    torch.manual_seed(11)
    network = timm.create_model(name, pretrained=False, num_classes=3, **options).eval()
    (layer,) = find_target_layers(network, input_size=Size(SIDE, SIDE))
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    return request.param, network, layer, images


def _ours(network: nn.Module, layer: TargetLayer, images: Tensor, method: str) -> np.ndarray[Any, Any]:
    """Return the heat maps of all images and classes."""
    frame = Frame.fit(Size(SIDE, SIDE), Size(SIDE, SIDE), ResizeMode.SQUASH)
    explained = explain(network, [layer], images, method=method)
    return np.stack(
        [
            [heat_map(grid, frame, status=status).values for grid, status in zip(grids, statuses, strict=True)]
            for grids, statuses in zip(explained.grids, explained.statuses, strict=True)
        ]
    )


def _theirs(network: nn.Module, layer: TargetLayer, images: Tensor, method: str) -> np.ndarray[Any, Any]:
    """Run the library as its documentation says, image by image and class by class."""
    maps = []
    for image in images:
        for index in range(3):
            cam = getattr(library, PEERS[method])(network, [layer.module], reshape_transform=layer.layout.to_grid)
            with redirect_stderr(io.StringIO()):  # progress bars
                if method == "finercam":
                    maps.append(cam(image[None].clone(), None, target_idx=index)[0])
                else:
                    maps.append(cam(image[None].clone(), [ClassifierOutputTarget(index)])[0])
            (cam.base_cam if method == "finercam" else cam).activations_and_grads.release()
    return np.stack(maps).reshape(len(images), 3, SIDE, SIDE)


@pytest.mark.parametrize("method", [name for name in PEERS if name not in {"eigencam", "randomcam"}])
def test_every_method_agrees_with_the_library(case: Any, method: str) -> None:  # noqa: ANN401 -- the fixture
    """Eigen-CAM (up to its sign) and Random-CAM have tests of their own."""
    kind, network, layer, images = case
    if (method, kind) in NOT_IN_THE_LIBRARY:
        pytest.skip(f"the library {NOT_IN_THE_LIBRARY[method, kind]}; see the tests by hand")
    images = images[:1] if method in {"scorecam", "ablationcam"} else images
    precise = method == "scorecam"  # its softmax of scores magnifies what single precision rounds
    network, images = (network.double(), images.double()) if precise else (network, images)
    try:
        ours, theirs = (run(network, layer, images, method) for run in (_ours, _theirs))
    finally:
        network.float()
    np.testing.assert_allclose(ours, theirs, atol=1e-5 if precise else 1e-4)
    assert ours.any()


def test_random_weights_are_the_same_for_ever(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    """The library draws them from NumPy's global generator; given ours, it draws our maps."""
    _, network, layer, images = case
    ours = _ours(network, layer, images, "randomcam")
    np.testing.assert_array_equal(ours[:, 0], ours[:, 2])
    alone = _ours(network, layer, images[1:], "randomcam")
    np.testing.assert_allclose(ours[1:], alone, atol=1e-5)

    def drawn(_low: float, _high: float, size: tuple[int, int]) -> np.ndarray[Any, Any]:
        one = torch.rand(size[1], generator=torch.Generator().manual_seed(0)) * 2 - 1
        return one.expand(*size).numpy()

    monkeypatch.setattr(np.random, "uniform", drawn)
    np.testing.assert_allclose(ours, _theirs(network, layer, images, "randomcam"), atol=1e-4)


def _head(network: nn.Module, layer: TargetLayer, image: Tensor) -> Any:  # noqa: ANN401 -- a function and a tensor
    """Return the scores as a function of the target layer's grid, and the grid, by nothing but a hook."""
    outputs: list[Tensor] = []
    handle = layer.module.register_forward_hook(lambda _m, _i, output: outputs.append(output.detach()))
    network(image)
    handle.remove()

    def scores(grid: Tensor) -> Tensor:
        replaced = layer.layout.from_grid(grid, outputs[0].expand(len(grid), *outputs[0].shape[1:]))
        handle = layer.module.register_forward_hook(lambda _m, _i, _o: replaced)
        try:
            result: Tensor = network(image.expand(len(grid), *image.shape[1:]))
        finally:
            handle.remove()
        return result

    return scores, layer.layout.to_grid(outputs[0])


def test_ablationcam_by_hand(case: Any) -> None:  # noqa: ANN401 -- the fixture
    """``Σ_k w_k A_k`` with ``w_k = (y - y without channel k) / y`` (Desai and Ramaswamy, eq. 3 and 4)."""
    _, network, layer, images = case
    image = images[:1]
    with torch.no_grad():
        scores, grid = _head(network, layer, image)
        channels = grid.shape[1]
        without = grid * (1 - torch.eye(channels))[:, :, None, None]
        before, after = scores(grid), scores(without)
        weights = (before - after) / before
        expected = torch.einsum("khw,kc->chw", grid[0], weights)
    ours = explain(network, [layer], image, method="ablationcam").grids[0]
    np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_shapleycam_by_hand(case: Any) -> None:  # noqa: ANN401 -- the fixture
    """``Σ_k w_k A_k`` with ``w_k = mean_ij (g - H A / 2)_kij`` (Cai 2025, eq. 15), ``H`` the Hessian of the score."""
    _, network, layer, images = case
    image = images[:1]
    scores, grid = _head(network, layer, image)
    ours = explain(network, [layer], image, method="shapleycam").grids[0]
    for index in range(3):
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            leaf = grid.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(scores(leaf)[0, index], leaf, create_graph=True)
            product = None
            if gradient.requires_grad:
                (product,) = torch.autograd.grad(gradient, leaf, grid, allow_unused=True)
        product = torch.zeros_like(grid) if product is None else product  # the score is linear in the grid
        weights = (gradient - product / 2).mean(dim=(2, 3))
        expected = torch.einsum("bkhw,bk->hw", grid, weights).detach().numpy()
        np.testing.assert_allclose(ours[index], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it fails once more when it is deleted
@pytest.mark.parametrize(("method", "kind"), NOT_IN_THE_LIBRARY)
def test_what_the_library_cannot_do(method: str, kind: str) -> None:
    """So that the skips above end as soon as the library mends it."""
    name, options = NETWORKS[kind]
    torch.manual_seed(11)
    network: Any = timm.create_model(name, pretrained=False, num_classes=3, **options).eval()
    (layer,) = find_target_layers(network, input_size=Size(SIDE, SIDE))
    image = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    if (method, kind) != ("ablationcam", "tokens"):
        with pytest.raises((ValueError, RuntimeError, IndexError)):
            _theirs(network, layer, image, method)
        return
    options = {"reshape_transform": layer.layout.to_grid, "ablation_layer": library.AblationLayerVit()}
    with redirect_stderr(io.StringIO()), library.AblationCAM(network, [layer.module], **options) as cam:
        theirs = cam(image.clone(), [ClassifierOutputTarget(1)])[0]
    assert np.abs(theirs - _ours(network, layer, image, method)[0, 1]).max() > 0.1


def test_a_failure_breaks_the_librarys_network_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    network: Any = timm.create_model("test_resnet", num_classes=2).eval()
    (layer,) = find_target_layers(network, input_size=Size(SIDE, SIDE))
    image = torch.zeros(1, 3, SIDE, SIDE)

    def fail(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(library.AblationLayer, "set_next_batch", fail)
    with pytest.raises(MemoryError):
        explain(network, [layer], image, method="ablationcam")
    assert network.layer4 is layer.module
    with pytest.raises(MemoryError), library.AblationCAM(network, [layer.module]) as cam:
        cam(image, [ClassifierOutputTarget(0)])
    assert isinstance(network.layer4, library.AblationLayer)  # still in the network's place
