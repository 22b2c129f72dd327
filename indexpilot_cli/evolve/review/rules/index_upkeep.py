"""Indexes dropped and rebuilt, views refreshed, tables written anew: most have a CONCURRENTLY that spares others."""

from __future__ import annotations

import re

from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.rule import (
    ANY_WORK,
    BUILDS,
    REWRITES,
    HazardRule,
    SafeStep,
    concurrently,
    does,
    dotted,
)
from indexpilot_cli.sql.ddl.action import Act, Action

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
