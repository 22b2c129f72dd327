"""What a constraint or a unique index demands of rows, as questions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.core.ddl import Select, any_row
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.review.probes.delta import Need
from indexpilot_cli.evolve.review.probes.question import (
    Body,
    KnownDomain,
    Probe,
    ProbeKind,
    Question,
    duplicates,
    nulls,
    title,
)
from indexpilot_cli.evolve.review.probes.shape import MAY_FAIL, evaluated, on_value, row_where, statistics
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.evolve.review.probes.virtual import VirtualColumn, VirtualTable
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.parser.text import deparse_expression, parse_expression
from indexpilot_cli.sql.safe import reader
from indexpilot_cli.sql.safe.values import Key, PartitionBound, Rule

FOREIGN = "it calls what must not run on this database, or reads what cannot be foreseen"
_KEY = re.compile(r"\s*(RANGE|LIST|HASH)\s*\((.*)\)\s*", re.I | re.S)


def need(wanted: Need, tables: Tables) -> Probe | None:
    """The probe of what is demanded; None when no row can violate it (a new, empty table)."""
    table = tables.get(wanted.table)
    if table is None and wanted.kind == "unique" and wanted.key is not None:
        words = f"rows of {title(wanted.table, wanted.key.keys)} are duplicates"
        return tables.unasked(wanted.table, words, "it is no table whose rows are known", "23505")
    if table is None or (table.empty and not table.more):
        return None
    question = _question(wanted, table, tables)
    if question is None:
        return None
    # The server computes the expression for each row, and so does the question as long as it reads the table itself.
    return replace(tables.probe(table, question), errors_count=wanted.kind == "check" and table.plain)


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
        why = table.why_unknown(key.columns) or FOREIGN
        return Question(ProbeKind.DUPLICATES, "23505", words, None, key.columns, name, why)
    conditions = [f"({p})" for p in predicate]
    # NULLs are distinct from each other unless the index says otherwise (15 and later).
    if not key.nulls_not_distinct:
        conditions += [f"{k} IS NOT NULL" for k in keys]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # GROUP BY takes for equal what the type's default B-tree operator class does, as the index will.
    groups = ", ".join(keys)

    def body(item: str) -> str:
        return any_row(f"{item} AS ip_t", where, f"GROUP BY {groups} HAVING count(*) > 1")

    def sampled(part: str, whole: str) -> str:
        values = ", ".join(["ctid AS ip_at", *(f"{k} AS ip_k{n}" for n, k in enumerate(keys))])
        pairs = _all(["ip_o.ip_at <> ip_s.ip_at", *(f"ip_o.ip_k{n} = ip_s.ip_k{n}" for n in range(len(keys)))])
        one, other = (f"({Select(values, f'{item} AS ip_t', where)})" for item in (part, whole))
        return any_row(f"{one} AS ip_s JOIN {other} AS ip_o ON {pairs}")

    single = key.columns[0] if len(key.keys) == len(key.columns) == 1 and not key.predicate else None
    seen = statistics(table, single, tables) if single else None
    verdict, why = duplicates(seen, table.rows)
    # An index covers its own table, not those that inherit from it.
    question = Question(ProbeKind.DUPLICATES, "23505", words, body, key.columns, name, only=True)
    # Two equal rows are rarely both in a sample: its rows are looked up in the whole table.
    pairs = None if key.nulls_not_distinct else sampled
    return replace(question, sampled=pairs, verdict=verdict, verdict_why=why)


def computed(table: VirtualTable, key: Key, tables: Tables, name: str | None) -> Question | None:
    """Rows for which an index's expression cannot be computed; None when nothing in it can fail."""
    words = f"an expression of the index {name or ''} fails for a row of {table.name.short}".replace("  ", " ")
    texts = _vetted((*key.keys, *((key.predicate,) if key.predicate else ())), table, tables)
    if texts is None:
        why = table.why_unknown(key.columns) or FOREIGN
        return Question(ProbeKind.CAST, "22000", words, None, key.columns, name, why)
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
        # Each pair once and no row with itself.
        return any_row(f"{item} AS ip_t JOIN {other} AS ip_o ON ip_t.ctid < ip_o.ctid AND {_all(pairs)}")

    return Question(ProbeKind.EXCLUSION, "23P01", words, body, columns, name, only=True)


def check(table: VirtualTable, text: str, tables: Tables, name: str | None) -> Question:
    """Rows for which the condition is false."""
    words = f"rows of {table.name.short} violate the check {name or ''}".rstrip()
    found = tables.expression(text, table)
    if found is None:
        return Question(ProbeKind.CHECK, "23514", words, None, (), name, FOREIGN)
    body = violating(found.sql, table)
    return Question(ProbeKind.CHECK, "23514", words, body, tuple(sorted(found.names)), name)


def violating(condition: str, table: VirtualTable) -> Body:
    """Rows for which a check of the table is false; it may name the table."""
    alias = quote_identifier(table.name.name)
    # NOT of NULL is NULL and gives no row: a CHECK lets such rows pass as well.
    return lambda item: any_row(f"{item} AS {alias}", f"WHERE NOT ({condition})")


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
    lost = parent.why_unknown(referenced)
    if lost:
        return Question(ProbeKind.ORPHANS, "23503", words, None, rule.columns, name, lost)
    body = orphans(rule, parent, referenced)
    return Question(ProbeKind.ORPHANS, "23503", words, body, rule.columns, name, only=True, others=(parent,))


def orphans(rule: Rule, parent: VirtualTable, referenced: Sequence[str]) -> Body:
    """Rows with a key that is not among the referenced ones; with MATCH FULL also half-empty keys."""
    own = [f"ip_t.{quote_identifier(c)}" for c in rule.columns]
    condition = without_parent(own, parent, referenced)
    # MATCH SIMPLE, the default, lets a key with any NULL pass.
    if rule.match_full and len(own) > 1:
        condition = f"({condition}) OR num_nulls({', '.join(own)}) BETWEEN 1 AND {len(own) - 1}"
    return row_where(condition)


def without_parent(own: Sequence[str], parent: VirtualTable, referenced: Sequence[str]) -> str:
    """The condition that a key is whole and no row of the parent has it."""
    there = with_key("ip_p", own, parent, referenced)
    return f"{_all([f'{mine} IS NOT NULL' for mine in own])} AND NOT EXISTS ({there})"


def with_key(alias: str, own: Sequence[str], table: VirtualTable, columns: Sequence[str]) -> Select:
    """The rows of a table whose columns have these values."""
    pairs = [f"{alias}.{quote_identifier(c)} = {mine}" for c, mine in zip(columns, own, strict=True)]
    # Neither a foreign key nor a unique one sees rows of tables that inherit from this one.
    # https://www.postgresql.org/docs/current/ddl-inherit.html#DDL-INHERIT-CAVEATS
    return Select("", f"{table.item(only=True)} AS {alias}", f"WHERE {_all(pairs)}")


def primary_key(table: VirtualTable, tables: Tables) -> tuple[str, ...]:
    """The columns of the table's primary key, empty when it is not known."""
    real = tables.catalog.table(table.origin) if table.origin else None
    found = next((i for i in real.indexes if i.primary), None) if real else None
    return found.definition.columns if found else ()


def _vetted(texts: Sequence[str], table: VirtualTable, tables: Tables) -> tuple[str, ...] | None:
    """The expressions as they may run; None when one may not."""
    found = [tables.expression(text, table) for text in texts]
    return tuple(f.sql for f in found if f is not None) if all(f is not None for f in found) else None


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions)


def partition_questions(action: Action, tables: Tables) -> Iterator[Probe]:
    """Rows outside the bound in the partition to be, and rows inside it that another (the default) holds."""
    if action.kind not in (Act.ATTACH_PARTITION, Act.CREATE_PARTITION):
        return
    bound = reader.bound(action.sql)
    target = tables.resolve(*bound.parent) if bound else None
    parent = tables.get(target) if target else None
    if bound is None or parent is None or parent.origin is None:
        return
    inside = None if bound.default else _inside(bound, parent, tables)
    name = tables.resolve(*bound.child)
    child = tables.get(name) if name and action.kind is Act.ATTACH_PARTITION else None
    if child is not None and not child.empty:
        words = f"rows of {child.name.short} do not belong into the partition"
        # A NULL key belongs to no list that does not name NULL, where IN would only come to NULL.
        body = row_where(f"({inside}) IS NOT TRUE") if inside else None
        why = "" if inside else "the bound of a default partition is what all others leave"
        yield tables.probe(child, Question(ProbeKind.PARTITION, "23514", words, body, why_not=why))
    # Hash partitioning has no default partition. https://www.postgresql.org/docs/current/sql-createtable.html
    if inside and not bound.modulus:
        words = f"the default partition of {parent.name.short} has rows that belong into the new one"
        # The parent has the rows of all partitions, also of one that the file detaches.
        where = f"({inside}) AND {_in_default(parent.origin)}" if parent.plain else inside
        yield tables.probe(parent, Question(ProbeKind.PARTITION, "23514", words, row_where(where)))


def _in_default(parent: QualifiedName) -> str:
    """The condition (over ``ip_t``) that a row is in the default partition, or in a partition of that."""
    tree = Select(
        "ip_d.relid",
        "pg_catalog.pg_partitioned_table AS ip_f, pg_catalog.pg_partition_tree(ip_f.partdefid) AS ip_d",
        f"WHERE ip_f.partrelid = {quote_literal(str(parent))}::regclass",
    )
    return f"ip_t.tableoid IN ({tree})"


def _inside(bound: PartitionBound, parent: VirtualTable, tables: Tables) -> str | None:
    """The condition (over ``ip_t``) that is true for rows of the partition; None when it cannot be written."""
    real = tables.catalog.table(parent.origin) if parent.origin else None
    match = _KEY.fullmatch(real.partition_key or "") if real else None
    keys = split_keys(match[2]) if match else ()
    vetted = [tables.expression(key, parent) for key in keys]
    constants = [*bound.values, *(t for t in (*bound.lower, *bound.upper) if t is not None)]
    if not keys or any(v is None for v in vetted) or any(tables.expression(c) is None for c in constants):
        return None
    texts = [f"({v.sql})" for v in vetted if v is not None]
    if bound.modulus:
        table = f"{quote_literal(str(parent.origin))}::regclass"
        return f"satisfies_hash_partition({table}, {bound.modulus}, {bound.remainder}, {', '.join(texts)})"
    if bound.lower:
        return _range(texts, bound)
    parts = [f"{texts[0]} IN ({', '.join(bound.values)})"] if bound.values else []
    return " OR ".join(parts + ([f"{texts[0]} IS NULL"] if bound.null else []))


def _range(keys: Sequence[str], bound: PartitionBound) -> str | None:
    """Row comparison up to the first MINVALUE or MAXVALUE, which closes or opens what follows."""
    # A row with a NULL in the key of a range partition belongs to the default partition only.
    conditions = [f"{key} IS NOT NULL" for key in keys]
    for limits, operator in ((bound.lower, ">="), (bound.upper, "<")):
        fixed = [limit for limit in limits if limit is not None]
        if len(fixed) != len(limits) and (fixed or len(limits) > 1):
            return None
        if fixed:
            conditions.append(f"({', '.join(keys)}) {operator} ({', '.join(fixed)})")
    return " AND ".join(conditions)


def split_keys(text: str) -> tuple[str, ...]:
    """The keys of a list as the parser prints them; none where one is more than an expression (an operator class)."""
    try:
        keys = parse_expression(f"ROW({text})")
    except ValueError:
        return ()
    return tuple(map(deparse_expression, keys.children("args")))


def remember_type(action: Action, tables: Tables) -> None:
    """Remember types and domains that the migration makes."""
    name = action.object or ""
    if action.kind is Act.CREATE_TYPE and action.type == "enum":
        tables.new_types.add(name)
        tables.labels[name] = reader.labels(action.sql) or action.columns
    elif action.kind is Act.ADD_ENUM_VALUE or action.kind is Act.CREATE_TYPE:
        tables.new_types.add(name)
    elif action.kind is Act.RENAME and action.has("type") and action.new_name:
        tables.rename_type(name, action.new_name)
    elif action.kind is Act.CREATE_DOMAIN:
        checks = reader.domain_checks(action.sql)
        tables.domains[name] = KnownDomain(QualifiedName("", name), action.type or "text", checks)


def domain_questions(action: Action, tables: Tables) -> Iterator[Probe]:
    """What ALTER DOMAIN asks of every column of the domain."""
    if action.kind is not Act.ALTER_DOMAIN or action.has("not_valid") or action.has("inline"):
        return
    for table, column in _domain_columns(action, tables):
        if action.has("set_not_null") or action.constraint == "not_null":
            question = not_null(table, column, tables)
            if question is not None:
                yield tables.probe(table, question)
        elif action.has("add") and action.expression:
            yield tables.probe(table, _domain_check(action.expression, table, column, tables, action.new_name))
        elif action.has("validate"):
            text = tables.domain_rules.get((action.object or "", action.new_name or ""))
            if text:
                yield tables.probe(table, _domain_check(text, table, column, tables, action.new_name))


def remember_rule(action: Action, tables: Tables) -> None:
    """Keep a NOT VALID check of a domain for its VALIDATE."""
    if action.kind is Act.ALTER_DOMAIN and action.has("not_valid") and action.expression:
        tables.domain_rules[action.object or "", action.new_name or ""] = action.expression


def _domain_check(text: str, table: VirtualTable, column: str, tables: Tables, name: str | None) -> Question:
    words = f"{column} of {table.name.short} violates the new check of its domain"
    value = VirtualTable(table.name, None, (VirtualColumn("value", "text"),))
    found = tables.expression(text, value)
    if found is None:
        return Question(ProbeKind.CHECK, "23514", words, None, (column,), name, FOREIGN)
    body = on_value(found.sql, f"ip_t.{quote_identifier(column)}")
    return Question(ProbeKind.CHECK, "23514", words, body, (column,), name)


def _domain_columns(action: Action, tables: Tables) -> Iterator[tuple[VirtualTable, str]]:
    """(table, column) of the domain; partitions are read through their parents."""
    for real in tables.catalog.tables:
        table = tables.get(tables.now(real.name)) if not real.is_partition else None
        for column in table.columns if table else ():
            parts = column.type.split(".")
            if parts[-1].strip('"') == action.object and table is not None:
                yield table, column.name
