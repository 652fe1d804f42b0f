"""Synthetic radiographs and the small classifier trained on them, so that the tool works with nothing at hand."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["SYNTHETIC", "demo_checkpoint"]

SYNTHETIC = "SYNTHETIC DATA: the demo's classifier was trained on made-up radiographs; it says nothing about patients"
"""What is said with all that the demo's classifier gives, whatever it was shown."""


def demo_checkpoint() -> Path:
    """Return the file of the demo's classifier, which ships with the package.

    >>> demo_checkpoint().name
    'demo_model.safetensors'
    """
    return Path(str(resources.files(__name__) / "demo_model.safetensors"))
