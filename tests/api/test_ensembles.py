"""Several checkpoints that Python code loads as one classifier: means taken by hand from each member alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import btxrd_explain as library
from btxrd_explain.errors import CheckpointError, SettingsError
from tests.support.tiny_study import save_network

if TYPE_CHECKING:
    from pathlib import Path

    from btxrd_explain.finding import Finding
    from btxrd_explain.inference.classifier import LoadedClassifier

bx: Any = library  # what types forbid is called, too
pytestmark = pytest.mark.filterwarnings("ignore::btxrd_explain.finding.FindingWarning")  # random weights
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 50, 40), np.uint8)


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("folds")
    return [save_network(folder / f"fold{seed}.pt", seed=seed) for seed in (0, 3)]


@pytest.fixture(scope="module")
def ensemble(folds: list[Path]) -> LoadedClassifier:
    loaded: LoadedClassifier = library.load_classifier(folds, device="cpu")
    return loaded


def test_explanations_are_the_means_of_the_members(ensemble: LoadedClassifier, folds: list[Path]) -> None:
    alone = [library.explain(library.load_classifier(fold, device="cpu"), list(PIXELS)) for fold in folds]
    together = library.explain(ensemble, list(PIXELS))
    probabilities = np.stack([one.probabilities for one in alone]).astype(np.float64)
    np.testing.assert_allclose(together.probabilities, probabilities.mean(axis=0), atol=1e-6)
    assert together.stds is not None
    np.testing.assert_allclose(together.stds, probabilities.std(axis=0), atol=1e-6)
    compared = 0
    for place in np.ndindex(2, 3):
        maps = [np.maximum(one.grids[place], 0) for one in alone]
        if any(one.statuses[place[0]][place[1]] != "ok" for one in alone):
            continue
        np.testing.assert_allclose(together.grids[place], np.mean([m / m.max() for m in maps], axis=0), atol=1e-5)
        assert together.agreements is not None
        expected = np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1]
        assert together.agreements[place] == pytest.approx(expected, abs=1e-4)
        compared += 1
    assert compared
    assert alone[0].stds is None


def test_an_ensemble_has_members_and_no_network_of_its_own(ensemble: LoadedClassifier) -> None:
    first, second = ensemble.members
    assert first.members == (first,)
    assert first.network is not second.network
    assert ensemble.preprocess(PIXELS[0]).equal(second.preprocess(PIXELS[0]))
    with pytest.raises(ValueError, match=r"^network: an ensemble of 2 has none of its own: take those of \.members$"):
        _ = ensemble.network


def test_interventions_follow_the_mean_probability(ensemble: LoadedClassifier) -> None:
    masks = np.zeros((2, 50, 40), bool)
    masks[:, 10:30, 10:30] = True
    result = library.intervene(ensemble, list(PIXELS), masks, targets=[1, 1], controls=2, resamples=10)
    probabilities = library.explain(ensemble, list(PIXELS)).probabilities[:, 1].astype(np.float64)
    before = result.per_image.column("log_odds").to_pylist()
    np.testing.assert_allclose(before, np.log(probabilities / (1 - probabilities)), atol=1e-4)


def test_members_that_do_not_go_together_are_refused(folds: list[Path], tmp_path: Path) -> None:
    other = save_network(tmp_path / "other.pt", ("Normal", "Malignant"))
    with pytest.raises(CheckpointError, match=r"'fold0.pt' and 'other.pt' do not make an ensemble: class names"):
        library.load_classifier([folds[0], other])
    for checkpoints, kind, message in (
        ([], ValueError, "checkpoint: expected at least one, got none"),
        ([folds[0], 3], TypeError, "checkpoint: expected a path as text or pathlib.Path, got 3"),
        ([folds[0], folds[0]], SettingsError, "name each one once"),
    ):
        with pytest.raises(kind, match=message):
            bx.load_classifier(checkpoints)


def test_a_finding_of_all_members_is_said_once(folds: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Finding] = []
    monkeypatch.setattr("btxrd_explain.progress.AsWarnings.warn", lambda _self, finding: said.append(finding))
    library.load_classifier(folds, device="cpu")
    assert len(said) == len(set(said)) > 0
