"""Which settings each command takes: as flags on the command line, as keywords in Python."""

from collections.abc import Mapping
from types import MappingProxyType

_IMAGES = (
    *("data.inputs", "data.root", "data.images", "data.annotations", "data.split_csv", "data.split"),
    "run.strict",
)
_NETWORK = (
    "model.checkpoint",
    "model.architecture",
    "model.factory",
    "model.class_names",
    "model.device",
    "model.batch_size",
    "model.precision",
    "model.compile",
    "preprocess.image_size",
    "preprocess.resize",
    "gradcam.method",
    "gradcam.target_layer",
)
_REGIONS = (
    "annotation.threshold",
    "annotation.threshold_rule",
    "annotation.percentile",
    "annotation.mask_policy",
    "annotation.label_map",
)
_SCORING = (*_REGIONS, "annotation.target_class", "annotation.space")
_RUN = ("run.engine", "run.shard", "run.workers")
_RESULTS = ("output.directory", "output.predictions")
_COLOURS = ("output.colormap", "output.alpha")
_FIGURES = ("output.format", "output.dpi")


FLAGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "infer": (*_IMAGES, *_NETWORK, *_RESULTS, *_COLOURS, "output.overlay", *_RUN),
        "gallery": (*_IMAGES, *_NETWORK, *_RESULTS, *_FIGURES, *_COLOURS, "gradcam.examples_per_class"),
        "annotate-iou": (
            *(*_IMAGES, *_NETWORK, *_RESULTS, *_FIGURES, *_COLOURS, *_SCORING),
            *("annotation.tune_on", "annotation.tune_split", "annotation.panels"),
            *("evaluation.methods", "evaluation.by", "evaluation.group_column", "evaluation.metadata"),
            *("evaluation.baselines", "evaluation.boxes"),
        ),
        "compare": (
            *("data.annotations", "data.split", "output.directory", *_FIGURES, *_SCORING),
            *("evaluation.group_column", "evaluation.metadata"),
        ),
        "performance": (
            *(*_IMAGES, *_NETWORK, *_RESULTS, *_FIGURES),
            *("evaluation.group_column", "evaluation.metadata"),
        ),
        "export": (
            *(*_IMAGES, *_NETWORK, *_RESULTS),
            *("export.to", "export.classes", "export.map_size", "export.tolerance", "export.beside_images", *_REGIONS),
        ),
        "report": (
            *(*_IMAGES, *_NETWORK, *_RESULTS, *_COLOURS, *_SCORING),
            *("report.layout", "report.picture_side"),
        ),
        "check": (
            *("data.inputs", "data.root", "data.images", "data.annotations", "data.split_csv"),
            *("evaluation.group_column", "evaluation.metadata"),
            *("check.similarity", "check.fail_on", "output.directory"),
        ),
        "sanity": (
            *(*_IMAGES, *_NETWORK, *_RESULTS),
            *("sanity.sample", "sanity.stages", "sanity.random_seed"),
            *("sanity.insertion_deletion", "sanity.steps", "sanity.baseline"),
        ),
        "layers": (
            *(*_NETWORK, "data.root", "data.images", "data.annotations"),
            *("annotation.threshold", "annotation.mask_policy"),
        ),
    }
)
"""The settings of each command that takes settings, in the order in which its help lists them."""
