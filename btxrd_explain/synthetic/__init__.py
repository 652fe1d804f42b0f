"""Synthetic radiographs and the small classifier trained on them: the tool works with nothing at hand."""
