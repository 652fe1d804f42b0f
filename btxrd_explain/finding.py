"""What is found that is wrong, or looks right and may be wrong: one record, and every kind of it.

``check`` lists each finding. All other commands go on, and warn of them: once for each kind, in one line. The rules are
in ``findings/``, ``commands/check/``, ``model/findings.py`` and, for what only the inputs know, in ``inputs/``. A rule
is silent where there is too little to tell. ``docs/reference/warnings.md`` explains every kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping  # noqa: TC003 -- pydantic reads the record's annotations at run time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AliasChoices, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Results would be wrong, or the file cannot be used."""
    WARNING = "warning"
    """Look at it before work starts; it may be right."""
    NOTE = "note"
    """Good to know, and harmless."""


SEVERITIES = tuple(Severity)
"""From the worst on."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Attributes:
        severity: How bad it is.
        meaning: What is wrong, as a clause.
        advice: What to do, as an imperative clause.
    """

    severity: Severity
    meaning: str
    advice: str


_E, _W, _N = SEVERITIES
_TRAIN_AGAIN = "keep all copies in one split, and train again"
_COUNT_ONCE = "count them once: keep one, or keep them together with --group-column"

KINDS: Mapping[str, Kind] = {
    # copies, within and across splits
    "leak-file": Kind(_E, "the same file is in several splits", _TRAIN_AGAIN),
    "leak-pixels": Kind(_E, "the same pixels are in several splits", _TRAIN_AGAIN),
    "leak-patient": Kind(_E, "a patient's images are in several splits", "split by patient, and train again"),
    "copies-disagree": Kind(_E, "copies of a radiograph have different labels", "find out which label is right"),
    "leak-near": Kind(
        _W,
        "nearly the same radiograph is in several splits",
        "look at the images; where they show the same, keep them in one split, and train again",
    ),
    "same-file": Kind(_W, "files are the same", _COUNT_ONCE),
    "same-pixels": Kind(_W, "files hold the same pixels", _COUNT_ONCE),
    "near-duplicate": Kind(
        _W, "radiographs are nearly the same", "look at the images; where they show the same, count them once"
    ),
    # image files
    "unreadable-image": Kind(_E, "an image cannot be read", "copy it again from its source, or leave it out"),
    "blank-image": Kind(_W, "an image has one value everywhere", "copy it again from its source, or leave it out"),
    "several-frames": Kind(_W, "a file holds several images", "keep the one that is meant; only the first one is read"),
    "exif-rotation": Kind(
        _W, "EXIF data turn an image", "save it upright, for not every program that trains or annotates minds EXIF data"
    ),
    "unusual-mode": Kind(_N, "an image is neither grey nor RGB", "nothing: it is read as grey or RGB"),
    "deep-grey": Kind(
        _N,
        "an image has more than 8 bits",
        "nothing, if training scaled it likewise: from its least to its largest value",
    ),
    "suffix": Kind(_N, "a file's name does not tell its format", "nothing here: content counts; rename it for others"),
    # tables of a data set
    "unreadable-table": Kind(_E, "a table cannot be read", "correct the table; no other command can use it"),
    "row-without-id": Kind(_E, "a row names no image", "fill in image_id, or remove the row"),
    "conflicting-rows": Kind(_E, "rows of one image differ", "keep one of the rows"),
    "row-without-image": Kind(_E, "a row names an image that is not there", "complete the download, or remove the row"),
    "label-disagrees": Kind(
        _E,
        "split CSV and table give different labels",
        "find out which label is right; the split CSV counts, and may be made for another order of classes",
    ),
    "incomplete-row": Kind(_W, "a row has no split or label", "fill it in, or remove the row"),
    "contradictory-row": Kind(
        _W, "the columns of a row contradict each other", "correct the row, or leave the image out"
    ),
    "image-without-row": Kind(_W, "the table lacks images", "add rows: these images have no label from the table"),
    "image-without-split": Kind(_N, "the split CSV lacks images", "nothing, if the split is meant to be of a part"),
    "repeated-row": Kind(_N, "a row is repeated", "remove the repetition"),
    "other-suffix": Kind(_N, "a row names an image by another suffix", "correct the suffix in the row"),
    # annotations
    "unreadable-annotation": Kind(
        _E, "an annotation cannot be read", "save it again with the program that made it; until then it is not scored"
    ),
    "annotation-size": Kind(
        _E,
        "an annotation is of an image of another size",
        "check that they belong together, and that neither was resized or turned since; it is not scored",
    ),
    "shape-outside": Kind(_E, "a shape lies outside of the image", "check that annotation and image belong together"),
    "missing-annotation": Kind(_W, "a tumour is not annotated", "annotate it, or it cannot be scored"),
    "annotated-normal": Kind(_W, "a normal radiograph is annotated", "find out whether label or annotation is right"),
    "empty-annotation": Kind(_W, "an annotation of a tumour has no shape", "annotate it, or it cannot be scored"),
    "orphan-annotation": Kind(_W, "an annotation has no image", "complete the images, or remove the annotation"),
    "shared-annotation": Kind(
        _W,
        "images share an annotation",
        "give each image an annotation of its own, in a folder that is named like the image's; until then it counts "
        "for no image but one that it names",
    ),
    "annotation-part": Kind(
        _W, "a part of an annotation is left out", "correct the part, or remove it; all others count"
    ),
    "annotation-name": Kind(
        _W, "an annotation is found by a similar name", "nothing, if they belong together; else rename it"
    ),
    "annotation-encoding": Kind(
        _W,
        "an annotation is not in UTF-8",
        "check its labels, and convert it, such as with iconv -f gb18030 -t utf-8",
    ),
    "label-differs": Kind(
        _W,
        "a rectangle and the outline in it have different labels",
        "correct the label, if it is a slip; where there are several tumour classes both count, else the outline alone",
    ),
    "mask-levels": Kind(
        _W, "a mask has blurred levels", "save it as PNG; until then each pixel takes the level that is nearest"
    ),
    "mask-inverted": Kind(_W, "a mask looks inverted", "if it is 0 where the lesion is, give --mask-inverted"),
    "mask-whole": Kind(
        _W, "a mask covers the whole radiograph", "check that it is 0 outside of lesions, and is the right file"
    ),
    "annotation-of-another-name": Kind(
        _W,
        "an annotation names another image",
        "check that images and annotations were not renamed apart; the file's own name counts",
    ),
    "annotation-of-another-image": Kind(
        _W,
        "an annotation embeds another image",
        "open both in LabelMe, and check that they belong together; the annotation counts all the same",
    ),
    "points-outside": Kind(_W, "points lie outside of the image", "check the outline; what is outside is cut off"),
    "tiny-shape": Kind(_W, "a shape is smaller than two pixels", "remove it: it is likely a slip of the mouse"),
    "rectangle-alone": Kind(
        _W, "a rectangle has no polygon", "draw the polygon; until then the whole rectangle counts as the lesion"
    ),
    "polygon-alone": Kind(_W, "a polygon has no rectangle", "draw the rectangle, if you work with boxes"),
    "rectangle-differs": Kind(_W, "a rectangle does not bound its polygon", "look which of them is right"),
    "other-tumour": Kind(_W, "annotation and table name different tumours", "find out which of them is right"),
    "no-annotations": Kind(_N, "no annotations are found", "name them with --annotations, if there are any"),
    # the data set as a whole
    "other-count": Kind(
        _W, "a count is not the published one", "complete the download, or say in your paper what differs"
    ),
    "taken-for": Kind(
        _N, "something in a table is taken for what it most likely means", "nothing, if that is what is meant"
    ),
    "passed-over": Kind(_N, "something was passed over", "nothing, if it is not part of the data set"),
    # checkpoint and network
    "checkpoint-contradicts": Kind(
        _W,
        "places in the checkpoint say different things",
        "check the training code; the place that is named first counts",
    ),
    "class-order": Kind(
        _W,
        "the settings name the checkpoint's classes in another order",
        "check in which order the training code numbered the classes, and leave --class-names out",
    ),
    "class-names": Kind(
        _W,
        "the settings name other classes than the checkpoint",
        "check the spelling in --class-names, or leave it out",
    ),
    "architecture": Kind(
        _W,
        "the settings name another architecture than the checkpoint",
        "leave --architecture out, or name another checkpoint",
    ),
    "activation": Kind(
        _W,
        "the settings name another activation than the checkpoint",
        "check the loss of the training code, and leave --activation out if the checkpoint is right",
    ),
    "squashed-twice": Kind(
        _W,
        "outputs that already are probabilities are squashed again",
        "leave --activation out, or give --activation none",
    ),
    "preprocessing": Kind(
        _W,
        "radiographs are prepared in another way than the checkpoint says or its weights suggest",
        "check the training code",
    ),
    "normalisation-scale": Kind(_W, "mean or std are for values in 0-255", "divide them by 255 in the checkpoint"),
    "network-untrained": Kind(
        _W, "all batch norms are as they were created", "name the checkpoint that the training wrote"
    ),
    "head-untrained": Kind(
        _W,
        "the biases of the last layer are exactly 0",
        "check that the checkpoint was written after training, with its head",
    ),
    "batch-dependent": Kind(
        _W,
        "scores depend on which radiographs share a batch",
        "train with track_running_stats=True, or use --batch-size 1",
    ),
    "train-mode": Kind(
        _W,
        "modules stay in training mode",
        "check their train() and eval(): dropout and batch norm act otherwise in training",
    ),
    "not-deterministic": Kind(
        _W,
        "two passes of one input give different scores",
        "look for dropout that ignores eval mode: F.dropout(x) needs training=self.training",
    ),
    "raw-pixels": Kind(
        _W,
        "the input looks like pixels that were not normalised",
        "divide pixels by 255, then subtract the mean and divide by the standard deviation, as in training",
    ),
    # scores
    "classes-exchanged": Kind(
        _W,
        "predictions contradict the labels, and would agree with them if classes were exchanged",
        "check --class-names against the order in which the training code numbered the classes, and the labels of the "
        "split",
    ),
    "scores-not-finite": Kind(
        _W,
        "scores are NaN or infinite",
        "compute with --precision fp32, check the normalisation, and try an earlier epoch",
    ),
    "scores-constant": Kind(
        _W,
        "all radiographs have the same scores",
        "check mean, std and image size against the training code, and that the checkpoint is a trained one",
    ),
    "scores-undecided": Kind(
        _W,
        "no class is more probable than the others",
        "check that the checkpoint holds the trained head, and not a fresh one",
    ),
    "scores-saturated": Kind(
        _W,
        "nearly all radiographs have a class of probability 1",
        "check mean and std against the training code: values in 0-255 where 0-1 is meant do this",
    ),
    "one-class": Kind(
        _W,
        "all radiographs are said to be of one class",
        "check normalisation and image size against the training code, and the class weights of the training",
    ),
    # heat maps
    "maps-not-finite": Kind(
        _W, "heat maps hold NaN or infinities", "compute with --precision fp32, and look at the checkpoint"
    ),
    "maps-empty": Kind(
        _W,
        "nearly all heat maps of the predicted class are empty",
        "try another --target-layer or --method; 'btxrd-explain layers' lists the layers",
    ),
    "maps-identical": Kind(
        _W,
        "different radiographs have the same heat map",
        "check --target-layer, and whether the network looks at its input at all",
    ),
    # labels and splits of an evaluation
    "labels-unknown": Kind(
        _W, "labels are none of the classes", "check the spelling in the split CSV and in --class-names"
    ),
    "labels-of-several-classes": Kind(
        _W,
        "labels name several classes, of which the network predicts one",
        "label each radiograph with one class, or use a network whose classes do not exclude each other",
    ),
    "training-split": Kind(_W, "what is evaluated was trained on", "name another split with --split"),
    # a table that is taken as it is
    "table-of-other-settings": Kind(
        _W,
        "the predictions table was made with other settings",
        "name the table that belongs to the settings, or give --checkpoint to compute it",
    ),
    "table-of-other-images": Kind(
        _W,
        "images are not those of the predictions table",
        "name the table that was made from these files, or give --checkpoint to compute it",
    ),
    "table-of-other-labels": Kind(
        _W,
        "labels are not those of the predictions table",
        "run 'btxrd-explain infer' with the split CSV that is right; it computes nothing anew",
    ),
}
"""Every kind of finding, in the order of reports and documentation."""


class FindingWarning(UserWarning):
    """Something looks right and may be wrong; ``docs/reference/warnings.md`` explains each kind."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: the same record in all reports and in the predictions table."""

    code: Annotated[str, Field(description="Its kind; docs/reference/warnings.md explains each.")]
    message: Annotated[str, Field(description="What was found, in one line without a full stop.")]
    advice: Annotated[str, Field(description="What to do.", validation_alias=AliasChoices("advice", "check"))]
    # tables of release 0.1.0 say check
    severity: Severity = Severity.WARNING
    images: Annotated[tuple[str, ...], Field(description="The images that it is about, by image_id; may be none.")] = ()
    details: Annotated[
        Mapping[str, Any], Field(description="Numbers and names behind the message; they depend on the kind.")
    ] = field(default_factory=dict, hash=False)

    @classmethod
    def of(
        cls,
        code: str,
        message: str,
        images: Iterable[str] = (),
        *,
        advice: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Finding:
        """Return a finding of a kind, with its severity, and its advice where no better one is given.

        >>> print(Finding.of("same-file", "'a.png' and 'b.png' are the same file", advice="keep one"))
        'a.png' and 'b.png' are the same file: keep one [same-file]
        """
        kind = KINDS[code]
        return cls(code, message, advice or kind.advice, kind.severity, tuple(images), details or {})

    def __str__(self) -> str:
        """Return the one line that users see."""
        return f"{self.message}: {self.advice} [{self.code}]"


class Tally:
    """Findings by kind, for commands that tell each kind in one line; of many findings little is kept.

    >>> tally = Tally(Finding.of("same-file", f"'a' and '{name}' are the same file") for name in "bcdef")
    >>> tally.findings()[0].message[:73]
    "files are the same (5 times): 'a' and 'b' are the same file; 'a' and 'c' "
    """

    _SHOWN = 3

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        """Start with some findings."""
        self._first: defaultdict[str, list[Finding]] = defaultdict(list)
        self._images: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._counts: defaultdict[str, int] = defaultdict(int)
        self.add(findings)

    def add(self, findings: Iterable[Finding]) -> None:
        """Take more findings."""
        for finding in findings:
            self._counts[finding.code] += 1
            self._images[finding.code].update(dict.fromkeys(finding.images))
            if len(self._first[finding.code]) < self._SHOWN:
                self._first[finding.code].append(finding)

    def findings(self) -> tuple[Finding, ...]:
        """Return one finding of each kind, in the order of :data:`KINDS`: a single one as it is, several as one."""
        return tuple(self._joined(code) for code in KINDS if code in self._counts)

    def _joined(self, code: str) -> Finding:
        first, count = self._first[code], self._counts[code]
        if count == 1:
            return first[0]
        shown = [finding.message for finding in first] + [f"{count - len(first)} more"] * (count > len(first))
        message = f"{KINDS[code].meaning} ({count} times): {'; '.join(shown)}"
        return Finding.of(code, message, self._images[code], details={"count": count})


# Numbers and names in messages.


def radiographs(count: int) -> str:
    """Count radiographs.

    >>> radiographs(1), radiographs(2)
    ('1 radiograph', '2 radiographs')
    """
    return f"{count} radiograph{'' if count == 1 else 's'}"


def listed(names: Sequence[str], *, most: int = 5) -> str:
    """List names, of many the first ones.

    >>> listed(["'a'"]), listed(["'a'", "'b'", "'c'"]), listed(["'a'", "'b'", "'c'"], most=1)
    ("'a'", "'a', 'b' and 'c'", "'a' and 2 more")
    """
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def quoted(names: Iterable[str]) -> list[str]:
    """Return names in quotes."""
    return [f"'{name}'" for name in names]
