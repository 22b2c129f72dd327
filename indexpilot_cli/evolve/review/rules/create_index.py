"""CREATE INDEX while writers wait, and an invalid index that IF NOT EXISTS would take for a good one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog, Index, Table
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.case import Review, StatementCase
from indexpilot_cli.evolve.review.rule import (
    BUILDS,
    HazardRule,
    SafeStep,
    concurrently,
    does,
    dotted,
    made_name,
    on_table,
    table_sql,
)
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_CREATE = re.compile(r"\A\s*CREATE\s+(?:UNIQUE\s+)?INDEX\b(?!\s+CONCURRENTLY)", re.IGNORECASE)
_INDEX_NAME = re.compile(r"\A\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?", re.IGNORECASE)
_FIRST_NAME = re.compile(r'\A(?:"(?:[^"]|"")+"|[\w$]+)')


def _create_index(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    if not _CREATE.match(action.sql):
        return ()
    if case.review.partitioned(action):
        return () if action.has("only") else _partitioned_index(action, case.review)
    return (SafeStep(concurrently(_CREATE, action.sql), alone=True),)


def _partitioned_index(action: Action, review: Review) -> tuple[SafeStep, ...]:
    """An empty index on the parent, one built beside the writers on each partition, then attached.

    CREATE INDEX CONCURRENTLY is refused on a partitioned table itself.
    """
    table = review.table(action)
    parent = on_table(action.sql, f"ONLY {table_sql(action)}")
    if table is None or parent is None or action.object is None or review.catalog is None:
        return ()
    children = [t for t in review.catalog.tables if t.parent == table.name]
    # Below a partition that is partitioned itself the same steps would be due again; a foreign table cannot be indexed.
    if not children or any(t.kind != "r" for t in children):
        return ()
    # Brief: ON ONLY builds nothing, and the parent's index becomes valid with the last partition that is attached.
    steps = [SafeStep(parent)]
    for child in children:
        name = _child_index(action, child, review.catalog)
        text = on_table(action.sql, str(child.name))
        assert text is not None
        rest = _INDEX_NAME.sub("", text, count=1)
        tail = _FIRST_NAME.sub("", rest, count=1)
        unique = "UNIQUE " if action.has("unique") else ""
        steps.append(SafeStep(f"CREATE {unique}INDEX CONCURRENTLY {quote_identifier(name)}{tail}", alone=True))
        parent_index = dotted(action.schema, action.object)
        steps.append(SafeStep(f"ALTER INDEX {parent_index} ATTACH PARTITION {dotted(child.name.schema, name)}"))
    return tuple(steps)


def _child_index(action: Action, child: Table, catalog: Catalog) -> str:
    """The name the server itself would give, where that is simple and free."""
    plain = action.condition is None and "(" not in (action.expression or "(")
    name = made_name(child.name.name, *action.columns, "idx") if plain else ""
    taken = {index.name.name for index in _catalog_indexes(catalog)}
    return name if name and name not in taken else made_name(child.name.name, action.object or "", "idx")


def _catalog_indexes(catalog: Catalog) -> Iterator[Index]:
    for table in catalog.tables:
        yield from table.indexes


def _invalid(review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        if action.kind is not Act.CREATE_INDEX or not action.has("if_not_exists") or review.catalog is None:
            continue
        bad = next((i for i in _catalog_indexes(review.catalog) if i.name.name == action.object and not i.valid), None)
        if bad is not None:
            instead = f"DROP INDEX CONCURRENTLY {bad.name};\n{action.sql};"
            made = INVALID_INDEX_KEPT.finding(
                case, f"{bad.name.short} exists and is invalid: IF NOT EXISTS leaves it so"
            )
            yield replace(made, table=review.table_name(action), instead=instead)


INDEX_NOT_CONCURRENT = HazardRule(
    "L01 index-not-concurrent",
    "an index is built while writers wait",
    "CREATE INDEX holds a SHARE lock on the table until its transaction ends: every INSERT, UPDATE and DELETE "
    "waits as long as the build takes. Reads go on.",
    "CREATE INDEX CONCURRENTLY, outside a transaction block. It takes longer and leaves an invalid index behind "
    "when it fails: drop that one and try again.",
    "CREATE INDEX orders_ref_idx ON orders (ref);",
    "CREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);",
    "sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    causes=does(BUILDS, Act.CREATE_INDEX),
    steps=_create_index,
)

INVALID_INDEX_KEPT = HazardRule(
    "W13 invalid-index-kept",
    "IF NOT EXISTS would take an invalid index for a good one",
    "A CREATE INDEX CONCURRENTLY that failed leaves an invalid index: no query uses it, every write pays for it, "
    "and IF NOT EXISTS says that all is well.",
    "DROP INDEX CONCURRENTLY the invalid one first.",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_ref_idx ON orders (ref);",
    "DROP INDEX CONCURRENTLY IF EXISTS orders_ref_idx;\nCREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);",
    "sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    find=_invalid,
)
