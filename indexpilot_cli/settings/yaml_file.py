"""Configuration files: YAML with the line and column of every key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.keys import convert, keys, nearest, sections


@dataclass(frozen=True, slots=True)
class FileValue:
    """A value of a file and the line it stands on (from 1)."""

    path: str
    value: object
    line: int


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A mistake in a file: one sentence, and where."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


def read(path: Path, shown: str) -> tuple[tuple[FileValue, ...], tuple[FileProblem, ...]]:
    """Entries and mistakes of a file, which messages call ``shown``. Raises UsageError when it is unreadable."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read the configuration file {shown}", detail=str(reason)) from error
    return parse(text, shown)


def load_plain(text: str) -> object:
    """The YAML text as plain values. Raises ValueError when it is not YAML."""
    try:
        value: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {str(error).splitlines()[0]}") from error
    return value


def parse(text: str, shown: str) -> tuple[tuple[FileValue, ...], tuple[FileProblem, ...]]:
    """Entries and mistakes of the YAML text."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        return (), (
            FileProblem(shown, line, column, f"not YAML: {error.problem or error.context or 'cannot be read'}"),
        )
    except yaml.YAMLError as error:
        return (), (FileProblem(shown, 1, 1, f"not YAML: {str(error).splitlines()[0]}"),)
    if root is None:
        return (), ()
    found = list(_walk(root, "", shown))
    entries = tuple(f for f in found if isinstance(f, FileValue))
    return entries, tuple(f for f in found if isinstance(f, FileProblem))


def _walk(node: yaml.Node, prefix: str, shown: str) -> Iterator[FileValue | FileProblem]:
    if not isinstance(node, yaml.MappingNode):
        if prefix and _value(node) is None:
            return
        where = f"{prefix[:-1]} is a section: " if prefix else ""
        yield _problem(shown, node, f"{where}expects keys with values")
        return
    seen: set[str] = set()
    for name_node, value_node in node.value:
        path = prefix + str(name_node.value)
        if path in seen:
            yield _problem(shown, name_node, f"{path} stands here twice")
        seen.add(path)
        yield from _item(path, name_node, value_node, shown)


def _item(path: str, name: yaml.Node, value: yaml.Node, shown: str) -> Iterator[FileValue | FileProblem]:
    if path in sections():
        yield from _walk(value, path + ".", shown)
    elif path == "connection.password":
        yield _problem(shown, name, "a password does not belong in a configuration file: use ~/.pgpass")
    elif path not in keys():
        meant = nearest(path, [*keys(), *sections()])
        yield _problem(shown, name, f"unknown key {path}" + (f", did you mean {meant}?" if meant else ""))
    else:
        try:
            yield FileValue(path, convert(keys()[path], _value(value)), name.start_mark.line + 1)
        except (ValueError, yaml.YAMLError) as error:
            yield _problem(shown, value, f"{path} {str(error).splitlines()[0]}")


def _value(node: yaml.Node) -> object:
    loader = yaml.SafeLoader("")
    try:
        value: object = loader.construct_document(node)
    finally:
        loader.dispose()
    return value


def _problem(shown: str, node: yaml.Node, text: str) -> FileProblem:
    return FileProblem(shown, node.start_mark.line + 1, node.start_mark.column + 1, text)
