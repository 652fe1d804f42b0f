"""Under which names, and where in a checkpoint, training scripts keep what the classifier needs to know.

``docs/reference/checkpoint-facts.md`` lists these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NUMBERED = _words(
    "class_to_idx class_to_index class2idx class_to_id label_to_idx label_to_id label2id "
    "idx_to_class index_to_class idx2class id_to_class idx_to_label id_to_label id2label"
)
"""Names of mappings between classes and the numbers that the training gave them."""


@dataclass(frozen=True, slots=True)
class Aliases:
    """The names of one fact, the more telling ones first.

    Attributes:
        meaning: What the fact is, as notes call it.
        certain: Names that mean nothing else: a value that cannot be used is an error.
        likely: Names that may mean something else: a value that cannot be used is passed over, and said.
        kind: The kind of section in which the names below count, see :data:`SECTIONS`.
        within: Names that count there only, and only where no other name of the fact is used.
    """

    meaning: str
    certain: tuple[str, ...] = ()
    likely: tuple[str, ...] = ()
    kind: str | None = None
    within: tuple[str, ...] = ()

    def of(self, kind: str) -> tuple[str, ...]:
        """Return the names that count in a section of a kind."""
        return (*self.certain, *self.likely, *(self.within if kind == self.kind else ()))


def _aliases(meaning: str, certain: str, likely: str, kind: str | None = None, within: str = "") -> Aliases:
    return Aliases(meaning, _words(certain), _words(likely), kind, _words(within))


FACTS: Mapping[str, Aliases] = MappingProxyType(
    {
        "architecture": _aliases(
            "architecture",
            "backbone architecture arch model_name",
            "model_arch base_model model encoder network net",
            "network",
            "name",
        ),
        "class_names": _aliases(
            "class names",
            " ".join((*NUMBERED, "class_names")),
            "classes class_labels label_names target_names labels names categories class_list class_map label_map",
        ),
        "num_classes": _aliases(
            "number of classes",
            "num_classes",
            "n_classes nb_classes number_of_classes num_class num_labels n_labels classes",
        ),
        "size": _aliases(
            "image size",
            "image_size img_size input_size",
            "imgsz input_shape image_shape resolution",
            "input",
            "crop_size size",
        ),
        "mean": _aliases("mean", "", "image_mean img_mean norm_mean normalize_mean pixel_mean mean means"),
        "std": _aliases("std", "", "image_std img_std norm_std normalize_std pixel_std std stds"),
        "interpolation": _aliases("interpolation", "", "interpolation interpolation_mode resample"),
        "crop_fraction": _aliases("crop_fraction", "", "crop_fraction crop_pct crop_ratio"),
        "resize": _aliases("resize", "", "crop_mode"),
        "channels": _aliases("channels", "", "in_chans in_channels input_channels num_channels"),
        "activation": _aliases(
            "activation",
            "",
            "final_activation output_activation activation problem_type multi_label multilabel bce_loss "
            "loss loss_fn loss_function loss_name criterion",
        ),
    }
)
"""The facts of a checkpoint by the names that this package gives them."""

SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        kind: _words(names)
        for kind, names in {
            "input": "normalization normalisation normalize preprocess preprocessing transform transforms "
            "eval_transform val_transform test_transform image_processor preprocessor_config",
            "data": "data dataset datamodule data_config data_cfg dataset_config",
            "network": "model net network backbone encoder classifier model_config model_cfg model_args model_kwargs",
            "settings": "config cfg configuration hyper_parameters hyperparameters hparams datamodule_hyper_parameters "
            "args opt opts params settings options metadata meta train training",
            "origin": "pretrained_cfg default_cfg",
        }.items()
    }
)
"""The mappings in which facts are looked for, within each other too, by their kind; those of one place in this order.

``origin`` is what timm knows of the weights that a training started from; the number of classes in it is theirs.
"""

BESIDE = ("config.json", "preprocessor_config.json")
"""Files next to the weights in which facts are looked for, after the checkpoint itself."""

_KINDS = {name: kind for kind, names in SECTIONS.items() for name in names}


@dataclass(frozen=True, slots=True)
class Said:
    """One value that a checkpoint has under one of the names of a fact.

    Attributes:
        place: Where it is, such as ``config.data.image_size``.
        key: The name.
        value: The value as stored.
        certain: The name means nothing else there.
    """

    place: str
    key: str
    value: Any
    certain: bool


def find(fact: str, top: Mapping[str, Any], beside: Mapping[str, Mapping[str, Any]]) -> Iterator[Said]:
    """Yield all that a checkpoint says of a fact, in the order in which it counts.

    Args:
        fact: One of :data:`FACTS`.
        top: What the checkpoint holds apart from weights.
        beside: The content of the files next to it, by their names.
    """
    for prefix, kind, section in _sections(top, beside):
        if kind != "origin" or fact != "num_classes":
            yield from _find_in(section, fact, prefix, kind)


def _find_in(section: Mapping[str, Any], fact: str, prefix: str, kind: str) -> Iterator[Said]:
    aliases = FACTS[fact]
    normalisation = kind == "input" and fact in {"mean", "std"}  # anything has a mean, but not there
    certain = {*aliases.certain, *(aliases.likely if normalisation else ())}
    found = [
        Said(f"{prefix}{key}", key, section[key], key in certain) for key in aliases.of(kind) if _says(section.get(key))
    ]
    yield from [said for said in found if said.key not in aliases.within] or found[:1]


def _says(value: object) -> bool:
    """Return whether a value says something; scripts keep empty texts for what was not given."""
    return value is not None and not (isinstance(value, str) and not value)


def _sections(
    top: Mapping[str, Any], beside: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the place, kind and content of each section; what timm knows of the weights before training comes last."""
    seen: set[int] = set()
    found = [*_within_each_other("", "", top, seen)]
    for name, content in beside.items():
        kind = "input" if name == "preprocessor_config.json" else ""
        found += _within_each_other(f"{name}: ", kind, content, seen)
    yield from sorted(found, key=lambda item: item[1] == "origin")


def _within_each_other(
    prefix: str, kind: str, section: Mapping[str, Any], seen: set[int]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield a section and those within it, each once, as a hostile file can hold one in many places."""
    seen.add(id(section))
    yield prefix, kind, section
    for name, inner in _KINDS.items():
        value = section.get(name)
        if isinstance(value, Mapping) and id(value) not in seen:
            yield from _within_each_other(f"{prefix}{name}.", kind if kind == "origin" else inner, value, seen)
