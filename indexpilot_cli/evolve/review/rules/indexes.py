"""Indexes made, dropped and rebuilt, views refreshed, tables written anew: most have a CONCURRENTLY that spares others.

An invalid index that IF NOT EXISTS would take for a good one is told too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog, Index, Table
from indexpilot_cli.core.names import dotted, object_name, quote_identifier
from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.evolve.review.case import Review, StatementCase
from indexpilot_cli.evolve.review.rule import (
    ANY_WORK,
    BUILDS,
    REWRITES,
    HazardRule,
    SafeStep,
    concurrently,
    does,
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
    children = review.catalog.children_of(table.name)
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
    name = object_name(child.name.name, "_".join(action.columns), "idx") if plain else ""
    taken = {index.name.name for index in _catalog_indexes(catalog)}
    return name if name and name not in taken else object_name(child.name.name, action.object or "", "idx")


def _catalog_indexes(catalog: Catalog) -> Iterator[Index]:
    for table in catalog.tables:
        yield from table.indexes


def _invalid(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        if action.kind is not Act.CREATE_INDEX or not action.has("if_not_exists") or review.catalog is None:
            continue
        bad = next((i for i in _catalog_indexes(review.catalog) if i.name.name == action.object and not i.valid), None)
        if bad is not None:
            instead = f"DROP INDEX CONCURRENTLY {bad.name};\n{action.sql};"
            made = rule.finding(case, f"{bad.name.short} exists and is invalid: IF NOT EXISTS leaves it so")
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


_REINDEX = re.compile(
    r"\A\s*REINDEX\s*(?:\([^)]*\))?\s*(?:INDEX|TABLE|SCHEMA|DATABASE)\b(?!\s+CONCURRENTLY)", re.IGNORECASE
)
_REFRESH = re.compile(r"\A\s*REFRESH\s+MATERIALIZED\s+VIEW\b(?!\s+CONCURRENTLY)", re.IGNORECASE)
_REFRESHES = frozenset({WorkKind.REFRESH, WorkKind.BUILD_INDEX, WorkKind.REWRITE})


def _drop_index(action: Action, _case: StatementCase) -> tuple[SafeStep, ...]:
    # DROP INDEX CONCURRENTLY takes no CASCADE. https://www.postgresql.org/docs/current/sql-dropindex.html
    if action.object is None or action.has("cascade") or action.has("concurrently"):
        return ()
    missing = "IF EXISTS " if action.has("if_exists") else ""
    return (SafeStep(f"DROP INDEX CONCURRENTLY {missing}{dotted(action.object_schema, action.object)}", alone=True),)


def _reindex(action: Action, _case: StatementCase) -> tuple[SafeStep, ...]:
    # Indexes of system catalogs cannot be rebuilt concurrently.
    # https://www.postgresql.org/docs/current/sql-reindex.html
    if action.type == "system" or not _REINDEX.match(action.sql):
        return ()
    return (SafeStep(concurrently(_REINDEX, action.sql), alone=True),)


def _refresh(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    table = case.review.table(action)
    # Old and new rows are compared by a unique index of plain columns that holds every row.
    # https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
    usable = table is not None and any(
        i.definition.unique and i.valid and not i.definition.predicate and all(k.column for k in i.definition.keys)
        for i in table.indexes
    )
    if not usable or action.has("no_data") or not _REFRESH.match(action.sql):
        return ()
    return (SafeStep(concurrently(_REFRESH, action.sql)),)


DROP_INDEX_NOT_CONCURRENT = HazardRule(
    "L02 drop-index-not-concurrent",
    "an index is dropped under a lock that is held for long",
    "DROP INDEX takes ACCESS EXCLUSIVE on the table: it queues behind every running query and all later ones queue "
    "behind it. In a transaction the lock stays until COMMIT.",
    "DROP INDEX CONCURRENTLY, outside a transaction block. It cannot drop an index that backs a constraint.",
    "DROP INDEX orders_ref_idx;",
    "DROP INDEX CONCURRENTLY orders_ref_idx;",
    "sql-dropindex.html",
    causes=does(ANY_WORK, Act.DROP_INDEX),
    steps=_drop_index,
)

REINDEX_NOT_CONCURRENT = HazardRule(
    "L03 reindex-not-concurrent",
    "an index is rebuilt while readers and writers wait",
    "REINDEX blocks writers and holds ACCESS EXCLUSIVE on the index. A query cannot even be planned on the table "
    "then, whether it would use that index or not.",
    "REINDEX … CONCURRENTLY, outside a transaction block.",
    "REINDEX INDEX orders_ref_idx;",
    "REINDEX INDEX CONCURRENTLY orders_ref_idx;",
    "sql-reindex.html#SQL-REINDEX-CONCURRENTLY",
    causes=does(BUILDS, Act.REINDEX),
    steps=_reindex,
)

REFRESH_BLOCKS = HazardRule(
    "L34 refresh-blocks",
    "a materialized view is refreshed while its readers wait",
    "REFRESH MATERIALIZED VIEW holds ACCESS EXCLUSIVE on the view while its query runs.",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY: it needs a unique index on the view without a predicate.",
    "REFRESH MATERIALIZED VIEW totals;",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY totals;",
    "sql-refreshmaterializedview.html",
    causes=does(_REFRESHES, Act.REFRESH),
    steps=_refresh,
    left="REFRESH … CONCURRENTLY needs a unique index over columns without a predicate",
)


_COPIES = (Act.VACUUM, Act.CLUSTER, Act.SET_LOGGED, Act.SET_ACCESS_METHOD, Act.SET_TABLESPACE)

EXPRESSION_REWRITES = HazardRule(
    "L15 expression-rewrites",
    "a new generation expression rewrites the table",
    "SET EXPRESSION of a stored generated column writes the table anew under ACCESS EXCLUSIVE.",
    "Add a second column, fill it in batches and swap the names.",
    "ALTER TABLE orders ALTER COLUMN total SET EXPRESSION AS (price * 2);",
    "ALTER TABLE orders ADD COLUMN total_new numeric;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=does(REWRITES, Act.SET_EXPRESSION),
    left="a stored generated column can only be replaced by another column",
)

TABLE_REWRITTEN = HazardRule(
    "L33 table-rewritten",
    "the whole table is written anew",
    "VACUUM FULL, CLUSTER, SET LOGGED, SET ACCESS METHOD and SET TABLESPACE copy it under ACCESS EXCLUSIVE.",
    "For space, plain VACUUM and REINDEX CONCURRENTLY; else a tool that copies beside the writers.",
    "VACUUM FULL orders;",
    "VACUUM orders;",
    "explicit-locking.html#LOCKING-TABLES",
    causes=does(REWRITES, *_COPIES),
    left="the table is copied; choose a quiet hour or a tool that copies beside the writers",
)
