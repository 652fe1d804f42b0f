"""YAML for settings: plain mappings and lists of text, nothing that can surprise.

Every scalar stays the text of the file, except an unquoted ``null``; what the text means is decided by
the setting that it is for. A class called ``No`` is therefore no boolean, a folder called ``2024-01-02`` no date.
Aliases (which can expand without bounds), tags and duplicate keys are errors.
"""

from pathlib import Path
from typing import Any

import yaml

from btxrd_explain.errors import SettingsError

MAX_BYTES = 2**20
"""Longest configuration file that is read; a documented one has 8 KiB."""

_NULL = "tag:yaml.org,2002:null"

_HINTS = {
    r"'\t'": "indent with spaces, not with tabs",
    "chomping": "put quotes around a value that begins with '>' or '|'",
    "another document": "remove the second '---'",
}
"""What to do about an error, by a part of PyYAML's description of it."""

_ONLY_NULL = {
    first: [resolver for resolver in resolvers if resolver[0] == _NULL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
"""PyYAML's table from a scalar's first character to the kinds that it may be, less all kinds but one."""


class _Loader(yaml.SafeLoader):
    """A safe loader that resolves nothing but ``null``, and refuses what settings have no use for."""

    yaml_implicit_resolvers = _ONLY_NULL

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 -- PyYAML's signature
        """Refuse aliases and tags, then compose as usual."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it open
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases ('*') are not supported", event)
        if getattr(event, "tag", None) is not None:
            raise _refusal(f"tags ('!') are not supported, found {event.tag!r}", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401 -- PyYAML's signature
        """Refuse duplicate keys, of which PyYAML would silently keep the last."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise _refusal(f"duplicate key {key.value!r}", key)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep=deep)


def read_document(path: Path) -> dict[Any, Any]:
    """Read a configuration file.

    Args:
        path: A YAML file in UTF-8 that holds one mapping, or nothing.

    Returns:
        The mapping, nested as in the file; its leaves are text, lists or None.

    Raises:
        SettingsError: The file cannot be read, is too long, or is not such a file; says in which line.
    """
    where = f"config file {str(path)!r}"
    text = _read_text(path, where)
    try:
        document = _parse(text)
    except yaml.YAMLError as error:
        raise _explained(error, text, where) from error
    except RecursionError as error:
        raise SettingsError(f"{where} is nested too deeply", hint="settings have two levels") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(
            f"{where} holds {'a list' if isinstance(document, list) else 'a single value'}, no mapping",
            hint="write sections such as 'model:' with indented settings below them",
        )
    return document


def parse_list(text: str) -> object:
    """Read a list as YAML and JSON write it.

    Raises:
        ValueError: The text is not such a list.

    >>> parse_list("[Normal, 'Benign', No]")
    ['Normal', 'Benign', 'No']
    """
    try:
        return _parse(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("close the list and its quotes, as in [a, b]") from error


def _parse(text: str) -> Any:  # noqa: ANN401 -- whatever the text holds
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _read_text(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SettingsError(f"{where} is longer than 1 MiB", hint="name a file of settings")
        return data.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"cannot read {where} ({reason})", hint="check --config, or write one with 'btxrd-explain config init'"
        ) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{where}, line {line}: not UTF-8 text", hint="save it as UTF-8") from error


def _refusal(problem: str, at: Any) -> yaml.MarkedYAMLError:  # noqa: ANN401 -- a node or an event
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _explained(error: yaml.YAMLError, text: str, where: str) -> SettingsError:
    """Turn PyYAML's several lines into one with the place, the problem and, where known, what to do."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        place, problem = f"line {mark.line + 1}, column {mark.column + 1}", str(error.problem).removeprefix("but ")
    else:  # a ReaderError: the only one that knows a position instead of a mark
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        place, problem = f"line {line}", "a control character"
    hint = next((hint for part, hint in _HINTS.items() if part in problem), None)
    return SettingsError(f"{where}, {place}: {problem}", hint=hint)
