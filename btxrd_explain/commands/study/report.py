"""The content of ``study_report.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from btxrd_explain.commands.study.criteria import (
    QUESTIONS,
    RULES,
    SCORE,
    Criterion,
    Name,
    Outcome,
    agreement,
    criterion_of,
    intervention,
    localisation,
    sensitivity,
)
from btxrd_explain.evaluation.file_set import FileHashes  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.evaluation.parts import LeftOut, Part
from btxrd_explain.finding import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from btxrd_explain.commands.study.steps import Measured
    from btxrd_explain.predictions.provenance import Provenance
    from btxrd_explain.settings import Settings

SCHEMA_VERSION: Final = 1

SOURCES = (
    "Arun et al., Radiol Artif Intell 3:e200267 (2021)",
    "Venkatesh et al., J Imaging Inform Med 37:2490 (2024)",
    "Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018",
)
DEFINITIONS = {
    "average_precision": "of the pixels, from the highest threshold down; chance is the lesion's fraction of the image",
    "spearman": "rank correlation of two maps, pixel by pixel: for the random weights on the network's input, for two "
    "networks on the radiograph with its longer side at 128 pixels",
    "ssim": "mean structural similarity of the same maps, windows of 7 x 7 pixels; it depends on how smooth maps are, "
    "and does not decide",
    "iou": "of the regions that the rule of annotate-iou cuts out of the maps",
    "energy_with_excess": "Spearman's rank correlation of the map's energy on the lesion with the excess of the "
    "log-odds; see intervention_report.json",
    "interval": "95 % percentile bootstrap over images, or over groups of them",
}
LIMITS = (
    "Outcomes are not adjusted for the number of methods and criteria.",
    "A pass is necessary for an explanation, not sufficient: a map may pass all and still be wrong about why.",
    "The randomisation test draws one random network, and the agreement of maps compares the networks that were given.",
    "Maps of two networks may agree because both look at the same place in all images: see maps of different images.",
)


class Network(Part):
    """A network whose maps were studied."""

    checkpoint: str
    checkpoint_sha256: str
    architecture: str
    members: list[str] = Field(description="File names of the checkpoints of an ensemble; empty for one network.")

    @classmethod
    def of(cls, made: Provenance) -> Network:
        """Describe what made a table."""
        return cls(
            checkpoint=made.checkpoint,
            checkpoint_sha256=made.checkpoint_sha256,
            architecture=made.architecture,
            members=list(made.members),
        )


class MethodReport(Part):
    """What the criteria say of a method."""

    localisation: Criterion
    sensitivity: Criterion
    repeatability: Criterion
    reproducibility: Criterion
    intervention: Criterion
    warnings: list[Finding] = Field(description="What looks right and may be wrong; empty where nothing does.")
    folder: str = Field(description="Where its table and reports are, in the folder of this report.")
    provenance: dict[str, Any] | None = Field(
        description="How its table was made; null where the method has none for this network."
    )

    def criteria(self) -> Iterator[tuple[Name, Criterion]]:
        """Yield the criteria by name."""
        yield from ((name, getattr(self, name)) for name in Name)


class Classifier(Part):
    """Whether the class depends on the lesion, which is the same for all methods."""

    verdict: str
    outcome: str


class StudyReport(Part):
    """The content of ``study_report.json``."""

    schema_version: Literal[1] = SCHEMA_VERSION
    conclusion: list[str] = Field(description="What the outcomes say, a sentence or two for each method.")
    questions: dict[str, str] = Field(description="What each criterion asks.")
    rules: dict[str, str] = Field(
        description="How each outcome follows from the numbers; stated before they are known."
    )
    methods: dict[str, MethodReport]
    classifier: Classifier | None = Field(description="Null where nothing was changed on radiographs.")
    first: Network
    second: Network | None = Field(description="Null where none was given, or no method explains it.")
    num_images: int = Field(description="Radiographs that were asked for.")
    num_annotated: int = Field(description="Those of them that have an annotation.")
    synthetic: bool
    methods_paragraph: str = Field(description="How the study was made, for a paper.")
    limits: list[str] = Field(description="What the outcomes cannot say.")
    definitions: dict[str, str]
    sources: list[str]
    failed_images: list[LeftOut]
    files: dict[str, str] = Field(description="What else was written, by kind; names in the folder of the report.")
    sha256: FileHashes


def describe_method(found: Measured, folder: str) -> MethodReport:
    """Judge a method."""
    scored = found.scored
    return MethodReport(
        localisation=criterion_of(scored, localisation),
        sensitivity=criterion_of(found.checked, sensitivity),
        repeatability=agreement([pair for pair in found.pairs if pair.same], found.no_repeat),
        reproducibility=agreement([pair for pair in found.pairs if not pair.same], found.no_other),
        intervention=criterion_of(found.changed, intervention),
        warnings=_warnings(found),
        folder=folder,
        provenance=None if found.provenance is None else found.provenance.document(),
    )


def _warnings(found: Measured) -> list[Finding]:
    """Return what the reports of the table and of the interventions warn of, each once."""
    of_table = [] if isinstance(found.scored, str) else found.scored.warnings
    of_interventions = [] if isinstance(found.changed, str) else found.changed.warnings
    return list(dict.fromkeys([*of_table, *of_interventions]))


def conclude(methods: Mapping[str, MethodReport]) -> list[str]:
    """Say of each method what its outcomes allow, from the worst of them."""
    return [f"{method} {_allowed(found)}" for method, found in methods.items()]


def _allowed(found: MethodReport) -> str:
    by = {kind: [str(name) for name, one in found.criteria() if one.outcome is kind] for kind in Outcome}
    missing = by[Outcome.NOT_COMPUTED]
    rest = f" Not computed: {listed(missing)}." if missing else ""
    if by[Outcome.FAIL]:
        return f"fails {listed(by[Outcome.FAIL])}: its maps cannot be trusted as an explanation here.{rest}"
    if by[Outcome.UNCLEAR]:
        return (
            f"fails nothing, and is unclear in {listed(by[Outcome.UNCLEAR])}: its maps are not shown to be trustworthy "
            f"here; more radiographs may decide.{rest}"
        )
    if not by[Outcome.PASS]:
        return f"was not judged.{rest}"
    return f"passes {listed(by[Outcome.PASS])}, which a map must do, and which is not enough to trust it.{rest}"


def build_report(
    measured: Mapping[str, Measured],
    networks: Sequence[Provenance],
    settings: Settings,
    *,
    images: tuple[int, int],
    failed: Mapping[str, str],
) -> StudyReport:
    """Build the report, but for the names of the files.

    Args:
        measured: What was measured of each method, by its name.
        networks: What made the maps of the first network, and of the second one if there is one.
        settings: The settings.
        images: How many radiographs were asked for, and how many of them are annotated.
        failed: Why files of images failed, by ``image_id``.
    """
    changed = [found.changed for found in measured.values() if not isinstance(found.changed, str)]
    first, *others = map(Network.of, networks)
    methods = {method: describe_method(found, method) for method, found in measured.items()}
    return StudyReport(
        conclusion=conclude(methods),
        questions=dict(QUESTIONS),
        rules=dict(RULES),
        methods=methods,
        classifier=Classifier(verdict=changed[0].verdict, outcome=changed[0].outcome) if changed else None,
        first=first,
        second=others[0] if others else None,
        num_images=images[0],
        num_annotated=images[1],
        synthetic=any(network.synthetic for network in networks),
        methods_paragraph=methods_paragraph(first, others, measured, settings, images),
        limits=list(LIMITS),
        definitions=DEFINITIONS,
        sources=list(SOURCES),
        failed_images=LeftOut.of(failed),
        files={},
        sha256={},
    )


def methods_paragraph(
    first: Network,
    others: Sequence[Network],
    measured: Mapping[str, Measured],
    settings: Settings,
    images: tuple[int, int],
) -> str:
    """Say how the study was made, for the methods section of a paper."""
    return " ".join(_sentences(first, others, measured, settings, images))


def _sentences(
    first: Network,
    others: Sequence[Network],
    measured: Mapping[str, Measured],
    settings: Settings,
    images: tuple[int, int],
) -> Iterator[str]:
    networks = " and ".join(map(_described, (first, *others)))
    studied = [method for method, one in measured.items() if one.provenance is not None]
    yield (
        f"Saliency maps of {len(studied)} method{'' if len(studied) == 1 else 's'} ({', '.join(studied)}) were studied "
        f"on {images[0]} radiographs, {images[1]} of them annotated, with {networks}, by the criteria of Arun et al. "
        "(2021) and Venkatesh et al. (2024)."
    )
    scored = [one.scored for one in measured.values() if not isinstance(one.scored, str)]
    if scored:
        names = dict.fromkeys(name for one in scored for name in one.summary.overall.metrics[SCORE].baselines)
        yield (
            "Localisation was the mean average precision of the pixels of annotated lesions, compared image by image "
            f"with maps that do not explain it ({', '.join(names) or 'none was scored'})."
        )
    if any(not isinstance(one.checked, str) for one in measured.values()):
        sanity = settings.sanity
        yield (
            "Sensitivity to weights was tested by cascading randomisation (Adebayo et al., 2018) on up to "
            f"{sanity.sample} radiographs in at least {sanity.stages} stages (seed {sanity.random_seed})."
        )
    compared = [pair for one in measured.values() for pair in one.pairs if not isinstance(pair.found, str)]
    pairs = dict.fromkeys((pair.name, pair.same) for pair in compared)
    if pairs:
        named = (f"{name} ({'one architecture' if same else 'two architectures'})" for name, same in pairs)
        yield (
            f"Maps of {'; '.join(named)} were compared image by image by rank correlation and structural similarity, "
            "next to maps of different images of the same class."
        )
    if any(not isinstance(one.changed, str) for one in measured.values()):
        yield (
            f"Lesions and {settings.intervention.controls} controls of their shape were taken away, and the change of "
            "the log-odds was correlated with the energy of the map on the lesion."
        )
    wanted = settings.evaluation
    unit = "images" if wanted.group_column is None else f"groups of {wanted.group_column}"
    yield (
        f"Intervals are 95 % percentile bootstrap ({wanted.resamples} draws of {unit}, seed {wanted.seed}; of single "
        "images, 1000 draws, for random weights). Each outcome follows from a rule that was set beforehand."
    )


def _described(network: Network) -> str:
    kind = f"an ensemble of {len(network.members)}, " if network.members else ""
    return f"{kind}{network.architecture} (checkpoint '{network.checkpoint}', SHA-256 {network.checkpoint_sha256[:16]})"
