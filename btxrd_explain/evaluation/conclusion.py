"""What the numbers of a report say, in sentences; from their intervals alone, so that nothing new is claimed.

A difference counts where its 95 % interval leaves out 0. Intervals are not adjusted for the number of sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.evaluation.protocol import OF_NETWORK, MapKind
from btxrd_explain.finding import listed
from btxrd_explain.plain import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from btxrd_explain.evaluation.parts import Estimate
    from btxrd_explain.evaluation.schema import Baseline, Metric, SliceSummary, Summary

FEW = 30
"""Below so many images a percentile interval is known to be too short."""
_SHOWN = 8
"""Small slices and classes that are named; of more it is said how many there are."""
TOO_FEW = 5
"""Below so many images nothing is said of a slice or a class."""


def of_maps(summary: Summary) -> list[str]:
    """Conclude from what heat maps score against annotations.

    Args:
        summary: All slices in numbers.

    Returns:
        Sentences: baselines, ceiling, hottest pixel, where the maps are worst, what cannot be said.
    """
    overall = summary.overall
    iou = overall.metrics["iou"]
    if iou.mean is None:
        return ["No radiograph has an IoU, so that nothing can be said of the heat maps."]
    return [
        *_on_baselines(iou.baselines),
        *_on_bounds(overall),
        *_on_outcomes(summary),
        *_on_slices(summary),
        *_on_size(overall.n),
    ]


def of_tables(
    reference: str, differences: Mapping[str, tuple[Estimate, bool | None, int | None]], margin: float | None
) -> list[str]:
    """Conclude from the differences in IoU of several tables.

    Args:
        reference: Name of the table that the others are compared with.
        differences: Of each other table: its IoU minus the reference's, whether the two are alike within the margin
            (None: not known), and the units that would give the interval a half-width of 0.05.
        margin: The largest difference that does not matter; None where none was given.
    """
    sentences = []
    for name, (by, equivalent, needed) in differences.items():
        found = f"(difference in mean IoU {signed(by)}, n = {by.n})"
        side = _side(by)
        if side is None:
            sentences.append(
                f"There are too few independent radiographs in common to compare '{name}' with '{reference}'."
            )
            continue
        if by.mean == by.low == by.high == 0:
            said = f"'{name}' and '{reference}' score the same IoU (n = {by.n})."
        elif side:
            said = (
                f"The heat maps of '{name}' overlap the annotations {_MORE[side]} than those of '{reference}' {found}."
            )
        else:
            more = f"; about {needed} independent radiographs would settle it to within 0.05"
            size = "" if needed is None or needed <= by.units else more
            said = f"The sample does not tell '{name}' and '{reference}' apart {found}{size}."
        sentences.append(said)
        if equivalent is not None:
            verb = "are alike" if equivalent else "are not shown to be alike"
            sentences.append(f"The two {verb} within {margin:g} of each other.")
    return [*sentences, *_on_size(max((by.n for by, _, _ in differences.values()), default=0))]


def of_predictions(
    accuracy: Estimate | None, classes: Mapping[str, tuple[int, Estimate, Estimate]], images: int
) -> list[str]:
    """Conclude from how good predictions are.

    Args:
        accuracy: The fraction of right predictions; None where classes do not exclude each other.
        classes: Of each class its number of radiographs, its AUROC and its sensitivity.
        images: How many radiographs were judged.
    """
    enough = {name: found for name, found in classes.items() if found[0] >= TOO_FEW}
    sentences = [] if accuracy is None else [*_on_accuracy(accuracy, classes, images)]
    told = {name: auroc for name, (_, auroc, _) in enough.items() if auroc.low is not None}
    sure = [name for name, auroc in told.items() if (auroc.low or 0) > 0.5]
    if sure:
        sentences.append(f"The classifier tells {_listed(sure)} from the rest better than chance (AUROC above 0.5).")
    wrong = [name for name, auroc in told.items() if auroc.high is not None and auroc.high < 0.5]
    if wrong:
        found = _listed([f"{name} ({interval(told[name])})" for name in wrong])
        sentences.append(f"The classifier ranks other radiographs above those of {found}: AUROC below 0.5.")
    if unsure := [f"{name} ({interval(auroc)})" for name, auroc in told.items() if name not in {*sure, *wrong}]:
        sentences.append(f"The classifier is not shown to tell from the rest: {_listed(unsure)}, by AUROC.")
    rates = {name: sensitivity for name, (_, _, sensitivity) in enough.items() if sensitivity.mean is not None}
    if len(rates) > 1:
        worst = min(rates, key=lambda name: rates[name].mean or 0.0)
        sentences.append(
            f"Of the classes, the classifier finds {worst} least often: sensitivity {_sure(rates[worst])} on "
            f"{classes[worst][0]} radiographs."
        )
    counts = {name: n for name, (n, _, _) in classes.items()}
    return [*sentences, *_on_small(counts, "radiographs"), *_on_size(images)]


def sum_of_outcomes(summary: Summary, *, multi_label: bool) -> str:
    """Return whether the slices by outcome add up to everything that was measured, and why not."""
    counts = {name: part.n for name, part in summary.by_outcome.items()}
    together, n = sum(counts.values()), summary.overall.n
    if not counts:
        return (
            "Nothing is TP, FN or FP: predictions are missing, or no tumour class is known to be true, or to be "
            "predicted wrongly."
        )
    told = f"{', '.join(f'{name} {count}' for name, count in counts.items())} add up to {together}"
    if together == n:
        return f"{told}, which is all of them."
    twice = "A radiograph of one tumour class that was taken for another counts twice: FN of the one, FP of the other. "
    return (
        f"{told}, and not to {n}. {'' if multi_label else twice}True negatives count in none, and neither do "
        "radiographs whose class or prediction is not known."
    )


def of_slice(found: Estimate, write: Callable[[Estimate], str]) -> str:
    """Write the estimate of a part of the images: of very few without an interval, which would look like knowledge.

    Args:
        found: The estimate.
        write: Writes one of enough images.
    """
    if found.mean is None or found.n >= TOO_FEW:
        return write(found)
    return f"{found.mean:z.3f} (n below {TOO_FEW})"


def interval(found: Estimate) -> str:
    """Write an estimate with its interval, such as ``0.412 [0.330, 0.498]``."""
    if found.mean is None:
        return "undefined"
    ends = "" if found.low is None or found.high is None else f" [{found.low:z.3f}, {found.high:z.3f}]"
    return f"{found.mean:z.3f}{ends}"


def _sure(found: Estimate) -> str:
    """Write a fraction likewise; where all images agree, draws of them have no spread, and the ends say nothing."""
    if found.mean in (0, 1) and found.low == found.high:
        return f"{found.mean:.3f} (all alike, so that no interval can be told)"
    return interval(found)


def signed(found: Estimate) -> str:
    """Write a difference likewise, with its sign."""
    return f"{'+' if (found.mean or 0) > 0 else ''}{interval(found)}"


_MORE = {1: "more", -1: "less"}


def _side(difference: Estimate) -> int | None:
    """Return the sign of a difference whose interval leaves out 0, else 0; None without an interval."""
    if difference.low is None or difference.high is None:
        return None
    return (difference.low > 0) - (difference.high < 0)


def _s(names: Sequence[str]) -> str:
    return "" if len(names) == 1 else "s"


_NOTHING = "which knows nothing of the classifier"


def _on_baselines(baselines: Mapping[str, Baseline]) -> Iterator[str]:
    if not baselines:
        yield "Whether the heat maps beat the baselines is not known: none was scored."
        return
    sides = {name: _side(one.difference) for name, one in baselines.items()}
    better, worse, open_, unknown = ([name for name in sides if sides[name] == side] for side in (1, -1, 0, None))
    if better:
        nearest = min(better, key=lambda name: baselines[name].difference.mean or 0.0)
        all_ = "each of the baselines: " if len(better) == len(sides) else f"the baseline{_s(better)} "
        yield (
            f"The heat maps overlap the annotations more than {all_}{_listed(better)} (nearest: {nearest}, "
            f"difference in mean IoU {signed(baselines[nearest].difference)})."
        )
    for name in worse:
        yield (
            f"The heat maps overlap the annotations less than the baseline {name}, "
            f"{OF_NETWORK.get(MapKind(name), _NOTHING)} (difference in mean IoU {signed(baselines[name].difference)})."
        )
    if open_:
        found = [f"{name} ({signed(baselines[name].difference)})" for name in open_]
        yield f"The sample does not tell the heat maps apart from the baseline{_s(found)} {_listed(found)}."
    if unknown:
        yield f"There are too few independent radiographs to compare the heat maps with {_listed(unknown)}."


def _on_bounds(overall: SliceSummary) -> Iterator[str]:
    iou, hit = overall.metrics["iou"], overall.metrics["pointing_hit"]
    if iou.ceiling is not None and iou.mean is not None and iou.ceiling.mean:
        yield (
            f"The heat maps reach {percent(iou.mean / iou.ceiling.mean)} of what an ideal map of this grid reaches: "
            f"mean IoU {interval(iou)} of {interval(iou.ceiling)}."
        )
    if hit.mean is not None:
        by_chance = "" if hit.chance is None else f"; by chance it would be in {percent(hit.chance)}"
        yield (
            f"The hottest pixel is on a lesion in {round(hit.mean * hit.n)} of {hit.n} heat maps{by_chance}"
            f"{_best_hits(hit)}."
        )


def _best_hits(hit: Metric) -> str:
    """Return how often the hottest pixel of the best baseline is on a lesion, for the end of a sentence."""
    best = hit.best_baseline
    if best is None:
        return ""
    mean, difference = hit.baselines[best].mean or 0.0, hit.baselines[best].difference
    told = {1: "less often", -1: "more often"}.get(_side(difference) or 0, "not told apart")
    return f"; that of the baseline {best} is in {percent(mean)} ({told}: difference {signed(difference)})"


def _on_outcomes(summary: Summary) -> Iterator[str]:
    """Say how often the classifier is right: a heat map can lie on a lesion that the prediction misses."""
    parts = (summary.by_outcome.get(name) for name in ("TP", "FN"))
    right, missed = (0 if part is None else part.n + part.n_undefined for part in parts)  # also of maps without an IoU
    if missed:
        yield (
            f"The classifier predicts {right} of the {right + missed} tumour classes that are true here; "
            "'btxrd-explain performance' says whether that is better than a guess."
        )


OUTCOMES = {
    "TP": "rightly predicted classes (TP)",
    "FN": "missed classes (FN)",
    "FP": "wrongly predicted classes (FP)",
}
"""The slices by outcome, for readers who do not know the letters."""


def _on_slices(summary: Summary) -> Iterator[str]:
    """Name the slice of the lowest mean IoU whose interval is below the mean of all, and the slices that are small."""
    mean = summary.overall.metrics["iou"].mean
    named = {
        **{f"the class {name}": part for name, part in summary.by_class.items()},
        **{OUTCOMES[name]: part for name, part in summary.by_outcome.items()},
        **{f"{name} lesions": part for name, part in summary.by_lesion_size.items()},
    }
    lower = {}
    for name, part in named.items():
        iou = part.metrics["iou"]
        if part.n >= TOO_FEW and None not in (iou.high, mean) and (iou.high or 0) < (mean or 0):
            lower[name] = iou
    if lower:
        worst = min(lower, key=lambda name: lower[name].mean or 0.0)
        ceiling = lower[worst].ceiling
        allowed = "" if ceiling is None else f", where an ideal map reaches {interval(ceiling)}"
        yield f"The heat maps are worst for {worst}: mean IoU {interval(lower[worst])} of {lower[worst].n}{allowed}."
    elif any(part.n >= TOO_FEW for part in summary.by_class.values()):
        yield f"No class, outcome or lesion size of at least {TOO_FEW} heat maps is clearly worse than the whole."
    yield from _on_small({name: part.n for name, part in named.items() if part.n}, "heat maps")


def _on_small(counts: Mapping[str, int], what: str) -> Iterator[str]:
    if small := [f"{name} (n = {n})" for name, n in counts.items() if n < TOO_FEW]:
        yield f"There are too few {what} to say anything of {listed(small, most=_SHOWN)}."


def _on_size(images: int) -> Iterator[str]:
    if images < FEW:
        yield (
            f"The sample is small (n = {images}): intervals from so few are too short, and another sample may say "
            "otherwise."
        )


def _on_accuracy(
    accuracy: Estimate, classes: Mapping[str, tuple[int, Estimate, Estimate]], images: int
) -> Iterator[str]:
    if accuracy.mean is None or not images:
        return
    usual = max(classes, key=lambda name: classes[name][0])
    guess = classes[usual][0] / images
    alone = sum(n == classes[usual][0] for n, _, _ in classes.values()) == 1
    frequent = "the most frequent class" if alone else "one of the most frequent classes"
    said = f"always saying {usual}, {frequent}, is right in {percent(guess)}"
    if accuracy.low is None or accuracy.high is None:
        verdict = f"; {said}"
    elif accuracy.low > guess:
        verdict = f", more often than a guess: {said}"
    elif accuracy.high < guess:
        verdict = f", less often than a guess: {said}"
    else:
        verdict = f", which is not shown to be better than a guess: {said}"
    right = f"{percent(accuracy.mean)} of {accuracy.n} radiographs"
    yield f"The classifier is right in {right} ({interval(accuracy)}){verdict}."


def _listed(names: Sequence[str]) -> str:
    return listed(names, most=len(names))
