"""Which settings each command takes: as flags on the command line, as keywords in Python."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePath
from types import MappingProxyType

from btxrd_explain.errors import SettingsError
from btxrd_explain.settings.catalogue import SETTINGS
from btxrd_explain.settings.schema import Settings
from btxrd_explain.settings.sources import settings_of
from btxrd_explain.system.places import is_url

_IMAGES = (
    *("data.inputs", "data.root", "data.images", "data.annotations", "data.split_csv", "data.split"),
    *("data.columns", "data.label_names", "data.labels_from_folders"),
    "run.strict",
)
_NETWORK = (
    "model.checkpoint",
    "model.architecture",
    "model.factory",
    "model.class_names",
    "model.activation",
    "model.device",
    "model.batch_size",
    "model.precision",
    "model.compile",
    "preprocess.image_size",
    "preprocess.resize",
    "gradcam.method",
    "gradcam.target_layer",
    "gradcam.explain_classes",
    "gradcam.smooth",
)
_REGIONS = (
    "annotation.threshold",
    "annotation.threshold_rule",
    "annotation.percentile",
    "annotation.mask_policy",
    "annotation.label_map",
    "annotation.mask_inverted",
)
_SCORING = ("data.no_lesion_classes", *_REGIONS, "annotation.target_class", "annotation.space")
_READERS = ("annotation.reader", "annotation.consensus", "annotation.comparator")
_DECISIONS = ("evaluation.decision_threshold", "evaluation.decision_tune_on", "evaluation.decision_tune_split")
_RUN = ("run.engine", "run.shard", "run.workers")
_RESULTS = ("output.directory", "output.predictions")
_COLOURS = ("output.colormap", "output.alpha")
_FIGURES = ("output.format", "output.dpi")


FLAGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "infer": (*_IMAGES, *_NETWORK, *_RESULTS, *_COLOURS, "output.overlay", "run.verify", *_RUN),
        "gallery": (*_IMAGES, *_NETWORK, *_RESULTS, *_FIGURES, *_COLOURS, "gradcam.examples_per_class", *_DECISIONS),
        "annotate-iou": (
            *(*_IMAGES, *_NETWORK, *_RESULTS, *_FIGURES, *_COLOURS, *_SCORING),
            *("annotation.tune_on", "annotation.tune_split", "annotation.panels", *_READERS),
            *("evaluation.methods", "evaluation.by", "evaluation.group_column", "evaluation.metadata"),
            *("evaluation.baselines", "evaluation.boxes", *_DECISIONS),
        ),
        "compare": (
            *("data.annotations", "data.images", "data.split", "output.directory", *_FIGURES, *_SCORING),
            *("evaluation.group_column", "evaluation.metadata", "evaluation.margin", "evaluation.agreement"),
        ),
        "performance": (
            *(*_IMAGES, *_NETWORK, *_RESULTS, *_FIGURES),
            *("evaluation.group_column", "evaluation.metadata", *_DECISIONS),
        ),
        "export": (
            *(*_IMAGES, *_NETWORK, *_RESULTS),
            *("export.to", "export.classes", "export.map_size", "export.tolerance", "export.beside_images", *_REGIONS),
            "run.verify",
        ),
        "report": (
            *(*_IMAGES, *_NETWORK, *_RESULTS, *_COLOURS, *_SCORING),
            *("annotation.tune_on", "annotation.tune_split", "report.layout", "report.picture_side", *_READERS),
            *("evaluation.by", "evaluation.group_column", "evaluation.metadata", *_DECISIONS),
        ),
        "check": (
            *("data.inputs", "data.root", "data.images", "data.annotations", "data.split_csv"),
            *("data.columns", "data.label_names", "data.labels_from_folders", "data.no_lesion_classes"),
            *("model.class_names", "annotation.label_map", "annotation.mask_inverted"),
            *("evaluation.group_column", "evaluation.metadata"),
            *("check.similarity", "check.fail_on", "check.groups", "output.directory"),
        ),
        "sanity": (
            *(*_IMAGES, *_NETWORK, *_RESULTS),
            *("sanity.sample", "sanity.stages", "sanity.random_seed"),
            *("sanity.insertion_deletion", "sanity.stability", "sanity.steps", "sanity.baseline"),
        ),
        "intervene": (
            *(*_IMAGES, *_NETWORK, *_RESULTS, *_FIGURES, *_COLOURS, *_SCORING),
            *("evaluation.by", "evaluation.group_column", "evaluation.metadata"),
            *("intervention.controls", "intervention.margins", "intervention.looks", "intervention.looks_fraction"),
            *("intervention.control_seed", "intervention.pictures", *_DECISIONS),
        ),
        "study": (
            *(*_IMAGES, *_NETWORK, "study.second_checkpoint", "output.directory", *_FIGURES, *_COLOURS, *_SCORING),
            *("evaluation.methods", *_READERS, "evaluation.group_column", "evaluation.metadata", *_DECISIONS),
            *("sanity.sample", "sanity.stages", "sanity.random_seed", "intervention.controls"),
        ),
        "import-maps": (
            *(*_IMAGES, "model.class_names", "maps.scores", "maps.ids", "maps.sign"),
            *("preprocess.image_size", "preprocess.resize", *_RESULTS),
        ),
        "layers": (
            *(*_NETWORK, "data.root", "data.images", "data.annotations"),
            *("annotation.threshold", "annotation.mask_policy"),
        ),
    }
)
"""The settings of each command that takes settings, in the order in which its help lists them."""


def command_line(command: str, settings: Settings) -> str:
    """Return the command line of settings, less the folder of results; of paths only the names.

    >>> from btxrd_explain.settings import DataSettings, OutputSettings
    >>> settings = Settings(data=DataSettings(inputs=("/home/a/BTXRD",), split="test"), output=OutputSettings(dpi=99))
    >>> command_line("performance", settings)
    'btxrd-explain performance BTXRD --split test --dpi 99'
    >>> command_line("export", settings)
    'btxrd-explain export BTXRD --split test --set output.dpi=99'
    """
    words = ["btxrd-explain", command]
    values = settings.model_dump(by_alias=True)
    for name, setting in SETTINGS.items():
        value = values[setting.section][setting.key]
        if value == setting.default or name == "output.directory":
            continue
        several = isinstance(value, tuple | list)
        items = _named(name, list(value) if several else [value])
        if name == "data.inputs":
            words[2:2] = items
        elif name not in FLAGS[command] or not items:
            words += ["--set", f"{name}={json.dumps(items, ensure_ascii=False) if several else items[0]}"]
        elif isinstance(value, bool):
            words.append(setting.flag if value else f"--no-{setting.flag[2:]}")
        else:
            words += [word for item in items for word in (setting.flag, item)]
    return shlex.join(words)


def _named(name: str, values: Sequence[object]) -> list[str]:
    """Return the items of a setting as texts, paths by their names."""
    if name in {"annotation.reader", "annotation.comparator"}:
        pairs = [str(value).partition("=") for value in values]
        return [f"{reader}={Path(place).name}" for reader, _, place in pairs]
    if name == "data.inputs" or any(isinstance(value, Path) for value in values):
        return _told_apart([str(value) for value in values])
    return [str(value) for value in values]


def _told_apart(paths: Sequence[str]) -> list[str]:
    """Return the names of paths, with as many folders above as tell those of one name apart.

    >>> _told_apart(["/home/a/fold0/best.pt", "/home/a/fold1/best.pt"]), _told_apart(["/home/a/best.pt"])
    (['fold0/best.pt', 'fold1/best.pt'], ['best.pt'])
    """
    parts = [PurePath(path).parts for path in paths]
    for depth in range(1, max(map(len, parts), default=0)):
        names = ["/".join(one[-depth:]) for one in parts]
        if len(set(names)) == len(paths):
            return names
    return [one[-1] if one else path for one, path in zip(parts, paths, strict=True)]


_CLASSIFIER = (
    *("model.architecture", "model.factory", "model.class_names", "model.activation"),
    *("model.device", "model.batch_size", "model.precision"),
    *("preprocess.image_size", "preprocess.resize", "preprocess.interpolation", "preprocess.antialias"),
    *("preprocess.crop_fraction", "preprocess.decode", "preprocess.mean", "preprocess.std"),
    *("preprocess.transform", "preprocess.depth", "preprocess.clip_percentiles", "preprocess.clahe"),
    "preprocess.standardize",
)
"""What loading a classifier takes, which is not a command."""


def settings_of_call(command: str, given: Mapping[str, object], fixed: Mapping[str, object]) -> Settings:
    """Return the settings of a call from Python.

    Args:
        command: The command, or ``load-classifier``.
        given: Keywords: names of flags, such as ``split_csv``; ``config``, a YAML file over which they win; and
            ``settings``, further settings by dotted name, which win over all.
        fixed: Values by dotted name that the call gives otherwise, such as its inputs.

    Raises:
        TypeError: A keyword is unknown, or ``config`` or ``settings`` are of another kind.
        SettingsError: The file cannot be read, or a name or a value is wrong.

    >>> settings_of_call("gallery", {"dpi": 300}, {}).output.dpi
    300
    """
    names = [name for name in FLAGS.get(command, _CLASSIFIER) if name != "data.inputs"]
    known = {name.partition(".")[2]: name for name in names} | {"config": "", "settings": ""}
    for keyword in given:
        if keyword not in known:
            near = get_close_matches(keyword, known, n=1)
            advice = f"did you mean '{near[0]}'?" if near else f"it takes {', '.join(known)}"
            raise TypeError(f"{command.replace('-', '_')}() has no keyword '{keyword}': {advice}")
    values = {known[keyword]: value for keyword, value in given.items() if known[keyword]}
    config, further = given.get("config"), given.get("settings")
    if not isinstance(config, str | Path | None):
        raise TypeError(f"config: expected a path as text or pathlib.Path, got {config!r}")
    if not isinstance(further, Mapping | None):
        raise TypeError(f"settings: expected settings by dotted name, got {further!r}")
    settings = settings_of({**fixed, **values}, further, None if config is None else Path(config).expanduser())
    check_results(command, settings)
    return settings


_FLAG = re.compile(r"(?<!\w)'[^']*'|(?<![\w-])-(?:-[a-z]+(?:-[a-z]+)*|[co])(?![\w-])")
"""What is quoted, which stays as it is, or a flag."""
_KEYWORDS = MappingProxyType(
    {f"--no-{setting.flag[2:]}": f"{setting.key}=False" for setting in SETTINGS.values()}
    | {setting.flag: f"{setting.key}=" for setting in SETTINGS.values()}
    | {"-c": "checkpoint=", "-o": "directory=", "--config": "config=", "--set": "settings="}
)


def as_keywords(text: str) -> str:
    """Return a message as callers from Python need it: with keywords in place of flags.

    >>> as_keywords("no checkpoint at 'a --split.pt': check --checkpoint")
    "no checkpoint at 'a --split.pt': check checkpoint="
    """
    return _FLAG.sub(lambda found: _KEYWORDS.get(found[0], found[0]), text)


def check_results(command: str, settings: Settings) -> None:
    """Refuse the URL of a store as the folder of results, except of ``infer``, which fills a table there.

    Raises:
        SettingsError: The results of another command would go to a store.

    >>> check_results("infer", settings_of({"output.directory": "memory://run"}))
    """
    output = settings.output
    place = output.predictions_path if command == "import-maps" else output.directory
    if command != "infer" and "output.directory" in FLAGS.get(command, ()) and is_url(place):
        reads = "output.predictions" in FLAGS[command] and command != "import-maps"
        raise SettingsError(
            f"'{command}' writes into a folder on this machine, and not to '{place}'",
            hint="name one with -o" + (", and a table in a store with --predictions" if reads else ""),
        )
