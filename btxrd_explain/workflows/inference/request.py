"""What decides about a table's rows, known before torch is imported."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btxrd_explain.errors import CheckpointError, SettingsError
from btxrd_explain.files import sha256_of
from btxrd_explain.model.factory import factory_source
from btxrd_explain.synthetic import demo_checkpoint

if TYPE_CHECKING:
    from btxrd_explain.settings import Settings

_VERSIONS = ("btxrd-explain", "torch", "timm", "opencv-python-headless", "pillow")
"""Distributions whose release can change predictions or grids."""

DEMO = Path("demo")
"""Names the demo's classifier, where there is no file of that name."""


def build_request(settings: Settings) -> dict[str, Any]:
    """Gather what the rows depend on: the checkpoint's content, the settings as asked for, and versions.

    Returns:
        Plain JSON values; see :class:`btxrd_explain.predictions.provenance.Provenance`.

    Raises:
        SettingsError: No checkpoint is named.
        CheckpointError: The checkpoint cannot be read.
    """
    model = settings.model
    return {
        "checkpoint": _hash(checkpoint_of(settings)),
        "architecture": model.architecture,
        **_factory(model.factory),
        "class_names": model.class_names and list(model.class_names),
        "preprocess": settings.preprocess.model_dump(mode="json"),
        "method": settings.gradcam.method,
        "target_layer": settings.gradcam.target_layer,
        "precision": model.precision,
        "versions": {name: version(name) for name in _VERSIONS},
    }


def checkpoint_of(settings: Settings) -> Path:
    """Return the checkpoint that the settings name; ``demo`` is the demo's own where no file is called so.

    Raises:
        SettingsError: They name none.
    """
    checkpoint = settings.model.checkpoint
    if checkpoint is None:
        raise SettingsError("no checkpoint is named", hint="give --checkpoint, or set model.checkpoint")
    return demo_checkpoint() if checkpoint == DEMO and not checkpoint.exists() else checkpoint


def _factory(reference: str | None) -> dict[str, Any]:
    """Return the factory and the hash of the file that holds it; modules that it imports in turn are not looked at."""
    if reference is None:
        return {}
    source = factory_source(reference)
    return {"factory": reference, "factory_source": None if source is None else sha256_of(source)}


def _hash(checkpoint: Path) -> str:
    try:
        return sha256_of(checkpoint)
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint '{checkpoint}' ({error.strerror or error})", hint="check --checkpoint"
        ) from error
