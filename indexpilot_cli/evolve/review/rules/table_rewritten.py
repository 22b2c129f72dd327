"""Statements that write a whole table anew and have no other form: VACUUM FULL, CLUSTER, SET EXPRESSION and others."""

from __future__ import annotations

from indexpilot_cli.evolve.review.rule import REWRITES, Rule, does
from indexpilot_cli.sql.ddl.action import Act

_COPIES = (Act.VACUUM, Act.CLUSTER, Act.SET_LOGGED, Act.SET_ACCESS_METHOD, Act.SET_TABLESPACE)

EXPRESSION_REWRITES = Rule(
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

TABLE_REWRITTEN = Rule(
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
