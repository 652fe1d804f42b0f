"""How a table was made: what was asked for, what that resolved to, and a fingerprint of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.geometry import Size
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import Caution, TableError
from btxrd_explain.predictions.metadata import read_document, read_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from btxrd_explain.predictions.metadata import ProvenanceDocument

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
        cautions: What may be wrong with the network or its input, as found when the checkpoint was loaded.
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
    cautions: tuple[Caution, ...] = ()

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
            "warnings": [asdict(caution) for caution in self.cautions],
        }

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
            raise TableError("this is no predictions table", hint="make one with 'btxrd-explain infer'")
        try:
            version = read_version(metadata[_METADATA_KEY])
            if version == SCHEMA_VERSION:
                return _of_several_classes(cls._from_document(read_document(metadata[_METADATA_KEY])))
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
            ValueError: There is no such preprocessing.
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
            cautions=tuple(Caution(**dict(entry)) for entry in document.warnings),
        )


def _of_several_classes(provenance: Provenance) -> Provenance:
    """Refuse the table of a network with one output, as earlier releases wrote them."""
    if len(provenance.class_names) < 2:
        raise TableError(
            f"the table has one class ('{provenance.class_names[0]}'), and the softmax of one output is 1 in every row",
            hint="compute it with a network of two outputs",
        )
    return provenance


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
