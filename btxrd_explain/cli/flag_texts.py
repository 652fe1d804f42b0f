"""What ``--help`` says of each flag: one line, where the settings file and the pages have the whole description."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from btxrd_explain.settings import Setting


class FlagText(NamedTuple):
    """What ``--help`` says of a flag.

    Attributes:
        metavar: What stands for its value.
        text: What it does, in one line.
        default: What holds where neither the flag nor its default says a value.
    """

    metavar: str
    text: str
    default: str = ""


def text_of(setting: Setting) -> FlagText:
    """Return what ``--help`` says of a flag: its line here, else the first sentence of its description."""
    known = FLAG_TEXTS.get(setting.name)
    return known or FlagText(setting.key.upper(), setting.description.partition(". ")[0].partition("; null")[0])


def notes_of(setting: Setting) -> str:
    """Return the values that a flag takes, and its default, in brackets.

    >>> from btxrd_explain.settings import SETTINGS
    >>> notes_of(SETTINGS["annotation.threshold"]), notes_of(SETTINGS["data.split"]), notes_of(SETTINGS["run.strict"])
    ('[0 to 1; default: 0.5]', '[default: all]', '[default: off]')
    """
    default: object = setting.default
    if isinstance(default, bool):
        default = "on" if default else "off"
    elif isinstance(default, tuple):
        default = ",".join(f"{item:g}" if isinstance(item, float) else str(item) for item in default)
    if default in {None, ""}:
        default = text_of(setting).default
    allowed = re.sub(r"\ba (whole )?number (from |of )?|text like ", "", setting.allowed)
    if allowed.endswith(" or null"):
        allowed = " or ".join(filter(None, allowed.removesuffix(" or null").rpartition(", ")[::2]))
    told = "number" in setting.allowed or (setting.choices and "list" not in allowed and len(setting.choices) < _MANY)
    parts = [
        allowed if told and not isinstance(setting.default, bool) else "",
        f"default: {default}" if default else "",
    ]
    return f"[{'; '.join(filter(None, parts))}]" if any(parts) else ""


_MANY = 10
"""So many choices have a command of their own that tells of them."""
_GROUP_DEFAULT = "each radiograph for itself"
_OTHERS = "of radiographs that are not scored"

FLAG_TEXTS: Mapping[str, FlagText] = MappingProxyType(
    {
        "data.root": FlagText("DIR", "Root of a BTXRD download, with images/, Annotations/ and dataset.xlsx"),
        "data.images": FlagText(
            "DIR", "Folder or URL of the radiographs that a split CSV names", "images/ of the root"
        ),
        "data.annotations": FlagText("PATH", "Folder or file of annotations, of any kind", "next to the images"),
        "data.split_csv": FlagText("CSV", "Table: image_id, split, label"),
        "data.split": FlagText("NAME", "Split, such as test", "all"),
        "data.columns": FlagText("COLUMN=NAME", "Names of the split CSV's columns image_id, split and label"),
        "data.label_names": FlagText("LABEL=CLASS", "Class that a label or a folder means, such as 0=Normal"),
        "data.labels_from_folders": FlagText("", "The folder that a radiograph is in names its class"),
        "data.no_lesion_classes": FlagText(
            "CLASS,...", "Classes without a lesion", "those whose names say so, such as Normal"
        ),
        "run.strict": FlagText("", "Stop at the first file that fails, with exit code 1"),
        "run.verify": FlagText("", "Read every radiograph again to see whether it has changed"),
        "run.engine": FlagText(
            "NAME", "Where the network runs: in this process, or on a Ray cluster (the extra [ray])"
        ),
        "run.shard": FlagText("I/N", "Work on one of N parts, such as 1/8; 'btxrd-explain merge' joins the tables"),
        "run.workers": FlagText("N", "With --engine ray, the number of worker processes"),
        "model.checkpoint": FlagText("FILE", "Weights, hf-hub:OWNER/NAME, or demo; several times: an ensemble"),
        "model.architecture": FlagText("NAME", "Name of the network in timm", "what the checkpoint says"),
        "model.factory": FlagText("MODULE:NAME", "Python function that builds a network that is not in timm"),
        "model.class_names": FlagText(
            "CLASS,...", "Classes in the order of the network's outputs", "what the checkpoint says"
        ),
        "model.activation": FlagText("NAME", "What turns outputs into probabilities"),
        "model.device": FlagText("NAME", "Where the network runs; auto takes a GPU where there is one"),
        "model.precision": FlagText("NAME", "Precision of the network"),
        "model.batch_size": FlagText("N", "Radiographs in one forward pass"),
        "model.compile": FlagText("", "Translate the network with torch.compile first; results stay the same"),
        "preprocess.image_size": FlagText(
            "PIXELS", "Side of the network's input, or height x width", "what the checkpoint or timm says"
        ),
        "preprocess.resize": FlagText("NAME", "How a radiograph of any shape becomes the input"),
        "gradcam.method": FlagText("NAME", "Method; 'btxrd-explain methods' lists them"),
        "gradcam.target_layer": FlagText("LAYER", "Layer that is explained; 'btxrd-explain layers' lists them"),
        "gradcam.explain_classes": FlagText(
            "CLASS,...", "Classes whose heat maps are kept: all, predicted, true, or names", "all of up to 20 classes"
        ),
        "gradcam.smooth": FlagText("NAME", "Views over which each heat map is averaged"),
        "gradcam.examples_per_class": FlagText("N", "At most so many TP, FP and FN of each class"),
        "output.directory": FlagText("DIR", "Folder of results"),
        "output.predictions": FlagText(
            "TABLE", "The predictions table", "predictions.parquet in the folder of results"
        ),
        "output.overlay": FlagText("", "Write an overlay for each radiograph", "only for those named one by one"),
        "output.colormap": FlagText("NAME", "Colours of heat maps"),
        "output.alpha": FlagText("OPACITY", "Opacity of heat maps where they are hottest"),
        "output.dpi": FlagText("N", "Resolution of figures, in dots per inch"),
        "output.format": FlagText("NAME", "File format of figures"),
        "annotation.threshold": FlagText("LEVEL", "Heat from which a pixel counts as highlighted"),
        "annotation.threshold_rule": FlagText("NAME", "How a heat map becomes a region"),
        "annotation.percentile": FlagText(
            "PERCENT", "With --threshold-rule percentile, the hottest pixels that are kept"
        ),
        "annotation.mask_policy": FlagText("NAME", "Which shapes of an annotation make the lesion's mask"),
        "annotation.label_map": FlagText("LABEL=WORD", "Meaning of labels: lesion, ignore, marker, or a class"),
        "annotation.mask_inverted": FlagText("", "Masks are 0 where the lesions are"),
        "annotation.target_class": FlagText("NAME", "Class whose heat map is measured"),
        "annotation.space": FlagText("NAME", "Pixels on which heat map and annotation meet"),
        "annotation.tune_on": FlagText("CSV", f"Split CSV {_OTHERS}, on which the threshold is chosen"),
        "annotation.tune_split": FlagText("NAME", "Only this split of --tune-on, such as val", "all"),
        "annotation.panels": FlagText("N", "Radiographs in the comparison picture"),
        "annotation.reader": FlagText("NAME=PATH", "Annotations of a human reader, who is scored like the heat maps"),
        "annotation.consensus": FlagText("NAME", "What several readers count as lesion together"),
        "annotation.comparator": FlagText("NAME=PATH", "Findings of a detector or segmenter, which are scored too"),
        "evaluation.methods": FlagText("NAME,...", "Methods to compare", "--method"),
        "evaluation.by": FlagText("COLUMN,...", "Columns of the metadata to report by, such as center"),
        "evaluation.group_column": FlagText(
            "COLUMN", "Column of the metadata that names what belongs together, such as patient", _GROUP_DEFAULT
        ),
        "evaluation.metadata": FlagText(
            "TABLE", "Table (CSV or Excel) of --by and --group-column", "dataset.xlsx of the root"
        ),
        "evaluation.baselines": FlagText(
            "", "Score baselines, too: random maps, the centre, edges, other maps of the network"
        ),
        "evaluation.boxes": FlagText("", "Compute MaxBoxAccV2, which takes time"),
        "evaluation.agreement": FlagText("", "Say also how far the heat maps of the tables agree"),
        "evaluation.margin": FlagText(
            "DIFFERENCE", "Largest difference that does not matter: tests whether tables are alike"
        ),
        "evaluation.decision_threshold": FlagText(
            "CLASS=LEVEL", "With sigmoid, the probability from which a class counts as predicted", "0.5"
        ),
        "evaluation.decision_tune_on": FlagText("CSV", f"Split CSV {_OTHERS}, on which those are chosen"),
        "evaluation.decision_tune_split": FlagText("NAME", "Only this split of --decision-tune-on", "all"),
        "export.to": FlagText("NAME", "Format"),
        "export.classes": FlagText("NAME", "Whose heat maps are exported"),
        "export.map_size": FlagText("NAME", "Pixels of npz and tiff"),
        "export.tolerance": FlagText("PIXELS", "How far outlines may leave a region's border; 0 keeps every pixel"),
        "export.beside_images": FlagText("", "Write labelme files next to the radiographs"),
        "report.layout": FlagText("NAME", "One file that holds all pictures, or a page with a folder"),
        "report.picture_side": FlagText("PIXELS", "Longest side of the radiographs in the page"),
        "check.similarity": FlagText("CORRELATION", "Least correlation of near duplicates"),
        "check.fail_on": FlagText("NAME", "Least severe finding that ends with exit code 1"),
        "check.groups": FlagText("CSV", "File to write which radiographs belong together", "none is written"),
        "sanity.sample": FlagText("N", "Radiographs that are checked, drawn at random"),
        "sanity.stages": FlagText("N", "Stages in which the weights become random, at least"),
        "sanity.random_seed": FlagText("N", "Seed of sample, weights and order of equal pixels"),
        "sanity.insertion_deletion": FlagText("", "Follow the probability as pixels come and go by their heat, too"),
        "sanity.steps": FlagText("N", "Steps of the insertion and deletion curves"),
        "sanity.baseline": FlagText("NAME", "What a deleted pixel becomes"),
        "intervention.controls": FlagText("N", "Control regions of each radiograph"),
        "intervention.margins": FlagText("PERCENT,...", "Margins that are taken away with the lesions"),
        "intervention.looks": FlagText("NAME", "When a heat map is said to be on the lesion"),
        "intervention.looks_fraction": FlagText("FRACTION", "With --looks iou, the fraction of an ideal map's IoU"),
        "intervention.control_seed": FlagText("N", "Seed of the places of the control regions"),
        "intervention.pictures": FlagText("N", "Radiographs that are shown of each cell of the table"),
        "maps.scores": FlagText("CSV", "Probabilities: image_id, class and probability", "none: outcomes are unknown"),
        "maps.ids": FlagText("FILE", "Names of the images of one array of maps, one a line"),
        "maps.sign": FlagText("NAME", "Which values of the maps are evidence"),
        "study.second_checkpoint": FlagText("FILE", "Another training of the same classes"),
    }
)
"""What ``--help`` says of each flag, by the dotted name of its setting."""
