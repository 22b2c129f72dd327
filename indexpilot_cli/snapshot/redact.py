"""Snapshots that may leave the company: sampled values and literals replaced by surrogates in the same order.

A constant keeps its place among the most common values and histogram bounds, so the planner's estimates for ``=``,
``IN``, ``<`` and ``BETWEEN`` stay what they were, up to the interpolation inside one histogram bucket. What depends
on the inside of a value does not survive. Names of tables, columns and enum labels stay: they are the schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, Index, Policy, Server, SqlFunction, Table
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import ObservedStatement, Skipped, Workload
from indexpilot_cli.snapshot import stand_ins
from indexpilot_cli.snapshot.surrogates import (
    TEXTS,
    ColumnTypes,
    Family,
    Replace,
    column_statistics,
    column_types,
    extended_statistics,
    family_of,
    relation_statistics,
    surrogates,
)
from indexpilot_cli.snapshot.values import HIDDEN, SchemaObject, Snapshot
from indexpilot_cli.sql.literals import Literal, map_literals, parameter_uses, redacted
from indexpilot_cli.sql.parser import is_number_or_switch
from indexpilot_cli.sql.utility import kept

COST = (
    "redacted: values are surrogates in the same order; LIKE and regular expressions, full text search, arithmetic "
    "on constants, functions of the schema and times relative to now are estimated less well than on the original"
)
# Texts that steer functions and are no data.
_WORDS_TEXT = """
    second minute hour day dow week month quarter year epoch century decade isoyear doy milliseconds microseconds
    simple english german french spanish utc gmt true false t f yes no on off empty
    now today tomorrow yesterday allballs infinity -infinity nan
"""
_WORDS = frozenset(_WORDS_TEXT.split())
_NAMED = frozenset({"TABLE", "SEQUENCE", "VIEW", "MATERIALIZED VIEW", "INDEX"})
_STATEMENTS = re.compile(r";\s*\n+(?=(?:ALTER|CREATE|SET)\s)")
_BODY = re.compile(r" AS (?=\$\$redacted\$\$)")
_LABELS = re.compile(r"AS ENUM \((?P<labels>.*)\);?\s*\Z", re.DOTALL)
_KEY = "CREATE TABLE t () PARTITION BY "

# What is taken over from the original as it is. A field that is not named here gets its default, so a new one stays at
# home until somebody has thought about it; those that hold values or SQL are made anew below.
ALLOWED: Mapping[type, str] = MappingProxyType(
    {
        Snapshot: "captured_at sizes settings collate ctype provider provider_locale roles format",
        # Names of machines and of our own role say where it came from and steer no plan.
        Server: "version version_num database in_recovery read_only tls",
        Catalog: "version database foreign_keys extensions settings functions leakproof supported operator_classes"
        " search_path default_collation encoding statistics_since taken_at",
        Table: "name kind pages tuples all_visible_pages persistence parent is_partition fillfactor oid readable"
        " activity",
        Column: "name number type base_type category not_null has_default generated collation element_type length"
        " alignment indexable",
        Index: "name valid ready primary constraint clustered replica_identity pages tuples tree_height scans oid"
        " parent builder",
        IndexDefinition: "table method include unique nulls_not_distinct",
        IndexKey: "column operator_class collation descending nulls_first",
        SqlFunction: "name names returns_set",
        Policy: "table command permissive",
        SchemaObject: "name kind schema",
        Workload: "source since until",
        ObservedStatement: "calls total_ms rows blocks variance query_id",
        Skipped: "reason calls total_ms stage share",
    }
)
T = TypeVar("T")


class _NoStandInError(Exception):
    """A value is of a type that we know no other value of."""


def _only(value: T, **made: object) -> T:
    """A value of that kind with what is allowed of it and what was made."""
    kept = {name: getattr(value, name) for name in ALLOWED[type(value)].split()}
    return type(value)(**kept, **made)


def redact(snapshot: Snapshot) -> Snapshot:
    """The snapshot with surrogates for every sampled value and literal; what that costs stands in its notes.

    Statements that cannot be parsed are left out, bodies of functions too. Equal values get equal surrogates.
    """
    known: dict[Family, set[str]] = {family: set() for family in Family}

    def note(family: Family, text: str) -> str:
        known[family].add(text)
        return text

    # All values have to be known before any gets its surrogate: the order among them must stay.
    _redacted(snapshot, note)
    return _redacted(snapshot, surrogates(known))


def _redacted(source: Snapshot, change: Replace) -> Snapshot:
    """One walk over everything that holds values: the first collects them, the second replaces them."""
    types = column_types(source.catalog)
    rewrite = _TextRedaction(types, _schema_texts(source), change)
    objects, missing = rewrite.objects(source.objects)
    return _only(
        source,
        server=_only(source.server, host=None, port=None, user=""),
        catalog=_catalog(source.catalog, rewrite),
        objects=objects,
        statistics=tuple(relation_statistics(s, types, change) for s in source.statistics),
        extended=tuple(extended_statistics(s, types, change) for s in source.extended),
        missing=(*source.missing, *missing),
        workload=_workload(source.workload, rewrite) if source.workload else None,
        redacted=True,
        # What stands behind the colon is the server's, and may name a value.
        notes=(*(note.partition(":")[0] for note in source.notes), COST),
    )


@dataclass(frozen=True)
class _TextRedaction:
    """SQL texts with their literals replaced."""

    types: ColumnTypes
    schema_texts: frozenset[str]
    change: Replace

    def statement(self, text: str) -> str | None:
        """The statement; None when it cannot be parsed, or is of a kind that is not allowed.

        Neither is one with a value of a type that we know no other value of.
        """
        try:
            return redacted(text, self._literal)
        except _NoStandInError:
            return None

    def expression(self, text: str) -> str:
        """An expression or predicate; what cannot be parsed becomes NULL."""
        result = self.statement(f"SELECT {text}")
        return result.removeprefix("SELECT ") if result else "NULL"

    def partition_key(self, text: str | None) -> str | None:
        """The key of a partitioned table."""
        result = self.statement(f"{_KEY}{text}") if text else None
        return result.partition("PARTITION BY ")[2] if result else None

    def parameters(self, text: str, values: Sequence[str | None]) -> tuple[str | None, ...] | None:
        """The values of a statement's parameters; None when one of them is of a type that we know no other value of."""
        uses = parameter_uses(text) if values else {}
        try:
            return tuple(
                None if value is None else self._value(replace(uses.get(number, Literal("", "text")), value=value))
                for number, value in enumerate(values, 1)
            )
        except _NoStandInError:
            return None

    def objects(self, objects: tuple[SchemaObject, ...]) -> tuple[tuple[SchemaObject, ...], tuple[NotModelled, ...]]:
        """The schema's objects, and those that had to be left out."""
        kept, lost = [], []
        for item in objects:
            text = self._object(item)
            if text is None:
                lost.append(NotModelled(f"{item.schema}.{item.name}", item.kind, "left out by redaction"))
            else:
                kept.append(_only(item, sql=text))
        return tuple(kept), tuple(lost)

    def _object(self, item: SchemaObject) -> str | None:
        parts = [self._definition(part) for part in _STATEMENTS.split(item.sql)]
        return ";\n".join(part for part in parts if part) + ";" if parts[0] is not None else None

    def _definition(self, text: str) -> str | None:
        """As the server wrote it where there was nothing to hide: other readers know its layout."""
        text = text.strip().rstrip(";")
        found = self.statement(text)
        if found is not None and found == map_literals(text, lambda _: None):
            return text
        return None if found is None else _BODY.sub("\n    AS ", found, count=1)

    def _literal(self, literal: Literal) -> str | None:
        made = self._value(literal)
        return None if made == literal.value else made

    def _value(self, literal: Literal) -> str:
        text = literal.value
        if literal.kind in ("integer", "float"):
            # Behind numeric(5,2), or in make_date(2024, 1, 1), a number in the order of others would be too large.
            return "1" if literal.computed or literal.limited else self.change(Family.NUMBER, text)
        if literal.kind == "bits":
            return stand_ins.of_type("bit", text) or "0"
        if self._stays(text) or (len(text) == 1 and self.types.is_open(literal.column)):
            return text
        kind = literal.type or (self.types.kind(literal.column) if literal.direct else "")
        if kind:
            return self._typed(kind, literal)
        start = len(text) - len(text.lstrip("%"))
        core = text.strip("%")
        if not core:
            return text
        family = self.types.family(literal.column, core)
        form = (
            None if family is not Family.TEXT or self.types.kind(literal.column) in TEXTS else stand_ins.of_form(core)
        )
        made = self.change(family, core) if form is None else form
        return text[:start] + made + text[start + len(core) :]

    def _typed(self, kind: str, literal: Literal) -> str:
        family = family_of(kind)
        if family is Family.NUMBER and literal.limited:
            return "1"
        made = self.change(family, literal.value) if family is not None else stand_ins.of_type(kind, literal.value)
        if made is None and literal.type:
            raise _NoStandInError(kind)
        return stand_ins.of_form(literal.value) or self.change(Family.TEXT, literal.value) if made is None else made

    def _stays(self, text: str) -> bool:
        return not text.strip() or text.lower() in _WORDS or text in self.schema_texts


def _catalog(catalog: Catalog, rewrite: _TextRedaction) -> Catalog:
    return _only(
        catalog,
        tables=tuple(_table(table, rewrite) for table in catalog.tables),
        views=MappingProxyType({name: rewrite.statement(text) or "SELECT" for name, text in catalog.views.items()}),
        sql_functions=tuple(_only(f, body=rewrite.statement(f.body) or "SELECT") for f in catalog.sql_functions),
        policies=tuple(_only(p, condition=rewrite.expression(p.condition)) for p in catalog.policies),
    )


def _table(table: Table, rewrite: _TextRedaction) -> Table:
    return _only(
        table,
        columns=tuple(_only(c, statistics=_statistics(c.statistics, c, rewrite)) for c in table.columns),
        indexes=tuple(_index(i, rewrite) for i in table.indexes),
        partition_key=rewrite.partition_key(table.partition_key),
    )


def _statistics(
    statistics: ColumnStatistics | None, column: Column | None, rewrite: _TextRedaction
) -> ColumnStatistics | None:
    return None if statistics is None else column_statistics(statistics, column, rewrite.change)


def _index(index: Index, rewrite: _TextRedaction) -> Index:
    return _only(
        index,
        definition=_definition(index.definition, rewrite),
        ddl=rewrite.statement(index.ddl) or "",
        statistics=tuple(_statistics(s, None, rewrite) for s in index.statistics),
    )


def _definition(definition: IndexDefinition, rewrite: _TextRedaction) -> IndexDefinition:
    keys = (_only(k, expression=rewrite.expression(k.expression) if k.expression else None) for k in definition.keys)
    return _only(
        definition,
        keys=tuple(keys),
        predicate=rewrite.expression(definition.predicate) if definition.predicate else None,
        options=tuple((name, value) for name, value in definition.options if is_number_or_switch(value)),
    )


def _workload(workload: Workload, rewrite: _TextRedaction) -> Workload:
    queries, skipped = [], [_only(s, text=kept(s.text).text if s.reason == "utility" else "") for s in workload.skipped]
    for statement in workload.statements:
        text = rewrite.statement(statement.text)
        parameters = rewrite.parameters(statement.text, statement.parameters)
        if text is None or parameters is None:
            skipped.append(Skipped("unparsed", "", "left out by redaction", statement.calls, statement.total_ms or 0.0))
        else:
            queries.append(_only(statement, text=text, parameters=parameters))
    return _only(workload, statements=tuple(queries), skipped=tuple(skipped))


def _schema_texts(snapshot: Snapshot) -> frozenset[str]:
    """Texts that are schema: labels of enum types, and names of relations as ``nextval`` takes them."""
    named = (o for o in snapshot.objects if o.kind.removeprefix(HIDDEN) in _NAMED and o.schema)
    names: set[str] = set()
    for item in named:
        names |= {f"{QualifiedName(item.schema, item.name)}", item.name}
    for item in (o for o in snapshot.objects if o.kind == "TYPE"):
        found = _LABELS.search(item.sql)
        labels = re.findall(r"'((?:[^']|'')*)'", found["labels"]) if found else ()
        names |= {label.replace("''", "'") for label in labels}
    return frozenset(names)
