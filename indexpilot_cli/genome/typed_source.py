"""Python source with a type for the rows of each table: what psycopg gives for every SQL type.

Equal schemas give equal text, byte for byte. https://www.psycopg.org/psycopg3/docs/basic/adapt.html
"""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Row, Session


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column, or an attribute of a composite type. ``type`` is its oid, ``sql`` as ``format_type()`` prints it.

    ``dimensions`` are those declared; the server does not hold anybody to them.
    """

    name: str
    type: int
    sql: str
    required: bool = False
    dimensions: int = 0


@dataclass(frozen=True, slots=True)
class TypedTable:
    """A table, partitioned table or materialized view."""

    name: QualifiedName
    columns: tuple[TypedColumn, ...]


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type. ``kind`` and ``category`` are ``typtype`` and ``typcategory``.

    ``base`` is what a domain is made of, ``element`` that of an array, ``subtype`` that of a range; 0: none.
    """

    oid: int
    name: QualifiedName
    kind: str
    category: str
    base: int = 0
    not_null: bool = False
    element: int = 0
    subtype: int = 0
    dimensions: int = 0
    labels: tuple[str, ...] = ()
    attributes: tuple[TypedColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class TypedSchema:
    """Tables in the order of their names, and every type they need, by oid."""

    tables: tuple[TypedTable, ...]
    types: Mapping[int, SqlType]


def read_typed(session: Session) -> tuple[TypedTable, ...]:
    """Every table, ordered by bytes of schema and name whatever the collation; partitions stand in their parent."""
    found: dict[QualifiedName, list[TypedColumn]] = {}
    for row in session.rows("genome/typed_columns"):
        columns = found.setdefault(QualifiedName(row.schema_name, row.table_name), [])
        if row.field_name is not None:
            columns.append(TypedColumn(row.field_name, row.type, row.sql, row.required, row.dimensions))
    return tuple(TypedTable(name, tuple(columns)) for name, columns in found.items())


def with_types(session: Session, tables: Collection[TypedTable]) -> TypedSchema:
    """The tables with the types of their columns, and of what those are made of."""
    wanted: set[int] = set()
    for table in tables:
        wanted.update(column.type for column in table.columns)
    rows = session.rows("genome/typed_types", {"types": sorted(wanted)})
    return TypedSchema(tuple(tables), {row.oid: _type(row) for row in rows})


def _type(row: Row) -> SqlType:
    attributes = (TypedColumn(a["name"], a["type"], a["sql"], False, a["dimensions"]) for a in row.attributes)
    return filled(
        SqlType,
        row,
        name=QualifiedName(row.schema_name, row.name),
        labels=tuple(row.labels),
        attributes=tuple(attributes),
    )


class TypeStyle(StrEnum):
    """What the rows are made of."""

    TYPEDDICT = "typeddict"
    DATACLASS = "dataclass"
    PYDANTIC = "pydantic"


# Modules under private names: a column may be called date or uuid, and would hide the type within its class.
_DATE, _DATETIME, _DECIMAL = "_datetime.date", "_datetime.datetime", "_decimal.Decimal"
_ADDRESS = ("_ipaddress.IPv4Address", "_ipaddress.IPv6Address", "_ipaddress.IPv4Interface", "_ipaddress.IPv6Interface")
_SCALARS = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), "int"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("timestamp", "timestamptz"), _DATETIME),
    **dict.fromkeys(("time", "timetz"), "_datetime.time"),
    **dict.fromkeys(("json", "jsonb", "int2vector", "oidvector"), "_typing.Any"),
    "bool": "bool",
    "numeric": _DECIMAL,
    "bytea": "bytes",
    "uuid": "_uuid.UUID",
    "date": _DATE,
    "interval": "_datetime.timedelta",
    "inet": " | ".join(_ADDRESS),
    "cidr": "_ipaddress.IPv4Network | _ipaddress.IPv6Network",
}
_MULTIRANGES = {
    "int4multirange": "int",
    "int8multirange": "int",
    "nummultirange": _DECIMAL,
    "datemultirange": _DATE,
    "tsmultirange": _DATETIME,
    "tstzmultirange": _DATETIME,
}
_STANDARD = (
    ("_dataclasses", "import dataclasses as _dataclasses"),
    ("_datetime", "import datetime as _datetime"),
    ("_decimal", "import decimal as _decimal"),
    ("_ipaddress", "import ipaddress as _ipaddress"),
    ("_typing", "import typing as _typing"),
    ("_uuid", "import uuid as _uuid"),
)
_INSTALLED = (
    ("_pydantic", "import pydantic as _pydantic"),
    ("_Multirange", "from psycopg.types.multirange import Multirange as _Multirange"),
    ("_Range", "from psycopg.types.range import Range as _Range"),
)
_IMPORTED = frozenset(word for word, _ in (*_STANDARD, *_INSTALLED))
_BUILTINS = ("bool", "bytes", "float", "int", "list", "str")
# Attributes of pydantic.BaseModel that a field may not hide; those that begin with model_ and _ besides.
_OF_MODELS = frozenset(
    {
        *("construct", "copy", "dict", "from_orm", "json", "parse_file", "parse_obj", "parse_raw", "schema"),
        *("schema_json", "update_forward_refs", "validate"),
    }
)
_MODEL_CONFIG = "model_config = _pydantic.ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)"
_HEAD = '"""Rows of the database\'s tables, written by indexpilot types. Do not edit: write it again."""'


def python_source(schema: TypedSchema, style: TypeStyle = TypeStyle.TYPEDDICT) -> str:
    """The whole file."""
    return _Writer(schema, style).source()


def class_name(name: QualifiedName, suffix: str = "") -> str:
    """``orders`` becomes ``OrdersRow`` with that suffix, ``sales.order_items`` ``SalesOrderItemsRow``."""
    text = name.name if name.schema == "public" else f"{name.schema} {name.name}"
    words = re.split(r"[\W_]+", _allowed(text))
    joined = "".join(word[:1].upper() + word[1:] for word in words) + suffix
    return joined if joined.isidentifier() and not keyword.iskeyword(joined) else f"T{joined}"


def _allowed(text: str) -> str:
    """The text with ``_`` for what Python takes into no name; numbers of some scripts are in words and in no name."""
    return "".join(c if f"a{c}".isidentifier() else "_" for c in unicodedata.normalize("NFKC", text))


class _Writer:
    """Writes one file; names are given out in the order of the schema."""

    def __init__(self, schema: TypedSchema, style: TypeStyle):
        self._schema, self._style = schema, style
        self._taken: set[str] = set()
        # In the order of types, so that who reads them first does not matter.
        named = (t for t in schema.types.values() if t.kind == "c" or (t.kind == "e" and t.labels))
        self._names = {t.oid: self._free(class_name(t.name)) for t in named}
        self._rows = [self._free(class_name(t.name, "Row")) for t in schema.tables]

    def source(self) -> str:
        """Head, imports, enums, composite types (what they are made of first), rows."""
        parts = [*self._enums(), *self._composites()]
        parts += [
            self._class(name, table.name, table.columns)
            for name, table in zip(self._rows, self._schema.tables, strict=True)
        ]
        body = "\n\n\n".join(parts)
        return "\n\n".join(part for part in (_HEAD, _imports(body), "\n" + body if body else "") if part) + "\n"

    def _free(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}{number}", number + 1
        self._taken.add(name)
        return name

    def _enums(self) -> Iterator[str]:
        lines = []
        for found in self._schema.types.values():
            if found.kind == "e" and found.labels:
                labels = ", ".join(map(_literal, found.labels))
                lines.append(f"{self._names[found.oid]}: _typing.TypeAlias = _typing.Literal[{labels}]")
        if lines:
            yield "\n".join(lines)

    def _composites(self) -> Iterator[str]:
        done: set[int] = set()
        for found in self._schema.types.values():
            yield from self._composite(found, done)

    def _composite(self, found: SqlType, done: set[int]) -> Iterator[str]:
        """The class of a composite type, behind those of the types it is made of."""
        if found.oid in done:
            return
        done.add(found.oid)
        parts = (found.base, found.element, found.subtype, *(a.type for a in found.attributes))
        for oid in parts:
            if oid in self._schema.types:
                yield from self._composite(self._schema.types[oid], done)
        if found.kind == "c":
            yield self._class(self._names[found.oid], found.name, found.attributes)

    # -- types

    def _annotation(self, column: TypedColumn) -> str:
        text, required = self._type(column.type, column.dimensions), column.required
        required = required or self._never_null(column.type)
        return text if required or text == "_typing.Any" else f"{text} | None"

    def _never_null(self, oid: int) -> bool:
        found = self._schema.types.get(oid)
        while found is not None and found.kind == "d":
            if found.not_null:
                return True
            found = self._schema.types.get(found.base)
        return False

    def _type(self, oid: int, dimensions: int = 0) -> str:
        found = self._schema.types.get(oid)
        if found is None:
            return "_typing.Any"
        if found.kind == "d":
            return self._type(found.base, max(dimensions, found.dimensions))
        if oid in self._names:
            return self._names[oid]
        if found.kind == "r":
            return f"_Range[{self._type(found.subtype)}]"
        if found.kind == "m":
            return f"_Multirange[{_MULTIRANGES.get(found.name.name, '_typing.Any')}]"
        return self._scalar(found, dimensions)

    def _scalar(self, found: SqlType, dimensions: int) -> str:
        server = found.name.schema == "pg_catalog"
        if server and found.name.name in _SCALARS:
            return _SCALARS[found.name.name]
        if found.element:
            depth = max(dimensions, 1)
            return "list[" * depth + self._type(found.element) + "]" * depth
        # Without a loader of its own psycopg gives the server's text; extensions may bring loaders.
        return "str" if server or found.category in ("S", "E") else "_typing.Any"

    # -- classes

    def _class(self, name: str, origin: QualifiedName, columns: tuple[TypedColumn, ...]) -> str:
        fields = [(c, self._annotation(c)) for c in columns]
        says = f'    """{_plain(str(origin))}"""' if _plain(str(origin)) else ""
        if self._style is TypeStyle.TYPEDDICT:
            return self._typed_dict(name, says, origin, fields)
        names = self._fields([c.name for c in columns])
        if self._style is TypeStyle.DATACLASS:
            lines = ["@_dataclasses.dataclass(slots=True)", f"class {name}:", says, ""]
            lines += [_plain_field(n, c, a) for n, (c, a) in zip(names, fields, strict=True)]
        else:
            lines = [f"class {name}(_pydantic.BaseModel):", says, ""]
            lines += [f"    {_MODEL_CONFIG}", ""]
            lines += [_model_field(n, c, a) for n, (c, a) in zip(names, fields, strict=True)]
        return "\n".join(lines).rstrip()

    def _typed_dict(self, name: str, says: str, origin: QualifiedName, fields: list[tuple[TypedColumn, str]]) -> str:
        if all(self._may_stand(c.name) for c, _ in fields):
            lines = [f"class {name}(_typing.TypedDict):", says, ""]
            lines += [f"    {c.name}: {a}  # {_comment(c.sql)}" for c, a in fields]
            return "\n".join(lines).rstrip()
        # Names that no class can have: key words, spaces, letters that Python would fold.
        lines = [f"# {_comment(str(origin))}", f"{name} = _typing.TypedDict(", f'    "{name}",', "    {"]
        lines += [f"        {_literal(c.name)}: {a},  # {_comment(c.sql)}" for c, a in fields]
        return "\n".join([*lines, "    },", ")"])

    def _may_stand(self, name: str) -> bool:
        """Whether a class body can have a name, means exactly it, and leaves the types within readable."""
        folded = name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name
        return folded and not name.startswith("__") and not self._hides(name)

    def _hides(self, name: str) -> bool:
        return name in _BUILTINS or name in self._taken or name in _IMPORTED

    def _fields(self, columns: Iterable[str]) -> list[str]:
        """A name for each column, its own where a class can have it."""
        found: list[str] = []
        for column in columns:
            name = _allowed(column) or "_"
            if self._style is TypeStyle.PYDANTIC:
                name = name.lstrip("_") or "field"
                name += "_" if name in _OF_MODELS or name.startswith("model_") else ""
            name = name if name.isidentifier() else f"c_{name}"
            name = f"c{name}" if name.startswith("__") else name
            name += "_" if keyword.iskeyword(name) or self._hides(name) else ""
            while name in found:
                name += "_"
            found.append(name)
        return found


def _plain_field(name: str, column: TypedColumn, annotation: str) -> str:
    told = f'= _dataclasses.field(metadata={{"column": {_literal(column.name)}}})'
    return f"    {name}: {annotation}{'' if name == column.name else f' {told}'}  # {_comment(column.sql)}"


def _model_field(name: str, column: TypedColumn, annotation: str) -> str:
    alias = "" if name == column.name else f" = _pydantic.Field(alias={_literal(column.name)})"
    return f"    {name}: {annotation}{alias}  # {_comment(column.sql)}"


def _imports(body: str) -> str:
    groups = (
        [line for word, line in group if re.search(rf"(?<![\w.\"]){word}\b", body)] for group in (_STANDARD, _INSTALLED)
    )
    return "\n\n".join("\n".join(group) for group in groups if group)


def _literal(text: str) -> str:
    """The text as a Python literal without a character that does not print."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(c) for c in quoted)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _comment(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _plain(text: str) -> str:
    """The text within a docstring: nothing in it ends it or escapes from it."""
    return _comment(text).replace("\\", "\\\\").replace('"', '\\"')
