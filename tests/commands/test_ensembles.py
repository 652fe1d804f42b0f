"""Several checkpoints as one classifier: means taken by hand from the runs of each, through all commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from btxrd_explain import api
from btxrd_explain.core.heatmap import MapStatus
from btxrd_explain.errors import SettingsError
from btxrd_explain.inference.loading import load_explainer
from btxrd_explain.inference.request import build_request
from btxrd_explain.model.engine import Explanation
from btxrd_explain.model.ensemble import averaged
from btxrd_explain.predictions.table import open_table
from btxrd_explain.settings import load_settings
from tests.support.command_line import run
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("blank_figures")

NAMES = ("Normal", "Benign", "Malignant")
COUNT = 6
MEMBERS = ("fold0/best.pt", "fold1/best.pt", "other.pt")
NETWORKS = (("test_resnet", 0), ("test_resnet", 3), ("test_vit", 0))
"""Architectures with the seeds of their weights: both ResNets have maps of the last two classes alone."""
PREPROCESS = {
    "image_size": 64,
    "resize": "squash",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "interpolation": "bilinear",
}


def _save(path: Path, architecture: str, seed: int, **facts: Any) -> None:  # noqa: ANN401 -- whatever a checkpoint says
    sized = {"img_size": 64} if "vit" in architecture else {}
    save_network(path, architecture=architecture, options=sized, side=None, seed=seed, **facts)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, write_root: Callable[[Path, int], None]) -> Path:
    """Six radiographs, three checkpoints of two architectures with different grids, and the table of each run."""
    folder = tmp_path_factory.mktemp("ensemble")
    write_root(folder, COUNT)
    for number, (member, (architecture, seed)) in enumerate(zip(MEMBERS, NETWORKS, strict=True)):
        _save(folder / member, architecture, seed)
        _infer(folder, f"alone{number}", member)
    _infer(folder, "out", *MEMBERS)
    return folder


def _flags(folder: Path, out: str, members: tuple[str, ...]) -> list[str]:
    root, table = folder / "BTXRD", folder / "split.csv"
    flags = [str(root), "--split-csv", str(table), "-o", str(folder / out), "--device", "cpu"]
    flags += [f"--checkpoint={folder / member}" for member in members]
    return flags + [part for name, value in PREPROCESS.items() for part in ("--set", f"preprocess.{name}={value}")]


def _infer(folder: Path, out: str, *members: str, code: int = 0) -> Any:  # noqa: ANN401 -- as above
    return run("infer", *_flags(folder, out, members), "--json", code=code)


def _rows(folder: Path, out: str) -> list[Any]:
    return list(open_table(folder / out / "predictions.parquet").rows())


def _by_hand(members: list[Any], index: int) -> list[NDArray[np.float64]]:
    """The maps of one class: positive evidence over its maximum, or nothing, brought to 4 x 4 cells."""
    maps = []
    for member in members:
        positive = np.maximum(member.grid(index).astype(np.float64), 0)
        scaled = positive / positive.max() if member.grid_statuses[index] == "ok" else positive * 0
        maps.append(np.asarray(cv2.resize(scaled, (4, 4), interpolation=cv2.INTER_LINEAR)))
    return maps


def test_an_ensemble_is_the_mean_of_its_members(place: Path) -> None:
    alone, together = [_rows(place, f"alone{seed}") for seed in range(3)], _rows(place, "out")
    assert len({rows[0].grids.shape for rows in alone}) > 1  # their grids differ
    compared = 0
    for row, *members in zip(together, *alone, strict=True):
        probabilities = np.array([member.probabilities for member in members], np.float64)
        np.testing.assert_allclose(row.probabilities, probabilities.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(row.member_stds, probabilities.std(axis=0), atol=1e-6)
        for index in range(3):
            maps = _by_hand(members, index)
            np.testing.assert_allclose(row.grid(index), np.mean(maps, axis=0), atol=1e-5)
            if any(member.grid_statuses[index] != "ok" for member in members):
                assert row.map_agreement(index) is None
                continue
            matrix = np.corrcoef([one.ravel() for one in maps])
            assert row.map_agreement(index) == pytest.approx(matrix[np.triu_indices(3, 1)].mean(), abs=1e-5)
            compared += 1
    assert compared == 2 * COUNT


def test_infer_says_how_far_apart_the_members_are(place: Path) -> None:
    result = _infer(place, "out", *MEMBERS)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    for line, row in zip(lines, _rows(place, "out"), strict=True):
        true = NAMES.index(line["label"])
        assert line["spread"]["true_class"] == pytest.approx(row.member_stds[true])
        assert line["spread"]["map_agreement"] == row.map_agreement(row.predicted)
        assert list(line["spread"]["probabilities"]) == list(NAMES)
    text = run("infer", *_flags(place, "out", MEMBERS)).stdout
    assert "an ensemble of 3: mean agreement of its members' heat maps" in " ".join(text.split())
    image = place / "BTXRD" / "images" / "IMG000001.jpeg"
    text = run("infer", image, *_flags(place, "one", MEMBERS)[1:]).stdout
    assert "members: agreement of their heat maps" in text
    assert " ± " in text


def test_every_command_takes_an_ensemble(place: Path) -> None:
    flags = _flags(place, "out", MEMBERS)
    for command in ("gallery", "performance", "annotate-iou", "report"):
        run(command, *flags)
    rows = {row.image_id: row for row in _rows(place, "out")}
    metrics = pq.read_table(place / "out" / "annotation_metrics.parquet").to_pylist()
    measured = [line for line in metrics if line["target_class"] is not None]
    assert measured
    for line in measured:
        row, index = rows[line["image_id"]], NAMES.index(line["target_class"])
        assert line["true_class_std"] == row.member_std(NAMES.index(line["class"]))
        assert line["map_agreement"] == row.map_agreement(index)
    report = json.loads((place / "out" / "annotation_report.json").read_text("utf-8"))
    assert report["provenance"]["checkpoint"] == ", ".join(MEMBERS[:2]) + ", other.pt"
    page = next((place / "out").glob("*.html")).read_text("utf-8")
    assert f'"std":{_shortest(rows["IMG000001.jpeg"].member_std(1))}' in page.replace(": ", ":")
    tables = [place / name / "predictions.parquet" for name in ("out", "alone0")]
    run("compare", *tables, "--annotations", place / "BTXRD" / "Annotations", "-o", place / "compared")
    arrow = api.read_predictions(tables[0]).to_arrow().to_pylist()
    assert [line["map_agreement"] for line in arrow] == [row.map_agreement(row.predicted) for row in rows.values()]


def _shortest(value: float) -> str:
    return json.dumps(value)


def test_equal_members_agree(place: Path) -> None:
    shutil.copy(place / MEMBERS[0], place / "copy.pt")
    result = _infer(place, "equal", MEMBERS[0], "copy.pt")
    assert "2 checkpoints hold 1 different ones" in " ".join(result.stderr.split())
    agreements = []
    for row, member in zip(_rows(place, "equal"), _rows(place, "alone0"), strict=True):
        assert row.probabilities.tobytes() == member.probabilities.tobytes()
        assert not row.member_stds.any()
        agreements += [row.map_agreement(index) for index in range(3) if row.grid_statuses[index] == "ok"]
    assert agreements
    np.testing.assert_allclose(agreements, 1, atol=1e-6)


def test_the_order_of_members_is_nothing_and_one_is_as_before(place: Path) -> None:
    made = [open_table(place / out / "predictions.parquet").provenance for out in ("out", "alone0")]
    result = run("infer", *_flags(place, "out", MEMBERS[::-1]))
    assert "0 computed now" in result.stdout
    assert len(made[0].request["members"]) == 3
    assert made[0].members == MEMBERS
    assert "members" not in made[1].request
    assert not made[1].members
    single = pq.read_schema(place / "alone0" / "predictions.parquet").names
    assert {"member_stds", "map_agreements"}.isdisjoint(single)


def test_only_classes_that_are_asked_for_are_explained_by_all_members(place: Path) -> None:
    run("infer", *_flags(place, "some", MEMBERS), "--explain-classes", "predicted")
    for some, every in zip(_rows(place, "some"), _rows(place, "out"), strict=True):
        assert [index for index, there in enumerate(some.computed) if there] == [every.predicted]
        np.testing.assert_allclose(some.grid(every.predicted), every.grid(every.predicted), atol=1e-6)
        assert some.map_agreement(every.predicted) == pytest.approx(every.map_agreement(every.predicted), abs=1e-5)


@pytest.mark.parametrize(
    ("facts", "flags", "difference"),
    [
        ({"class_names": ["Benign", "Normal", "Malignant"]}, (), "class names 'Normal, Benign, Malignant' and"),
        ({"config": {"model": {"activation": "sigmoid"}}}, (), "activation softmax and sigmoid"),
        ({"mean": [0.4, 0.4, 0.4]}, (), "preprocessing: mean"),
    ],
)
def test_members_that_differ_are_named(
    place: Path, facts: dict[str, Any], flags: tuple[str, ...], difference: str
) -> None:
    _save(place / "unlike.pt", "test_resnet", 7, **facts)
    result = _infer(place, "none", MEMBERS[0], "unlike.pt", *flags, code=3)
    said = " ".join(result.stderr.split())
    assert "'best.pt' and 'unlike.pt' do not make an ensemble" in said
    assert difference in said


def test_layers_of_members_that_are_alike(place: Path) -> None:
    root, members = place / "BTXRD", [place / name for name in MEMBERS]
    alone, both = (api.layers(root=root, checkpoint=paths, image_size=64) for paths in (members[0], members[:2]))
    assert both.layers == alone.layers
    assert both.notes[0].startswith("all 2 members of the ensemble have these layers")
    with pytest.raises(
        SettingsError, match=r"other.pt' has other layers or another input than .*give checkpoint= once"
    ):
        api.layers(root=root, checkpoint=members, image_size=64)


def test_sanity_makes_all_members_random_together(place: Path) -> None:
    result = run("sanity", *_flags(place, "sane", MEMBERS[:2]), "--sample", 3, "--stages", 2, "--steps", 4)
    report = json.loads((place / "sane" / "sanity_report.json").read_text())
    assert report["provenance"]["members"] == list(MEMBERS[:2])
    assert "ensemble" in " ".join(result.stderr.split())
    refused = run("sanity", *_flags(place, "none", MEMBERS), "--sample", 3, code=2)
    assert "of different architectures, whose weights cannot be made random together" in " ".join(
        refused.stderr.split()
    )


def test_networks_of_an_ensemble_are_exchanged_one_by_one(place: Path) -> None:
    """The mean of the first network twice is the first network."""
    settings = load_settings(
        None, {"model.checkpoint": [str(place / name) for name in MEMBERS[:2]], "preprocess.image_size": 64}, environ={}
    ).settings
    explainer = load_explainer(settings, build_request(settings))
    first, second = (member.classifier.network for member in explainer.members)
    batch = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = first(batch).softmax(1)
        mean = (expected + second(batch).softmax(1)) / 2
    torch.testing.assert_close(explainer.probabilities(batch), mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        explainer.with_networks([first, first]).probabilities(batch), expected, rtol=0, atol=1e-6
    )
    torch.testing.assert_close(explainer.log_odds(batch), torch.logit(mean.double()), rtol=0, atol=1e-4)


def test_interventions_follow_the_log_odds_of_the_mean(place: Path) -> None:
    run("intervene", *_flags(place, "changed", MEMBERS), "--controls", 1, "--margins", "0")
    rows = pq.read_table(place / "changed" / "intervention_metrics.parquet").to_pylist()
    table = {row.image_id: row for row in _rows(place, "changed")}
    assert len(rows) == COUNT
    for row in rows:
        index = NAMES.index(row["target_class"])
        probability = float(table[row["image_id"]].probabilities[index])
        assert row["log_odds"] == pytest.approx(np.log(probability / (1 - probability)), abs=1e-4)


@pytest.mark.filterwarnings("ignore::btxrd_explain.finding.FindingWarning")  # random weights
def test_an_ensemble_in_python_says_what_the_commands_store(place: Path) -> None:
    ensemble = api.load_classifier([place / name for name in MEMBERS], device="cpu", **PREPROCESS)
    rows = _rows(place, "out")
    found = api.explain(ensemble, [place / "BTXRD" / "images" / row.image_id for row in rows])
    for ours, name in (
        (found.probabilities, "probabilities"),
        (found.grids, "grids"),
        (found.stds, "member_stds"),
        (found.agreements, "map_agreements"),
    ):
        assert ours is not None
        np.testing.assert_allclose(ours, np.stack([getattr(row, name) for row in rows]), atol=1e-5, err_msg=name)
    assert found.statuses == tuple(row.grid_statuses for row in rows)


def test_settings_take_one_checkpoint_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model:\n  checkpoint: [a.pt, 'b, c.pt']\n")
    several = load_settings(tmp_path / "c.yaml", environ={}).settings.model.checkpoint
    assert [str(path) for path in several] == ["a.pt", "b, c.pt"]  # type: ignore[union-attr]
    for text, expected in (("a, b.pt", "a, b.pt"), ("[a.pt]", "a.pt")):
        one = load_settings(None, assignments=[f"model.checkpoint={text}"], environ={}).settings.model.checkpoint
        assert str(one) == expected
    result = run("infer", tmp_path, "-c", "a.pt", "-c", "a.pt", code=2)
    assert "name each one once" in " ".join(result.stderr.split())


def test_a_map_without_evidence_counts_as_nothing_and_a_broken_one_is_said() -> None:
    usable, none, broken = MapStatus.OK, MapStatus.NO_POSITIVE_EVIDENCE, MapStatus.NON_FINITE
    one = _explanation([[2.0, 4.0], [1.0, 3.0], [1.0, 2.0]], (usable, usable, none))
    other = _explanation([[-1.0, -2.0], [np.nan, 1.0], [-1.0, -3.0]], (none, broken, none))
    both = averaged([one, other])
    assert both.statuses == ((usable, broken, none),)
    np.testing.assert_array_equal(both.grids[0, 0], [[0.25, 0.5]])
    assert both.agreements is not None
    assert np.isnan(both.agreements).all()


def test_a_member_whose_attributions_do_not_add_up_is_not_left_out_in_silence() -> None:
    whole = _explanation([[1, 0], [1, 0], [1, 0]], (MapStatus.OK,) * 3)
    other = (MapStatus.INCOMPLETE, MapStatus.OK, MapStatus.NO_POSITIVE_EVIDENCE)
    result = averaged([whole, _explanation([[1, 4], [1, 4], [0, -4]], other)])
    assert result.statuses == ((MapStatus.INCOMPLETE, MapStatus.OK, MapStatus.OK),)


def test_maps_of_random_channels_are_averaged_draw_by_draw_as_those_of_classes() -> None:
    statuses = (MapStatus.OK,) * 3
    draws = [[[[2.0, -4.0]], [[1.0, 1.0]]], [[[1.0, 4.0]], [[np.nan, 1.0]]]]
    one, other = (
        replace(_explanation([[1, 2]] * 3, statuses), random_channels=np.array([of_member], np.float32))
        for of_member in draws
    )
    found = averaged([one, other]).random_channels
    assert found is not None
    np.testing.assert_allclose(found[0, 0], [[(1 + 0.25) / 2, (0 + 1) / 2]])
    assert np.isnan(found[0, 1]).all()
    assert averaged([one, replace(other, random_channels=None)]).random_channels is None


def _explanation(grids: list[list[float]], statuses: tuple[MapStatus, ...]) -> Explanation:
    return Explanation(np.full((1, 3), 1 / 3, np.float32), np.array(grids, np.float32)[None, :, None], (statuses,))
