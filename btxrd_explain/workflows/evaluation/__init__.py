"""Parts of `annotate-iou`: heat maps held against annotations, and what is reported of it."""
