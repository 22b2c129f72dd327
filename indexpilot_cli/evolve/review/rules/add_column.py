"""ADD COLUMN that rewrites or reads the table, or that rows which exist cannot satisfy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.observation import RunState, WorkKind
from indexpilot_cli.core.units import count
from indexpilot_cli.evolve import alter_table
from indexpilot_cli.evolve.review.case import Review, StatementCase, name_of
from indexpilot_cli.evolve.review.offline.columns import FILLED
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import (
    BUILDS,
    READS,
    HazardRule,
    SafeStep,
    Works,
    alter,
    constraint_name,
    table_sql,
)
from indexpilot_cli.evolve.review.rules.constraints import constraint_by_index, not_null, validated_apart
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_UNSAID = re.compile(r"\b(?:COLLATE|COMPRESSION|STORAGE)\b", re.IGNORECASE)
_GIVEN = FILLED | {"generated_virtual"}
_PLAIN_TEXT = """
    bigint int integer smallint text varchar char boolean bool numeric real float float8 date timestamp timestamptz
    time uuid json jsonb bytea int2 int4 int8 float4 inet cidr interval
"""
_PLAIN = frozenset(_PLAIN_TEXT.split())


def _rewrites(action: Action, works: Works) -> bool:
    return action.kind is Act.ADD_COLUMN and WorkKind.REWRITE in works and _fills(action)


def _fills(action: Action) -> bool:
    """Whether a new column may need a value of its own in every row."""
    # A type of other origin may be a domain with constraints, which rewrites as well.
    builtin = (action.type or "").partition("(")[0].strip().lower() in _PLAIN
    return bool(action.options & FILLED) or not builtin


def _checks(action: Action, works: Works) -> bool:
    inline = action.kind is Act.ADD_CONSTRAINT and action.has("inline")
    return inline and not action.options & {"not_valid", "not_enforced"} and bool(works & (READS | BUILDS))


def _bare(action: Action, *, default: bool = True, null: bool = False) -> str | None:
    """``ALTER TABLE t ADD COLUMN c type …`` without constraints; None where parts of it are not known."""
    if _UNSAID.search(action.sql) or not action.columns or action.type is None:
        return None
    if action.options & {"identity", "serial", "generated_stored", "generated_virtual"}:
        return None
    column = ("IF NOT EXISTS " if action.has("if_not_exists") else "") + quote_identifier(action.columns[0])
    value = str(action.expression) if default and action.has("default") else None
    return alter_table.add_column(
        alter(action), column, action.type, value, not_null=action.has("not_null") and not null
    )


def _filled(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """The column empty, its default for new rows, old rows filled in batches, then NOT NULL and its constraints."""
    text = _bare(action, default=False, null=True)
    parts = _parts(action, case)
    if text is None or not parts or _why_unfilled(action, case) or action.expression is None:
        return ()
    column = quote_identifier(action.columns[0])
    constraints = _constraints(action, case)
    if constraints is None:
        return ()
    bare = replace(action, object=None, options=action.options - {"if_not_exists"})
    return (
        SafeStep(text),
        SafeStep(alter_table.set_default(alter(action), column, action.expression)),
        *(SafeStep(alter_table.fill_default(part, column, case.review.version), alone=True) for part in parts),
        *(not_null(bare, case) if action.has("not_null") else ()),
        *constraints,
    )


def _parts(action: Action, case: StatementCase) -> tuple[str, ...]:
    """The tables that hold the rows: partitions and children have pages of their own. None where one is foreign."""
    family, own = case.review.family(action), table_sql(action)
    if any(t.kind == "f" for t in family):
        return ()
    return tuple(own if t is family[0] else str(t.name) for t in family if t.kind != "p") if family else (own,)


def _why_unfilled(action: Action, case: StatementCase) -> str:
    """Why the rows must get their value by the rewrite itself; empty where an UPDATE does the same."""
    if not action.has("default") or action.expression is None or action.options & {"primary_key", "unique"}:
        return "a value for every row must be written"
    if action.references is not None:
        return "a value for every row must be written"
    # A rewrite runs no triggers, an UPDATE does: updated_at would change, an audit table would fill.
    if case.review.is_fired(action):
        return "filling the column later would run the table's triggers or rules for UPDATE"
    return ""


def _why_left(action: Action, case: StatementCase) -> str:
    why = _why_unfilled(action, case)
    return f"left as it is (L12): {why}" if why else ""


def _apart(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """A new column alone, then the constraints that stood in its definition, each without keeping others waiting.

    ``action`` is the column or one of its constraints.
    """
    column = next((a for a in case.actions if a.kind is Act.ADD_COLUMN and a.columns == action.columns), None)
    text = _bare(column) if column is not None and not column.nested else None
    constraints = _constraints(action, case)
    return () if text is None or constraints is None else (SafeStep(text), *constraints)


def _constraints(action: Action, case: StatementCase) -> tuple[SafeStep, ...] | None:
    """The constraints that stand in a column's definition, added beside readers; None where one has no such form."""
    steps: tuple[SafeStep, ...] = ()
    for constraint in case.actions:
        if constraint.kind is not Act.ADD_CONSTRAINT or not constraint.has("inline"):
            continue
        if constraint.columns != action.columns:
            continue
        name = constraint.object or constraint_name(constraint)
        given = replace(constraint, object=name, options=constraint.options - {"if_not_exists"})
        unique = constraint.constraint in ("unique", "primary_key")
        parts = constraint_by_index(given, case) if unique else validated_apart(given, case)
        if not parts:
            return None
        steps += parts
    return steps


def _nullable(action: Action, _case: StatementCase) -> tuple[SafeStep, ...]:
    """The column without NOT NULL."""
    added = action.kind is Act.ADD_COLUMN and not action.has("new_table")
    text = _bare(action, null=True) if added else None
    return () if text is None or action.options & {"primary_key", "unique"} else (SafeStep(text),)


def _without_default(rule: HazardRule, review: Review) -> Iterator[Finding]:
    """NOT NULL without a default, where no probe could ask whether the table is empty."""
    for case, action in review.actions:
        if case.seen.state in (RunState.FAILED, RunState.BEHIND) and case.seen.error is not None:
            continue
        if any(a.probe.kind in (ProbeKind.NOT_EMPTY, ProbeKind.NULLS) for a in case.probes):
            continue
        bare = action.has("not_null") and not action.options & _GIVEN
        if action.kind is not Act.ADD_COLUMN or not bare or review.is_new(action):
            continue
        table = review.table(action)
        if review.catalog is not None and (table is None or not table.rows):
            continue
        many = f" ({count(table.rows)} rows)" if table else ""
        text = f"will fail unless {name_of(action)}{many} is empty: {action.column} is NOT NULL and has no default"
        made = rule.finding(case, text, Severity.ERROR if table else Severity.WARNING)
        yield replace(made, instead=rule.safer_text(action, case))


COLUMN_REWRITES = HazardRule(
    "L12 column-rewrites",
    "a new column rewrites the table",
    "A volatile default (random(), gen_random_uuid(), clock_timestamp(), nextval() of serial and identity), a "
    "stored generated column and a domain with constraints need a value in every row: the table and its indexes "
    "are written anew under ACCESS EXCLUSIVE. A constant or stable default does not.",
    "Add the column without a default, set the default for new rows, fill the old rows in batches.",
    "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();",
    "ALTER TABLE orders ADD COLUMN token uuid;\nALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid();",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=_rewrites,
    steps=_filled,
    cannot=_why_left,
)

COLUMN_CHECKED = HazardRule(
    "L13 column-checked",
    "a constraint in a new column reads the whole table",
    "A CHECK, UNIQUE or PRIMARY KEY in the definition of a new column reads every row or builds an index under "
    "ACCESS EXCLUSIVE; REFERENCES does so when the column has a default.",
    "Add the column alone; add the constraint NOT VALID and validate it in another transaction, or build the "
    "index CONCURRENTLY.",
    "ALTER TABLE orders ADD COLUMN amount int CHECK (amount > 0);",
    "ALTER TABLE orders ADD COLUMN amount int;\n"
    "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID;\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT amount_positive;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=_checks,
    steps=_apart,
)

NOT_NULL_WITHOUT_DEFAULT = HazardRule(
    "F09 not-null-without-default",
    "a NOT NULL column without a default on a table with rows",
    "The rows that exist would have no value: the statement fails (23502) unless the table is empty. Running "
    "programs that do not know the column fail too.",
    "Give it a default, or add it nullable, fill it, and make it NOT NULL afterwards.",
    "ALTER TABLE orders ADD COLUMN kind text NOT NULL;",
    "ALTER TABLE orders ADD COLUMN kind text NOT NULL DEFAULT 'plain';",
    "sql-altertable.html",
    probes=(ProbeKind.NOT_EMPTY,),
    find=_without_default,
    steps=_nullable,
)
