"""YAML, JSON and Python literals as one tree that knows its lines. Nothing of the file is ever executed."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import yaml

_MOST_NODES = 200_000
_DEEPEST = 40
_SCHEMA_NAMES = ("schema", "schema_config", "schema_definition")


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, number, truth value or nothing."""

    value: str | int | float | bool | None
    line: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Items in order."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Entries:
    """Keys and values in order, repeated keys included."""

    pairs: tuple[tuple[Scalar, Node], ...]
    line: int

    def get(self, key: str) -> Node | None:
        """The first value of the key, or None."""
        return next((value for name, value in self.pairs if name.value == key), None)


Node: TypeAlias = Scalar | Listing | Entries


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: its line (0 when the schema did not come from a file) and a sentence."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class Malformed(Exception):
    """The text is not a tree at all; carries the one problem that stopped the reading."""

    def __init__(self, line: int, message: str):
        super().__init__(message)
        self.problem = Problem(line, message)


def from_yaml(text: str) -> Node:
    """The tree of a YAML document. Raises Malformed."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise Malformed(line, f"not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Malformed(0, f"not YAML: {_first_line(error)}") from None
    if node is None:
        raise Malformed(1, "the file is empty")
    return _Yaml().convert(node, 0)


def from_json(text: str) -> Node:
    """The tree of a JSON document. Raises Malformed."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise Malformed(error.lineno, f"not JSON: {error.msg}") from None
    except RecursionError:
        raise Malformed(0, "nested too deeply") from None
    # What json.loads accepts is YAML too, except for tabs between the tokens.
    return from_yaml(text.replace("\t", " "))


def from_python(text: str) -> Node:
    """The tree of the literal in a Python file: one expression, or an assignment to ``schema`` in any case.

    Raises Malformed for everything that is not a literal.
    """
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise Malformed(error.lineno or 0, f"not Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Malformed(0, f"not Python: {_first_line(error)}") from None
    return _literal(_schema_expression(module), 0)


def from_object(value: object, depth: int = 0) -> Node:
    """The tree of nested dicts, lists and scalars; every line is 0. Raises Malformed for other objects."""
    if depth > _DEEPEST:
        raise Malformed(0, "nested too deeply")
    if value is None or isinstance(value, str | int | float | bool):
        return Scalar(value, 0)
    if isinstance(value, Mapping):
        return Entries(tuple((_key(k), from_object(v, depth + 1)) for k, v in value.items()), 0)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return Listing(tuple(from_object(item, depth + 1) for item in value), 0)
    raise Malformed(0, f"a schema cannot hold a {type(value).__name__}")


class _Yaml:
    """Conversion of composed YAML; counts nodes, because aliases can make a small file endless."""

    def __init__(self) -> None:
        self.left = _MOST_NODES
        self.scalars = yaml.SafeLoader("")

    def convert(self, node: yaml.Node, depth: int) -> Node:
        line = node.start_mark.line + 1
        self.left -= 1
        if self.left < 0 or depth > _DEEPEST:
            raise Malformed(line, "too large, or nested too deeply")
        if isinstance(node, yaml.MappingNode):
            return Entries(tuple(self._pairs(node, depth)), line)
        if isinstance(node, yaml.SequenceNode):
            return Listing(tuple(self.convert(item, depth + 1) for item in node.value), line)
        return self._scalar(node, line)

    def _pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[Scalar, Node]]:
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Malformed(key.start_mark.line + 1, "a key must be a word")
            # A key is always text: a column may be called "on" or "1".
            yield Scalar(key.value, key.start_mark.line + 1), self.convert(value, depth + 1)

    def _scalar(self, node: yaml.Node, line: int) -> Scalar:
        kind = node.tag.rpartition(":")[2]
        if kind not in ("str", "int", "float", "bool", "null"):
            return Scalar(str(node.value), line)
        try:
            value = self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise Malformed(line, f"not a {kind}: {str(node.value)[:40]!r}") from None
        if isinstance(value, str):
            value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return Scalar(value, line)


def _schema_expression(module: ast.Module) -> ast.expr:
    statements = [s for s in module.body if not _is_text(s)]
    named = [_named(statement) for statement in statements]
    chosen = [value for name, value in named if name.lower() in _SCHEMA_NAMES]
    candidates = chosen or [value for _, value in named]
    if len(candidates) != 1:
        raise Malformed(1, "assign the schema to the name SCHEMA")
    return candidates[0]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _named(statement: ast.stmt) -> tuple[str, ast.expr]:
    """The name (empty for a bare expression) and the value of a statement that is nothing but data."""
    if isinstance(statement, ast.Expr):
        return "", statement.value
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
        return statement.target.id, statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id, statement.value
    raise Malformed(statement.lineno, "only a literal, or names assigned to literals, are read; nothing is executed")


def _literal(node: ast.expr, depth: int) -> Node:
    if depth > _DEEPEST:
        raise Malformed(node.lineno, "nested too deeply")
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return Entries(tuple((_literal_key(k, node), _literal(v, depth + 1)) for k, v in pairs), node.lineno)
    if isinstance(node, ast.List | ast.Tuple):
        return Listing(tuple(_literal(item, depth + 1) for item in node.elts), node.lineno)
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str | int | float | bool)):
        return Scalar(node.value, node.lineno)
    raise Malformed(node.lineno, f"not a literal: {ast.unparse(node)[:60]}")


def _literal_key(key: ast.expr | None, inside: ast.Dict) -> Scalar:
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return Scalar(key.value, key.lineno)
    raise Malformed(inside.lineno if key is None else key.lineno, "a key must be a text")


def _key(key: object) -> Scalar:
    if not isinstance(key, str):
        raise Malformed(0, f"a key must be a text, not {type(key).__name__}")
    return Scalar(key, 0)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
