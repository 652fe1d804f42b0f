"""What randomised weights say about heat maps, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from btxrd_explain.core.statistics import Estimate

LIMIT = 0.5
"""Rank correlation from which two maps are called alike: they share a quarter of the variance of their ranks."""
_UNMOVED = 0.95

RULE = (
    "With all weights random, the mean Spearman correlation between the maps before and after decides by its 95 % "
    f"interval: wholly below {LIMIT}, the maps change with the weights; wholly at or above {LIMIT}, they survive "
    "random weights; otherwise it is undecided. Maps that vanish have no correlation; where more than half of them "
    "vanish, the maps change with the weights. Maps whose attributions do not add up are not compared; where more than "
    "half of them are such, it is undecided."
)


class Outcome(StrEnum):
    """What the randomisation of weights does to heat maps."""

    CHANGE = "change"
    """They change with the weights, as an explanation of the model must."""
    SURVIVE = "survive"
    """They stay much the same whatever the weights are."""
    UNDECIDED = "undecided"
    """The images are too few, or the maps neither clearly the same nor clearly others."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the randomisation shows.

    Attributes:
        outcome: In one word.
        text: In plain words, one or two sentences.
        remarks: What else a reader should know, a sentence each.
    """

    outcome: Outcome
    text: str
    remarks: tuple[str, ...] = ()


def judge_randomisation(
    last: Estimate,
    *,
    vanished: int,
    incomplete: int = 0,
    head: Estimate | None = None,
    different: Estimate | None = None,
) -> Verdict:
    """Return what the randomisation shows; the rule is :data:`RULE`.

    Args:
        last: Mean Spearman correlation of the maps before and after all weights became random.
        vanished: Number of images whose map then holds no evidence.
        incomplete: Number of images whose attributions then do not add up.
        head: The same after the head alone became random; None leaves it out.
        different: The same between the trained network's maps of different images; None leaves it out.

    Returns:
        The verdict.

    >>> from btxrd_explain.core.statistics import Estimate
    >>> judge_randomisation(Estimate(0.98, 0.97, 0.99, 32, 32), vanished=0).outcome
    <Outcome.SURVIVE: 'survive'>
    """
    outcome, reason = _outcome(last, vanished, incomplete)
    text = {
        Outcome.CHANGE: f"The maps change with the weights: {reason}.",
        Outcome.SURVIVE: f"The maps survive random weights: {reason}. A map that survives random weights says nothing "
        "about the model.",
        Outcome.UNDECIDED: f"Undecided: {reason}. "
        + ("Take another method." if _most_are(incomplete, last, vanished) else "Take more images."),
    }[outcome]
    left_out = (f"{incomplete} maps are not compared: their attributions do not add up.",) if incomplete else ()
    return Verdict(outcome, text, (*left_out, *_remarks(outcome, head, different)))


def _remarks(outcome: Outcome, head: Estimate | None, different: Estimate | None) -> Iterator[str]:
    if outcome is not Outcome.SURVIVE and head is not None and head.low is not None and head.low >= _UNMOVED:
        yield (
            f"With the head alone random they stay as they are (correlation {head.value:.2f}): they show what the "
            "network sees, not what speaks for the class."
        )
    if different is not None and different.low is not None and different.low >= LIMIT:
        yield (
            f"Maps of different images are alike (correlation {different.value:.2f}): they show where this network "
            "usually looks, more than what is in the image."
        )


def _most_are(incomplete: int, last: Estimate, vanished: int) -> bool:
    return incomplete > last.n + vanished


def _outcome(last: Estimate, vanished: int, incomplete: int) -> tuple[Outcome, str]:
    if _most_are(incomplete, last, vanished):
        count = last.n + vanished + incomplete
        text = f"with all weights random, the attributions of {incomplete} of {count} maps do not add up"
        return Outcome.UNDECIDED, text
    if vanished > last.n:
        return Outcome.CHANGE, f"with all weights random, {vanished} of {vanished + last.n} maps hold no evidence"
    if last.value is None or last.low is None or last.high is None:
        return Outcome.UNDECIDED, f"with all weights random, only {last.n} maps can be compared"
    reason = (
        f"with all weights random, they correlate with those of the trained network at {last.value:.2f} "
        f"[{last.low:.2f}, {last.high:.2f}] (95 % interval, n = {last.n})"
    )
    if last.high < LIMIT:
        return Outcome.CHANGE, reason
    return (Outcome.SURVIVE if last.low >= LIMIT else Outcome.UNDECIDED), reason
