"""Snapshots that may leave the company: sampled values and literals replaced by surrogates in the same order.

A constant keeps its place among the most common values and histogram bounds, so the planner's estimates for ``=``,
``IN``, ``<`` and ``BETWEEN`` stay what they were, up to the interpolation inside one histogram bucket. What depends
on the inside of a value does not survive. Names of tables, columns and enum labels stay: they are the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from indexpilot_cli.core.catalog import Catalog, Index, Table
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import ObservedStatement, Skipped, Workload
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.snapshot.surrogates import (
    ColumnTypes,
    Family,
    Replace,
    column_statistics,
    column_types,
    extended_statistics,
    family_by_look,
    relation_statistics,
    surrogates,
)
from indexpilot_cli.snapshot.values import HIDDEN, SchemaObject, Snapshot


class SqlLiteral(Protocol):
    """A literal as the SQL parser finds it: its value, and the bare name of the column it is compared with."""

    @property
    def value(self) -> str: ...

    @property
    def column(self) -> str | None: ...


MapLiterals = Callable[[str, Callable[[SqlLiteral], str | None]], object]
"""From a statement and a replacement for each literal's value (None keeps it) to the new text; not text: unparsed."""

COST = (
    "redacted: values are surrogates in the same order; LIKE and regular expressions, full text search, arithmetic "
    "on constants, functions of the schema and times relative to now are estimated less well than on the original"
)
# Texts that steer functions and are no data.
_WORDS_TEXT = """
    second minute hour day dow week month quarter year epoch century decade isoyear doy milliseconds microseconds
    simple english german french spanish utc gmt true false t f yes no on off empty
"""
_WORDS = frozenset(_WORDS_TEXT.split())
_NAMED = frozenset({"TABLE", "SEQUENCE", "VIEW", "MATERIALIZED VIEW", "INDEX"})
_KEPT = frozenset({"TYPE", "EXTENSION", "SCHEMA", "SEQUENCE", "SEQUENCE OWNED BY", "INDEX ATTACH", "FK CONSTRAINT"})
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})
_STATEMENTS = re.compile(r";\s*\n+(?=(?:ALTER|CREATE|SET)\s)")
_LABELS = re.compile(r"AS ENUM \((?P<labels>.*)\);?\s*\Z", re.DOTALL)


def redact(snapshot: Snapshot, literals: MapLiterals) -> Snapshot:
    """The snapshot with surrogates for every sampled value and literal; what that costs stands in its notes.

    ``literals`` maps the literals of one statement (the SQL parser lives in another room). Statements it cannot
    parse are left out, bodies of functions too. Equal values get equal surrogates everywhere.
    """
    known: dict[Family, set[str]] = {family: set() for family in Family}

    def note(family: Family, text: str) -> str:
        known[family].add(text)
        return text

    # All values have to be known before any gets its surrogate: the order among them must stay.
    _Redaction(snapshot, literals, note).snapshot()
    return _Redaction(snapshot, literals, surrogates(known)).snapshot()


@dataclass(frozen=True)
class _Redaction:
    """One walk over everything that holds values: the first collects them, the second replaces them."""

    source: Snapshot
    literals: MapLiterals
    change: Replace

    def snapshot(self) -> Snapshot:
        source = self.source
        types = column_types(source.catalog)
        rewrite = _TextRedaction(self.literals, types, _schema_texts(source), self.change)
        objects, missing = rewrite.objects(source.objects)
        return replace(
            source,
            # Names of machines and roles say where it came from and steer no plan.
            server=replace(source.server, host=None, port=None, user=""),
            catalog=_catalog(source.catalog, rewrite),
            objects=objects,
            statistics=tuple(relation_statistics(s, types, self.change) for s in source.statistics),
            extended=tuple(extended_statistics(s, types, self.change) for s in source.extended),
            missing=(*source.missing, *missing),
            workload=_workload(source.workload, rewrite) if source.workload else None,
            redacted=True,
            notes=(*source.notes, COST),
        )


@dataclass(frozen=True)
class _TextRedaction:
    """SQL texts with their literals replaced."""

    literals: MapLiterals
    types: ColumnTypes
    schema_texts: frozenset[str]
    change: Replace

    def statement(self, text: str) -> str | None:
        """The statement; None when it cannot be parsed."""
        try:
            result = self.literals(text, self._literal)
        except (IndexPilotError, ValueError):
            return None
        return result if isinstance(result, str) else None

    def expression(self, text: str) -> str:
        """An expression or predicate; what cannot be parsed becomes NULL."""
        result = self.statement(f"SELECT {text}")
        return result.removeprefix("SELECT ") if result else "NULL"

    def parameter(self, text: str | None) -> str | None:
        """The value of a parameter."""
        return None if text is None or self._stays(text) else self.change(family_by_look(text), text)

    def objects(self, objects: tuple[SchemaObject, ...]) -> tuple[tuple[SchemaObject, ...], tuple[NotModelled, ...]]:
        """The schema's objects, and those that had to be left out."""
        kept, lost = [], []
        for item in objects:
            text = self._object(item)
            if text is None:
                lost.append(NotModelled(f"{item.schema}.{item.name}", item.kind, "left out by redaction"))
            else:
                kept.append(replace(item, sql=text))
        return tuple(kept), tuple(lost)

    def _object(self, item: SchemaObject) -> str | None:
        if item.kind in _KEPT:
            return item.sql
        if item.kind in _ROUTINES:
            # A body can hold any data; the planner reads only what stands before it.
            head, found, _ = item.sql.partition("\n    AS ")
            return f"{head}{found}'redacted';" if found else None
        parts = [self.statement(part) for part in _STATEMENTS.split(item.sql)]
        return ";\n".join(part for part in parts if part) + ";" if parts[0] is not None else None

    def _literal(self, literal: SqlLiteral) -> str | None:
        text = literal.value
        if self._stays(text) or self.types.is_open(literal.column):
            return None
        start = len(text) - len(text.lstrip("%"))
        core = text.strip("%")
        if not core:
            return None
        if core[0] in "{[(" and core[-1] in "}])":
            return _hollow(core)
        made = self.change(self.types.family(literal.column, core), core)
        return text[:start] + made + text[start + len(core) :]

    def _stays(self, text: str) -> bool:
        return not text.strip() or text.lower() in _WORDS or text in self.schema_texts


def _hollow(text: str) -> str:
    """An array, JSON document or range with nothing in it."""
    if text[0] == "{":
        return "{}"
    return "[]" if text[0] == "[" and text[-1] == "]" else "empty"


def _catalog(catalog: Catalog, rewrite: _TextRedaction) -> Catalog:
    return replace(
        catalog,
        tables=tuple(_table(table, rewrite) for table in catalog.tables),
        views=MappingProxyType({name: rewrite.statement(text) or "SELECT" for name, text in catalog.views.items()}),
        sql_functions=tuple(replace(f, body=rewrite.statement(f.body) or "SELECT") for f in catalog.sql_functions),
        policies=tuple(replace(p, condition=rewrite.expression(p.condition)) for p in catalog.policies),
    )


def _table(table: Table, rewrite: _TextRedaction) -> Table:
    columns = tuple(
        replace(c, statistics=column_statistics(c.statistics, c, rewrite.change)) if c.statistics else c
        for c in table.columns
    )
    return replace(table, owner=None, columns=columns, indexes=tuple(_index(i, rewrite) for i in table.indexes))


def _index(index: Index, rewrite: _TextRedaction) -> Index:
    return replace(
        index,
        definition=_definition(index.definition, rewrite),
        ddl=rewrite.statement(index.ddl) or "",
        comment=None,
        statistics=tuple(column_statistics(s, None, rewrite.change) if s else None for s in index.statistics),
    )


def _definition(definition: IndexDefinition, rewrite: _TextRedaction) -> IndexDefinition:
    def key(old: IndexKey) -> IndexKey:
        return replace(old, expression=rewrite.expression(old.expression)) if old.expression else old

    predicate = rewrite.expression(definition.predicate) if definition.predicate else None
    return replace(definition, keys=tuple(key(k) for k in definition.keys), predicate=predicate)


def _workload(workload: Workload, rewrite: _TextRedaction) -> Workload:
    kept, skipped = [], [replace(s, text="") for s in workload.skipped]
    for statement in workload.statements:
        text = rewrite.statement(statement.text)
        if text is None:
            skipped.append(_unparsed(statement))
        else:
            kept.append(replace(statement, text=text, parameters=tuple(map(rewrite.parameter, statement.parameters))))
    return replace(workload, statements=tuple(kept), skipped=tuple(skipped))


def _unparsed(statement: ObservedStatement) -> Skipped:
    return Skipped("unparsed", "", "left out by redaction", statement.calls, statement.total_ms or 0.0)


def _schema_texts(snapshot: Snapshot) -> frozenset[str]:
    """Texts that are schema: labels of enum types, and names of relations as ``nextval`` takes them."""
    named = (o for o in snapshot.objects if o.kind.removeprefix(HIDDEN) in _NAMED and o.schema)
    names = {f"{QualifiedName(o.schema, o.name)}" for o in named}
    for item in (o for o in snapshot.objects if o.kind == "TYPE"):
        found = _LABELS.search(item.sql)
        labels = re.findall(r"'((?:[^']|'')*)'", found["labels"]) if found else ()
        names |= {label.replace("''", "'") for label in labels}
    return frozenset(names)
