"""Columns and constraints in steps: promised first, proved beside readers and writers, then taken over."""

from __future__ import annotations

import re
from dataclasses import replace

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.fix.parts import (
    NOT_NULL_NOT_VALID,
    Ground,
    Step,
    alter,
    columns_sql,
    constraint_name,
    dotted,
    made_name,
    table_sql,
)
from indexpilot_cli.sql.ddl.action import Action

_UNSAID = re.compile(r"\b(?:COLLATE|COMPRESSION|STORAGE)\b", re.IGNORECASE)
_ACTIONS = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def not_null(action: Action, ground: Ground) -> tuple[Step, ...]:
    """NOT NULL by a promise that is proved later: a CHECK, or from 18 on the NOT NULL constraint itself."""
    if not action.columns or action.table is None:
        return ()
    column = action.columns[0]
    quoted = quote_identifier(column)
    if ground.version >= NOT_NULL_NOT_VALID:
        name = quote_identifier(action.object or made_name(action.table, column, "not_null"))
        return (
            Step(f"{alter(action)} ADD CONSTRAINT {name} NOT NULL {quoted} NOT VALID"),
            Step(f"{alter(action)} VALIDATE CONSTRAINT {name}", apart=True),
        )
    name = quote_identifier(made_name(action.table, column, "not_null"))
    return (
        Step(f"{alter(action)} ADD CONSTRAINT {name} CHECK ({quoted} IS NOT NULL) NOT VALID"),
        Step(f"{alter(action)} VALIDATE CONSTRAINT {name}", apart=True),
        Step(f"{alter(action)} ALTER COLUMN {quoted} SET NOT NULL", apart=True),
        Step(f"{alter(action)} DROP CONSTRAINT {name}"),
    )


def primary_key_using_index(action: Action, ground: Ground, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """NOT NULL proved for each nullable column before the key takes its index."""
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    for column in action.columns:
        if ground.nullable(action, column):
            parts = not_null(replace(action, columns=(column,), object=None), ground)
            kept = 2 if ground.version >= NOT_NULL_NOT_VALID else 3
            before, after = (*before, *parts[:kept]), (*after, *parts[kept:])
    return (*before, *steps, *after)


def validated_apart(action: Action, ground: Ground) -> tuple[Step, ...]:
    """A CHECK or foreign key NOT VALID, and VALIDATE CONSTRAINT in a transaction of its own."""
    if action.constraint == "foreign_key" and ground.partitioned(action) and ground.version < NOT_NULL_NOT_VALID:
        return ()
    text = _promised(action)
    if text is None:
        return ()
    name = quote_identifier(constraint_name(action))
    return (Step(text), Step(f"{alter(action)} VALIDATE CONSTRAINT {name}", apart=True))


def _promised(action: Action) -> str | None:
    if action.object and not action.has("inline"):
        return f"{action.sql} NOT VALID"
    body = constraint_body(action)
    return (
        None
        if body is None
        else f"{alter(action)} ADD CONSTRAINT {quote_identifier(constraint_name(action))} {body} NOT VALID"
    )


def constraint_body(action: Action) -> str | None:
    """``CHECK (…)`` or ``FOREIGN KEY (…) REFERENCES …`` out of the action's parts."""
    if action.constraint == "check":
        tail = " NO INHERIT" if action.has("no_inherit") else ""
        return f"CHECK ({action.expression}){tail}" if action.expression else None
    if action.constraint != "foreign_key" or action.references is None or action.has("deferrable"):
        return None
    # MATCH FULL and a column list behind SET NULL are not among the action's parts.
    if re.search(r"\bMATCH\s+FULL\b|\bSET\s+(?:NULL|DEFAULT)\s*\(", action.sql, re.IGNORECASE):
        return None
    target = dotted(*action.references)
    columns = f" {columns_sql(action.referenced_columns)}" if action.referenced_columns else ""
    given = dict(action.parameters)
    rules = "".join(
        f" {words} {_ACTIONS[given[key]]}"
        for key, words in (("on_delete", "ON DELETE"), ("on_update", "ON UPDATE"))
        if given.get(key) in _ACTIONS
    )
    return f"FOREIGN KEY {columns_sql(action.columns)} REFERENCES {target}{columns}{rules}"


def bare_column(action: Action, *, default: bool = True, null: bool = False) -> str | None:
    """``ALTER TABLE t ADD COLUMN c type …`` without constraints; None where parts of it are not known."""
    if _UNSAID.search(action.sql) or not action.columns or action.type is None:
        return None
    if action.has("identity") or action.has("serial") or action.has("generated_stored"):
        return None
    words = [alter(action), "ADD COLUMN"]
    words += ["IF NOT EXISTS"] if action.has("if_not_exists") else []
    words += [quote_identifier(action.columns[0]), action.type]
    words += [f"DEFAULT {action.expression}"] if default and action.has("default") else []
    words += ["NOT NULL"] if action.has("not_null") and not null else []
    return " ".join(words)


def add_column_empty(action: Action, _ground: Ground) -> tuple[Step, ...]:
    """The column without its volatile default, then the default for new rows; old rows are left to be filled."""
    text = bare_column(action, default=False, null=True)
    extra = action.options & {"primary_key", "unique"} or action.references
    if text is None or extra or not action.has("default") or action.expression is None:
        return ()
    quoted = quote_identifier(action.columns[0])
    return (Step(text), Step(f"{alter(action)} ALTER COLUMN {quoted} SET DEFAULT {action.expression}"))


def filled_later(action: Action, ground: Ground) -> tuple[str, ...]:
    """What is left to do after ``add_column_empty``, as statements for a person: fill in batches, then NOT NULL."""
    quoted, table = quote_identifier(action.columns[0]), table_sql(action)
    fill = f"UPDATE {table} SET {quoted} = DEFAULT WHERE {quoted} IS NULL AND ctid IN " + (
        f"(SELECT ctid FROM {table} WHERE {quoted} IS NULL LIMIT 5000)"
    )
    bare = replace(action, object=None, options=action.options - {"if_not_exists"})
    after = tuple(step.sql for step in not_null(bare, ground)) if action.has("not_null") else ()
    return (fill, *after)


def add_column_nullable(action: Action, _ground: Ground) -> tuple[Step, ...]:
    """The column without NOT NULL."""
    text = bare_column(action, null=True)
    return () if text is None or action.options & {"primary_key", "unique"} else (Step(text),)
