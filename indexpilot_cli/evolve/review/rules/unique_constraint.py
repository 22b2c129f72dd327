"""UNIQUE, PRIMARY KEY and EXCLUDE: the index they build, the scan of a primary key, duplicates in the way."""

from __future__ import annotations

import re
from dataclasses import replace

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve import safe_steps as safe
from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import (
    BUILDS,
    READS,
    HazardRule,
    SafeStep,
    Works,
    adds,
    alter,
    column_list,
    constraint_name,
    error,
    table_sql,
)
from indexpilot_cli.evolve.review.rules.not_null import not_null
from indexpilot_cli.sql.ddl.action import Act, Action

_DEFERRABLE = re.compile(r"\b(?:NOT\s+)?DEFERRABLE\b.*\Z", re.IGNORECASE | re.DOTALL)


def constraint_by_index(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """The index CONCURRENTLY, then the constraint that takes it; () where there is no such way (EXCLUDE)."""
    if action.constraint not in ("unique", "primary_key") or not action.columns or case.review.partitioned(action):
        return ()
    name = quote_identifier(constraint_name(action))
    include = dict(action.parameters).get("include")
    # Expressions over a range (WITHOUT OVERLAPS) are no plain unique index.
    if re.search(r"\bWITHOUT\s+OVERLAPS\b", action.sql, re.IGNORECASE):
        return ()
    index = safe.build_unique(name, table_sql(action), column_list(action.columns))
    index += f" INCLUDE ({include})" if include else ""
    index += " NULLS NOT DISTINCT" if action.has("nulls_not_distinct") else ""
    kind = "PRIMARY KEY" if action.constraint == "primary_key" else "UNIQUE"
    later = _DEFERRABLE.search(action.sql)
    tail = f" {later.group()}" if later and action.has("deferrable") else ""
    steps = (SafeStep(index, alone=True), SafeStep(safe.attach_unique(alter(action), name, kind) + tail))
    return _proved_first(action, case, steps) if action.constraint == "primary_key" else steps


def _proved_first(action: Action, case: StatementCase, steps: tuple[SafeStep, ...]) -> tuple[SafeStep, ...]:
    """NOT NULL proved for each nullable column before the key takes its index."""
    before: tuple[SafeStep, ...] = ()
    after: tuple[SafeStep, ...] = ()
    for column in action.columns:
        if case.review.nullable(action, column):
            parts = not_null(replace(action, columns=(column,), object=None), case)
            before, after = (*before, *parts[:3]), (*after, *parts[3:])
    return (*before, *steps, *after)


def _using_index(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """PRIMARY KEY USING INDEX: the columns are those of the index."""
    table = case.review.table(action)
    index = dict(action.parameters).get("index")
    found = next((i for i in table.indexes if i.name.name == index), None) if table else None
    if found is None or action.constraint != "primary_key":
        return ()
    columns = tuple(k.column for k in found.definition.keys if k.column is not None)
    return _proved_first(replace(action, columns=columns), case, (SafeStep(action.sql),))


def _proves_key(action: Action, works: Works) -> bool:
    done = action.options & {"not_valid", "not_enforced", "inline"}
    return action.kind is Act.ADD_CONSTRAINT and action.has("using_index") and not done and bool(works & READS)


UNIQUE_BUILDS_INDEX = HazardRule(
    "L04 unique-builds-index",
    "a constraint builds its index under an exclusive lock",
    "ADD UNIQUE, PRIMARY KEY or EXCLUDE builds the index while it holds ACCESS EXCLUSIVE: reads and writes wait.",
    "Build a unique index CONCURRENTLY first, then attach it with USING INDEX, which takes a moment. An EXCLUDE "
    "constraint has no such way: choose a quiet hour.",
    "ALTER TABLE orders ADD CONSTRAINT orders_ref_key UNIQUE (ref);",
    "CREATE UNIQUE INDEX CONCURRENTLY orders_ref_key ON orders (ref);\n"
    "ALTER TABLE orders ADD CONSTRAINT orders_ref_key UNIQUE USING INDEX orders_ref_key;",
    "sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    causes=adds(BUILDS, "unique", "primary_key", "exclude"),
    steps=constraint_by_index,
)

PRIMARY_KEY_SCAN = HazardRule(
    "L05 primary-key-scan",
    "a primary key proves NOT NULL by reading the table",
    "PRIMARY KEY USING INDEX on nullable columns reads the whole table under ACCESS EXCLUSIVE to see that no value "
    "is NULL.",
    "Make the columns NOT NULL first, by a CHECK that is validated beside the readers.",
    "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_ref_idx;",
    "ALTER TABLE orders ADD CONSTRAINT ref_set CHECK (ref IS NOT NULL) NOT VALID;\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT ref_set;\n"
    "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;\n"
    "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_ref_idx;\n"
    "ALTER TABLE orders DROP CONSTRAINT ref_set;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=_proves_key,
    steps=_using_index,
    left="the primary key's index is not known",
)

DUPLICATES_IN_THE_WAY = HazardRule(
    "F02 duplicates-in-the-way",
    "there are duplicates where values must be unique",
    "A unique index or constraint fails (23505); built CONCURRENTLY it leaves an invalid index behind.",
    "Find and settle the duplicates first.",
    "CREATE UNIQUE INDEX CONCURRENTLY orders_ref_key ON orders (ref);",
    "SELECT ref, count(*) FROM orders GROUP BY ref HAVING count(*) > 1;",
    "ddl-constraints.html#DDL-CONSTRAINTS-UNIQUE-CONSTRAINTS",
    fails=error("23505"),
    probes=(ProbeKind.DUPLICATES,),
)

EXCLUSION_VIOLATED = HazardRule(
    "F08 exclusion-violated",
    "there are rows that exclude each other",
    "An EXCLUDE constraint fails (23P01).",
    "Settle the conflicts first.",
    "ALTER TABLE stays ADD CONSTRAINT no_overlap EXCLUDE USING gist (span WITH &&);",
    "SELECT a.id, b.id FROM stays a JOIN stays b ON a.span && b.span AND a.id < b.id;",
    "ddl-constraints.html#DDL-CONSTRAINTS-EXCLUSION",
    fails=error("23P01"),
    probes=(ProbeKind.EXCLUSION,),
)
