"""Hand-made catalogs and templates for the tests of candidate generation."""

from __future__ import annotations

import re
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, Extension, Index, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Atom, AtomKind, QueryTemplate, RelationUse, SortKey, StatementKind

TYPES = {
    "int": ("integer", "int4", "N", 4, "i"),
    "bigint": ("bigint", "int8", "N", 8, "d"),
    "bool": ("boolean", "bool", "B", 1, "c"),
    "text": ("text", "text", "S", -1, "i"),
    "ts": ("timestamp without time zone", "timestamp", "D", 8, "d"),
    "tstz": ("timestamp with time zone", "timestamptz", "D", 8, "d"),
    "date": ("date", "date", "D", 4, "i"),
    "numeric": ("numeric", "numeric", "N", -1, "i"),
    "uuid": ("uuid", "uuid", "U", 16, "c"),
    "json": ("json", "json", "U", -1, "i"),
    "jsonb": ("jsonb", "jsonb", "U", -1, "i"),
    "point": ("point", "point", "G", 16, "d"),
    "tsvector": ("tsvector", "tsvector", "U", -1, "i"),
    "texts": ("text[]", "_text", "A", -1, "i"),
    "citext": ("citext", "citext", "S", -1, "i"),
    "tsrange": ("tsrange", "tsrange", "R", -1, "d"),
}


def name(text):
    schema, _, short = text.rpartition(".")
    return QualifiedName(schema or "public", short)


def stats(distinct=-1.0, width=4, nulls=0.0, common=(), bounds=(), correlation=0.0, **more):
    values, freqs = tuple(v for v, _ in common), tuple(f for _, f in common)
    return ColumnStatistics(nulls, width, distinct, values, freqs, tuple(bounds), correlation, **more)


def column(label, kind="int", statistics=None, number=1, **more):
    shown, base, category, length, align = TYPES[kind]
    known = statistics or stats(width=length if length > 0 else 16)
    return Column(label, number, shown, base, category, length=length, alignment=align, statistics=known, **more)


def table(label, *columns, rows=1_000_000.0, pages=None, indexes=(), kind="r", visible=1.0, **more):
    length = pages if pages is not None else max(1, int(rows / 80))
    numbered = tuple(replace(c, number=n) for n, c in enumerate(columns, 1))
    return Table(name(label), kind, numbered, tuple(indexes), length, rows, int(length * visible), **more)


def keys(text):
    """Keys of a comma list: ``a, b desc, (lower(c)), d text_pattern_ops, e desc nulls last``."""
    return tuple(_key(part.strip()) for part in re.split(r",(?![^(]*\))", text))


def _key(text):
    descending = " desc" in text
    nulls = True if "nulls first" in text else False if "nulls last" in text else None
    for word in (" desc", " asc", " nulls first", " nulls last"):
        text = text.replace(word, "")
    expression, operator_class = (text, None)
    found = re.fullmatch(r"(.+) (\w+_ops)", text)
    if found:
        expression, operator_class = found.groups()
    more = {"operator_class": operator_class, "descending": descending, "nulls_first": nulls}
    if expression.startswith("("):
        return IndexKey(expression=expression[1:-1], **more)
    return IndexKey(column=expression, **more)


def definition(target, text, **more):
    return IndexDefinition(name(target), keys(text), **more)


def index(label, target, text, valid=True, **more):
    own = {
        k: more.pop(k)
        for k in (
            *("primary", "constraint", "replica_identity", "clustered", "scans", "ready", "oid", "pages", "parent"),
            *("referenced", "comment", "immediate", "tablespace", "targets", "statistics"),
        )
        if k in more
    }
    made = definition(target, text, **more)
    return Index(name(label), made, f"CREATE INDEX {label}", valid, **own)


def eq(label, constant=None, parameter=None, **more):
    parameters = (parameter,) if parameter else () if constant is not None else (1,)
    sql = f"{label} = {constant if constant is not None else f'${parameters[0]}'}"
    return atom(AtomKind.EQUAL, "=", label, constant=constant, parameters=parameters, sql=sql, **more)


def atom(kind, operator, label, **more):
    where = {"expression": label} if not re.fullmatch(r"\w+", label) else {"column": label}
    return Atom(kind, operator, **where, **more)


def rng(label, constant=None, operator=">="):
    sql = f"{label} {operator} {constant or '$9'}"
    return atom(AtomKind.RANGE, operator, label, constant=constant, parameters=() if constant else (9,), sql=sql)


def join(label, other, column_="id"):
    return atom(AtomKind.JOIN, "=", label, join_to=(name(other), column_))


def sort(*texts):
    return tuple(
        SortKey(t.split()[0], descending=" desc" in t, nulls_first=True if "nulls first" in t else None) for t in texts
    )


def use(relation, *atoms, **more):
    more.setdefault("whole_row", not more.get("columns"))
    more["columns"] = frozenset(more.get("columns", ()))
    return RelationUse(name(relation), relation, tuple(atoms), **more)


def template(*uses, label="q-1", ms=100.0, calls=10.0, kind=StatementKind.SELECT, samples=()):
    relations = tuple(dict.fromkeys(u.table for u in uses))
    return QueryTemplate(label, label, "SELECT", kind, calls, ms, relations, tuple(uses), samples=tuple(samples))


def catalog(*tables, extensions=(), **more):
    installed = tuple(Extension(e, "1.0") for e in extensions)
    return Catalog(more.pop("version", 150000), "db", tuple(tables), extensions=installed, **more)


def texts(proposal):
    """Candidates as ``method table (keys) INCLUDE (…) WHERE …`` texts."""
    return {shown(c.definition) for c in proposal.candidates}


def shown(made):
    text = f"{made.method} {made.table.name} ({', '.join(_shown_key(k) for k in made.keys)})"
    text += f" include ({', '.join(made.include)})" if made.include else ""
    return text + (f" where {made.predicate}" if made.predicate else "")


def _shown_key(key):
    text = key.column or f"({key.expression})"
    text += f" {key.operator_class}" if key.operator_class else ""
    text += " desc" if key.descending else ""
    return text + ("" if key.nulls_first is None else f" nulls {'first' if key.nulls_first else 'last'}")


def reasons(proposal):
    return {r.reason for r in proposal.rejections}
