"""Partitions attached, made and detached: what is read and locked meanwhile, and rows outside a bound."""

from __future__ import annotations

import re

from indexpilot_cli.core.names import dotted, object_name, quote_identifier
from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.evolve import alter_table
from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.offline.objects import default_partitions
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import ANY_WORK, BUILDS, READS, HazardRule, SafeStep, does
from indexpilot_cli.sql.ddl.action import Act, Action

_KEY = re.compile(r'\A(?:RANGE|LIST)\s*\((?P<column>"(?:[^"]|"")+"|[a-z_][\w$]*)\)\Z', re.IGNORECASE)
_DETACH_CONCURRENTLY = 140000


def _attach(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """A CHECK on the new partition, NOT VALID and validated, then ATTACH, then the CHECK goes."""
    table = case.review.table(action)
    key = _KEY.match((table.partition_key or "").strip()) if table else None
    condition = bound_condition(key["column"], action.expression or "") if key else None
    if condition is None or action.object is None:
        return ()
    child = f"ALTER TABLE {dotted(action.object_schema, action.object)}"
    name = quote_identifier(object_name(action.object, "", "bound"))
    return (
        SafeStep(f"{child} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"),
        SafeStep(alter_table.prove(child, name), apart=True),
        SafeStep(action.sql, apart=True),
        SafeStep(f"{child} DROP CONSTRAINT {name}"),
    )


def bound_condition(column: str, bound: str) -> str | None:
    """The condition that every row within a bound over one column fulfils; None where that cannot be written."""
    kind, _, values = bound.partition(": ")
    if kind == "list":
        return _listed(column, values)
    if kind != "range" or " .. " not in values:
        return None
    low, _, high = values.partition(" .. ")
    parts = [f"{column} IS NOT NULL"]
    # The lower bound belongs to the range, the upper one does not.
    # https://www.postgresql.org/docs/current/sql-createtable.html
    parts += [] if low == "MINVALUE" else [f"{column} >= {low}"]
    parts += [] if high == "MAXVALUE" else [f"{column} < {high}"]
    return " AND ".join(parts)


def _listed(column: str, values: str) -> str | None:
    # A comma inside a string would be cut wrongly, so such lists are left alone.
    items = [v.strip() for v in values.split(", ")]
    if any(item.count("'") % 2 for item in items):
        return None
    known = [item for item in items if item.upper() != "NULL"]
    if len(known) < len(items):
        return f"{column} IS NULL OR {column} IN ({', '.join(known)})" if known else f"{column} IS NULL"
    return f"{column} IS NOT NULL AND {column} IN ({', '.join(known)})"


def _detach(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """CONCURRENTLY came with 14 and is refused (55000) while there is a default partition."""
    review = case.review
    if review.version and review.version < _DETACH_CONCURRENTLY:
        return ()
    table = review.table(action)
    if default_partitions(review.catalog, table):
        return ()
    detach = SafeStep(f"{action.sql} CONCURRENTLY", alone=True)
    if review.taken is None:
        return (detach,)
    left = _left_check(action, case)
    return (detach, SafeStep(left)) if left else ()


def _left_check(action: Action, case: StatementCase) -> str:
    """What takes away the CHECK that CONCURRENTLY leaves in the bound's place; empty where its name is not sure."""
    table, review = case.review.table(action), case.review
    child = review.catalog.resolve(action.object or "", action.object_schema) if review.catalog else None
    key = _KEY.match((table.partition_key or "").strip()) if table and not table.is_partition else None
    if child is None or key is None:
        return ""
    column = key["column"]
    plain = column[1:-1].replace('""', '"') if column.startswith('"') else column
    name = object_name(child.name.name, plain, "check")
    # Where the partition has another CHECK that says as much the server adds none.
    if (child.name, name) in (review.taken or ()):
        return ""
    words = dotted(action.object_schema, action.object or "")
    return f"ALTER TABLE {words} DROP CONSTRAINT IF EXISTS {quote_identifier(name)}"


def _detach_note(_action: Action, case: StatementCase) -> str:
    text = "DETACH PARTITION … CONCURRENTLY leaves a CHECK on the partition that says what its bound said"
    return f"{text}: it is dropped" if case.review.taken is not None else text


def _outside_bound(seen: SqlError) -> bool:
    return seen.sqlstate == "23514" and "partition" in seen.message


ATTACH_SCAN = HazardRule(
    "L30 attach-scan",
    "ATTACH PARTITION reads the new partition or builds its indexes",
    "Without a CHECK that matches the bound, every row of the new partition is read under ACCESS EXCLUSIVE on it; "
    "so is a default partition. Indexes of the parent that it lacks are built meanwhile.",
    "Give the table a matching CHECK, validated before, and the parent's indexes, built CONCURRENTLY.",
    "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    "ALTER TABLE events_2026 ADD CONSTRAINT bound CHECK (at IS NOT NULL AND at >= '2026-01-01' "
    "AND at < '2027-01-01') NOT VALID;\n"
    "ALTER TABLE events_2026 VALIDATE CONSTRAINT bound;\n"
    "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    "ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
    causes=does(READS | BUILDS, Act.ATTACH_PARTITION),
    steps=_attach,
)

DEFAULT_PARTITION_SCAN = HazardRule(
    "L31 default-partition-scan",
    "a new partition makes the default partition be read",
    "CREATE TABLE … PARTITION OF holds ACCESS EXCLUSIVE on the parent and reads the whole default partition for "
    "rows that belong into the new one.",
    "Give the default partition a valid CHECK that excludes the new bound, or create the table apart and attach.",
    "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    "ALTER TABLE events_default ADD CONSTRAINT not_now CHECK (at < '2026-01-01' OR at >= '2027-01-01') NOT VALID;\n"
    "ALTER TABLE events_default VALIDATE CONSTRAINT not_now;\n"
    "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    "ddl-partitioning.html",
    causes=does(READS, Act.CREATE_PARTITION),
    left="give the default partition a valid CHECK that excludes the new bound first",
)

DETACH_NOT_CONCURRENT = HazardRule(
    "L32 detach-not-concurrent",
    "DETACH PARTITION locks the parent for long",
    "It takes ACCESS EXCLUSIVE on the parent: every query on any partition waits until the transaction ends.",
    "DETACH PARTITION … CONCURRENTLY (PostgreSQL 14 and later, no default partition, outside a transaction block).",
    "ALTER TABLE events DETACH PARTITION events_2020;",
    "ALTER TABLE events DETACH PARTITION events_2020 CONCURRENTLY;",
    "sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
    causes=does(ANY_WORK, Act.DETACH_PARTITION),
    steps=_detach,
    note=_detach_note,
)

PARTITION_BOUND_VIOLATED = HazardRule(
    "F07 partition-bound-violated",
    "there are rows outside the partition's bound",
    "ATTACH PARTITION fails (23514), or a new partition finds its rows in the default partition.",
    "Move the rows first.",
    "CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');",
    "DELETE FROM events_default WHERE at >= '2026-01-01' AND at < '2027-01-01';",
    "ddl-partitioning.html",
    fails=_outside_bound,
    probes=(ProbeKind.PARTITION,),
)
