"""timm's evaluation transform for a network, as fields of a preprocessing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from btxrd_explain.core.choices import Interpolation, ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import SettingsError
from btxrd_explain.model.timm_import import timm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.model.networks import Blueprint

USUAL = {
    "resize": ResizeMode.SQUASH,
    "interpolation": Interpolation.BILINEAR,
    "antialias": False,
    "crop_fraction": 1.0,
}
"""Defaults of the settings: whoever writes them down has not asked for them."""


def evaluation_transform(blueprint: Blueprint, wished: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what ``timm.data.create_transform(**timm.data.resolve_model_data_config(network))`` does for evaluation.

    Args:
        blueprint: The network.
        wished: What the settings ask for, defaults included.

    Returns:
        Fields of :class:`btxrd_explain.core.preprocess.Preprocessing`, and a note of them.

    Raises:
        SettingsError: The network is not timm's, its transform is of another kind, or the settings contradict it.
    """
    made: Mapping[str, Any] | None = getattr(blueprint.network, "pretrained_cfg", None)
    if not made:
        raise SettingsError(
            f"preprocess.from is timm, and {blueprint.name} is not a network of timm",
            hint="leave preprocess.from out, and give its input's settings",
        )
    config = timm.data.config.resolve_model_data_config(blueprint.network)  # type: ignore[no-untyped-call]  # timm leaves it open
    taken = _fields(blueprint.name, config, made)
    for name, value in taken.items():
        asked = wished.get(name)
        if asked is not None and asked not in (USUAL.get(name), value):
            setting = "image_size" if name == "size" else name
            raise SettingsError(
                f"preprocess.from is timm, whose {setting} of {blueprint.name} is {_text(value)}, and "
                f"preprocess.{setting} is {_text(asked)}",
                hint="leave one of them out",
            )
    if wished.get("standardize"):
        raise SettingsError(
            "preprocess.from is timm, which normalises with mean and std, and preprocess.standardize is true",
            hint="leave one of them out",
        )
    told = ", ".join(f"{'image_size' if name == 'size' else name} {_text(value)}" for name, value in taken.items())
    tag = f".{made['tag']}" if made.get("tag") and not blueprint.name.endswith(f".{made['tag']}") else ""
    return taken, f"the input is that of timm's evaluation transform of {blueprint.name}{tag}: {told}"


def _fields(name: str, config: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Translate timm's names; its resize is always that of Pillow, which antialiases."""
    modes = {"center": ResizeMode.CROP, "squash": ResizeMode.SQUASH_CROP}
    if (
        config["interpolation"] not in set(Interpolation)
        or config["crop_mode"] not in modes
        or made.get("crop_border_pixels")
    ):
        raise SettingsError(
            f"timm's evaluation transform of {name} (interpolation {config['interpolation']}, crop_mode "
            f"{config['crop_mode']}) cannot be taken over",
            hint="leave preprocess.from out, and give its input's settings",
        )
    crop_fraction = float(config["crop_pct"])
    whole = config["crop_mode"] == "squash" and crop_fraction == 1
    return {
        "size": Size(*config["input_size"][-2:]),
        "resize": ResizeMode.SQUASH if whole else modes[config["crop_mode"]],
        "interpolation": Interpolation(config["interpolation"]),
        "antialias": True,
        "crop_fraction": crop_fraction,
        "mean": tuple(float(value) for value in config["mean"]),
        "std": tuple(float(value) for value in config["std"]),
    }


def _text(value: object) -> str:
    """Return a value as settings write it."""
    if isinstance(value, Size):
        return str(value.height) if value.height == value.width else f"{value.height}x{value.width}"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
