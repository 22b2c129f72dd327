"""ATTACH PARTITION without a scan: a CHECK that says what the bound says, proved before."""

from __future__ import annotations

import re

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.fix.parts import Ground, Step, dotted, made_name
from indexpilot_cli.sql.ddl.action import Action

_KEY = re.compile(r'\A(?:RANGE|LIST)\s*\((?P<column>"(?:[^"]|"")+"|[a-z_][\w$]*)\)\Z', re.IGNORECASE)


def attach(action: Action, ground: Ground) -> tuple[Step, ...]:
    """A CHECK on the new partition, NOT VALID and validated, then ATTACH, then the CHECK goes."""
    table = ground.table(action)
    key = _KEY.match((table.partition_key or "").strip()) if table else None
    condition = bound_condition(key["column"], action.expression or "") if key else None
    if condition is None or action.object is None:
        return ()
    child = f"ALTER TABLE {dotted(action.object_schema, action.object)}"
    name = quote_identifier(made_name(action.object, "bound"))
    return (
        Step(f"{child} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"),
        Step(f"{child} VALIDATE CONSTRAINT {name}", apart=True),
        Step(action.sql, apart=True),
        Step(f"{child} DROP CONSTRAINT {name}"),
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
