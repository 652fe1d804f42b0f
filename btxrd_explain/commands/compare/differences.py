"""The images that several predictions tables have in common, and how their scores differ on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
from pydantic import Field

from btxrd_explain.commands.compare.agreement import Agreement  # noqa: TC001 -- pydantic reads the annotations
from btxrd_explain.core.choices import Space, TargetClass  # noqa: TC001 -- pydantic reads the annotations
from btxrd_explain.core.significance import holm, sign_flip_test, units_needed, within
from btxrd_explain.core.statistics import mean_intervals
from btxrd_explain.errors import TableError
from btxrd_explain.evaluation.evaluate import Scores
from btxrd_explain.evaluation.file_set import FileHashes  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.evaluation.parts import Estimate, Part, Statistics
from btxrd_explain.evaluation.protocol import OF_NETWORK, MapKind
from btxrd_explain.evaluation.sample import NAMES, Sample
from btxrd_explain.evaluation.schema import Baseline
from btxrd_explain.finding import Finding  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.predictions.record import RowStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from btxrd_explain.core import statistics
    from btxrd_explain.evaluation.evaluate import Evaluation
    from btxrd_explain.evaluation.score import Exclusion
    from btxrd_explain.inference.selection import Selected

# The images that several predictions tables have in common.


@dataclass(frozen=True, slots=True)
class Common:
    """Several tables on the same images.

    Attributes:
        selections: The common images in each table, by the table's name.
        only: Images of each table that not all others have a prediction of.
        changed: Images that all have, but whose file was not the same for all.
        relabelled: Images that all have, but whose true class is not the same in all.
        unknown: Of how many common images each table has no hash of the file, as of maps imported without images.
    """

    selections: Mapping[str, Selected]
    only: Mapping[str, list[str]]
    changed: list[str]
    relabelled: list[str]
    unknown: Mapping[str, int]


def in_common(selections: Mapping[str, Selected]) -> Common:
    """Keep the images of which all tables have a prediction, made from the same file, and the same true class.

    Args:
        selections: What is selected of each table, by the table's name.

    Raises:
        TableError: The tables know other classes, or have no image in common.
    """
    _check_classes(selections)
    contents = [_predicted(selected, "sha256") for selected in selections.values()]
    labels = [_predicted(selected, "label") for selected in selections.values()]
    shared = set(contents[0]).intersection(*contents[1:])
    changed = _differing(shared, [{name: of[name] for name in shared if of[name]} for of in contents])
    relabelled = _differing(shared, labels)
    kept = sorted(shared.difference(changed, relabelled))
    if not kept:
        raise _nothing_in_common(shared, changed, dict(zip(selections, labels, strict=True)))
    rows = {name: selected.rows.where(selected.rows.is_in("image_id", kept)) for name, selected in selections.items()}
    return Common(
        {name: replace(selected, rows=rows[name]) for name, selected in selections.items()},
        {name: sorted(set(content).difference(shared)) for name, content in zip(selections, contents, strict=True)},
        changed,
        relabelled,
        {
            name: sum(content[image] is None for image in kept)
            for name, content in zip(selections, contents, strict=True)
        },
    )


def _nothing_in_common(
    shared: Collection[str], changed: Sequence[str], labels: Mapping[str, Mapping[str, str | None]]
) -> TableError:
    """Return an error that says why no image is left, and what to do."""
    if len(changed) < len(shared):
        for name, of in labels.items():
            if all(of[image] is None for image in shared):
                return TableError(
                    f"'{name}' does not know the true class of any of the {len(shared)} common radiographs",
                    hint="name the true classes with --split-csv or --scores of 'import-maps'",
                )
        return TableError(
            f"the {len(shared)} common radiographs have other files or other true classes in each table",
            hint="make the tables from the same images and labels",
        )
    why = f": the files of {len(changed)} have another content" if changed else ""
    return TableError(f"the tables have no radiograph in common{why}", hint="make them from the same images")


def restricted(evaluation: Evaluation, selected: Selected) -> Evaluation:
    """Keep the scores of the images that are selected."""
    kept = set(selected.rows.column("image_id").to_pylist())
    scores = (score for score in evaluation.scores if score.row.image_id in kept)
    return replace(evaluation, selected=selected, scores=Scores(selected.rows, scores))


def _check_classes(selections: Mapping[str, Selected]) -> None:
    classes = {name: selected.table.provenance.class_names for name, selected in selections.items()}
    (first, known), *others = classes.items()
    for name, own in others:
        if set(own) != set(known):
            raise TableError(
                f"the classes of '{name}' are {', '.join(own)}, those of '{first}' are {', '.join(known)}",
                hint="compare tables of the same classes",
            )


def _predicted(selected: Selected, column: str) -> dict[str, str | None]:
    """Return what a column holds of each predicted image, by ``image_id``; imported maps need no prediction."""
    rows, imported = selected.rows, selected.table.provenance.imported is not None
    predicted = rows.where(rows.is_in("status", [RowStatus.OK]) if imported else rows.predicted >= 0)
    names, values = (predicted.column(name).to_pylist() for name in ("image_id", column))
    return dict(zip(names, values, strict=True))


def _differing(shared: Iterable[str], facts: Sequence[Mapping[str, str | None]]) -> list[str]:
    """Return the images of which the tables that say something do not say the same, sorted."""
    return sorted(name for name in shared if len({of[name] for of in facts if name in of}) > 1)


# The content of ``comparison.json``.

SCHEMA_VERSION: Final = 2

EQUIVALENCE = 0.05
"""Level of each of the two one-sided tests; they fit an interval of twice that tail."""


class BoundedMean(Estimate):
    """A mean with what bounds it, over the same images."""

    chance: float | None = Field(description="What chance scores, by a formula or else by a uniform random grid.")
    ceiling: float | None = Field(description="What the ideal map scores that a grid of the table's size can draw.")
    baselines: dict[str, Baseline] = Field(
        description="What two maps of the same network score: random-channels and other-class; see annotation_report."
    )


class Difference(Estimate):
    """A mean of paired differences, and whether it is more than chance."""

    p: float | None = Field(
        description="Two-sided sign-flip test over images or groups; null for fewer than two of them."
    )
    p_adjusted: float | None = Field(
        description="The same after Holm's adjustment for the tables that are compared with the first."
    )
    equivalent: bool | None = Field(
        description="Whether the 90 % interval lies within the margin; null without a margin, or without an interval."
    )
    units_needed: int | None = Field(
        description="Images or groups that would give the interval a half-width of 0.05; null without an interval."
    )


class Compared(Part):
    """One of the tables."""

    path: str
    threshold: str = Field(description="How its heat maps became regions, in words.")
    n_undefined: int = Field(description="Compared images without an IoU in this table; they count in no mean.")
    means: dict[str, BoundedMean] = Field(
        description="Every metric on the images in which all tables define it, so that each n holds for all tables."
    )
    not_computed: dict[str, str] = Field(
        description="Baselines of this table without a score in any image, each with the reason."
    )
    difference: dict[str, Difference] | None = Field(
        description="This table minus the first, image by image (paired bootstrap); null for the first."
    )
    agreement: Agreement | None = Field(
        description="How far its maps agree with the first table's, image by image; null for the first, and where not "
        "asked for."
    )
    warnings: list[Finding] = Field(description="What of it looks right and may be wrong.")
    only_here: list[str] = Field(description="Images that not all tables have a prediction of; left out.")
    provenance: dict[str, Any]


class Comparison(Part):
    """The content of ``comparison.json``."""

    schema_version: Literal[2] = SCHEMA_VERSION
    conclusion: list[str] = Field(description="What the differences in IoU say, in sentences.")
    reference: str = Field(description="Name of the first table, which the others are compared with.")
    n: int = Field(description="Images that were compared.")
    tables: dict[str, Compared]
    changed: list[str] = Field(description="Images whose file was another one in one of the tables; left out.")
    relabelled: list[str] = Field(description="Images whose true class was another one in one of the tables; left out.")
    excluded: dict[str, int] = Field(description="Common images without a score in one of the tables, by reason.")
    target_class: TargetClass
    space: Space
    mask_policy: str
    label_map: dict[str, str] = Field(description="What labels mean: lesion, ignore, or a class.")
    mask_inverted: bool = Field(description="Whether masks are 0 where the lesions are.")
    statistics: Statistics
    margin: float | None = Field(description="Largest difference that does not matter; null where none was given.")
    files: dict[str, str]
    sha256: FileHashes


# How the scores of several tables differ on the same images.


@dataclass(frozen=True, slots=True)
class Paired:
    """The images that are evaluated in all tables, in columns, in the same order in each.

    Attributes:
        samples: The columns of each table, by its name.
        excluded: Number of images that one of the tables has no score of, by reason.
    """

    samples: Mapping[str, Sample]
    excluded: Mapping[str, int]

    @property
    def first(self) -> Sample:
        """The columns of the table that the others are compared with."""
        return next(iter(self.samples.values()))

    @property
    def jointly(self) -> NDArray[np.bool_]:
        """Where all tables define a metric, boolean, shape ``(images, metrics)``: all means run over these."""
        undefined = np.isnan([sample.values[MapKind.MODEL] for sample in self.samples.values()])
        return np.asarray(~undefined.any(axis=0))

    def column(self, name: str, metric: str) -> NDArray[np.float64]:
        """Return a metric of a table, float64, shape ``(images,)``; NaN where one of the tables does not define it."""
        return np.where(self.jointly[:, NAMES.index(metric)], self.samples[name].column(metric), np.nan)

    def means(self, name: str) -> dict[str, BoundedMean]:
        """Return the mean of every metric of a table with chance and ceiling."""
        sample, width = self.samples[name], len(NAMES)
        by_formula = sample.chance[MapKind.MODEL]
        chance = np.where(np.isnan(by_formula).all(axis=0), sample.values[MapKind.RANDOM], by_formula)
        model = sample.values[MapKind.MODEL]
        baselines = [sample.values[kind] for kind in OF_NETWORK]
        drawn = self._estimates(
            model, chance, sample.values[MapKind.CEILING], *baselines, *(model - other for other in baselines)
        )
        blocks = [drawn[start : start + width] for start in range(0, len(drawn), width)]
        return {
            metric: BoundedMean.of(
                own,
                chance=by_chance.value,
                ceiling=ceiling.value,
                baselines={
                    str(kind): Baseline.of(others[place], difference=Estimate.of(others[place + len(OF_NETWORK)]))
                    for place, kind in enumerate(OF_NETWORK)
                    if others[place].n
                },
            )
            for metric, own, by_chance, ceiling, *others in zip(NAMES, *blocks, strict=True)
        }

    def differences(self, margin: float | None) -> dict[str, dict[str, Difference]]:
        """Return the mean differences of every metric, each table minus the first, image by image.

        Args:
            margin: Largest difference that does not matter; None does not ask.
        """
        drawn = self.first.resampling(np.arange(len(self.first.scores)))
        narrow = replace(drawn, level=1 - 2 * EQUIVALENCE)
        by = {name: self._by(name) for name in list(self.samples)[1:]}
        tested = [sign_flip_test(columns, drawn) for columns in by.values()]
        # The tables are one family, metric by metric.
        adjusted = list(zip(*map(holm, zip(*tested, strict=True)), strict=True))
        return {
            name: {
                metric: Difference.of(
                    found,
                    p=p,
                    p_adjusted=by_holm,
                    equivalent=None if margin is None else within(inner, margin),
                    units_needed=units_needed(found),
                )
                for metric, found, inner, p, by_holm in zip(
                    NAMES, mean_intervals(columns, drawn), mean_intervals(columns, narrow), *p_values, strict=True
                )
            }
            for (name, columns), *p_values in zip(by.items(), tested, adjusted, strict=True)
        }

    def _by(self, name: str) -> NDArray[np.float64]:
        """Return how much each metric of each image differs from the first table's; NaN where one is undefined."""
        by: NDArray[np.float64] = self.samples[name].values[MapKind.MODEL] - self.first.values[MapKind.MODEL]
        return np.where(self.jointly, by, np.nan)

    def _estimates(self, *blocks: NDArray[np.float64]) -> list[statistics.Estimate]:
        """Estimate the means of columns, block by block, over the images in which all tables define the metric."""
        jointly = self.jointly
        columns = np.concatenate([np.where(jointly, block, np.nan) for block in blocks], axis=1)
        return mean_intervals(columns, self.first.resampling(np.arange(len(columns))))


def pair(
    evaluations: Mapping[str, Evaluation], *, groups: Sequence[str | None] | None, resamples: int, seed: int
) -> Paired:
    """Pair the scores of several tables, which hold the same images in the same order.

    Args:
        evaluations: What was measured on each table, by its name.
        groups: The group of each image, where intervals draw groups.
        resamples: Draws of the bootstrap.
        seed: Its seed.
    """
    keyed = [_by_case(evaluation) for evaluation in evaluations.values()]
    cases = [case for case in dict.fromkeys(chain(*keyed)) if case[1] is not None or all(case in of for of in keyed)]
    reasons = [_why_not(case, keyed) for case in cases]
    kept = [case for case, reason in zip(cases, reasons, strict=True) if reason is None]
    places = next(iter(evaluations.values())).scores.places
    return Paired(
        {
            name: Sample.of(
                [evaluation.scores[of[case].place] for case in kept],
                evaluation.selected.table.provenance.class_names,
                groups=None if groups is None else [groups[places[keyed[0][case].place]] for case in kept],
                resamples=resamples,
                seed=seed,
            )
            for (name, evaluation), of in zip(evaluations.items(), keyed, strict=True)
        },
        dict(Counter(reason for reason in reasons if reason is not None)),
    )


_Case = tuple[str, str | None]
"""An image, and of several classes of it the one that is measured; None where there is one, or none."""


class _Place(NamedTuple):
    """Where a score is among those of a table, and why it has no part in the evaluation."""

    place: int
    excluded: Exclusion | None


def _by_case(evaluation: Evaluation) -> dict[_Case, _Place]:
    """Return where the scores of a table are."""
    names = evaluation.selected.table.provenance.class_names
    found: dict[_Case, _Place] = {}
    for place, score in enumerate(evaluation.scores):
        measured = None if score.case is None or score.target is None else names[score.target]
        found[score.row.image_id, measured] = _Place(place, score.excluded)
    return found


def _why_not(case: _Case, keyed: Sequence[Mapping[_Case, _Place]]) -> str | None:
    """Return why a case cannot be paired; None where it can."""
    for of in keyed:
        found = of.get(case) or of.get((case[0], None))
        if found is None:
            return "no heat map of the class in one of the tables"
        if found.excluded is not None:
            return str(found.excluded)
    return None
