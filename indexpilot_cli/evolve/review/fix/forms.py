"""Safer forms of one action, hazard by hazard: the statements that do the same without keeping others waiting."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve.review.fix.columns import (
    add_column_empty,
    add_column_nullable,
    bare_column,
    not_null,
    primary_key_using_index,
    validated_apart,
)
from indexpilot_cli.evolve.review.fix.partitions import attach
from indexpilot_cli.evolve.review.fix.parts import (
    DETACH_CONCURRENTLY,
    Ground,
    Step,
    alter,
    columns_sql,
    constraint_name,
    dotted,
    made_name,
    on_table,
    table_sql,
)
from indexpilot_cli.sql.ddl.action import Action

Form = Callable[[Action, Ground], tuple[Step, ...]]

_CREATE = re.compile(r"\A\s*CREATE\s+(?:UNIQUE\s+)?INDEX\b(?!\s+CONCURRENTLY)", re.IGNORECASE)
_INDEX_NAME = re.compile(r"\A\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:IF\s+NOT\s+EXISTS\s+)?", re.IGNORECASE)
_REINDEX = re.compile(
    r"\A\s*REINDEX\s*(?:\([^)]*\))?\s*(?:INDEX|TABLE|SCHEMA|DATABASE)\b(?!\s+CONCURRENTLY)", re.IGNORECASE
)
_REFRESH = re.compile(r"\A\s*REFRESH\s+MATERIALIZED\s+VIEW\b(?!\s+CONCURRENTLY)", re.IGNORECASE)
_DEFERRABLE = re.compile(r"\b(?:NOT\s+)?DEFERRABLE\b.*\Z", re.IGNORECASE | re.DOTALL)


def forms(hazard: str, action: Action, ground: Ground) -> tuple[Step, ...]:
    """The statements that do what the action does; empty when there is no safer form in plain SQL."""
    if action.nested or action.has("dynamic"):
        return ()
    form = _FORMS.get(hazard)
    if form is None or (action.table is None and hazard not in ("L02", "L03", "L23")):
        return ()
    return form(action, ground)


def _with_word(pattern: re.Pattern[str], sql: str) -> str:
    return pattern.sub(lambda m: m.group() + " CONCURRENTLY", sql, count=1)


def _create_index(action: Action, ground: Ground) -> tuple[Step, ...]:
    if not _CREATE.match(action.sql):
        return ()
    if ground.partitioned(action):
        return () if action.has("only") else _partitioned_index(action, ground)
    return (Step(_with_word(_CREATE, action.sql), alone=True),)


def _partitioned_index(action: Action, ground: Ground) -> tuple[Step, ...]:
    """An empty index on the parent, one built beside the writers on each partition, then attached."""
    table = ground.table(action)
    parent = on_table(action.sql, f"ONLY {table_sql(action)}")
    if table is None or parent is None or action.object is None or ground.catalog is None:
        return ()
    children = [t for t in ground.catalog.tables if t.parent == table.name]
    if not children or any(t.kind != "r" for t in children):
        return ()
    steps = [Step(parent)]
    for child in children:
        name = _child_index(action, child, ground.catalog)
        text = on_table(action.sql, str(child.name))
        assert text is not None
        head = _INDEX_NAME.match(text)
        rest = text[head.end() :] if head else text
        tail = rest[len(_first_name(rest)) :]
        unique = "UNIQUE " if action.has("unique") else ""
        steps.append(Step(f"CREATE {unique}INDEX CONCURRENTLY {quote_identifier(name)}{tail}", alone=True))
        parent_index = dotted(action.schema, action.object)
        steps.append(Step(f"ALTER INDEX {parent_index} ATTACH PARTITION {dotted(child.name.schema, name)}"))
    return tuple(steps)


def _child_index(action: Action, child: Table, catalog: Catalog) -> str:
    """The name the server itself would give, where that is simple and free."""
    plain = action.condition is None and "(" not in (action.expression or "(")
    name = made_name(child.name.name, *action.columns, "idx") if plain else ""
    taken = {i.name.name for t in catalog.tables for i in t.indexes}
    return name if name and name not in taken else made_name(child.name.name, action.object or "", "idx")


def _first_name(text: str) -> str:
    match = re.match(r'"(?:[^"]|"")+"|[\w$]+', text)
    return match.group() if match else ""


def _drop_index(action: Action, _ground: Ground) -> tuple[Step, ...]:
    if action.object is None or action.has("cascade") or action.has("concurrently"):
        return ()
    missing = "IF EXISTS " if action.has("if_exists") else ""
    return (Step(f"DROP INDEX CONCURRENTLY {missing}{dotted(action.object_schema, action.object)}", alone=True),)


def _reindex(action: Action, _ground: Ground) -> tuple[Step, ...]:
    if action.type == "system" or not _REINDEX.match(action.sql):
        return ()
    return (Step(_with_word(_REINDEX, action.sql), alone=True),)


def _constraint_by_index(action: Action, ground: Ground) -> tuple[Step, ...]:
    if action.constraint not in ("unique", "primary_key") or not action.columns or ground.partitioned(action):
        return ()
    name = quote_identifier(constraint_name(action))
    parameters = dict(action.parameters)
    include = parameters.get("include")
    # Expressions over a range (WITHOUT OVERLAPS) are no plain unique index.
    if re.search(r"\bWITHOUT\s+OVERLAPS\b", action.sql, re.IGNORECASE):
        return ()
    index = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table_sql(action)} {columns_sql(action.columns)}"
    index += f" INCLUDE ({include})" if include else ""
    index += " NULLS NOT DISTINCT" if action.has("nulls_not_distinct") else ""
    kind = "PRIMARY KEY" if action.constraint == "primary_key" else "UNIQUE"
    later = _DEFERRABLE.search(action.sql)
    tail = f" {later.group()}" if later and action.has("deferrable") else ""
    attached = f"{alter(action)} ADD CONSTRAINT {name} {kind} USING INDEX {name}{tail}"
    steps = (Step(index, alone=True), Step(attached))
    if action.constraint == "primary_key":
        return primary_key_using_index(action, ground, steps)
    return steps


def _using_index(action: Action, ground: Ground) -> tuple[Step, ...]:
    """PRIMARY KEY USING INDEX: the columns are those of the index."""
    table = ground.table(action)
    index = dict(action.parameters).get("index")
    found = next((i for i in table.indexes if i.name.name == index), None) if table else None
    if found is None or action.constraint != "primary_key":
        return ()
    columns = tuple(k.column for k in found.definition.keys if k.column is not None)
    return primary_key_using_index(replace(action, columns=columns), ground, (Step(action.sql),))


def _domain(action: Action, _ground: Ground) -> tuple[Step, ...]:
    if action.constraint != "check" or action.has("not_valid"):
        return ()
    return (Step(f"{action.sql} NOT VALID"),)


def _validate(action: Action, _ground: Ground) -> tuple[Step, ...]:
    return (Step(action.sql, apart=True),)


def _detach(action: Action, ground: Ground) -> tuple[Step, ...]:
    if ground.version and ground.version < DETACH_CONCURRENTLY:
        return ()
    table = ground.table(action)
    children = (t for t in ground.catalog.tables if table and t.parent == table.name) if ground.catalog else ()
    if any("default" in t.name.name for t in children):
        return ()
    return (Step(f"{action.sql} CONCURRENTLY", alone=True),)


def _refresh(action: Action, ground: Ground) -> tuple[Step, ...]:
    table = ground.table(action)
    usable = table is not None and any(
        i.definition.unique and i.valid and not i.definition.predicate and all(k.column for k in i.definition.keys)
        for i in table.indexes
    )
    if not usable or action.has("no_data") or not _REFRESH.match(action.sql):
        return ()
    return (Step(_with_word(_REFRESH, action.sql)),)


def column_apart(column: Action, constraints: Sequence[Action], ground: Ground) -> tuple[Step, ...]:
    """A new column alone, then the constraints that stood in its definition, each without keeping others waiting."""
    text = bare_column(column)
    if text is None or column.nested:
        return ()
    steps = [Step(text)]
    for constraint in constraints:
        given = replace(constraint, object=constraint.object or constraint_name(constraint))
        given = replace(given, options=given.options - {"if_not_exists"})
        form = _constraint_by_index if constraint.constraint in ("unique", "primary_key") else validated_apart
        parts = form(given, ground)
        if not parts:
            return ()
        steps += parts
    return tuple(steps)


_FORMS: dict[str, Form] = {
    "L01": _create_index,
    "L02": _drop_index,
    "L03": _reindex,
    "L04": _constraint_by_index,
    "L05": _using_index,
    "L12": add_column_empty,
    "L14": not_null,
    "L20": validated_apart,
    "L21": validated_apart,
    "L22": _validate,
    "L23": _domain,
    "L30": attach,
    "L32": _detach,
    "L34": _refresh,
    "F09": add_column_nullable,
}
