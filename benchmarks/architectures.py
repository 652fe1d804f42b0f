"""Explain at least one architecture of every family in timm, and write docs/reference/architectures.md.

    python benchmarks/architectures.py [NAME ...]

Weights are random and seeded. So that they are worth explaining, batch normalisation is calibrated on noise (else
activations of deep networks fade to 1e-16), and heads that start as zeros are filled. Inputs are small and not square
where the architecture allows. For each architecture the table tells:

- the layer that ``auto`` chose, and how its output holds the grid;
- whether the cells lie where they should, by an experiment that knows nothing of the layout: what a cell sees of the
  image, told by gradients, must move with the cell;
- the largest difference between our Grad-CAM heat maps and those of pytorch-grad-cam, over two images and three
  classes.
"""

from __future__ import annotations

import contextlib
import gc
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import timm
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import MapStatus, heat_map
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.engine import explain
from btxrd_explain.model.layers import TargetLayer, find_target_layers, list_layers
from btxrd_explain.model.networks import fill_zero_heads

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "architectures.md"
CLASSES = 3
CELLS = 12
"""Of each grid, whose place is checked."""

_SLIM = {"embed_dim": 48, "depth": 3, "num_heads": 3}
"""Makes a large transformer small without changing its kind."""

_PLAIN = """
botnet26t_256 eca_botnext26ts_256 halonet26t haloregnetz_b lambda_resnet26t gernet_s mobileone_s0 repvgg_a0 resnet32ts
regnetz_b16 cait_xxs24_224 coat_lite_tiny coat_tiny convit_tiny convmixer_768_32 convnext_atto convnextv2_atto
cpubone_nano crossvit_tiny_240 csatv2 cs3darknet_focus_s cspresnet50 darknet17 cspnext_s davit_tiny
deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 densenet121 dla46_c dpn48b edgenext_xx_small efficientformer_l1
efficientformerv2_s0 efficientnet_b0 efficientnetv2_rw_t tf_efficientnet_lite0 mixnet_s mnasnet_050 mobilenetv1_100
mobilenetv2_035 tinynet_e efficientvim_m1 efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224
vit_pe_core_tiny_patch16_384 fasternet_t0 fastvit_t8 focalnet_tiny_srf gcvit_xxtiny ghostnet_050 ghostnetv2_100
ghostnetv3_050 hardcorenas_a hgnet_tiny hgnetv2_b0 hiera_tiny_224 hieradet_small hrnet_w18_small iformer_t
inception_next_atto inception_resnet_v2 inception_v3 inception_v4 lcnetv2_small levit_128s levit_conv_128s
lowformer_b0 mambaout_femto coatnet_pico_rw_224 coatnext_nano_rw_224 maxvit_pico_rw_256 maxxvit_rmlp_nano_rw_256
caformer_s18 convformer_s18 poolformer_s12 poolformerv2_s12 gmixer_12_224 gmlp_ti16_224 mixer_s32_224 resmlp_12_224
fbnetv3_b lcnet_035 mobilenetv3_small_050 mobilenetv4_conv_small_035 mobilevit_xxs mobilevitv2_050 mvitv2_tiny
mvitv2_small_cls nest_tiny nextvit_small nfnet_l0 nf_regnet_b0 nf_resnet26 pit_ti_224 pit_ti_distilled_224 pvt_v2_b0
rdnet_tiny regnetv_040 regnetx_002 regnety_002 regnetz_005 repghostnet_050 repvit_m0_9 res2net50_14w_8s res2next50
resnest14d resnet18 resnet26t ecaresnet26t resnetblur18 resnetrs50 resnext50_32x4d seresnet18 skresnet18
legacy_seresnet18 resnetv2_18 resnetv2_50x1_bit rexnet_100 rexnetr_100 selecsls42 sequencer2d_s shvit_s1 starnet_s1
swiftformer_xs swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 swinv2_cr_tiny_224 tiny_vit_5m_224
tnt_s_legacy_patch16_224 tresnet_m twins_pcpvt_small twins_svt_small visformer_tiny vit_tiny_patch16_224
flexivit_small vit_tiny_r_s16_p8_224 vit_relpos_small_patch16_224 vit_srelpos_small_patch16_224 vitamin_small_224
volo_d1_224 ese_vovnet19b_slim_dw legacy_xception xception41p xcit_nano_12_p8_224 test_convnext test_efficientnet
test_mambaout test_nfnet test_resnet test_vit test_vit2 test_vit3
"""

ARCHITECTURES: dict[str, dict[str, Any]] = {name: {} for name in _PLAIN.split()} | {
    "aimv2_large_patch14_224": _SLIM,
    "beit_base_patch16_224": _SLIM,
    "beit3_base_patch16_224": _SLIM,
    "deepseek_vit_412m": _SLIM,
    "eva_giant_patch14_224": _SLIM,
    "gemma4_vit_167m": _SLIM | {"depth": 1},
    "mobilenetv5_base": {},
    "naflexvit_base_patch16_gap": _SLIM,
    "naflexvit_base_patch16_map": _SLIM,
    "nasnetalarge": {},
    "pnasnet5large": {},
    "qwen3_vit_88m": _SLIM,
    "sam2_hiera_tiny": {},
    "samvit_base_patch16_224": _SLIM | {"global_attn_indexes": (2,)},
    "vgg11_bn": {},
    "vit_base_patch16_dinov3": _SLIM,
    "vit_medium_patch16_reg4_gap_256": _SLIM,
    "vit_base_patch16_siglip_224": _SLIM,
    "vit_base_patch16_clip_224": _SLIM,
    "wide_resnet50_2": {},
}
"""Small ones of every family, by timm's name, with what makes them smaller still."""

_INPUTS = (Size(160, 128), Size(128, 128), Size(192, 160))
"""Tried in this order, before the size that the architecture was made for."""


@dataclass(slots=True)
class Row:
    """What was found out about an architecture.

    Attributes:
        name: timm's name.
        family: The module of timm that makes it.
        options: What made it smaller.
        size: Size of the input.
        layer: The layer that was chosen; None where none can be explained.
        in_place: Correlation between where cells are and what they see of the image.
        earlier: True where that is so in the first layer of the same order, since random weights mix the cells.
        difference: Largest difference between the heat maps of ours and the library's; None where it cannot run.
        maps: Number of maps, of six, with positive evidence.
        remark: Why something is missing.
    """

    name: str
    family: str
    options: dict[str, Any] = field(default_factory=dict)
    size: Size | None = None
    layer: TargetLayer | None = None
    in_place: float | None = None
    earlier: bool = False
    difference: float | None = None
    maps: int = 0
    remark: str = ""


def examine(name: str) -> Row:
    """Explain one architecture and hold the result against pytorch-grad-cam."""
    family = timm.models._registry._model_to_module[name]  # noqa: SLF001 -- there is no public way
    row = Row(name, family, ARCHITECTURES.get(name, {}))
    for network, images in candidates(name, row.options):
        row.size = Size(*images.shape[2:])
        try:
            (row.layer,) = find_target_layers(network, input_size=row.size, channels=images.shape[1])
        except SettingsError as error:
            row.remark = f"at {row.size.height} × {row.size.width}: {error.message}"
            continue
        row.in_place, row.earlier = _in_place(network, row.layer, images[:1])
        compare(network, row, images)
        break
    return row


def _sizings(size: Size) -> tuple[dict[str, Any], ...]:
    """Return the further arguments with which a network may take images of a size."""
    return {}, {"img_size": tuple(size)}


def candidates(name: str, options: dict[str, Any]) -> Iterator[tuple[nn.Module, Tensor]]:
    """Yield seeded, calibrated networks in eval mode, each with two images of noise of a size that it takes."""
    own: Any = timm.get_pretrained_cfg(name)
    native = Size(*own.input_size[1:])
    for size in (*_INPUTS, native):
        images = torch.randn(2, own.input_size[0], *size, generator=torch.Generator().manual_seed(5))
        for further in _sizings(size)[: 1 if size == native else 2]:
            with contextlib.suppress(Exception):  # whatever a size that does not fit raises
                torch.manual_seed(0)
                network = timm.create_model(name, pretrained=False, num_classes=CLASSES, **options, **further).eval()
                fill_zero_heads(network)
                calibrate(network, images)
                yield network, images
                break


def calibrate(network: nn.Module, images: Tensor) -> None:
    """Give batch normalisation the statistics of the images, so that random weights pass signals on."""
    normalisations = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    for module in normalisations:
        module.momentum = 1.0
        module.train()
    with torch.no_grad():
        network(images)
    network.eval()


def _in_place(network: nn.Module, layer: TargetLayer, image: Tensor) -> tuple[float, bool]:
    """Return how well cells lie in place; where the layer has mixed them, in the first layer of the same order."""
    found = in_place(network, layer, image)
    if found > 0.8:
        return found, False
    listed = list_layers(network, input_size=Size(*image.shape[2:]), channels=image.shape[1])
    return in_place(network, next(one for one in listed if one.layout.order == layer.layout.order), image), True


def in_place(network: nn.Module, layer: TargetLayer, image: Tensor) -> float:
    """Return how well cells lie where the layout says: the smaller correlation of the two axes.

    For some cells, what they see is the squared gradient of the cell with respect to the image, less what all cells
    see. The row of its centroid is correlated with the cell's row, and its column with the cell's column.
    """
    cells = list(np.ndindex(*layer.layout.grid))
    chosen = [cells[index] for index in np.random.default_rng(0).permutation(len(cells))[:CELLS]]
    pixels = image.clone().requires_grad_()
    grid = _cells(network, layer, pixels)[0]
    weights = np.concatenate([_seen(grid[:, row, column], pixels) for row, column in chosen])
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    weights = np.clip(weights - weights.mean(axis=0), 0, None)
    correlations = []
    for axis in (0, 1):
        profile = weights.sum(axis=2 - axis)
        centroids = profile @ np.arange(profile.shape[1]) / profile.sum(axis=1)
        correlations.append(np.corrcoef(centroids, [cell[axis] for cell in chosen])[0, 1])
    return float(min(correlations))


def _seen(channels: Tensor, pixels: Tensor) -> Any:  # noqa: ANN401
    """Return how strongly the channels of one cell depend on each pixel, shape ``(1, height, width)``."""
    mixture = (channels * torch.randn(len(channels), generator=torch.Generator().manual_seed(0))).sum()
    (gradient,) = torch.autograd.grad(mixture, pixels, retain_graph=True)
    return gradient.square().sum(dim=1).numpy()


def compare(network: nn.Module, row: Row, images: Tensor) -> None:
    """Fill in how far our heat maps are from the library's."""
    if row.layer is None or row.size is None:
        return
    explanation = explain(network, [row.layer], images)
    frame = Frame.fit(row.size, row.size, ResizeMode.SQUASH)
    row.maps = sum(status is MapStatus.OK for statuses in explanation.statuses for status in statuses)
    try:
        theirs = [_of_library(network, row.layer, images, index) for index in range(CLASSES)]
    except Exception as error:  # noqa: BLE001 -- the reason is what we are after
        row.remark = f"pytorch-grad-cam: {type(error).__name__}: {str(error).splitlines()[0][:80]}"
        return
    ours = [
        [heat_map(explanation.grids[i, c], frame, status=explanation.statuses[i][c]).values for i in range(len(images))]
        for c in range(CLASSES)
    ]
    row.difference = float(np.abs(np.array(ours) - np.array(theirs)).max())
    if not row.maps:
        row.remark = "with these random weights no cell speaks for any class"


def _of_library(network: nn.Module, layer: TargetLayer, images: Tensor, index: int) -> Any:  # noqa: ANN401 -- untyped
    with GradCAM(network, [layer.module], reshape_transform=layer.layout.to_grid) as library:
        return library(images.clone(), [ClassifierOutputTarget(index)] * len(images))


def _cells(network: nn.Module, layer: TargetLayer, image: Tensor) -> Tensor:
    outputs: list[Tensor] = []
    handle = layer.module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    network(image)
    handle.remove()
    return layer.layout.to_grid(outputs[-1])


def line(row: Row) -> str:
    """Return a row of the table in Markdown."""
    name = f"`{row.name}`" + (" (slim)" if row.options else "")
    size = "" if row.size is None else f"{row.size.height} × {row.size.width}"
    if row.layer is None:
        return f"| {row.family} | {name} | {size} | | | | | | {row.remark} |"
    layout = row.layer.layout
    order = f"{layout.order} + {layout.prefix}" if layout.prefix else str(layout.order)
    difference = "" if row.difference is None else f"{row.difference:.0e}"
    cells = f"{layout.grid.height} × {layout.grid.width}"
    return (
        f"| {row.family} | {name} | {size} | `{row.layer.name}` | {order} | {cells} "
        f"| {row.in_place:.2f}{' *' if row.earlier else ''} | {difference} ({row.maps}) | {row.remark} |"
    )


HEAD = """# Architectures

Grad-CAM of {count} architectures from {families} modules of timm {timm}, against pytorch-grad-cam. Made by
`python benchmarks/architectures.py`; nothing in the package knows these names.

- **layer**: what `--target-layer auto` chose. **order**: how its output holds the grid, with the number of tokens
  before the cells (class and register tokens).
- **in place**: for {cells} cells, the correlation between a cell's place in the grid and the centre of what it sees of
  the image (the centroid of the squared gradient of the cell with respect to the pixels, less the average of all
  cells), the smaller one of rows and columns. The experiment knows nothing of names or layouts; a wrong order of cells
  would be near 0. Random weights of deep networks mix the cells; where they have done so (correlation up to 0.8), the
  number is that of the first layer with the same order, marked with \\*.
- **difference**: largest difference between our heat maps and the library's (which has to be told the layout), in
  [0, 1], over two images and three classes; in brackets, how many of these six maps hold positive evidence.
- *slim*: fewer and narrower blocks than the architecture of that name, to be quick.

| timm module | architecture | input | layer | order | grid | in place | difference (maps) | remark |
|---|---|---|---|---|---|---|---|---|
"""


def main(names: list[str]) -> None:
    """Examine the named architectures, or all of them, and put their rows into the page."""
    rows = (
        {} if not names else dict(re.findall(r"^(\| \w+ \| `\w+`)(.*)$", PAGE.read_text("utf-8"), flags=re.MULTILINE))
    )
    for name in names or ARCHITECTURES:
        text = line(examine(name))
        print(text, flush=True)
        key = re.match(r"\| \w+ \| `\w+`", text)
        assert key is not None
        rows[key[0]] = text.removeprefix(key[0])
        gc.collect()
    families = {key.split()[1] for key in rows}
    head = HEAD.format(count=len(rows), families=len(families), timm=timm.__version__, cells=CELLS)
    PAGE.write_text(head + "\n".join(key + rows[key] for key in sorted(rows)) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
