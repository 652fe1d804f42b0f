"""Networks without their weights: from timm by name, or from a function of the user's own."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import IMAGENET_MEAN, IMAGENET_STD
from btxrd_explain.errors import CheckpointError, SettingsError
from btxrd_explain.model.checkpoint import few, match_weights
from btxrd_explain.model.timm_import import timm
from btxrd_explain.plain import kind_of
from btxrd_explain.system.extras import to_install
from btxrd_explain.system.importing import current_directory_importable, reason_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from btxrd_explain.model.checkpoint import Checkpoint

# A classifier of the user's own: a function, named as ``package.module:callable``, that builds the network.
#
# The function is called as ``callable(num_classes=N)`` and returns a ``torch.nn.Module`` that maps images of shape
# ``(B, channels, height, width)`` to class scores (logits) of shape ``(B, N)``. Only settings can name it: a checkpoint
# is data and cannot make this package import anything.


def call_factory(reference: str, *, num_classes: int) -> Any:  # noqa: ANN401 -- whatever the user's function returns
    """Import the function and call it with ``num_classes``; modules in the current directory are found too.

    Args:
        reference: ``package.module:callable``; the callable may be an attribute of a class.
        num_classes: Number of classes.

    Returns:
        What the function returned.

    Raises:
        SettingsError: The reference is malformed, the module or the function is missing, or one of them fails.
    """
    with current_directory_importable():
        factory = resolve(reference, "factory")
        try:
            return factory(num_classes=num_classes)
        except Exception as error:
            raise SettingsError(
                f"the factory '{reference}' failed when called with num_classes={num_classes} ({reason_of(error)})",
                hint="it must build the network from that one argument",
            ) from error


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A network as it is before its weights are loaded, and what its makers say of its input.

    Attributes:
        network: The network.
        name: timm's name of it, or ``module:callable``.
        channels: Channels of its input.
        size: Size of the input that it was made for; None where nobody says.
        mean: Mean per channel that it was made for.
        std: Standard deviation per channel that it was made for.
        filled: It has the weights of the checkpoint already.
    """

    network: nn.Module
    name: str
    channels: int
    size: Size | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    filled: bool = False


def is_known(architecture: str) -> bool:
    """Return whether timm has an architecture of that name."""
    return bool(timm.is_model(architecture))


def from_timm(
    architecture: str,
    classes: int,
    *,
    image_size: Size | None = None,
    checkpoint: Checkpoint | None = None,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> Blueprint:
    """Create a network of timm. Nothing is downloaded.

    Args:
        architecture: timm's name.
        classes: Number of classes.
        image_size: Size of the input, for networks that are made for one size.
        checkpoint: The weights that are to be loaded: their first convolution tells the number of input channels, and
            the network is only made where they fit, so that a few bytes cannot ask for one of many gigabytes.
        arguments: Further arguments of timm's function.

    Raises:
        SettingsError: timm has no such architecture, or not of that image size.
        CheckpointError: The weights do not fit.
    """
    if not is_known(architecture):
        close = timm.list_models(f"*{architecture}*")[:3] or get_close_matches(architecture, timm.list_models())
        raise SettingsError(
            f"timm has no architecture '{architecture}'",
            hint=f"did you mean {', '.join(close)}" if close else "check --architecture against timm.list_models()",
        )
    with _telling(f"'{architecture}'"):
        registered: Any = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    own: dict[str, Any] = registered.to_dict() if registered else {}
    channels = _input_channels(checkpoint.weights if checkpoint else {}, own)
    options: dict[str, Any] = {**arguments, "num_classes": classes, "in_chans": channels}
    if image_size and own.get("fixed_input_size"):
        options["img_size"] = image_size.height if image_size.height == image_size.width else tuple(image_size)
    if checkpoint is not None:
        with _Undrawn(), torch.device("meta"):
            outline = _create(architecture, options)
        match_weights(outline, checkpoint)
    network = _create(architecture, options)
    own = network.pretrained_cfg
    size = Size(*own["input_size"][1:])
    return Blueprint(network, architecture, channels, size, tuple(own["mean"]), tuple(own["std"]))


class _Undrawn(TorchFunctionMode):
    """Draws no random numbers for tensors that hold none: on the device ``meta`` torch imports its compiler for it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        if func in {torch.Tensor.normal_, torch.Tensor.uniform_}:
            return args[0]
        return func(*args, **(kwargs or {}))


def _create(architecture: str, options: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- more than nn.Module says
    with _telling(f"'{architecture}' with {', '.join(f'{name} {value}' for name, value in options.items())}"):
        return timm.create_model(architecture, pretrained=False, **options)


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Raise an error of ours for what timm cannot make; its constructors raise what they like, assertions among it."""
    try:
        yield
    except Exception as error:
        raise SettingsError(
            f"timm cannot make {what} ({type(error).__name__}: {error})", hint="check --architecture and --image-size"
        ) from error


def in_eval_mode(network: nn.Module) -> nn.Module:
    """Put a network into eval mode, and return it.

    Raises:
        SettingsError: A method of its own for that fails, such as a ``train`` that trains.
    """
    try:
        return network.eval()
    except Exception as error:
        raise SettingsError(
            f"the network cannot be put into eval mode ({reason_of(error)})",
            hint="its methods eval and train must do what those of torch.nn.Module do",
        ) from error


def from_factory(reference: str, classes: int) -> Blueprint:
    """Create a network with a function of the user's own; its input is normalised as ImageNet's unless told otherwise.

    Args:
        reference: ``package.module:callable``.
        classes: Number of classes.

    Raises:
        SettingsError: The function cannot be found, fails, or returns no network.
    """
    network = call_factory(reference, num_classes=classes)
    if not isinstance(network, nn.Module):
        raise SettingsError(
            f"the factory '{reference}' returned {kind_of(network)}",
            hint="return the network itself, a torch.nn.Module",
        )
    network = getattr(network, "_orig_mod", network).float()  # compiled, or in another precision
    kernels = (parameter.shape for parameter in network.parameters() if parameter.ndim == 4)
    channels = next((shape[1] for shape in kernels), 3)
    return Blueprint(network, reference, channels, None, IMAGENET_MEAN, IMAGENET_STD)


_NOT_OF_THE_NETWORK = frozenset(
    {"auto_map", "attn_implementation", "quantization_config", "dtype", "torch_dtype", "id2label", "label2id"}
)
"""What of a configuration of transformers could name code, or says nothing of the network in single precision."""


def from_transformers(config: Mapping[str, Any], classes: int, checkpoint: Checkpoint) -> Blueprint:
    """Create a classifier of transformers from its configuration, with the weights.

    Nothing is downloaded, and no code from other people is run.

    Args:
        config: The content of its ``config.json``.
        classes: Number of classes.
        checkpoint: The weights that are to be loaded; the network is only made where they fit.

    Raises:
        SettingsError: transformers is not installed.
        CheckpointError: It cannot make the network, or the weights do not fit.
    """
    try:
        import transformers  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise SettingsError(
            f"'{checkpoint.path}' is a network of transformers, which is not installed",
            hint=to_install("transformers"),
        ) from error
    known = {key: value for key, value in config.items() if key not in _NOT_OF_THE_NETWORK and not key.startswith("_")}
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    make: Any = transformers.AutoModelForImageClassification
    weights = dict(checkpoint.weights)
    try:
        made_of = transformers.AutoConfig.for_model(**known, num_labels=classes)
        with torch.device("meta"):
            outline = make.from_config(made_of, attn_implementation="eager")
        if sum(tensor.numel() for tensor in outline.parameters()) > sum(tensor.numel() for tensor in weights.values()):
            raise ValueError("it has more weights than the file")  # noqa: TRY301 -- one reason of several
        network, told = type(outline).from_pretrained(  # the names of weights in files are not those of its modules
            None, config=made_of, state_dict=weights, output_loading_info=True, attn_implementation="eager"
        )
        if odd := [str(key) for kind in told.values() for key in kind]:
            raise ValueError(f"weights do not fit: {few(odd)}")  # noqa: TRY301 -- as above
    except Exception as error:  # it raises what it likes
        raise CheckpointError(
            f"transformers cannot make the network of '{checkpoint.path}' ({type(error).__name__}: {error})",
            hint="check its config.json",
        ) from error
    network.register_forward_hook(_logits)
    name = type(network).__name__
    return Blueprint(network, name, made_of.num_channels, None, IMAGENET_MEAN, IMAGENET_STD, filled=True)


def _logits(_network: nn.Module, _inputs: object, output: Any) -> Any:  # noqa: ANN401 -- an output of transformers
    return output.logits


def fill_zero_heads(network: nn.Module, seed: int = 0) -> None:
    """Give every weight matrix that is all zero small random values.

    Some networks start with a head of zeros, so that no class score depends on anything. That is right for training
    and useless for looking at an untrained network.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)


def _input_channels(weights: Mapping[str, Tensor], own: Mapping[str, Any]) -> int:
    """Return how many channels the stored first convolution takes; 3 where nothing tells."""
    first = own.get("first_conv") or ()
    tails = tuple(f"{name}.weight" for name in ((first,) if isinstance(first, str) else first))
    shapes = (tensor.shape for key, tensor in weights.items() if key.endswith(tails))
    return next((shape[1] for shape in shapes if len(shape) == 4), 3)
