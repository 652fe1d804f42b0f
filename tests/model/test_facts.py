"""What checkpoints say under the names that training scripts use, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from btxrd_explain.core.choices import Activation, Interpolation, ResizeMode
from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.aliases import FACTS, NUMBERED, SECTIONS
from btxrd_explain.model.facts import Facts, facts_of, found_note, require_facts
from btxrd_explain.model.location import Beside

NAMES = ("Benign", "Malignant", "Normal")
SAMPLES: dict[str, tuple[Any, Any]] = {
    "architecture": ("resnet10t", "resnet10t"),
    "class_names": (list(NAMES), NAMES),
    "num_classes": (3, 3),
    "size": ((3, 96, 96), Size(96, 96)),
    "mean": ([0.5, 0.4, 0.3], (0.5, 0.4, 0.3)),
    "std": ((0.25, 0.2, 0.1), (0.25, 0.2, 0.1)),
    "interpolation": ("bicubic", Interpolation.BICUBIC),
    "crop_fraction": (0.9, 0.9),
    "resize": ("squash", ResizeMode.SQUASH_CROP),
    "channels": (1, 1),
    "activation": ("BCEWithLogitsLoss", Activation.SIGMOID),
}
"""What stands in a checkpoint, and what it means."""
CASES = [(kind, fact, name) for kind in ("", *SECTIONS) for fact, aliases in FACTS.items() for name in aliases.of(kind)]


def _said(top: dict[str, Any], **beside: dict[str, Any]) -> Facts:
    return facts_of(Path("c.pt"), top, Beside({f"{name}.json": content for name, content in beside.items()}))


def _value(facts: Facts, fact: str) -> Any:  # noqa: ANN401 -- any fact
    return (
        facts.preprocessing.get(fact)
        if fact in {"size", "mean", "std", "interpolation", "crop_fraction", "resize"}
        else getattr(facts, fact)
    )


def test_there_are_samples_of_all_facts() -> None:
    assert SAMPLES.keys() == FACTS.keys()
    assert len(CASES) > 300


@pytest.mark.parametrize("kind", ["", *SECTIONS])
def test_each_name_is_found_at_the_top_and_in_each_section(kind: str) -> None:
    for _, fact, name in (case for case in CASES if case[0] == kind):
        stored, meant = SAMPLES[fact]
        if name in {"multi_label", "multilabel", "bce_loss"}:
            stored = True
        for section in SECTIONS.get(kind, [""]):
            top = {section: {name: stored}} if section else {name: stored}
            expected = None if (kind, fact) == ("origin", "num_classes") else meant
            facts = _said(top)
            assert _value(facts, fact) == expected, (section, name)
            assert facts.places.get(fact) == (f"{section}.{name}".lstrip(".") if expected is not None else None)
            assert not facts.findings
            assert not facts.unused


@pytest.mark.parametrize("name", NUMBERED)
def test_each_mapping_of_classes_and_numbers(name: str) -> None:
    """Whichever way it goes, and with the numbers as text as JSON has them."""
    numbers = {"Normal": 2, "Benign": 0, "Malignant": 1}
    for mapping in (
        numbers,
        {number: key for key, number in numbers.items()},
        {"2": "Normal", "0": "Benign", "1": "Malignant"},
    ):
        facts = _said({"hyper_parameters": {name: mapping}})
        assert (facts.class_names, facts.numbered) == (NAMES, True)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"a": 0, "b": 2}, r"class_to_idx: .*numbers of the classes are 0, 2, not 0 to 1"),
        ({"a": 1, "b": 2}, "are 1, 2, not 0 to 1"),
        ({"a": 0, "b": 0}, "are 0, 0, not 0 to 1"),
        ({"a": "b"}, "invalid literal"),
    ],
)
def test_numbers_that_leave_the_order_open(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        _said({"class_to_idx": mapping})


def test_placeholders_are_no_names() -> None:
    facts = _said({}, config={"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
    assert facts.class_names is None
    assert facts.unused == ("config.json: id2label ('LABEL_0' is not a name that somebody gave)",)


@pytest.mark.parametrize(
    ("top", "fact", "value", "place"),
    [
        ({"arch": "resnet10t", "config": {"model": {"dropout": 0.2}}}, "architecture", "resnet10t", "arch"),
        ({"config": {"model": {"name": "resnet10t"}}}, "architecture", "resnet10t", "config.model.name"),
        ({"model": {"name": "Net", "backbone": "resnet10t"}}, "architecture", "resnet10t", "model.backbone"),
        ({"hyper_parameters": {"net": {"model_name": "a"}}}, "architecture", "a", "hyper_parameters.net.model_name"),
        ({"classes": 3}, "num_classes", 3, "classes"),
        ({"arch": "hf_hub:timm/resnet10t.c3_in1k"}, "architecture", "resnet10t.c3_in1k", "arch"),
        ({"class_to_idx": {"b": "1", "a": "0"}}, "class_names", ("a", "b"), "class_to_idx"),
        ({"class_to_idx": {"7": 1, "3": 0}}, "class_names", ("3", "7"), "class_to_idx"),
        ({"idx_to_class": {"1": "7", "0": "3"}}, "class_names", ("3", "7"), "idx_to_class"),
        ({"input_size": [64, 96, 3]}, "size", Size(64, 96), "input_size"),
        ({"mean": 0.5, "std": 0.25}, "mean", (0.5,), "mean"),
        ({"mean": 0.5, "std": 0.25}, "std", (0.25,), "std"),
        ({"preprocess": {"mean": 0.5}}, "mean", (0.5,), "preprocess.mean"),
        ({"transform": {"size": {"height": 64, "width": 64}}}, "size", Size(64, 64), "transform.size"),
        ({"transform": {"size": 256, "crop_size": 224}}, "size", Size(224, 224), "transform.crop_size"),
        ({"image_processor": {"size": {"shortest_edge": 64}}}, "size", Size(64, 64), "image_processor.size"),
        ({"args": {"interpolation": "InterpolationMode.BICUBIC"}}, "interpolation", "bicubic", "args.interpolation"),
        ({"preprocess": {"resample": 3}}, "interpolation", "bicubic", "preprocess.resample"),
        ({"args": {"img_size": None, "input_size": [3, 96, 96]}}, "size", Size(96, 96), "args.input_size"),
    ],
)
def test_dialects(top: dict[str, Any], fact: str, value: object, place: str) -> None:
    facts = _said(top)
    assert _value(facts, fact) == value
    assert facts.places[fact] == place
    assert not facts.findings


@pytest.mark.parametrize(
    ("top", "activation"),
    [
        ({"loss": 0.41}, None),
        ({"model": {"activation": "relu"}}, None),
        ({"criterion": "CrossEntropyLoss"}, Activation.SOFTMAX),
        ({"config": {"loss": {"name": "binary_cross_entropy"}}}, Activation.SIGMOID),
        ({"args": {"bce_loss": True}}, Activation.SIGMOID),
        ({"args": {"bce_loss": False}}, None),
        ({"multi_label": True}, Activation.SIGMOID),
        ({"problem_type": "multi_label_classification"}, Activation.SIGMOID),
        ({"problem_type": "single_label_classification"}, Activation.SOFTMAX),
        ({"loss": "focal"}, None),
    ],
)
def test_losses_and_activations(top: dict[str, Any], activation: Activation | None) -> None:
    assert _said(top).activation is activation


def test_files_beside_the_weights_come_after_them() -> None:
    config = {"architecture": "resnet10t", "label_names": list(NAMES), "pretrained_cfg": {"input_size": [3, 64, 64]}}
    processor = {"image_mean": [0.5], "image_std": [0.25], "size": {"height": 64, "width": 64}, "resample": 2}
    facts = _said({}, config=config, preprocessor_config=processor)
    assert (facts.architecture, facts.class_names) == ("resnet10t", NAMES)
    assert facts.preprocessing == {"size": Size(64, 64), "mean": (0.5,), "std": (0.25,), "interpolation": "bilinear"}
    assert facts.places["size"] == "preprocessor_config.json: size"
    assert not facts.findings
    assert _said({"arch": "a"}, config=config).places["architecture"] == "arch"


@pytest.mark.parametrize(
    ("top", "told"),
    [
        (
            {"image_size": 96, "args": {"img_size": 224}},
            "the checkpoint says image size 96 (image_size) and 224 (args.img_size), and 96 is used",
        ),
        (
            {"class_to_idx": {"a": 0, "b": 1}, "class_names": ["b", "a"]},
            "the checkpoint says class names a, b (class_to_idx) and b, a (class_names), and a, b is used",
        ),
        (
            {"config": {"mean": [0.5], "data": {"mean": [0.4]}}},
            "the checkpoint says mean 0.5 (config.mean) and 0.4 (config.data.mean), and 0.5 is used",
        ),
    ],
)
def test_places_that_contradict_each_other(top: dict[str, Any], told: str) -> None:
    (finding,) = _said(top).findings
    assert (finding.code, finding.message) == ("checkpoint-contradicts", told)


def test_places_that_agree_do_not() -> None:
    args = {"model": "resnet10t", "img_size": 96, "mean": (0.5, 0.5, 0.5), "num_classes": 3}
    origin = {"architecture": "resnet10t", "num_classes": 1000}
    top = {
        "arch": "resnet10t.c3_in1k",
        "image_size": [96, 96],
        "mean": [0.5] * 3,
        "args": args,
        "pretrained_cfg": origin,
    }
    assert not _said(top).findings
    assert _said(top).num_classes == 3


def test_what_may_be_something_else_is_passed_over_and_named() -> None:
    top = {"labels": [0, 1, 1, 0], "std": [0.0], "interpolation": "random", "arch": "resnet10t"}
    (note,) = found_note(_said(top))
    assert note == (
        "the checkpoint says architecture resnet10t (arch); "
        "not used of the checkpoint: labels (a class name is an int), "
        "std (a standard deviation of the normalisation is not above 0), "
        "interpolation ('random' is not a valid Interpolation)"
    )
    assert found_note(_said({"mean": 0.93, "classes": 3, "epoch": 7})) == [
        "the checkpoint says number of classes 3 (classes)"
    ]
    assert found_note(_said({"epoch": 7})) == []


def test_sections_that_hold_one_another_are_gone_through_once() -> None:
    """Each of eight levels has all sections, and all of them are one: 50 to the power of 8 ways."""
    names = [name for kind in SECTIONS.values() for name in kind]
    section: dict[str, Any] = {"img_size": 96}
    for _ in range(8):
        section = dict.fromkeys(names, section)
    assert _said(section).preprocessing["size"] == Size(96, 96)


def _require(facts: Facts, **wishes: Any) -> str:  # noqa: ANN401 -- handed on
    wishes = {"architecture": None, "factory": None, "class_names": None, "sized": False} | wishes
    with pytest.raises(CheckpointError) as caught:
        require_facts(Path("c.pt"), facts, **wishes)
    return str(caught.value)


def test_all_that_is_missing_is_one_error() -> None:
    told = _require(_said({"names": 7}))
    assert told.startswith("'c.pt' does not say the architecture, the class names (not used: names (")
    assert all(flag in told for flag in ("--architecture", "--factory", "--class-names"))
    told = _require(Facts(), factory="net:build")
    assert told.startswith("'c.pt' does not say the class names, the image size: give --class-names")
    assert "--image-size" in told


def test_class_names_in_another_order_than_the_numbers() -> None:
    numbered = _said({"class_to_idx": {"Benign": 0, "Malignant": 1, "Normal": 2}, "arch": "a"})
    told = _require(numbered, class_names=("Normal", "Benign", "Malignant"))
    assert (
        "numbers the classes Benign, Malignant, Normal (class_to_idx), and the settings say Normal, Benign, Malig"
        in told
    )
    others: dict[str, Any] = {"architecture": None, "factory": None, "sized": False}
    require_facts(Path("c.pt"), numbered, class_names=NAMES, **others)
    require_facts(Path("c.pt"), numbered, class_names=("benign", "malignant", "normal"), **others)
    listed = _said({"class_names": list(NAMES), "arch": "a"})
    require_facts(Path("c.pt"), listed, class_names=("Normal", "Benign", "Malignant"), **others)
