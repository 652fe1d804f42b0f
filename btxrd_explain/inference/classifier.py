"""A classifier that Python code loads and asks: from checkpoints, or any network of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from btxrd_explain.core.arrays import checked_index, checked_name, checked_path, checked_picture, shown
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.geometry import Frame, Size
from btxrd_explain.core.heatmap import HeatMap, heat_map
from btxrd_explain.core.methods import MAP_SIZE
from btxrd_explain.errors import SettingsError
from btxrd_explain.inference.device import batch_size_of, device_of
from btxrd_explain.inference.ensemble import check_alike, names_of
from btxrd_explain.inference.loading import wishes_of
from btxrd_explain.inference.reading import seen_of
from btxrd_explain.inference.request import checkpoints_of
from btxrd_explain.inputs.radiograph import Radiograph, read_radiograph
from btxrd_explain.model.any_network import (
    check_network,
    checked_batch,
    explain_images,
    warn_of_raw_pixels,
)
from btxrd_explain.model.any_network import generate_gradcam as _gradcam
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Classifier, build_classifier
from btxrd_explain.model.ensemble import averaged
from btxrd_explain.plain import short_repr
from btxrd_explain.progress import AsWarnings, called_from_python
from btxrd_explain.settings.flags import settings_of_call

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from btxrd_explain.core.heatmap import MapStatus
    from btxrd_explain.core.preprocess import Preprocessing

    Place: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class LoadedClassifier:
    """A classifier on its device, with the preprocessing that it was trained with; or several that predict together.

    Attributes:
        classifier: The classifier, with notes and findings; of an ensemble the first member.
        batch_size: Radiographs in one pass.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        others: The further members of an ensemble, of the same classes, activation and preprocessing.
    """

    classifier: Classifier
    batch_size: int
    precision: str
    others: tuple[LoadedClassifier, ...] = ()

    def __repr__(self) -> str:
        """Return in one line what it tells apart, and what it takes."""
        height, width = self.preprocessing.size
        several = f" x {len(self.members)}" if self.others else ""
        network = f"{self.classifier.architecture}{several}, {height} x {width} pixels"
        return f"LoadedClassifier({network}, {self.activation} of {', '.join(self.class_names)})"

    @property
    def members(self) -> tuple[LoadedClassifier, ...]:
        """All members of an ensemble, each as a classifier of its own; of a single network this classifier alone."""
        return replace(self, others=()), *self.others

    @property
    def network(self) -> nn.Module:
        """The network, in eval mode; it returns one score per class, or one of two classes.

        Raises:
            ValueError: This is an ensemble, which has several.
        """
        if self.others:
            raise ValueError(f"network: an ensemble of {len(self.members)} has none of its own: take those of .members")
        return self.classifier.network

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of the scores; of one score, the negative class, then the positive one."""
        return self.classifier.class_names

    @property
    def activation(self) -> str:
        """What turns the scores into probabilities; ``classifier.notes`` say why."""
        return str(self.classifier.activation)

    @property
    def preprocessing(self) -> Preprocessing:
        """How it wants its input."""
        return self.classifier.preprocessing

    def preprocess(self, image: Any) -> Tensor:  # noqa: ANN401 -- a path, a radiograph or pixels
        """Prepare one radiograph for the network, exactly as in training.

        Args:
            image: The path of an image file, a :class:`~btxrd_explain.inputs.radiograph.Radiograph`, or pixels of shape
                ``(height, width, 3)`` RGB or ``(height, width)``: uint8, floating in [0, 1], or uint16 where
                ``preprocess.depth`` or ``preprocess.clip_percentiles`` makes use of 16 bits. Read a radiograph with
                ``deep=True`` then; a path is read so.

        Returns:
            Float32 tensor of shape ``(1, channels, height, width)`` on the CPU.

        Raises:
            TypeError: The pixels are of another kind.
            ValueError: They have another shape or range.
            RadiographError: The file cannot be read.
        """
        return self.prepared(image)[0]

    def prepared(self, image: Any) -> tuple[Tensor, Frame]:  # noqa: ANN401 -- see preprocess
        """Return the network's input, and how the radiograph maps to it; see :meth:`preprocess`."""
        picture, frame = self.seen(image)
        return torch.from_numpy(self.preprocessing.normalised(picture))[None], frame

    def seen(self, image: Any) -> tuple[NDArray[Any], Frame]:  # noqa: ANN401 -- see preprocess
        """Return what the network sees before the normalisation, and how the radiograph maps to it."""
        if isinstance(image, str | os.PathLike):
            radiograph = read_radiograph(image, self.preprocessing.needed, deep=self.preprocessing.deep)
            return seen_of(radiograph, self.preprocessing, image), self.preprocessing.frame(radiograph.size)
        size = image.size if isinstance(image, Radiograph) else None
        pixels = image.pixels if isinstance(image, Radiograph) else self._checked(image)
        size = size or Size(*pixels.shape[:2])
        return self.preprocessing.seen(pixels, size), self.preprocessing.frame(size)

    def _checked(self, image: Any) -> NDArray[Any]:  # noqa: ANN401 -- see preprocess
        """Return pixels as they are prepared; those of 16 bits where the preprocessing makes use of them."""
        if self.preprocessing.deep and isinstance(image, np.ndarray) and image.dtype == np.uint16:
            checked_picture(np.zeros(image.shape, np.uint8), "image")
            return image
        return checked_picture(image, "image")


@dataclass(frozen=True, slots=True, eq=False)
class Explanations:
    """What a classifier says of ``n`` radiographs.

    Attributes:
        probabilities: Class probabilities, float32, shape ``(n, classes)``.
        grids: Raw class-activation grids, float32, signed, shape ``(n, classes, rows, columns)``.
        statuses: For each radiograph and class what its grid is worth.
        frames: How each radiograph maps to the network's input.
        class_names: Names of the classes; None for a network that knows none.
        stds: Of an ensemble the standard deviations of the probabilities over its members, float32, shape
            ``(n, classes)``; else None.
        agreements: Of an ensemble the mean correlation of its members' heat maps, float32, shape ``(n, classes)``, NaN
            where a member has no map; else None.
        activation: What turned the network's outputs into probabilities: ``softmax``, ``sigmoid`` or ``none``.
        layer: Dotted name of the layer that was explained, several separated by commas, or of the members of an
            ensemble by slashes; None of a method that looks at none.
    """

    probabilities: NDArray[np.float32]
    grids: NDArray[np.float32]
    statuses: tuple[tuple[MapStatus, ...], ...]
    frames: tuple[Frame, ...]
    class_names: tuple[str, ...] | None = None
    stds: NDArray[np.float32] | None = None
    agreements: NDArray[np.float32] | None = None
    activation: str | None = None
    layer: str | None = None

    __repr__ = short_repr

    def __len__(self) -> int:
        """Return the number of radiographs."""
        return len(self.probabilities)

    def heat_map(self, image: int = 0, of_class: int | str | None = None) -> HeatMap:
        """Return the heat map of a class on the pixels of a radiograph.

        Args:
            image: Which radiograph, from 0.
            of_class: Index or name of the class; None takes the predicted one.

        Returns:
            The heat map: float32 values in [0, 1] of the radiograph's size (of the input's, where that was given), all
            0 unless its status is ``ok``.

        Raises:
            TypeError: An argument is of another kind.
            ValueError: The radiograph or the class does not exist.
        """
        if isinstance(image, str):
            raise TypeError(f"image: expected a whole number, got {image!r}; a class is of_class={image!r}")
        number = checked_index(image, len(self), "image")
        if isinstance(of_class, str) and self.class_names is not None:
            of_class = self.class_names.index(checked_name(of_class, self.class_names, "of_class"))
        predicted = int(self.probabilities[number].argmax())
        index = predicted if of_class is None else checked_index(of_class, self.grids.shape[1], "of_class")
        return heat_map(self.grids[number, index], self.frames[number], status=self.statuses[number][index])

    @property
    def heat_maps(self) -> tuple[NDArray[np.float32], ...]:
        """All heat maps: per radiograph a float32 array of shape ``(classes, height, width)`` in [0, 1]."""
        classes = range(self.grids.shape[1])
        return tuple(np.stack([self.heat_map(n, index).values for index in classes]) for n in range(len(self)))


@called_from_python()
def load_classifier(checkpoint: Place | Sequence[Place], **settings: Any) -> LoadedClassifier:  # noqa: ANN401 -- any setting
    """Load a trained classifier, with the preprocessing that it was trained with.

    Args:
        checkpoint: A PyTorch checkpoint or a ``.safetensors`` file, or ``demo`` for the classifier that ships with the
            package; or several, such as those of k folds, whose probabilities and heat maps are averaged.
        settings: Settings of the sections ``model`` and ``preprocess`` by their names, such as ``class_names``,
            ``architecture``, ``activation``, ``device`` or ``image_size``, for what the checkpoint does not say. No
            labels are looked at, so that ``activation="sigmoid"`` says that classes do not exclude each other where the
            checkpoint does not.

    Returns:
        The classifier: ``preprocess(image or path)`` gives what the network takes, ``network`` is the network (of an
        ensemble ``members`` have them), and ``classifier.notes`` say what was taken, and from where.

    Raises:
        TypeError: A keyword is unknown, or a checkpoint is neither text nor a path.
        ValueError: The list names no checkpoint.
        CheckpointError: A checkpoint cannot be used, or two of an ensemble do not go together.
        SettingsError: A value is wrong, or the device does not exist.

    Warns:
        FindingWarning: Something looks right and may be wrong, such as classes in another order.

    >>> load_classifier("demo", device="cpu").class_names
    ('Normal', 'Benign', 'Malignant')
    """
    named = list(checkpoint) if isinstance(checkpoint, list | tuple) else [checkpoint]
    if not named:
        raise ValueError("checkpoint: expected at least one, got none")
    paths = [place if isinstance(place, str) and place else str(checked_path(place, "checkpoint")) for place in named]
    wanted = settings_of_call("load-classifier", settings, {"model.checkpoint": paths if paths[1:] else paths[0]})
    device = device_of(wanted)
    files = checkpoints_of(wanted)
    classifiers = [build_classifier(read_checkpoint(file), wishes_of(wanted)) for file in files]
    known, *further = zip(names_of(files), classifiers, strict=True)
    for other in further:
        check_alike(known, other)
    for finding in dict.fromkeys(finding for one in classifiers for finding in one.findings):
        AsWarnings().warn(finding)
    at_once = batch_size_of(wanted, device)
    for one in classifiers:
        one.network.to(device)
    first, *others = (LoadedClassifier(one, at_once, wanted.model.precision) for one in classifiers)
    return replace(first, others=tuple(others))


@called_from_python()
def explain(
    model: LoadedClassifier | nn.Module,
    images: Any,  # noqa: ANN401 -- paths, pixels or tensors
    *,
    method: str = "gradcam",
    target_layer: nn.Module | str = "auto",
    activation: str = "auto",
    smooth: str = "none",
    map_cells: int = MAP_SIZE,
) -> Explanations:
    """Predict radiographs and explain every class of each.

    Args:
        model: A classifier of :func:`btxrd_explain.load_classifier`; or any ``torch.nn.Module`` that returns class
            scores, which gets the images preprocessed. Of one score, class 0 is the negative one and class 1 the
            positive one.
        images: For a loaded classifier one radiograph, or a sequence of them, as
            :meth:`LoadedClassifier.preprocess` takes them. For both kinds of model a tensor of preprocessed
            radiographs, shape ``(n, channels, height, width)`` or ``(channels, height, width)``, floating, or a list
            of such; for a network also an array.
        method: Name of the method, see :func:`btxrd_explain.methods`.
        target_layer: A module of the network, its dotted name, or ``auto``: ``gradcam_target_layer`` where the network
            declares it, else what the head receives.
        activation: ``softmax``, ``sigmoid``, ``none`` for a network that returns probabilities, or ``auto``: that of a
            loaded classifier; else sigmoid of one output, none of outputs that are probabilities for noise, and softmax
            elsewhere.
        smooth: ``flip`` averages each map over the mirror image, ``shift2`` over four views half a cell apart;
            probabilities stay those of the plain images.
        map_cells: Rows and columns of the maps of methods that explain pixels, 7 to 512, and at most as many as the
            input has pixels on a side.

    Returns:
        Probabilities, raw grids, statuses, and heat maps of all classes; of an ensemble the means, see
        :func:`btxrd_explain.model.ensemble.averaged`.

    Warns:
        FindingWarning: The tensors look like pixels that were not normalised.

    Raises:
        TypeError: An argument is of another kind, such as a layer by its number.
        ValueError: Images have another shape or range, or the method, the layer or the smoothing is unknown.
        RadiographError: A file cannot be read.

    >>> _ = torch.manual_seed(0)
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> explained = explain(network, torch.rand(5, 3, 8, 8))
    >>> explained.probabilities.shape, explained.heat_map(4, of_class=1).values.shape
    ((5, 2), (8, 8))
    """
    loaded = model if isinstance(model, LoadedClassifier) else None
    networks = networks_of(model)
    parts = list(images) if isinstance(images, list | tuple) else [images]
    if not parts:
        raise ValueError("images: expected at least one, got none")
    batch, frames = _batch_of(loaded, images, parts)
    names, precision, at_once = None, "fp32", 32
    if loaded is not None:
        names, precision, at_once = loaded.class_names, loaded.precision, loaded.batch_size
        activation = loaded.classifier.activation if activation == "auto" else activation
    each = [
        explain_images(
            network,
            batch,
            method=method,
            target_layer=target_layer,
            precision=precision,
            at_once=at_once,
            activation=activation,
            smooth=smooth,
            map_cells=map_cells,
        )
        for network in networks
    ]
    for explained in each:
        if names is not None and len(names) != explained.probabilities.shape[1]:
            raise SettingsError(
                f"the network gives {explained.probabilities.shape[1]} scores for {len(names)} classes",
                hint="name as many classes",
            )
    found = averaged(each) if len(each) > 1 else each[0]
    return Explanations(
        *(found.probabilities, found.grids, found.statuses, frames, names, found.stds, found.agreements),
        activation=None if each[0].activation is None else str(each[0].activation),
        layer=" / ".join(dict.fromkeys(one.layer for one in each if one.layer)) or None,
    )


generate_gradcam = called_from_python()(_gradcam)


def _batch_of(
    loaded: LoadedClassifier | None,
    images: Any,  # noqa: ANN401 -- see explain
    parts: list[Any],
) -> tuple[Tensor, tuple[Frame, ...]]:
    """Return radiographs as the network takes them, and how each maps to its input."""
    if loaded is not None and not any(isinstance(part, Tensor) for part in parts):
        prepared = [loaded.prepared(image) for image in pictures_of(images, parts)]
        return torch.cat([tensor for tensor, _ in prepared]), tuple(frame for _, frame in prepared)
    batch = tensors_of(parts if isinstance(parts[0], Tensor) else [images])
    size = Size(*batch.shape[2:])
    return batch, (Frame.fit(size, size, ResizeMode.SQUASH),) * len(batch)


def networks_of(model: LoadedClassifier | nn.Module) -> list[nn.Module]:
    """Return the networks that predict, several of an ensemble.

    Raises:
        TypeError: The model is something else, such as the path of a checkpoint.
    """
    if isinstance(model, LoadedClassifier):
        return [member.network for member in model.members]
    check_network(model)
    return [model]


def tensors_of(parts: list[Any]) -> Tensor:
    """Return preprocessed radiographs as one batch."""
    tensors = [checked_batch(part, "images") for part in parts]
    if len({tuple(tensor.shape[1:]) for tensor in tensors}) > 1:
        raise ValueError("images: expected tensors of one shape, got several")
    batch = torch.cat(tensors)
    warn_of_raw_pixels(batch, "images", stacklevel=6)  # two functions down from explain and intervene
    return batch


def pictures_of(images: Any, parts: list[Any]) -> list[Any]:  # noqa: ANN401 -- see explain
    """Return pictures one by one, also those of a stack; with three axes it is one picture, or a mistake."""
    if isinstance(images, np.ndarray):
        return list(images) if images.ndim == 4 else [images]
    if isinstance(parts[0], list | tuple):
        raise TypeError(f"images: expected paths, arrays or tensors, got {shown(parts[0])} in {shown(images)}")
    return parts
