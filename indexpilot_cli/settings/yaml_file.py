"""Configuration files: YAML with the line and column of every key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import yaml

from indexpilot_cli.core import files
from indexpilot_cli.settings.keys import convert, keys, nearest, sections

# libyaml is fifty times as fast; a wheel without it reads the same.
_Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_MOST_VALUES = 5_000  # keys and values of a configuration; ours has a few hundred
_MOST_PLAIN = 1_000_000  # of a plan
_MOST_PROBLEMS = 25
_MOST_SLOW = 512 << 10  # characters, a few seconds in Python
_DEEPEST = 100
_TOO_DEEP = "exceeded maximum nesting depth"  # of libyaml, 1,000 levels


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
    return parse(files.read_text(path, replace(files.CONFIGURATION, name=shown)), shown)


def load_plain(text: str) -> object:
    """The YAML text as plain values. Raises ValueError when it is not YAML."""
    try:
        root = composed(text, _MOST_PLAIN)
        value = None if root is None else _value(root)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {str(error).splitlines()[0]}") from error
    return value


def composed(text: str, most: int) -> yaml.Node | None:
    """The nodes of the YAML text, at most so many, aliases expanded; None for an empty one.

    Raises yaml.YAMLError, and ValueError when there are more or they are nested too deeply.
    """
    try:
        _count(text, most)
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        if isinstance(error, yaml.MarkedYAMLError) and error.problem == _TOO_DEEP:
            raise ValueError("nested too deeply") from None
        # The one written in Python says more exactly what is wrong, and takes escapes of JSON that libyaml does not.
        if len(text) > _MOST_SLOW:
            raise
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    if root is not None:
        _expanded(root, 0, {}, most)
    return root


def _count(text: str, most: int) -> None:
    # As events: they cost no recursion, and a text that is too much is left before it is a tree.
    depth = count = 0
    for event in yaml.parse(text, Loader=_Loader):
        count += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        _bounded(count, depth, most)


def _bounded(count: int, depth: int, most: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if count > most:
        raise ValueError(f"more than {most:,} values")


def _expanded(node: yaml.Node, depth: int, known: dict[int, int], most: int) -> int:
    """How many nodes it is when every alias is written out; an alias of an alias doubles a document with each line."""
    if id(node) not in known:
        below = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        parts = () if isinstance(node, yaml.ScalarNode) else below
        _bounded(0, depth, most)
        known[id(node)] = 1 + sum(_expanded(part, depth + 1, known, most) for part in parts)
    _bounded(known[id(node)], depth, most)
    return known[id(node)]


def parse(text: str, shown: str) -> tuple[tuple[FileValue, ...], tuple[FileProblem, ...]]:
    """Entries and mistakes of the YAML text."""
    try:
        root = composed(text, _MOST_VALUES)
    except ValueError as error:
        return (), (FileProblem(shown, 1, 1, str(error)),)
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
    entries: list[FileValue] = []
    problems: list[FileProblem] = []
    for found in _walk(root, "", shown):
        if isinstance(found, FileValue):
            entries.append(found)
        else:
            problems.append(found)
        if len(problems) == _MOST_PROBLEMS:  # nobody reads more, and each looks for the key that was meant
            break
    return tuple(entries), tuple(problems)


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
