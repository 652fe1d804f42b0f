"""Log-odds of scores against the probabilities that they stand for."""

from __future__ import annotations

import pytest
import torch

from btxrd_explain.core.choices import Activation
from btxrd_explain.model.scores import log_odds


@pytest.mark.parametrize(
    ("activation", "probabilities"),
    [
        (Activation.SOFTMAX, lambda scores: scores.softmax(dim=1)),
        (Activation.SIGMOID, torch.sigmoid),
        (Activation.NONE, lambda scores: scores),
    ],
)
def test_they_are_those_of_the_probabilities(activation: Activation, probabilities: object) -> None:
    scores = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = torch.logit(probabilities(scores))  # type: ignore[operator]
    assert torch.allclose(log_odds(scores, activation), wanted, atol=1e-9)


def test_they_do_not_saturate_where_probabilities_do() -> None:
    scores = torch.tensor([[60.0, 0.0, 0.0]])
    found = log_odds(scores, Activation.SOFTMAX)
    assert found.dtype == torch.float64
    assert found[0, 0].item() == pytest.approx(60 - torch.tensor(2.0, dtype=torch.float64).log().item())
    assert torch.isfinite(log_odds(torch.tensor([[1.0, 0.0]]), Activation.NONE)).all()
