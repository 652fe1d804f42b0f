"""Preprocessed radiographs through any network, for Python code that has no checkpoint of this tool."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from btxrd_explain.core.arrays import checked_count, checked_index, checked_name, shown, to_array
from btxrd_explain.core.choices import Activation, ResizeMode, Smooth
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import DegenerateMapWarning, MapStatus, heat_map
from btxrd_explain.core.methods import LEAST_CELLS, MAP_SIZE, METHODS, MOST_CELLS
from btxrd_explain.finding import Finding, FindingWarning
from btxrd_explain.model.activation import decide, watch_outputs
from btxrd_explain.model.engine import PRECISIONS, Choose, Explanation, every_class, explain, joined
from btxrd_explain.model.layers import AUTO, TargetLayer, find_target_layers, first_tensor, layer_name
from btxrd_explain.model.networks import in_eval_mode
from btxrd_explain.model.scores import are_probabilities, score_matrix, scores_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def generate_gradcam(  # noqa: PLR0913 -- a keyword for each choice that moves a map
    model: nn.Module,
    input_tensor: Any,  # noqa: ANN401 -- a torch tensor, an array or a list
    target_class_idx: int | None = None,
    *,
    target_layer: nn.Module | str = AUTO,
    method: str = "gradcam",
    activation: str = "auto",
    smooth: str = "none",
    map_cells: int = MAP_SIZE,
) -> NDArray[np.float32]:
    """Compute the heat map of one preprocessed radiograph.

    Args:
        model: A classifier that returns class scores, one per class; or one score, of which class 1 is the positive
            class and class 0 the negative one. It is put into eval mode for the call, and back.
        input_tensor: Shape ``(1, channels, height, width)`` or ``(channels, height, width)``, floating, preprocessed as
            in training.
        target_class_idx: Index of the class to explain; None explains the predicted class.
        target_layer: A module of the model, its dotted name (or several, separated by commas), or ``auto``:
            ``model.gradcam_target_layer``, a module or a name, where the model declares one, else what the head
            receives.
        method: Name of the method, see :func:`btxrd_explain.methods`.
        activation: ``softmax``, ``sigmoid``, ``none`` for a network that returns probabilities, or ``auto``; it decides
            which class is the predicted one.
        smooth: ``flip`` averages the map over the mirror image, ``shift2`` over four views half a cell apart; the
            predicted class is that of the plain image.
        map_cells: Rows and columns of the map of a method that explains pixels, 7 to 512, and at most as many as the
            input has pixels on a side.

    Returns:
        Float32 array of shape ``(height, width)`` in [0, 1], the input's size; scaled per image. All 0, with a
        :class:`DegenerateMapWarning`, where the raw grid holds no positive evidence, is flat or not finite.

    Raises:
        TypeError: An argument is of another kind, such as bytes for the input or a name for the class.
        ValueError: The input has another shape (such as channels last), the class does not exist, the method is
            unknown, or the layer does not exist or cannot be explained, or the network returns no scores.

    Warns:
        FindingWarning: The input looks like pixels that were not normalised.

    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> generate_gradcam(network, torch.rand(1, 3, 8, 8), 0).shape
    (8, 8)
    """
    check_network(model)
    batch = checked_batch(input_tensor, "input_tensor", most="1")
    warn_of_raw_pixels(batch, "input_tensor")
    if len(batch) != 1:
        raise ValueError(f"input_tensor: expected one image, (1, channels, height, width), got {tuple(batch.shape)}")

    def asked(probabilities: NDArray[np.float32]) -> list[list[int]]:
        if target_class_idx is None:
            return [[int(probabilities[0].argmax())]]
        return [[checked_index(target_class_idx, probabilities.shape[1], "target_class_idx")]]

    explanation = explain_images(
        model,
        batch,
        method=method,
        target_layer=target_layer,
        activation=activation,
        choose=asked,
        smooth=smooth,
        map_cells=map_cells,
    )
    ((index,),) = asked(explanation.probabilities)
    size = Size(*batch.shape[2:])
    frame = Frame.fit(size, size, ResizeMode.SQUASH)
    result = heat_map(explanation.grids[0, 0], frame, status=explanation.statuses[0][index])
    if result.status is not MapStatus.OK:
        warnings.warn(f"the heat map of class {index} is empty: {result.status}", DegenerateMapWarning, 3)
    return result.values


def explain_images(  # noqa: PLR0913 -- a keyword for each choice that moves a map
    model: nn.Module,
    batch: Tensor,
    *,
    method: str = "gradcam",
    target_layer: nn.Module | str = AUTO,
    precision: str = "fp32",
    at_once: int = 32,
    activation: str = "auto",
    choose: Choose = every_class,
    smooth: str = "none",
    map_cells: int = MAP_SIZE,
) -> Explanation:
    """Explain preprocessed radiographs with any network, as :func:`explain`, which finds the layer first.

    Args:
        model: A classifier that returns class scores; it is put into eval mode for the call, and back.
        batch: Shape ``(B, channels, height, width)``, floating; brought to the device and dtype of the model.
        method: Name of the method.
        target_layer: A module of the model, its dotted name, or ``auto``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        at_once: Radiographs in one pass.
        activation: What turns the network's outputs into probabilities; ``auto`` looks at what they are for noise.
        choose: Says which classes are explained, as many of each radiograph.
        smooth: ``none``, ``flip`` or ``shift2``: over which views of a radiograph raw maps are averaged.
        map_cells: Rows and columns of maps of pixels.

    Raises:
        TypeError: The layer is neither a module nor a name, or a number is not a whole one.
        ValueError: The method, the layer, the activation or the smoothing does not exist, the number of cells is out of
            range, the layer cannot be explained or smoothed, or the network returns no scores.
    """
    checked_name(smooth, tuple(map(str, Smooth)), "smooth")
    if not LEAST_CELLS <= checked_count(map_cells, None, "map_cells") <= MOST_CELLS:
        raise ValueError(f"map_cells: expected {LEAST_CELLS} to {MOST_CELLS}, got {map_cells}")
    checked_name(method, METHODS, "method")
    checked_name(activation, (AUTO, *map(str, Activation)), "activation")
    name = layer_name(model, target_layer)
    own = first_tensor(model)
    own = batch if own is None else own
    plain = torch.autocast(own.device.type, enabled=False)  # the precision is an argument of its own
    with torch.inference_mode(mode=False), plain, _evaluating(_differentiable(model)) as network:
        size, channels = Size(*batch.shape[2:]), batch.shape[1]
        layers: tuple[TargetLayer, ...] = ()
        if METHODS[method].layer:
            layers = find_target_layers(network, name, input_size=size, channels=channels, like=batch)
        alike = batch[:1].to(own.device, own.dtype)
        chosen = assumed_activation(network, alike) if activation == AUTO else Activation(activation)
        parts = [
            explain(
                network,
                layers,
                part.to(alike),
                method=method,
                precision=precision,
                activation=chosen,
                choose=choose,
                map_size=map_cells,
                smooth=Smooth(smooth),
            )
            for part in torch.split(batch, at_once)
        ]
    return replace(joined(parts), activation=chosen, layer=", ".join(layer.name for layer in layers) or None)


def predict_images(
    model: nn.Module, batch: Tensor, *, precision: str = "fp32", activation: Activation = Activation.SOFTMAX
) -> Tensor:
    """Predict preprocessed radiographs with any network, without a heat map.

    Args:
        model: A classifier that returns class scores; it is put into eval mode for the call, and back.
        batch: Shape ``(B, channels, height, width)``, floating; brought to the device and dtype of the model.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        activation: What turns the network's outputs into probabilities.

    Returns:
        Class scores, float64, shape ``(B, C)``, on the CPU.

    Raises:
        SettingsError: The network returns no scores, or has one output that is to have a softmax.
    """
    own = first_tensor(model)
    own = batch if own is None else own
    mixed = torch.autocast(own.device.type, PRECISIONS[precision], enabled=precision != "fp32")
    with _evaluating(model), mixed:
        return scores_of(model, batch.to(own.device, own.dtype), activation)


def assumed_activation(network: nn.Module, image: Tensor) -> Activation:
    """Return what turns the outputs of any network into probabilities; noise is sent through it only in doubt.

    Args:
        network: The network.
        image: A preprocessed radiograph, shape ``(1, channels, height, width)``.
    """
    own = first_tensor(network)
    image = image if own is None else image.to(own.device, own.dtype)
    with torch.no_grad(), _evaluating(network):
        scores = score_matrix(network(image), 1)
        if scores.shape[1] > 1 and not bool(are_probabilities(scores).all()):
            return Activation.SOFTMAX
        return decide(watch_outputs(network, image)).activation


def check_network(model: object) -> None:
    """Refuse what is not a network.

    Raises:
        TypeError: It is something else, such as the path of a checkpoint.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {shown(model)}")


def checked_batch(value: Any, what: str, most: str = "B") -> Tensor:  # noqa: ANN401 -- a tensor, an array or a list
    """Return preprocessed radiographs as a tensor of shape ``(B, channels, height, width)``.

    Args:
        value: The radiographs, or one.
        what: What they are, for the message.
        most: How many there may be, for the message.

    Raises:
        TypeError: They are not an array of floating values.
        ValueError: They have another shape, such as channels last, or values that are not finite.
    """
    tensor = value.detach() if isinstance(value, Tensor) else torch.from_numpy(np.array(to_array(value, what)))
    if not tensor.is_floating_point():
        raise TypeError(
            f"{what}: expected floating values normalised as in training, got {shown(tensor)}: divide pixels by 255, "
            "then subtract the mean and divide by the standard deviation, or use load_classifier(...).preprocess(image)"
        )
    if tensor.ndim == 2:
        raise ValueError(
            f"{what}: expected shape (channels, height, width), got {tuple(tensor.shape)}: a grey image needs its "
            "channels first, such as image[None], or image.expand(3, -1, -1) for a network that takes RGB"
        )
    batch = tensor[None] if tensor.ndim == 3 else tensor
    if batch.ndim != 4 or not batch.numel() or (batch.shape[1] not in {1, 3} and batch.shape[3] in {1, 3}):
        raise ValueError(f"{what}: expected shape ({most}, channels, height, width), got {tuple(tensor.shape)}")
    if not torch.isfinite(batch).all():
        raise ValueError(f"{what}: expected finite values, got NaN or infinities")
    return batch


_LARGEST = 20
"""Normalised values of radiographs are from -3 to 3 or so."""


def warn_of_raw_pixels(batch: Tensor, what: str, *, stacklevel: int = 4) -> None:
    """Warn where preprocessed radiographs look like pixels of 0 to 255, of which the network makes nonsense.

    Args:
        batch: The radiographs.
        what: What they are, for the message.
        stacklevel: The line that the warning shows; 4 is that of whoever called the decorated function that calls
            this one.
    """
    low, high = (float(value) for value in batch.aminmax())
    if low >= 0 and high > _LARGEST:
        said = f"{what} has values from {low:.3g} to {high:.3g}, as pixels have that were not normalised"
        warnings.warn(str(Finding.of("raw-pixels", said)), FindingWarning, stacklevel=stacklevel)


def _differentiable(network: nn.Module) -> nn.Module:
    """Return the network, or a copy of one whose weights were made in inference mode, of which autograd keeps none."""
    made_there = any(tensor.is_inference() for tensor in chain(network.parameters(), network.buffers()))
    return deepcopy(network) if made_there else network


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """Put a network into eval mode and give every module its own mode back."""
    modes = [(module, module.training) for module in network.modules()]
    in_eval_mode(network)
    try:
        yield network
    finally:
        for module, training in modes:
            module.training = training
