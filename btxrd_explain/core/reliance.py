"""What the effects of interventions say: excess over controls, rank among them, and the verdict in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from btxrd_explain.core.statistics import Estimate

LEAST_CONTROLS = 5
"""With fewer controls an image has no rank: chance alone would put the lesion below all of them too often."""
SMALL = 0.1
"""Log-odds that are called small: they change a probability by 0.025 at most."""

RULE = (
    "The mean excess of the log-odds, the effect of taking the lesion away minus the mean effect of its controls, "
    "decides by its 95 % interval: wholly below 0, the class depends on the lesion; wholly above 0, it is held back by "
    f"it; wholly within {SMALL} of 0, it does not depend on it; otherwise it is undecided."
)


class Reliance(StrEnum):
    """How a class depends on the lesions of a data set."""

    DEPENDS = "depends"
    """Without the lesion its log-odds fall by more than without a control."""
    INDEPENDENT = "independent"
    """Lesion and controls make no difference to speak of."""
    OPPOSED = "opposed"
    """Without the lesion its log-odds rise."""
    UNDECIDED = "undecided"
    """The images are too few, or too different."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the excess of a data set shows.

    Attributes:
        outcome: In one word.
        text: In plain words, with the interval and the number of images behind it.
    """

    outcome: Reliance
    text: str


def excess(lesion: NDArray[np.float64], controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the effect of the lesion minus the mean effect of its controls.

    Args:
        lesion: Float64 array of shape ``(images,)``; NaN is undefined.
        controls: Float64 array of shape ``(images, controls)``; NaN where an image has fewer.

    Returns:
        Float64 array of shape ``(images,)``; NaN without a control.

    >>> excess(np.array([-3.0, -1.0]), np.array([[0.0, 1.0], [np.nan, np.nan]])).tolist()
    [-3.5, nan]
    """
    return lesion - mean_of(controls)


def mean_of(controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean along the last axis over what is defined; NaN where nothing is."""
    defined = ~np.isnan(controls)
    counts = defined.sum(axis=-1)
    sums = np.where(defined, controls, 0.0).sum(axis=-1)
    result: NDArray[np.float64] = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return result


def rank_of(lesion: NDArray[np.float64], controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of the lesion's effect among its controls', 1 for one below all of them.

    Where lesion and controls are alike, each of the ``k + 1`` ranks is as likely: with 9 controls rank 1 comes in 10 %
    of the images by chance. Equal effects count as below.

    Args:
        lesion: See :func:`excess`.
        controls: Likewise.

    Returns:
        Float64 array of shape ``(images,)``, from 1 to ``k + 1``; NaN with fewer than :data:`LEAST_CONTROLS` controls.

    >>> rank_of(np.array([-3.0, -3.0]), np.array([[0, 1, 2, -4, 2.0], [0, 1, 2, 3, np.nan]])).tolist()
    [2.0, nan]
    """
    ranks = 1.0 + (controls <= lesion[..., None]).sum(axis=-1)
    known = ~np.isnan(lesion) & ((~np.isnan(controls)).sum(axis=-1) >= LEAST_CONTROLS)
    return np.where(known, ranks, np.nan)


def judge_reliance(found: Estimate, what: str = "the lesion") -> Judgement:
    """Return what the mean excess of a data set shows; the rule is :data:`RULE`.

    Args:
        found: Mean excess of the log-odds.
        what: What was taken away.

    Returns:
        What it shows.

    >>> from btxrd_explain.core.statistics import Estimate
    >>> judge_reliance(Estimate(-2.0, -3.0, -1.0, 40, 40)).outcome
    <Reliance.DEPENDS: 'depends'>
    >>> print(judge_reliance(Estimate(-2.0, -3.0, -1.0, 40, 40)).text)
    The class depends on the lesion: without the lesion the log-odds of the class change by -2.00 [-3.00, -1.00] (95 % \
interval, n = 40), compared with other tissue.
    """
    if found.value is None or found.low is None or found.high is None:
        return Judgement(Reliance.UNDECIDED, f"Undecided: {_few(found)} with an excess over controls.")
    if found.high < 0:
        outcome, text = Reliance.DEPENDS, f"The class depends on {what}"
    elif found.low > 0:
        outcome, text = Reliance.OPPOSED, f"The class is held back by {what}"
    elif _is_small(found):
        outcome, text = Reliance.INDEPENDENT, f"The class does not depend on {what}"
    else:
        outcome, text = Reliance.UNDECIDED, f"Undecided whether the class depends on {what}"
    changed = f"without {what} the log-odds of the class change by {_interval(found)}, compared with other tissue"
    return Judgement(outcome, f"{text}: {changed}.")


def judge_change(found: Estimate, condition: str) -> Judgement:
    """Return what the mean change of a data set shows that has no control, by its interval as :data:`RULE` does.

    Args:
        found: Mean change of the log-odds.
        condition: What was done to the radiograph, such as ``Without its border``.

    Returns:
        What it shows.

    >>> from btxrd_explain.core.statistics import Estimate
    >>> judge_change(Estimate(0.01, -0.01, 0.03, 40, 40), "Without its border").text
    'Without its border the class is as it was: its log-odds change by +0.01 [-0.01, +0.03] (95 % interval, n = 40).'
    """
    if found.value is None or found.low is None or found.high is None:
        return Judgement(Reliance.UNDECIDED, f"{condition}: {_few(found)}.")
    if found.high < 0 or found.low > 0:
        outcome = Reliance.DEPENDS if found.high < 0 else Reliance.OPPOSED
        text = "the class is " + ("less" if found.high < 0 else "more") + " likely"
    elif _is_small(found):
        outcome, text = Reliance.INDEPENDENT, "the class is as it was"
    else:
        outcome, text = Reliance.UNDECIDED, "it is undecided whether the class changes"
    return Judgement(outcome, f"{condition} {text}: its log-odds change by {_interval(found)}.")


def _is_small(found: Estimate) -> bool:
    return found.low is not None and found.high is not None and max(-found.low, found.high) <= SMALL


def _interval(found: Estimate) -> str:
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}] (95 % interval, n = {found.n})"


def _few(found: Estimate) -> str:
    if found.units < found.n:
        return f"{found.n} values of only {found.units} independent image{'s' * (found.units > 1)}"
    return "no image" if not found.n else f"only {found.n} image{'s' * (found.n > 1)}"
