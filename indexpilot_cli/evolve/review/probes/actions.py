"""The same delta from the text alone, for statements that no clone ran."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.evolve.review.probes.delta import AddedColumn, Delta, Need, computed
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.safe import reader
from indexpilot_cli.sql.safe.values import Key, Rule

# serial is no type: it stands for an integer, a sequence and NOT NULL.
# https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-SERIAL
_SERIAL = {"serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint"}
_SERIAL |= {"smallserial": "smallint", "serial2": "smallint"}


def from_actions(actions: Sequence[Action], tables: Tables) -> Delta:
    """The delta that the grammar says."""
    delta = Delta()
    for action in actions:
        step = _STEPS.get(action.kind)
        if step is not None:
            step(action, delta, tables)
    return delta


def _name(action: Action, tables: Tables) -> QualifiedName:
    return tables.place(action.schema, action.table or "")


def _create(action: Action, delta: Delta, tables: Tables) -> None:
    name = tables.place(action.object_schema, action.object or action.table or "")
    if tables.get(name) is None:
        delta.shape(name).created = True


def _drop(action: Action, delta: Delta, tables: Tables) -> None:
    delta.gone.append(tables.place(action.schema or action.object_schema, action.table or action.object or ""))


def _rename(action: Action, delta: Delta, tables: Tables) -> None:
    if action.table and action.new_name:
        old, new = _name(action, tables), action.new_name
        moved = action.kind is Act.SET_SCHEMA
        delta.shape(old).new_name = QualifiedName(new, old.name) if moved else QualifiedName(old.schema, new)


def _add_column(action: Action, delta: Delta, tables: Tables) -> None:
    name, table = action.column or "", tables.get(_name(action, tables))
    if table is not None and table.column(name) is not None and action.has("if_not_exists"):
        return
    generated = "stored" if action.has("generated_stored") else "virtual" if action.has("generated_virtual") else ""
    kind = action.type or "text"
    serial = action.has("serial") or action.has("identity")
    text = action.expression or ""
    delta.shape(_name(action, tables)).added.append(
        AddedColumn(
            name,
            _SERIAL.get(kind, kind),
            default="" if generated else text,
            not_null=action.has("not_null") or action.has("primary_key") or serial,
            generated=generated,
            expression=text if generated else "",
            serial=serial,
        )
    )


def _alter_column(action: Action, delta: Delta, tables: Tables) -> None:
    shape, column = delta.shape(_name(action, tables)), action.column or ""
    match action.kind:
        case Act.DROP_COLUMN:
            shape.dropped.update(action.columns)
        case Act.RENAME_COLUMN if action.new_name:
            shape.renamed[column] = action.new_name
        case Act.ALTER_TYPE:
            shape.retyped[column] = (action.type or "", action.expression or "")
        case Act.SET_EXPRESSION if action.expression:
            shape.expressions[column] = action.expression
        case Act.DROP_NOT_NULL:
            shape.not_null[column] = False
        case Act.SET_DEFAULT | Act.DROP_DEFAULT | Act.ADD_IDENTITY:
            shape.optional[column] = action.kind is not Act.DROP_DEFAULT


def _not_null(action: Action, delta: Delta, tables: Tables) -> None:
    name, column = _name(action, tables), action.column or ""
    table = tables.get(name)
    known = table.column(column) if table else None
    if known is None or not known.not_null:
        delta.needs.append(Need("not_null", name, column))
        delta.shape(name).not_null[column] = True


def _drop_rule(action: Action, delta: Delta, tables: Tables) -> None:
    # The text of DROP INDEX names no table: an index of that name is gone wherever it was.
    owner = None if action.kind is Act.DROP_INDEX else _name(action, tables)
    delta.dropped.append((owner, action.object or ""))


def _constraint(action: Action, delta: Delta, tables: Tables) -> None:
    table, kind = _name(action, tables), action.constraint or ""
    # NOT ENFORCED (18 and later) is never checked: no row can violate it.
    if action.has("not_enforced"):
        return
    if action.has("not_valid"):
        tables.pending[table, action.object or ""] = rule = _rule(action)
        if kind in ("check", "foreign_key"):
            delta.pending.append(Need(kind, table, rule=rule, name=action.object))
        return
    if kind in ("primary_key", "not_null"):
        delta.needs += [Need("not_null", table, column) for column in action.columns]
    # USING INDEX takes an index that stands: duplicates were the question when that was built.
    if kind in ("unique", "primary_key") and not action.has("using_index"):
        columns = tuple(map(quote_identifier, action.columns))
        key = Key(columns, action.columns, nulls_not_distinct=action.has("nulls_not_distinct"))
        delta.needs.append(Need("unique", table, key=key, name=action.object))
    elif kind in ("check", "foreign_key", "exclude"):
        written = None if action.has("inline") else reader.rule(action.sql)
        rule = written if written is not None and written.kind == kind else _rule(action)
        delta.needs.append(Need(kind, table, rule=rule, key=rule.key, name=action.object))


def _rule(action: Action) -> Rule:
    return Rule(
        action.constraint or "",
        action.columns,
        action.expression or "",
        action.references,
        action.referenced_columns,
        deferrable=action.has("deferrable"),
    )


def _validate(action: Action, delta: Delta, tables: Tables) -> None:
    table, name = _name(action, tables), action.object or ""
    rule = tables.pending.get((table, name)) or _known(table, name, tables)
    if rule is not None and rule.kind == "not_null":
        delta.needs += [Need("not_null", table, column) for column in rule.columns]
    elif rule is not None:
        delta.needs.append(Need(rule.kind, table, rule=rule, name=name))


def _known(table: QualifiedName, name: str, tables: Tables) -> Rule | None:
    """A foreign key or check that production has already, NOT VALID."""
    for check in tables.facts.checks:
        if tables.now(check.table) == table and check.name == name and not check.validated:
            return Rule("check", expression=check.expression)
    for key in tables.catalog.foreign_keys:
        if tables.now(key.table) == table and key.name == name and not key.validated:
            return tables.rule_of(key)
    return None


def _index(action: Action, delta: Delta, tables: Tables) -> None:
    if action.has("if_not_exists") and _there(action, tables):
        return
    delta.needs += computed(action.sql, _name(action, tables), action.object)
    key = reader.unique_index(action.sql) if action.has("unique") else None
    if key is not None:
        delta.needs.append(Need("unique", _name(action, tables), key=key, name=action.object))


def _there(action: Action, tables: Tables) -> bool:
    table = tables.get(_name(action, tables))
    real = tables.catalog.table(table.origin) if table and table.origin else None
    return any(index.name.name == action.object for index in real.indexes) if real else False


_STEPS = {
    Act.CREATE_TABLE: _create,
    Act.CREATE_TABLE_AS: _create,
    Act.CREATE_PARTITION: _create,
    Act.DROP_TABLE: _drop,
    Act.RENAME_TABLE: _rename,
    Act.SET_SCHEMA: _rename,
    Act.ADD_COLUMN: _add_column,
    Act.DROP_COLUMN: _alter_column,
    Act.RENAME_COLUMN: _alter_column,
    Act.ALTER_TYPE: _alter_column,
    Act.SET_EXPRESSION: _alter_column,
    Act.SET_NOT_NULL: _not_null,
    Act.DROP_NOT_NULL: _alter_column,
    Act.SET_DEFAULT: _alter_column,
    Act.DROP_DEFAULT: _alter_column,
    Act.ADD_IDENTITY: _alter_column,
    Act.DROP_CONSTRAINT: _drop_rule,
    Act.DROP_INDEX: _drop_rule,
    Act.ADD_CONSTRAINT: _constraint,
    Act.VALIDATE_CONSTRAINT: _validate,
    Act.CREATE_INDEX: _index,
}
