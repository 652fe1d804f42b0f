"""The settings in effect with where each came from, and a settings file to start from."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from btxrd_explain.errors import OutputError
from btxrd_explain.settings import SECTIONS, SETTINGS, Settings, load_settings, section_description
from btxrd_explain.system.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from btxrd_explain.settings import LoadedSettings, Setting

_WIDTH = 100

_HEADER = """\
Settings of btxrd-explain. The same settings can come from elsewhere, and a later source wins: defaults < this \
file (--config) < environment, such as BTXRD_EXPLAIN_MODEL__DEVICE < flags < --set, such as \
--set model.device=cpu.
Settings that are left out keep their defaults. A list can also be text with commas. Relative paths start at the \
working directory, as everywhere on the command line, and not at this file; ~ is the home folder."""


class Row(NamedTuple):
    """One setting in effect.

    Attributes:
        name: Dotted name.
        value: The value as YAML writes it, in one line.
        origin: Where it came from.
    """

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class ConfigResult:
    """The settings in effect.

    Attributes:
        rows: All of them, in the order of the schema.
        values: Their plain JSON values, by section and name.
        origins: Where each came from, by dotted name.
    """

    rows: list[Row]
    values: dict[str, Any]
    origins: Mapping[str, str]


def run(
    config: Path | None = None, assignments: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> ConfigResult:
    """Load the settings, and say where each came from; see :func:`btxrd_explain.settings.load_settings`.

    Raises:
        SettingsError: The file cannot be read, or a name or a value is wrong.
    """
    loaded = load_settings(config, {}, assignments, environ)
    return ConfigResult(describe(loaded), loaded.settings.model_dump(mode="json"), loaded.origins)


def init(path: Path, *, force: bool = False) -> Path:
    """Write a commented YAML file with all settings and their defaults.

    Raises:
        OutputError: The file exists and ``force`` is not set, or it cannot be written.
    """
    if path.exists() and not force:
        raise OutputError(f"'{path}' exists", hint="name another file, or give --force")
    write_bytes(path, default_yaml().encode())
    return path


def describe(loaded: LoadedSettings) -> list[Row]:
    """List all settings in the order of the schema, with where each came from.

    >>> rows = describe(load_settings(assignments=["model.device=cpu"], environ={}))
    >>> [row for row in rows if row.name == "model.device"]
    [Row(name='model.device', value='cpu', origin='--set model.device=cpu')]
    """
    values = _values(loaded.settings)
    return [Row(name, yaml_value(values[name]), loaded.origins[name]) for name in SETTINGS]


def default_yaml() -> str:
    """Return the commented template: every setting with its description, kind and default."""
    return to_yaml(Settings())


def to_yaml(settings: Settings) -> str:
    """Write settings as a commented configuration file that loads to the same settings."""
    values = _values(settings)
    blocks = [_comment(_HEADER)]
    for section in SECTIONS:
        blocks.append(f"{_comment(section_description(section))}\n{section}:")
        blocks += [_entry(setting, values[setting.name]) for setting in SETTINGS.values() if setting.section == section]
    return "\n\n".join(blocks) + "\n"


def yaml_value(value: Any) -> str:  # noqa: ANN401 -- whatever JSON can hold
    """Write a plain value as YAML in one line.

    >>> yaml_value(None), yaml_value([0.5, 1.0]), yaml_value(">="), yaml_value("null")
    ('null', '[0.5, 1.0]', "'>='", "'null'")
    """
    text = _dump(value, style=None)
    return text if text.isprintable() else _dump(value, style='"')


def _dump(value: Any, style: str | None) -> str:  # noqa: ANN401 -- whatever JSON can hold
    import yaml  # noqa: PLC0415 -- takes long to import, and only this needs it

    text: str = yaml.safe_dump(
        value, default_style=style, default_flow_style=True, width=float("inf"), allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _values(settings: Settings) -> dict[str, Any]:
    """Return the plain values by dotted name."""
    sections = settings.model_dump(mode="json")
    return {setting.name: sections[setting.section][setting.key] for setting in SETTINGS.values()}


def _entry(setting: Setting, value: Any) -> str:  # noqa: ANN401 -- whatever JSON can hold
    default = _values(Settings())[setting.name]
    facts = f"Value: {setting.allowed}. Default: {yaml_value(default)}."
    return "\n".join([_comment(f"{setting.description}\n{facts}", "  "), f"  {setting.key}: {yaml_value(value)}"])


def _comment(text: str, indent: str = "") -> str:
    """Wrap text, line by line, as YAML comments."""
    prefix = f"{indent}# "
    width = _WIDTH - len(prefix)
    lines = (wrap(line, width, break_long_words=False, break_on_hyphens=False) for line in text.splitlines())
    return "\n".join(f"{prefix}{part}" for line in lines for part in line)
