"""YAML, JSON and Python literals as one tree that knows its lines. Nothing of the file is ever executed."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

import yaml

from indexpilot_cli.settings.yaml_file import composed

_MOST_NODES = 200_000
_DEEPEST = 40
_NOT_DATA = "only a literal, or names assigned to literals, are read; nothing is executed"
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
class SchemaProblem:
    """One mistake: its line (0 when the schema did not come from a file) and a sentence."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class Malformed(Exception):
    """The text is not a tree at all; carries the problem that stopped the reading, or several of the kind."""

    def __init__(self, line: int, message: str, *more: SchemaProblem):
        super().__init__(message)
        self.problems = (SchemaProblem(line, message), *more)


def from_yaml(text: str) -> Node:
    """The tree of a YAML document. Raises Malformed."""
    try:
        node = composed(text, _MOST_NODES)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise Malformed(line, f"not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise Malformed(0, f"not YAML: {_first_line(error)}") from None
    except ValueError as error:
        raise Malformed(0, str(error)) from None
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
    except ValueError as error:  # a number of more digits than Python reads
        raise Malformed(0, f"not JSON: {_first_line(error)}") from None
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
    literals = _Literals()
    tree = literals.convert(_schema_expression(module), 0)
    if literals.problems:
        raise _malformed(literals.problems)
    return tree


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
        # Aliases of aliases make a tree of any size out of a few lines.
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
        # Dates, sets and binaries that YAML 1.1 would read stay the text they are.
        kind = node.tag.rpartition(":")[2]
        if kind not in ("str", "int", "float", "bool", "null"):
            return Scalar(str(node.value), line)
        try:
            value = self.scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise Malformed(line, f"not a {kind}: {str(node.value)[:40]!r}") from None
        # JSON escapes can leave half a surrogate pair, which UTF-8 and so the server cannot hold.
        if isinstance(value, str):
            value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return Scalar(value, line)


def _schema_expression(module: ast.Module) -> ast.expr:
    statements = [s for s in module.body if not _is_text(s)]
    named = [pair for statement in statements if (pair := _named(statement)) is not None]
    others = [statement.lineno for statement in statements if _named(statement) is None]
    if others:
        raise _malformed([SchemaProblem(line, _NOT_DATA) for line in others])
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


def _named(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """The name (empty for a bare expression) and the value of a statement that is nothing but data, else None."""
    if isinstance(statement, ast.Expr):
        return "", statement.value
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
        return statement.target.id, statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id, statement.value
    return None


def _malformed(problems: Sequence[SchemaProblem]) -> Malformed:
    first, *more = problems
    return Malformed(first.line, first.message, *more)


class _Literals:
    """Conversion of a Python literal; ``problems`` are its parts that are none."""

    def __init__(self) -> None:
        self.problems: list[SchemaProblem] = []

    def convert(self, node: ast.expr, depth: int) -> Node:
        if depth > _DEEPEST:
            raise Malformed(node.lineno, "nested too deeply")
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            return Entries(tuple((self._key(k, node), self.convert(v, depth + 1)) for k, v in pairs), node.lineno)
        if isinstance(node, ast.List | ast.Tuple):
            return Listing(tuple(self.convert(item, depth + 1) for item in node.elts), node.lineno)
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str | int | float | bool)):
            return Scalar(node.value, node.lineno)
        return self._none(node.lineno, f"not a literal: {ast.unparse(node)[:60]}")

    def _key(self, key: ast.expr | None, inside: ast.Dict) -> Scalar:
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return Scalar(key.value, key.lineno)
        return self._none(inside.lineno if key is None else key.lineno, "a key must be a text")

    def _none(self, line: int, message: str) -> Scalar:
        self.problems.append(SchemaProblem(line, message))
        return Scalar(None, line)


def _key(key: object) -> Scalar:
    if not isinstance(key, str):
        raise Malformed(0, f"a key must be a text, not {type(key).__name__}")
    return Scalar(key, 0)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


_ALIASES = {
    "int": "integer", "int4": "integer", "serial": "integer", "serial4": "integer",
    "int8": "bigint", "bigserial": "bigint", "serial8": "bigint",
    "int2": "smallint", "smallserial": "smallint", "serial2": "smallint",
    "float4": "real", "float8": "double precision", "float": "double precision",
    "bool": "boolean", "decimal": "numeric", "dec": "numeric",
    "varchar": "character varying", "char varying": "character varying", "char": "character", "bpchar": "bpchar",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    "time": "time without time zone", "timetz": "time with time zone",
}  # fmt: skip
_ELSEWHERE = {
    "datetime": "timestamptz", "datetime2": "timestamptz", "tinyint": "smallint", "mediumint": "integer",
    "nvarchar": "varchar", "nchar": "char", "varchar2": "varchar", "number": "numeric", "string": "text",
    "str": "text", "blob": "bytea", "longtext": "text", "mediumtext": "text", "double": "double precision",
    "binary": "bytea", "varbinary": "bytea", "clob": "text", "uniqueidentifier": "uuid", "dict": "jsonb",
    "list": "jsonb", "object": "jsonb",
}  # fmt: skip
_TYPE = re.compile(
    r"""(?P<name>
            (?:character|char|bit)\ varying | double\ precision
            | (?:"[^"]+"|[^\W\d][\w$]*) (?:\.(?:"[^"]+"|[^\W\d][\w$]*))?
        )
        \s*(?:\(\s*(?P<mods>-?\d+(?:\s*,\s*-?\d+)?)\s*\))?
        (?:\ ?(?P<zone>with|without)\ time\ zone)?
        \ ?(?P<array>(?:\[\d*\])+|array)?""",
    re.VERBOSE | re.IGNORECASE,
)
_MODIFIED = {
    **dict.fromkeys(("character varying", "character", "bit", "bit varying", "interval"), 1),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone"), 1),
    **dict.fromkeys(("time without time zone", "time with time zone", "double precision"), 1),
    "numeric": 2,
}
_PLAIN = frozenset(
    {"integer", "bigint", "smallint", "real", "boolean", "text", "date", "uuid", "json", "jsonb", "bytea"}
)

_BUILT_IN = (
    *_ALIASES, *_ALIASES.values(), *sorted(_PLAIN), "numeric", "interval", "money", "name", "oid", "xml",
    "inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery", "jsonpath", "pg_lsn", "bit", "bit varying",
    "point", "line", "lseg", "box", "path", "polygon", "circle", "regclass", "regproc", "regtype", "regrole",
    "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange",
    "int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange",
    "hstore", "citext", "ltree", "lquery", "ltxtquery", "cube", "isbn", "geometry", "geography", "vector", "halfvec",
    "sparsevec",
)  # fmt: skip


def canonical_type(text: str) -> str:
    """The type in PostgreSQL's own words: ``VARCHAR(200)`` becomes ``character varying(200)``.

    Names that are not built in are kept (they may be the host's own types); serial becomes its integer.
    Raises ValueError with a sentence for what cannot be a type.
    https://www.postgresql.org/docs/current/datatype.html
    """
    match = _TYPE.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"{text[:60]!r} is not a type")
    name = _name(match["name"], match["zone"])
    mods = [int(m) for m in match["mods"].split(",")] if match["mods"] else []
    return _with_modifiers(name, mods, text) + ("[]" if match["array"] else "")


def plain_name(text: str) -> str:
    """The type without modifiers and array brackets."""
    return re.sub(r"\(.*?\)|\[\]", "", text).strip()


def _name(written: str, zone: str | None) -> str:
    if '"' in written:
        return written
    name = written.lower()
    if name in _ELSEWHERE:
        raise ValueError(f"{written} is not a type of PostgreSQL: use {_ELSEWHERE[name]}")
    if zone is not None:
        if name not in ("timestamp", "time"):
            raise ValueError(f"{written} has no time zone")
        return f"{name} {zone.lower()} time zone"
    near = get_close_matches(name, _BUILT_IN, n=1, cutoff=0.86) if name not in _BUILT_IN else []
    # A type of the host's own may well be called texts or date_of_birth; one that leaves letters out is a slip.
    if near and not name.startswith(near[0]) and "." not in name:
        raise ValueError(
            f"{written} is no type of the server, {near[0]} is; one of your own needs its schema before it"
        )
    return _ALIASES.get(name, name)


def _with_modifiers(name: str, mods: list[int], text: str) -> str:
    # Without a length these two hold one character or bit, and format_type() prints it.
    if name == "character" and not mods:
        return "character(1)"
    if name == "bit" and not mods:
        return "bit(1)"
    if not mods:
        return name
    if name in _PLAIN or len(mods) > _MODIFIED.get(name, 2):
        raise ValueError(f"{text[:60]!r}: {name} takes {'no length' if name in _PLAIN else 'one number'}")
    if name in ("character varying", "character", "bit", "bit varying", "numeric") and mods[0] < 1:
        raise ValueError(f"{text[:60]!r}: a length is at least 1")
    # float(1) to float(24) are real, float(25) to float(53) double precision.
    if name == "double precision":
        return "real" if mods[0] <= 24 else name
    inside = f"{mods[0]},{mods[1] if len(mods) > 1 else 0}" if name == "numeric" else ",".join(map(str, mods))
    first, space, rest = name.partition(" with")
    return f"{first}({inside}){space}{rest}"
