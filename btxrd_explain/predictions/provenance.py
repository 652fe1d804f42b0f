"""How a table was made: what was asked for, what that resolved to, and a fingerprint of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from btxrd_explain.core.class_names import checked_class_names
from btxrd_explain.core.geometry import (
    ResizeMode,
    Size,
)
from btxrd_explain.core.preprocess import Decode, Interpolation, Preprocessing
from btxrd_explain.errors import TableError
from btxrd_explain.finding import Finding  # noqa: TC001 -- pydantic reads annotations at run time

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the metadata of a table may say: they come from a file, and reports, figures and arrays are made of them.

_MOST_BYTES = 16 * 2**20
_MOST_CELLS = 2**22
"""Numbers in the grids of one image."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that cannot be printed")
    return text


_Text = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_printable)]
_Side = Annotated[int, Field(ge=1, le=4096)]
_Numbers = Annotated[tuple[float, ...], Field(max_length=64)]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


_Kind = TypeVar("_Kind", bound=_Document)


class PreprocessingDocument(_Document):
    """How radiographs became the network's input; see :class:`btxrd_explain.core.preprocess.Preprocessing`."""

    size: tuple[_Side, _Side]
    mean: _Numbers
    std: _Numbers
    resize: ResizeMode
    interpolation: Interpolation
    antialias: bool
    crop_fraction: float
    decode: Decode = Decode.EXACT  # tables of earlier releases do not say


class _RequestDocument(_Document):
    """What of a request is made use of, beyond comparing it with others."""

    checkpoint: str
    versions: dict[str, str] = {}

    @classmethod
    def checked(cls, request: dict[str, Any]) -> dict[str, Any]:
        cls.model_validate(request)
        return request


class ProvenanceDocument(_Document):
    """How a table was made; see :class:`btxrd_explain.predictions.provenance.Provenance`."""

    request: Annotated[dict[str, Any], AfterValidator(_RequestDocument.checked)]
    class_names: Annotated[tuple[str, ...], AfterValidator(checked_class_names)]
    preprocessing: PreprocessingDocument
    checkpoint: _Text
    architecture: _Text
    method: _Text
    target_layer: _Text
    grid: tuple[_Side, _Side]
    notes: tuple[str, ...]
    synthetic: bool
    warnings: tuple[Finding, ...] = ()  # likewise

    @model_validator(mode="after")
    def _within_bounds(self) -> ProvenanceDocument:
        if len(self.class_names) * self.grid[0] * self.grid[1] > _MOST_CELLS:
            raise ValueError(f"grids of {self.grid[0]} x {self.grid[1]} cells are too large")
        return self


class _VersionDocument(_Document):
    schema_version: int


def read_version(data: bytes) -> int:
    """Read the version of metadata, whatever else they say.

    Raises:
        ValueError: They are damaged or too long.
    """
    return _read(_VersionDocument, data).schema_version


def read_document(data: bytes) -> ProvenanceDocument:
    """Read metadata.

    Raises:
        ValueError: They are damaged, too long, or say what cannot be.
    """
    return _read(ProvenanceDocument, data)


def _read(kind: type[_Kind], data: bytes) -> _Kind:
    if len(data) > _MOST_BYTES:
        raise ValueError(f"they have {len(data)} bytes")
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from error


SCHEMA_VERSION = 1
_METADATA_KEY = b"btxrd_explain"


@dataclass(frozen=True, slots=True)
class Provenance:
    """How the rows of a table were made.

    Attributes:
        request: All that decides about the rows and is known before torch is imported: the checkpoint's hash, the
            settings as asked for, and versions. Its hash is the fingerprint.
        class_names: Names of the classes, in the network's order.
        preprocessing: How radiographs became the network's input.
        checkpoint: File name of the checkpoint.
        architecture: timm's name of the network, or the function that builds it.
        method: Name of the class-activation method.
        target_layer: Dotted name of the layer that was explained.
        grid: Rows and columns of the class-activation grids.
        notes: What was decided or reported when the checkpoint was loaded.
        synthetic: True for the demo's made-up radiographs and classifier.
        findings: What may be wrong with the network or its input, as found when the checkpoint was loaded.
    """

    request: Mapping[str, Any]
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    checkpoint: str
    architecture: str
    method: str
    target_layer: str
    grid: Size
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the request."""
        return fingerprint(self.request)

    @property
    def checkpoint_sha256(self) -> str:
        """SHA-256 of the checkpoint file."""
        return str(self.request["checkpoint"])

    def document(self) -> dict[str, Any]:
        """Return the provenance as plain JSON values, for reports."""
        return {
            "fingerprint": self.fingerprint,
            "checkpoint": self.checkpoint,
            "checkpoint_sha256": self.checkpoint_sha256,
            "architecture": self.architecture,
            "class_names": list(self.class_names),
            "method": self.method,
            "target_layer": self.target_layer,
            "grid": list(self.grid),
            "preprocessing": asdict(self.preprocessing),
            "versions": dict(self.request.get("versions", {})),
            "notes": list(self.notes),
            "synthetic": self.synthetic,
            "warnings": [asdict(finding) for finding in self.findings],
        }

    def encode(self) -> dict[bytes, bytes]:
        """Return the provenance as schema metadata."""
        document = self.document() | {"schema_version": SCHEMA_VERSION, "request": dict(self.request)}
        return {_METADATA_KEY: json.dumps(document, sort_keys=True).encode()}

    @classmethod
    def decode(cls, metadata: Mapping[bytes, bytes] | None) -> Provenance:
        """Read the provenance back from schema metadata.

        Raises:
            TableError: The metadata are missing, damaged or of another schema version.
        """
        if not metadata or _METADATA_KEY not in metadata:
            raise TableError("this is not a predictions table", hint="make one with 'btxrd-explain infer'")
        try:
            version = read_version(metadata[_METADATA_KEY])
            if version == SCHEMA_VERSION:
                return cls._from_document(read_document(metadata[_METADATA_KEY]))
        except ValueError as error:
            raise TableError(f"the table's metadata are damaged ({error})", hint="run 'btxrd-explain infer'") from error
        raise TableError(
            f"the table has schema version {version}, this release reads {SCHEMA_VERSION}",
            hint="run 'btxrd-explain infer' again",
        )

    @classmethod
    def _from_document(cls, document: ProvenanceDocument) -> Provenance:
        """Turn a document into what it stands for.

        Raises:
            ValueError: The preprocessing is impossible.
        """
        wanted = document.preprocessing
        return cls(
            request=document.request,
            class_names=document.class_names,
            preprocessing=Preprocessing(**dict(wanted) | {"size": Size(*wanted.size)}),
            checkpoint=document.checkpoint,
            architecture=document.architecture,
            method=document.method,
            target_layer=document.target_layer,
            grid=Size(*document.grid),
            notes=document.notes,
            synthetic=document.synthetic,
            findings=document.warnings,
        )


def fingerprint(request: Mapping[str, Any]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a request in canonical JSON."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Say in words what differs between two requests.

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
    text = str(value)
    return text[:8] if len(text) == 64 else text
