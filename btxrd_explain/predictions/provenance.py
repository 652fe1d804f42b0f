"""How a table was made: what was asked for, what that resolved to, and a fingerprint of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping  # noqa: TC003 -- pydantic reads the annotations
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from btxrd_explain.core.choices import Activation, Smooth
from btxrd_explain.core.class_names import checked_class_names
from btxrd_explain.core.explained_classes import ALL, ExplainedClasses, resolve
from btxrd_explain.core.geometry import Size  # noqa: TC001 -- pydantic reads the annotations
from btxrd_explain.core.methods import METHODS
from btxrd_explain.core.preprocess import LARGEST_SIDE, Preprocessing
from btxrd_explain.errors import TableError
from btxrd_explain.finding import Finding  # noqa: TC001 -- pydantic reads annotations at run time

# What the metadata of a table may say: they come from a file, and reports, figures and arrays are made of them.

_MOST_BYTES = 16 * 2**20
MOST_CELLS = 2**24
"""Numbers in the grids of one image."""
MOST_DRAWS = 100
"""Grids of random channels of one image."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


def _of_some_cells(grid: Size) -> Size:
    if not all(1 <= side <= LARGEST_SIDE for side in grid):
        raise ValueError(f"a grid of {grid[0]} x {grid[1]} cells must have 1 to {LARGEST_SIDE} a side")
    return grid


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class Imported(_Part):
    """Where imported heat maps are from; no network is known to this program."""

    kinds: dict[str, int] = Field(description="Number of files by their suffix.")
    sha256: str = Field(description="Hash of the names and hashes of all files, in the order of their names.")
    sign: str = Field(description="Which values are evidence: positive, absolute or negative ones.")
    scores_sha256: str | None = Field(description="Hash of the table of probabilities; null without one.")


def counted(kinds: Mapping[str, int]) -> str:
    """Return in words from how many files heat maps were imported.

    >>> counted({".png": 2, ".npy": 4})
    '4 .npy, 2 .png'
    """
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))


class _Request(_Part):
    """What of a request is made use of, beyond comparing it with others."""

    checkpoint: str
    versions: dict[str, str] = {}
    imported: Imported | None = None


def _usable(request: Mapping[str, Any]) -> Mapping[str, Any]:
    _Request.model_validate(request)
    return request


_Text = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_printable)]


@dataclass(frozen=True, slots=True)
class SplitCsv:
    """A split CSV by which radiographs of a table were selected, and from which they have labels and splits.

    Attributes:
        name: Its name, without folders.
        sha256: Hash of its content; None where it could not be read again.
        split: The split that was selected; None for all.
    """

    name: _Text
    sha256: _Text | None
    split: _Text | None

    def __str__(self) -> str:
        """Return it in words."""
        split = "" if self.split is None else f"split {self.split}, "
        return f"{self.name} ({split}SHA-256 {self.sha256 or 'not known'})"


SCHEMA_VERSION = 1
_METADATA_KEY = b"btxrd_explain"
_LATER = frozenset(
    {
        *("decode", "transform", "depth", "clip_percentiles", "clahe", "standardize"),
        *("findings", "activation", "multi_label", "explain_classes", "members", "smooth", "random_channels"),
        "split_csvs",
    }
)
"""Fields that tables of earlier releases do not say."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the rows of a table were made.

    Attributes:
        request: All that decides about the rows and is known before torch is imported: the checkpoint's hash, the
            settings as asked for, and versions. Its hash is the fingerprint.
        class_names: Names of the classes, in the network's order.
        preprocessing: How radiographs became the network's input.
        checkpoint: File name of the checkpoint; of an ensemble those of all.
        architecture: timm's name of the network, or the function that builds it.
        method: Name of the class-activation method.
        target_layer: Dotted name of the layer that was explained.
        grid: Rows and columns of the class-activation grids.
        notes: What was decided or reported when the checkpoint was loaded.
        synthetic: True for the demo's made-up radiographs and classifier.
        findings: What may be wrong with the network or its input, as found when the checkpoint was loaded.
        activation: What turned the network's outputs into probabilities.
        multi_label: True where each class has a probability of its own, so that an image may have several classes or
            none; else the probabilities of an image sum to 1.
        explain_classes: Which classes have grids: ``all``, or ``predicted``, ``true`` and names of classes.
        members: File names of the checkpoints of an ensemble; none of a single network.
        smooth: Over which views of a radiograph its grids are averaged.
        random_channels: How many grids of its activations with random channel weights a row has at most; 0 of a table
            without them. Predictions and other grids are the same with and without them, and so is the fingerprint.
        split_csvs: The split CSVs that selected its rows, in the order in which they were first named. They are no
            part of the fingerprint: predictions do not depend on labels.
    """

    request: Annotated[Mapping[str, Any], AfterValidator(_usable)]
    class_names: Annotated[tuple[str, ...], AfterValidator(checked_class_names)]
    preprocessing: Preprocessing
    checkpoint: _Text
    architecture: _Text
    method: _Text
    target_layer: _Text
    grid: Annotated[Size, AfterValidator(_of_some_cells)]
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    findings: Annotated[tuple[Finding, ...], Field(validation_alias="warnings")] = ()
    activation: Activation = Activation.SOFTMAX
    multi_label: bool = False
    explain_classes: tuple[str, ...] = (ALL,)
    members: tuple[_Text, ...] = ()
    smooth: Smooth = Smooth.NONE
    random_channels: Annotated[int, Field(ge=0, le=MOST_DRAWS)] = 0
    split_csvs: tuple[SplitCsv, ...] = ()

    @property
    def explained(self) -> ExplainedClasses:
        """Which classes of an image have grids."""
        return ExplainedClasses(self.explain_classes, self.class_names, self.multi_label)

    @property
    def of_pixels(self) -> bool:
        """Whether the grids are maps of pixels, which are stored in half precision."""
        return self.imported is None and self.method in METHODS and METHODS[self.method].pixels

    @property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the request."""
        return fingerprint(self.request)

    @property
    def imported(self) -> Mapping[str, Any] | None:
        """What is said of heat maps that another program computed; None where this one did, with a network."""
        return self.request.get("imported")

    @property
    def checkpoint_sha256(self) -> str:
        """SHA-256 of the checkpoint file; of an ensemble or of imported heat maps, that of the hashes of all files."""
        return str(self.request["checkpoint"])

    @property
    def maps(self) -> str:
        """Method and layer of the grids in words, and over which views they are averaged; or what was imported."""
        if self.imported is not None:
            return f"heat maps of another program, imported from {counted(self.imported['kinds'])} files"
        smoothed = "" if self.smooth is Smooth.NONE else f" (smooth {self.smooth})"
        return f"{self.method} of {self.target_layer}{smoothed}"

    def document(self) -> dict[str, Any]:
        """Return the provenance as plain JSON values, for reports."""
        return {
            "fingerprint": self.fingerprint,
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "members": list(self.members),
            "architecture": self.architecture,
            "class_names": list(self.class_names),
            "method": self.method,
            "target_layer": self.target_layer,
            "grid": list(self.grid),
            "smooth": str(self.smooth),
            "random_channels": self.random_channels,
            "preprocessing": asdict(self.preprocessing),
            "activation": self.activation,
            "multi_label": self.multi_label,
            "explain_classes": list(self.explain_classes),
            "versions": dict(self.request.get("versions", {})),
            "notes": list(self.notes),
            "synthetic": self.synthetic,
            "split_csvs": [asdict(one) for one in self.split_csvs],
            "imported": self.imported,
            "warnings": [asdict(finding) for finding in self.findings],
        }

    def with_split_csvs(self, more: Iterable[SplitCsv]) -> Provenance:
        """Return the provenance of rows that further split CSVs selected too; each is named once."""
        return replace(self, split_csvs=tuple(dict.fromkeys((*self.split_csvs, *more))))

    def encode(self) -> dict[bytes, bytes]:
        """Return the provenance as schema metadata."""
        document = self.document() | {"schema_version": SCHEMA_VERSION, "request": dict(self.request)}
        return {_METADATA_KEY: json.dumps(document, sort_keys=True).encode()}

    @classmethod
    def decode(cls, metadata: Mapping[bytes, bytes] | None) -> Provenance:
        """Read the provenance back from schema metadata.

        Raises:
            TableError: The metadata are missing, damaged or of another schema version, or name one class, which has the
                probability 1 in every row.
        """
        if not metadata or _METADATA_KEY not in metadata:
            raise TableError("this is not a predictions table", hint="make one with 'btxrd-explain infer'")
        try:
            return _of_several_classes(_read(metadata[_METADATA_KEY]))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            if (first["type"], place) == ("missing", "schema_version"):
                raise TableError(
                    "this is another table of btxrd-explain, not one of predictions",
                    hint="name the table that 'btxrd-explain infer' wrote",
                ) from None
            reason = f"{place}: {first['msg']}" if place else first["msg"]
            raise _damaged(reason) from error
        except ValueError as error:
            raise _damaged(str(error)) from error


class _Header(_Part):
    """What is looked at before the rest, whatever the version."""

    model_config = ConfigDict(extra="allow")

    schema_version: int
    preprocessing: Any = None


def _few_cells(provenance: Provenance) -> Provenance:
    rows, columns = provenance.grid
    if not provenance.explain_classes:
        raise ValueError("explain_classes: names none")
    if resolve(provenance.explain_classes, provenance.class_names) != provenance.explain_classes:
        raise ValueError("explain_classes: names a class twice or in other letters")
    if provenance.smooth is Smooth.SHIFT2 and (rows % 2 or columns % 2):
        raise ValueError(f"a grid of {rows} x {columns} cells is not averaged from views half a cell apart")
    if max(provenance.explained.slots, provenance.random_channels) * rows * columns > MOST_CELLS:
        raise ValueError(f"grids of {rows} x {columns} cells are too large")
    return provenance


_STORED = TypeAdapter(Annotated[Provenance, AfterValidator(_few_cells)])


def _read(data: bytes) -> Provenance:
    """Read metadata.

    Raises:
        TableError: They are of another schema version.
        ValueError: They are damaged, too long, or say what cannot be.
    """
    if len(data) > _MOST_BYTES:
        raise ValueError(f"they have {len(data)} bytes")
    header = _Header.model_validate_json(data)
    if header.schema_version != SCHEMA_VERSION:
        raise TableError(
            f"the table has schema version {header.schema_version}, this release reads {SCHEMA_VERSION}",
            hint="run 'btxrd-explain infer' again",
        )
    provenance = _STORED.validate_json(data, strict=True)
    said = ((Provenance, header.model_fields_set), (Preprocessing, header.preprocessing.keys()))
    unsaid = {field.name for kind, names in said for field in fields(kind) if field.name not in names} - _LATER
    if unsaid:
        raise ValueError(f"{', '.join(sorted(unsaid))}: not there")
    return provenance


def _damaged(reason: str) -> TableError:
    return TableError(f"the table's metadata are damaged ({reason})", hint="run 'btxrd-explain infer'")


def _of_several_classes(provenance: Provenance) -> Provenance:
    """Refuse the table of a network with one output, as earlier releases wrote them."""
    if len(provenance.class_names) < 2 and not provenance.multi_label:
        raise TableError(
            f"the table has one class ('{provenance.class_names[0]}'), and the softmax of one output is 1 in every row",
            hint="compute it again with this release, which makes two classes of one output",
        )
    return provenance


def fingerprint(request: Mapping[str, Any]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a request in canonical JSON."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return in words what differs between two requests.

    >>> differences({"checkpoint": "a", "preprocess": {"resize": "crop"}}, {"checkpoint": "a", "preprocess": {}})
    ['preprocess.resize changed from crop to nothing']
    """
    changes: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        name, before, after = f"{prefix}{key}", old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += differences(before, after, f"{name}.")
        elif before != after:
            changes.append(f"{name} changed from {_shown(before)} to {_shown(after)}")
    return changes


def _shown(value: object) -> str:
    """Return a value short enough for a message; of hashes the first digits are enough."""
    if value is None:
        return "nothing"
    if isinstance(value, dict) and len(value.keys() & {"1", "2"}) == 2:
        return f"{len(value)} checkpoints"
    text = str(value)
    return text[:8] if len(text) == 64 else text
