"""Synthetic radiographs and the small classifier trained on them, so that the tool works with nothing at hand."""
