"""Where settings come from: defaults < configuration file < environment < flags < ``--set``.

pydantic checks the values. This module lays the sources over each other, remembers which of them each value came
from, and turns whatever is wrong into one line for the user: all problems of all sources together.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pydantic import ValidationError

from btxrd_explain.errors import SettingsError
from btxrd_explain.plain import nearest
from btxrd_explain.settings.catalogue import DELIMITER, PREFIX, SECTIONS, SETTINGS, closest
from btxrd_explain.settings.schema import Settings
from btxrd_explain.system.places import without_secrets

_LONGEST = 80
"""Characters of a name or a value that an error shows."""

_MOST = 20
"""Unknown settings that an error names; to find what each of ten thousand was meant to be takes a minute."""

_ENVIRONMENT = "environment "


class Given(NamedTuple):
    """A value that somebody gave to a setting, whether there is such a setting or not."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and where each of them came from.

    Attributes:
        settings: The settings in effect.
        origins: For each setting by its dotted name: ``default``, ``config file 'x.yaml'``,
            ``environment BTXRD_EXPLAIN_MODEL__DEVICE``, ``flag --device`` or ``--set model.device=cpu``.
        config: The configuration file.
        flags: The values that were given on the command line by dotted name, in its order, as they were written.
        assignments: The values of ``--set``.
        ignored: What is said of variables of the environment that look like settings, and are none.
    """

    settings: Settings
    origins: Mapping[str, str]
    config: Path | None = None
    flags: Mapping[str, object] = field(default_factory=dict)
    assignments: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def load_settings(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    assignments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Load the settings of a run from all their sources.

    Each source wins over the ones before it in ``defaults, config, environ, flags, assignments``, setting by
    setting; a list is replaced as a whole.

    Args:
        config: A YAML file.
        flags: Values from the command line by dotted name. None and an empty list mean that a flag was not given;
            ``--set`` can say null.
        assignments: The values of ``--set``, each like ``model.device=cpu``. The last one for a setting wins.
        environ: Environment variables; None takes those of the process. Only names like
            ``BTXRD_EXPLAIN_MODEL__DEVICE`` are read, and an empty one counts as not set.

    Returns:
        The settings and their origins.

    Raises:
        SettingsError: The file cannot be read, or a name or a value is wrong.

    >>> loaded = load_settings(assignments=["annotation.threshold=0.4"], environ={})
    >>> loaded.settings.annotation.threshold, loaded.origins["annotation.threshold"]
    (0.4, '--set annotation.threshold=0.4')
    """
    given = [*_from_flags(flags or {})]
    loaded = _loaded(
        [
            *(() if config is None else _from_file(config)),
            *_from_environment(os.environ if environ is None else environ),
            *given,
            *_from_assignments(assignments),
        ]
    )
    written = {item.name: item.value for item in given}
    if config is not None:
        _check_places(loaded, config)
    ignored = tuple(_ignored(os.environ if environ is None else environ))
    return replace(
        loaded, config=config, flags=MappingProxyType(written), assignments=tuple(assignments), ignored=ignored
    )


def settings_of(
    keywords: Mapping[str, object], further: Mapping[str, object] | None = None, config: Path | None = None
) -> Settings:
    """Return the settings of a call from Python; the environment has no part in them.

    Args:
        keywords: Values of keywords by dotted name.
        further: Values of other settings by dotted name, which win.
        config: A YAML file, over which both win.

    Raises:
        SettingsError: The file cannot be read, or a name or a value is wrong.

    >>> settings_of({"annotation.threshold": 0.4}).annotation.threshold
    0.4
    """
    given = [*(() if config is None else _from_file(config))]
    given += [Given(name, value, f"keyword {SETTINGS[name].key}") for name, value in keywords.items()]
    given += [Given(name, value, "settings") for name, value in (further or {}).items()]
    return _loaded(given).settings


def _loaded(given: list[Given]) -> LoadedSettings:
    """Lay values over each other, later ones over earlier ones, and check them."""
    effective = {item.name: item for item in given if item.name in SETTINGS}
    unknown = [item for item in given if item.name not in SETTINGS]
    settings = _validated(effective, [_unknown(item) for item in unknown[:_MOST]], more=len(unknown[_MOST:]))
    origins = {name: effective[name].origin if name in effective else "default" for name in SETTINGS}
    return LoadedSettings(settings, MappingProxyType(origins))


def _check_places(loaded: LoadedSettings, config: Path) -> None:
    """Refuse a relative path that leads nowhere, where one from the folder of the settings file would."""
    origin = f"config file {str(config)!r}"
    for name, setting in SETTINGS.items():
        if loaded.origins[name] != origin or name == "output.directory":
            continue
        value = loaded.settings.model_dump(include={setting.section}, by_alias=True)[setting.section][setting.key]
        for item in value if isinstance(value, tuple) else (value,):
            is_place = isinstance(item, Path) or name == "data.inputs"
            if is_place and not Path(item).is_absolute() and not Path(item).exists():
                beside = config.parent / item
                if beside.exists():
                    raise SettingsError(
                        f"setting '{name}' ({origin}) is '{item}', which is not there: relative paths start at the "
                        "working directory, not at the file",
                        hint=f"write '{beside}', or an absolute path",
                    )


def _from_file(path: Path) -> list[Given]:
    from btxrd_explain.settings.document import read_document  # noqa: PLC0415 -- PyYAML, only for a file

    origin = f"config file {str(path)!r}"
    given = list(_leaves(read_document(path), origin))
    names = [item.name for item in given]
    twice = [name for name in SETTINGS if names.count(name) > 1]
    if twice:
        raise SettingsError(f"{origin} gives '{twice[0]}' twice", hint="remove one of them")
    return given


def _leaves(document: Mapping[object, object], origin: str, section: str = "") -> Iterator[Given]:
    """Flatten sections to dotted names; a section whose settings are all commented out gives nothing."""
    for key, value in document.items():
        name = f"{section}{key}"
        if name in SECTIONS and isinstance(value, dict):
            yield from _leaves(value, origin, f"{name}.")
        elif name not in SECTIONS or value is not None:
            yield Given(name, value, origin)


def _from_environment(environ: Mapping[str, str]) -> Iterator[Given]:
    """Read the variables that are meant as settings, and leave all others with our prefix alone.

    ``BTXRD_EXPLAIN_MODEL_DEVICE``, with one underscore too few, is meant as a setting too.
    """
    near_misses = {name.replace(".", "_") for name in SETTINGS}
    for variable, text in environ.items():
        name = variable[len(PREFIX) :].lower()
        if text and variable.startswith(PREFIX) and (DELIMITER in name or name in near_misses):
            yield Given(name.replace(DELIMITER, "."), _from_text(text), f"{_ENVIRONMENT}{_one_line(variable)}")


_OWN = frozenset({f"{PREFIX}REAL_DATA"})
"""Variables with our prefix that are not settings."""


def _ignored(environ: Mapping[str, str]) -> Iterator[str]:
    """Say of each variable with our prefix that no setting has it, and which one may be meant."""
    read = {item.origin.removeprefix(_ENVIRONMENT) for item in _from_environment(environ)}
    for variable, text in environ.items():
        if text and variable.startswith(PREFIX) and variable not in read | _OWN:
            meant = closest(variable[len(PREFIX) :].lower())
            near = (
                f"did you mean {SETTINGS[meant].variable}?"
                if meant is not None and meant in SETTINGS
                else "btxrd-explain config shows them"
            )
            yield f"{_one_line(variable)} in the environment is not a setting, and is ignored: {near}"


def _from_flags(flags: Mapping[str, object]) -> Iterator[Given]:
    for name, value in flags.items():
        if value is None or (isinstance(value, list | tuple) and not value):
            continue
        yield Given(name, value, _flag_origin(name, value))


def _flag_origin(name: str, value: object) -> str:
    """Name a flag as the user wrote it."""
    if name == "data.inputs":
        return "argument INPUT"
    flag = SETTINGS[name].flag if name in SETTINGS else name
    return f"flag {flag.replace('--', '--no-', 1) if value is False else flag}"


def _from_assignments(assignments: Sequence[str]) -> Iterator[Given]:
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise SettingsError(
                f"--set {_cut(repr(assignment))} assigns nothing", hint="write --set SECTION.SETTING=VALUE"
            )
        yield Given(name.strip(), _from_text(text.strip()), f"--set {_one_line(assignment)}")


def _from_text(text: str) -> str | None:
    """Return what a text says: nothing, as YAML writes it, or itself; the kind of the setting does the rest."""
    return None if text in {"", "~", "null", "Null", "NULL"} else text


def _validated(effective: Mapping[str, Given], problems: list[str], more: int) -> Settings:
    """Let pydantic check the values, and report its findings together with the problems that are known already."""
    try:
        settings = Settings.model_validate(_nested(effective.values()))
    except ValidationError as error:
        raise _joined(problems + _invalid(error, effective), more) from error
    if problems:
        raise _joined(problems, more)
    return settings


def _joined(problems: list[str], more: int) -> SettingsError:
    count = len(problems) + more
    shown = [*problems, f"and {more} more unknown ones"] if more else problems
    return SettingsError((f"{count} settings are wrong: " if count > 1 else "") + "; ".join(shown))


def _nested(given: Iterable[Given]) -> dict[str, dict[str, object]]:
    nested: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for item in given:
        section, _, key = item.name.partition(".")
        nested[section][key] = item.value
    return nested


def _unknown(given: Given) -> str:
    """Return the message that a setting is unknown, and which ones exist."""
    if given.name in SECTIONS:
        example = f"{given.name}.{_keys(given.name)[0]}"
        return f"'{given.name}' in {given.origin} is a section: give its settings, such as '{example}'"
    return f"unknown setting {_cut(repr(given.name))} in {given.origin}: {_suggestion(given)}"


def _keys(section: str) -> list[str]:
    return [setting.key for setting in SETTINGS.values() if setting.section == section]


def _suggestion(given: Given) -> str:
    """Name what was meant, in the notation of the source, or else what there is."""
    meant = closest(given.name)
    if meant is not None:
        variable = given.origin.startswith(_ENVIRONMENT) and meant in SETTINGS
        return f"did you mean {SETTINGS[meant].variable}?" if variable else f"did you mean '{meant}'?"
    section = given.name.partition(".")[0]
    if section in SECTIONS:
        return f"'{section}' holds {', '.join(_keys(section))}"
    return f"the sections are {', '.join(SECTIONS)}"


def _invalid(error: ValidationError, effective: Mapping[str, Given]) -> list[str]:
    """Return once per setting what is wrong; pydantic reports each branch of a union and each item of a list."""
    advice: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = ".".join(str(part) for part in detail["loc"][:2])
        own = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else None
        setting, by_flag = SETTINGS[name], effective[name].origin.startswith("flag ")
        near = nearest(detail["input"], map(str, setting.choices)) if isinstance(detail["input"], str) else None
        meant = "" if near is None else f"did you mean '{near}'? "
        usual = f"{meant}give {setting.allowed_by_flag if by_flag else setting.allowed}"
        advice[name] = own or advice.get(name) or usual
    return [
        f"setting '{name}' ({effective[name].origin}) is {_shown(effective[name].value)}: {text}"
        for name, text in advice.items()
    ]


def _shown(value: object) -> str:
    return "null" if value is None else _cut(without_secrets(repr(value)))


def _one_line(text: str) -> str:
    """Return the text itself where it can be printed in one line, else escape it."""
    return _cut(without_secrets(text if text.isprintable() else repr(text)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
