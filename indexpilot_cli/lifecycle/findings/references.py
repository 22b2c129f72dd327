"""Foreign keys whose checks read the whole table, because no index finds the rows that refer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, ForeignKey, Index, Table
from indexpilot_cli.core.ddl import index_name
from indexpilot_cli.core.index import BTREE, HASH, IndexDefinition, IndexKey, Reason
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
)
from indexpilot_cli.methods.partitioned import build_sql, drop_sql
from indexpilot_cli.sql.normal import conjuncts, normal

SMALL = 1000.0  # rows: reading all of them is no matter
FEW = 20.0  # rows of one value of the leading column: the check looks at each of them


def supports(index: Index, key: ForeignKey, table: Table) -> bool:
    """Whether the index finds the rows that refer to one row: by all columns, or by a first one that says nearly all.

    A predicate that only leaves out NULLs is no matter: the check asks for equality.
    """
    definition = index.definition
    if not index.valid or not index.ready or definition.method not in (BTREE, HASH):
        return False
    wanted = set(key.columns)
    kept = {normal(f"{quote_identifier(column)} IS NOT NULL") for column in wanted}
    if definition.predicate is not None and not set(conjuncts(definition.predicate)) <= kept:
        return False
    # Of another collation than the column's it does not answer the check's =.
    leading = [k.column if k.collation is None else None for k in definition.keys[: len(key.columns)]]
    return set(leading) == wanted or (leading[0] in wanted and _selective(table, leading[0]))


def _selective(table: Table, name: str | None) -> bool:
    column = table.column(name) if name is not None else None
    statistics = column.statistics if column is not None else None
    return statistics is not None and table.rows > 0 and table.rows / statistics.distinct(table.rows) <= FEW


def reference_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """One for each foreign key without such an index; two keys of the same columns are one."""
    missing: defaultdict[tuple[object, ...], list[ForeignKey]] = defaultdict(list)
    for key in facts.catalog.foreign_keys:
        table = facts.catalog.table(key.table)
        if table is not None and table.kind in "rp" and not _served(key, table, facts.catalog):
            missing[(key.table, frozenset(key.columns))].append(key)
    for keys in missing.values():
        yield _finding(keys, facts)


def _served(key: ForeignKey, table: Table, catalog: Catalog) -> bool:
    """Whether the table has such an index, or each of its partitions its own."""
    if any(supports(index, key, table) for index in table.indexes):
        return True
    parts = [t for t in catalog.children_of(table.name) if t.is_partition] if table.kind == "p" else []
    return bool(parts) and all(_served(key, part, catalog) for part in parts)


def _finding(keys: list[ForeignKey], facts: LifecycleFacts) -> LifecycleFinding:
    key, catalog = keys[0], facts.catalog
    table = catalog.table(key.table)
    assert table is not None
    definition = IndexDefinition(key.table, tuple(IndexKey(column) for column in key.columns))
    name = index_for(definition, catalog)
    names = ", ".join(quote_identifier(k.name) for k in keys)
    text = f"no index on ({', '.join(map(quote_identifier, key.columns))}) of foreign key {names}"
    evidence = [Reason("foreign_key", text, "catalog"), Reason("deletes", _deletes(keys, facts), "catalog")]
    small = 0 <= table.tuples < SMALL and table.kind == "r"
    if small:
        evidence.append(
            Reason("small", f"the table has {table.rows:.0f} rows: reading them all costs little", "catalog")
        )
    return LifecycleFinding(
        LifecycleState.FK_MISSING,
        LifecycleSeverity.INFO if small else LifecycleSeverity.WARNING,
        LifecycleAction.CREATE,
        key.table,
        size_bytes=table.size_bytes,
        evidence=tuple(evidence),
        ddl=f"{build_sql(definition, name, catalog)};",
        undo=f"{drop_sql(definition, name, catalog)};",
        about=" ".join(key.columns),
        columns=key.columns,
    )


def index_for(definition: IndexDefinition, catalog: Catalog) -> str:
    """A name for the new index that nothing in the database has."""
    taken = {i.name.name for i in catalog.indexes()} | {t.name.name for t in catalog.tables}
    return index_name(definition, taken)


def _deletes(keys: list[ForeignKey], facts: LifecycleFacts) -> str:
    parents = dict.fromkeys(k.referenced for k in keys)
    tables = chain.from_iterable([t] if (t := facts.catalog.table(p)) is not None else [] for p in parents)
    seen = sum(t.activity.deletes for t in tables)
    short = ", ".join(p.short for p in parents)
    return f"each row deleted from {short}, or given another key, reads all of it ({seen:,} deletes counted)"
