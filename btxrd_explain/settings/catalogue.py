"""Every setting by its dotted name, with what users are told about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from inspect import getdoc
from types import MappingProxyType
from typing import Any

from btxrd_explain.settings.schema import Settings
from btxrd_explain.settings.sections import Section

PREFIX, DELIMITER = "BTXRD_EXPLAIN_", "__"
"""What names of environment variables begin with, and what is in them between section and setting."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What users are told about one setting.

    Attributes:
        name: Dotted name, such as ``model.device``.
        default: Value where nobody says otherwise.
        description: What it means.
    """

    name: str
    default: Any
    description: str

    @property
    def section(self) -> str:
        """Name of the section that it belongs to."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """Name within its section."""
        return self.name.partition(".")[2]

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return f"{PREFIX}{self.section}{DELIMITER}{self.key}".upper()

    @property
    def flag(self) -> str:
        """Name of its flag on the command line."""
        return "--" + self.key.replace("_", "-")

    @property
    def allowed(self) -> str:
        """The values that it takes, in words.

        >>> SETTINGS["annotation.threshold"].allowed
        'a number from 0 to 1'
        """
        return _listed(_options(_properties(self.section)[self.key]))

    @property
    def allowed_by_flag(self) -> str:
        """The values that its flag takes, in words: a flag is left out where a file says null.

        >>> SETTINGS["run.shard"].allowed, SETTINGS["run.shard"].allowed_by_flag
        ('text like 1/8 or null', 'text like 1/8')
        """
        return _listed([words for words in _options(_properties(self.section)[self.key]) if words != "null"])

    @property
    def choices(self) -> list[str]:
        """The words that it takes, where they can be listed; of a list those of its items.

        >>> SETTINGS["output.format"].choices, SETTINGS["run.workers"].choices, SETTINGS["output.dpi"].choices
        (['png', 'svg', 'pdf'], ['auto'], [])
        """
        schema = _properties(self.section)[self.key]
        options = schema.get("anyOf", [schema])
        return [word for one in options for word in _words(one.get("items", one))]


def _sections() -> dict[str, type[Section]]:
    """Return the sections in the order of the schema."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


SECTIONS: Mapping[str, type[Section]] = MappingProxyType(_sections())
"""The sections in the order of the schema."""

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        name: Setting(name, field.default, field.description or "")
        for section, model in SECTIONS.items()
        for key, field in model.model_fields.items()
        for name in (f"{section}.{field.alias or key}",)
    }
)
"""All settings in the order of the schema, by their dotted names."""


def section_description(section: str) -> str:
    """Return what users are told about a section."""
    return " ".join((getdoc(SECTIONS[section]) or "").split())


def closest(name: str) -> str | None:
    """Return the setting, or else the section, that a user may have meant by an unknown name.

    >>> closest("gradcam.exampels_per_class"), closest("threshold"), closest("modle"), closest("colour")
    ('gradcam.examples_per_class', 'annotation.threshold', 'model', None)
    """
    plain = name.lower().replace("-", "_")
    section = plain.partition(".")[0]
    keys = {setting.key: setting.name for setting in SETTINGS.values()}
    matches = [
        *(keys[key] for key in get_close_matches(plain.rpartition(".")[2], keys, n=1, cutoff=0.8)),
        *get_close_matches(plain, SETTINGS, n=1, cutoff=0.7),
        *(get_close_matches(section, SECTIONS, n=1) if section not in SECTIONS else ()),
    ]
    return matches[0] if matches else None


@cache
def _properties(section: str) -> dict[str, dict[str, Any]]:
    document = SECTIONS[section].model_json_schema()
    enumerations = {f"#/$defs/{name}": one for name, one in document.get("$defs", {}).items()}
    return {key: enumerations.get(one.get("$ref"), one) for key, one in document["properties"].items()}


def _options(schema: Mapping[str, Any]) -> list[str]:
    """Put the alternatives of a JSON schema into words.

    >>> _options({"anyOf": [{"type": "integer", "minimum": 16}, {"type": "null"}]})
    ['a whole number of at least 16', 'null']
    """
    if "anyOf" in schema:
        return [words for option in schema["anyOf"] for words in _options(option)]
    if words := _words(schema):
        return words
    if schema["type"] == "array":
        return [_array(schema)]
    if schema["type"] == "string":
        return ["a path" if schema.get("format") == "path" else _text(schema)]
    names = {"integer": ["a whole number"], "number": ["a number"], "boolean": ["true", "false"], "null": ["null"]}
    return [words + _range(schema) for words in names[schema["type"]]]


def _words(schema: Mapping[str, Any]) -> list[str]:
    return list(schema.get("enum", [schema["const"]] if "const" in schema else []))


def _listed(values: list[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last


def _text(schema: Mapping[str, Any]) -> str:
    examples = schema.get("examples", [])
    return f"text like {_listed(examples)}" if examples else "text"


def _array(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if "prefixItems" in schema:
        return f"a list of {most} numbers{_range(schema['prefixItems'][0])}"
    if "enum" in schema["items"]:
        return f"a list of {_listed(schema['items']['enum'])}"
    if schema["items"].get("type") == "number":
        return f"a list of {least} to {most} numbers{_range(schema['items'])}"
    items = "paths" if schema["items"].get("format") == "path" else "texts"
    return f"a list of at least {least} {items}" if least else f"a list of {items}"


def _range(schema: Mapping[str, Any]) -> str:
    """Put the limits of a number into words.

    >>> _range({"minimum": 0, "maximum": 1}), _range({"exclusiveMinimum": 0, "maximum": 1}), _range({})
    (' from 0 to 1', ' above 0, at most 1', '')
    """
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    limits = (("of at least", low), ("above", above), ("at most", high))
    words = ", ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
    return f" {words}" if words else ""
