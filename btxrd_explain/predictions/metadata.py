"""What the metadata of a table may say: they come from a file, and reports, figures and arrays are made of them."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from btxrd_explain.core.class_names import checked_class_names
from btxrd_explain.core.geometry import ResizeMode  # noqa: TC001 -- pydantic reads annotations at run time
from btxrd_explain.core.preprocess import Decode, Interpolation

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


class CautionDocument(_Document):
    """What may be wrong; see :class:`btxrd_explain.errors.Caution`."""

    code: str
    message: str
    check: str


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
    warnings: tuple[CautionDocument, ...] = ()  # likewise

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
