"""What a constraint or a unique index demands of rows, as questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.probes.delta import Need
from indexpilot_cli.evolve.review.probes.question import (
    Body,
    Probe,
    ProbeKind,
    Question,
    duplicates,
    nulls,
    probe,
    title,
)
from indexpilot_cli.evolve.review.probes.shape import MAY_FAIL, evaluated, row_where, statistics
from indexpilot_cli.evolve.review.probes.virtual import VirtualTable
from indexpilot_cli.evolve.review.probes.virtual_tables import Tables
from indexpilot_cli.sql.safe.values import Key, Rule

FOREIGN = "it calls what must not run on this database, or reads what cannot be foreseen"


def need(wanted: Need, tables: Tables, number: int) -> Probe | None:
    """The probe of what is demanded; None when no row can violate it (a new, empty table)."""
    table = tables.get(wanted.table)
    if table is None or (table.empty and not table.more):
        return None
    question = _question(wanted, table, tables)
    return None if question is None else probe(table, number, question)


def _question(wanted: Need, table: VirtualTable, tables: Tables) -> Question | None:
    if wanted.kind == "not_null":
        return not_null(table, wanted.column, tables)
    if wanted.kind == "unique" and wanted.key is not None:
        return unique(table, wanted.key, tables, wanted.name)
    if wanted.kind == "computed" and wanted.key is not None:
        return computed(table, wanted.key, tables, wanted.name)
    if wanted.kind == "exclude" and wanted.key is not None:
        return exclusion(table, wanted.key, wanted.name)
    if wanted.kind == "check" and wanted.rule is not None:
        return check(table, wanted.rule.expression, tables, wanted.name)
    if wanted.kind == "foreign_key" and wanted.rule is not None:
        return foreign_key(table, wanted.rule, tables, wanted.name)
    return None


def not_null(table: VirtualTable, column: str, tables: Tables) -> Question | None:
    """Rows where the column is NULL."""
    if table.column(column) is None:
        return None
    verdict, why = nulls(statistics(table, column, tables))
    words = f"{column} is NULL in rows of {table.name.short}"
    body = row_where(f"ip_t.{quote_identifier(column)} IS NULL")
    return Question(ProbeKind.NULLS, "23502", words, body, (column,), verdict=verdict, verdict_why=why)


def unique(table: VirtualTable, key: Key, tables: Tables, name: str | None) -> Question:
    """Groups of rows that are equal in the key."""
    words = f"rows of {title(table.name, key.keys)} are duplicates"
    predicate = _vetted((key.predicate,) if key.predicate else (), table, tables)
    keys = _vetted(key.keys, table, tables)
    if keys is None or predicate is None:
        why = _why(table, key.columns)
        return Question(ProbeKind.DUPLICATES, "23505", words, None, key.columns, name, why)
    conditions = [f"({p})" for p in predicate]
    if not key.nulls_not_distinct:
        conditions += [f"{k} IS NOT NULL" for k in keys]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    groups = ", ".join(keys)

    def body(item: str) -> str:
        return f"SELECT 1 FROM {item} AS ip_t{where} GROUP BY {groups} HAVING count(*) > 1 LIMIT 1"

    def sampled(part: str, whole: str) -> str:
        values = ", ".join(["ctid AS ip_at", *(f"{k} AS ip_k{n}" for n, k in enumerate(keys))])
        pairs = _all(["ip_o.ip_at <> ip_s.ip_at", *(f"ip_o.ip_k{n} = ip_s.ip_k{n}" for n in range(len(keys)))])
        sides = [f"(SELECT {values} FROM {item} AS ip_t{where})" for item in (part, whole)]
        return f"SELECT 1 FROM {sides[0]} AS ip_s JOIN {sides[1]} AS ip_o ON {pairs} LIMIT 1"

    single = key.columns[0] if len(key.keys) == len(key.columns) == 1 and not key.predicate else None
    seen = statistics(table, single, tables) if single else None
    verdict, why = duplicates(seen, table.rows)
    question = Question(ProbeKind.DUPLICATES, "23505", words, body, key.columns, name, only=True)
    pairs = None if key.nulls_not_distinct else sampled
    return replace(question, sampled=pairs, verdict=verdict, verdict_why=why)


def computed(table: VirtualTable, key: Key, tables: Tables, name: str | None) -> Question | None:
    """Rows for which an index's expression cannot be computed; None when nothing in it can fail."""
    words = f"an expression of the index {name or ''} fails for a row of {table.name.short}".replace("  ", " ")
    texts = _vetted((*key.keys, *((key.predicate,) if key.predicate else ())), table, tables)
    if texts is None:
        return Question(ProbeKind.CAST, "22000", words, None, key.columns, name, _why(table, key.columns))
    if not MAY_FAIL.search(texts[0]):
        return None
    value = f"CASE WHEN {texts[1]} THEN {texts[0]} END" if len(texts) > 1 else texts[0]
    return Question(ProbeKind.CAST, "22000", words, evaluated(value), (), name)


def exclusion(table: VirtualTable, key: Key, name: str | None) -> Question:
    """Pairs of rows that exclude each other."""
    words = f"rows of {title(table.name, key.keys)} exclude each other"
    columns = tuple(key.columns)
    if len(columns) != len(key.keys) or key.predicate or set(key.operators) - {"=", "&&", "<>"}:
        return Question(ProbeKind.EXCLUSION, "23P01", words, None, columns, name, "only plain columns are looked at")
    pairs = [f"ip_t.{k} {op} ip_o.{k}" for k, op in zip(key.keys, key.operators, strict=True)]
    other = table.item(only=True)

    def body(item: str) -> str:
        return f"SELECT 1 FROM {item} AS ip_t JOIN {other} AS ip_o ON ip_t.ctid < ip_o.ctid AND {_all(pairs)} LIMIT 1"

    return Question(ProbeKind.EXCLUSION, "23P01", words, body, columns, name, only=True)


def check(table: VirtualTable, text: str, tables: Tables, name: str | None) -> Question:
    """Rows for which the condition is false."""
    words = f"rows of {table.name.short} violate the check {name or ''}".rstrip()
    found = tables.expression(text, table)
    if found is None:
        return Question(ProbeKind.CHECK, "23514", words, None, (), name, FOREIGN)
    alias = quote_identifier(table.name.name)

    def body(item: str) -> str:
        return f"SELECT 1 FROM {item} AS {alias} WHERE NOT ({found.sql}) LIMIT 1"

    return Question(ProbeKind.CHECK, "23514", words, body, tuple(sorted(found.names)), name)


def foreign_key(table: VirtualTable, rule: Rule, tables: Tables, name: str | None) -> Question | None:
    """Rows that refer to nothing."""
    words = f"rows of {title(table.name, rule.columns)} refer to nothing"
    target = tables.resolve(*rule.references) if rule.references else None
    parent = tables.get(target) if target else None
    if parent is None or not rule.columns:
        return None
    referenced = rule.referenced_columns or primary_key(parent, tables)
    if len(referenced) != len(rule.columns) or any(parent.column(c) is None for c in referenced):
        return Question(ProbeKind.ORPHANS, "23503", words, None, rule.columns, name, "what it refers to is not known")
    lost = next((c.unknown for c in map(parent.column, referenced) if c and c.unknown), "")
    if lost:
        return Question(ProbeKind.ORPHANS, "23503", words, None, rule.columns, name, lost)
    body = orphans(rule, parent, referenced)
    return Question(ProbeKind.ORPHANS, "23503", words, body, rule.columns, name, only=True, others=(parent,))


def orphans(rule: Rule, parent: VirtualTable, referenced: Sequence[str]) -> Body:
    """Rows with a key that is not among the referenced ones; with MATCH FULL also half-empty keys."""
    own = [f"ip_t.{quote_identifier(c)}" for c in rule.columns]
    pairs = [f"ip_p.{quote_identifier(c)} = {mine}" for c, mine in zip(referenced, own, strict=True)]
    missing = f"NOT EXISTS (SELECT FROM {parent.item(only=True)} AS ip_p WHERE {_all(pairs)})"
    condition = f"{_all([f'{mine} IS NOT NULL' for mine in own])} AND {missing}"
    if rule.match_full and len(own) > 1:
        condition = f"({condition}) OR num_nulls({', '.join(own)}) BETWEEN 1 AND {len(own) - 1}"
    return row_where(condition)


def primary_key(table: VirtualTable, tables: Tables) -> tuple[str, ...]:
    """The columns of the table's primary key, empty when it is not known."""
    real = tables.catalog.table(table.origin) if table.origin else None
    found = next((i for i in real.indexes if i.primary), None) if real else None
    return found.definition.columns if found else ()


def _vetted(texts: Sequence[str], table: VirtualTable, tables: Tables) -> tuple[str, ...] | None:
    """The expressions as they may run; None when one may not."""
    found = [tables.expression(text, table) for text in texts]
    return tuple(f.sql for f in found if f is not None) if all(f is not None for f in found) else None


def _why(table: VirtualTable, columns: Sequence[str]) -> str:
    unknown = (table.column(c) for c in columns)
    return next((c.unknown for c in unknown if c is not None and c.unknown), FOREIGN)


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions)
