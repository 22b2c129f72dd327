"""The same delta from the text alone, for statements that no clone ran."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.evolve.review.probes.delta import AddedColumn, Delta, Need, Shape, computed
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.safe.values import Key, Rule

_KEYS = {"unique": "unique", "primary_key": "unique", "exclude": "exclude"}


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


def _shape(action: Action, delta: Delta, tables: Tables) -> Shape:
    return delta.shape(_name(action, tables))


def _create(action: Action, delta: Delta, tables: Tables) -> None:
    name = tables.place(action.object_schema, action.object or action.table or "")
    if tables.get(name) is None:
        delta.shape(name).created = True


def _drop(action: Action, delta: Delta, tables: Tables) -> None:
    delta.gone.append(tables.place(action.schema or action.object_schema, action.table or action.object or ""))


def _rename(action: Action, delta: Delta, tables: Tables) -> None:
    old = _name(action, tables)
    delta.shape(old).new_name = QualifiedName(old.schema, action.new_name or old.name)


def _set_schema(action: Action, delta: Delta, tables: Tables) -> None:
    if action.table and action.new_name:
        old = _name(action, tables)
        delta.shape(old).new_name = QualifiedName(action.new_name, old.name)


def _add_column(action: Action, delta: Delta, tables: Tables) -> None:
    name, table = action.column or "", tables.get(_name(action, tables))
    if table is not None and table.column(name) is not None and action.has("if_not_exists"):
        return
    generated = "stored" if action.has("generated_stored") else "virtual" if action.has("generated_virtual") else ""
    kind = action.type or "text"
    serial = action.has("serial") or action.has("identity")
    real = {"serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint"}.get(kind, kind)
    text = action.expression or ""
    _shape(action, delta, tables).added.append(
        AddedColumn(
            name,
            "smallint" if kind in ("smallserial", "serial2") else real,
            default="" if generated else text,
            not_null=action.has("not_null") or action.has("primary_key") or serial,
            generated=generated,
            expression=text if generated else "",
            serial=serial,
        )
    )


def _drop_column(action: Action, delta: Delta, tables: Tables) -> None:
    _shape(action, delta, tables).dropped.update(action.columns)


def _rename_column(action: Action, delta: Delta, tables: Tables) -> None:
    if action.column and action.new_name:
        _shape(action, delta, tables).renamed[action.column] = action.new_name


def _retype(action: Action, delta: Delta, tables: Tables) -> None:
    if action.column:
        _shape(action, delta, tables).retyped[action.column] = (action.type or "", action.expression or "")


def _expression(action: Action, delta: Delta, tables: Tables) -> None:
    if action.column and action.expression:
        _shape(action, delta, tables).expressions[action.column] = action.expression


def _not_null(action: Action, delta: Delta, tables: Tables) -> None:
    table = tables.get(_name(action, tables))
    column = table.column(action.column or "") if table else None
    if column is None or not column.not_null:
        delta.needs.append(Need("not_null", _name(action, tables), action.column or ""))
        _shape(action, delta, tables).not_null[action.column or ""] = True


def _nullable(action: Action, delta: Delta, tables: Tables) -> None:
    _shape(action, delta, tables).not_null[action.column or ""] = False


def _default(action: Action, delta: Delta, tables: Tables) -> None:
    _shape(action, delta, tables).optional[action.column or ""] = action.kind is not Act.DROP_DEFAULT


def _drop_constraint(action: Action, delta: Delta, tables: Tables) -> None:
    delta.dropped.append((_name(action, tables), action.object or ""))


def _drop_index(action: Action, delta: Delta, _tables: Tables) -> None:
    delta.dropped.append((None, action.object or ""))


def _constraint(action: Action, delta: Delta, tables: Tables) -> None:
    table, kind = _name(action, tables), action.constraint or ""
    if action.has("not_enforced"):
        return
    if action.has("not_valid"):
        tables.pending[table, action.object or ""] = rule = _rule(action)
        if kind in ("check", "foreign_key"):
            delta.pending.append(Need(kind, table, rule=rule, name=action.object))
        return
    if kind in ("primary_key", "not_null"):
        delta.needs += [Need("not_null", table, column) for column in action.columns]
    if kind in ("unique", "primary_key") and not action.has("using_index"):
        delta.needs.append(_unique(table, action.columns, action, kind))
    elif kind in ("check", "foreign_key", "exclude"):
        written = None if action.has("inline") else tables.safe.rule(action.sql)
        rule = written if written is not None and written.kind == kind else _rule(action)
        delta.needs.append(Need(kind, table, rule=rule, key=rule.key, name=action.object))


def _rule(action: Action) -> Rule:
    text = action.expression or ""
    deferrable = action.has("deferrable")
    return Rule(
        action.constraint or "",
        action.columns,
        text,
        action.references,
        action.referenced_columns,
        deferrable=deferrable,
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
            target = tables.now(key.referenced)
            references = (target.schema, target.name)
            return Rule("foreign_key", key.columns, references=references, referenced_columns=key.referenced_columns)
    return None


def _unique(table: QualifiedName, columns: tuple[str, ...], action: Action, kind: str) -> Need:
    quoted = tuple(quote_identifier(c) for c in columns)
    key = Key(quoted, columns, nulls_not_distinct=action.has("nulls_not_distinct"))
    return Need(_KEYS[kind], table, key=key, name=action.object)


def _index(action: Action, delta: Delta, tables: Tables) -> None:
    if action.has("if_not_exists") and _there(action, tables):
        return
    delta.needs += computed(action.sql, _name(action, tables), action.object, tables.safe)
    key = tables.safe.unique_index(action.sql) if action.has("unique") else None
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
    Act.SET_SCHEMA: _set_schema,
    Act.ADD_COLUMN: _add_column,
    Act.DROP_COLUMN: _drop_column,
    Act.RENAME_COLUMN: _rename_column,
    Act.ALTER_TYPE: _retype,
    Act.SET_EXPRESSION: _expression,
    Act.SET_NOT_NULL: _not_null,
    Act.DROP_NOT_NULL: _nullable,
    Act.SET_DEFAULT: _default,
    Act.DROP_DEFAULT: _default,
    Act.ADD_IDENTITY: _default,
    Act.DROP_CONSTRAINT: _drop_constraint,
    Act.DROP_INDEX: _drop_index,
    Act.ADD_CONSTRAINT: _constraint,
    Act.VALIDATE_CONSTRAINT: _validate,
    Act.CREATE_INDEX: _index,
}
