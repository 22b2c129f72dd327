"""Column definitions and constraints, in CREATE TABLE and in ALTER TABLE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.words import expression, options, relation, type_text, words
from indexpilot_cli.sql.parser import Node

_SERIAL = {"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"}
_KINDS = {
    "CONSTR_CHECK": "check",
    "CONSTR_PRIMARY": "primary_key",
    "CONSTR_UNIQUE": "unique",
    "CONSTR_EXCLUSION": "exclude",
    "CONSTR_FOREIGN": "foreign_key",
    "CONSTR_NOTNULL": "not_null",
}
_OF_COLUMN = {
    "CONSTR_NOTNULL": "not_null",
    "CONSTR_DEFAULT": "default",
    "CONSTR_IDENTITY": "identity",
    "CONSTR_PRIMARY": "primary_key",
    "CONSTR_UNIQUE": "unique",
}
_MARKS = {
    "CONSTR_ATTR_DEFERRABLE": "deferrable",
    "CONSTR_ATTR_DEFERRED": "deferrable",
    "CONSTR_ATTR_NOT_ENFORCED": "not_enforced",
}


def add_column(node: Node, table: Action) -> Iterator[Action]:
    """ADD_COLUMN for a ColumnDef, then one ADD_CONSTRAINT (``inline``) for each constraint that stands in it.

    ``table`` is an Action with the table, the options (if_not_exists, new_table) and the text to repeat.
    """
    constraints = node.children("constraints")
    kind = type_text(node.child("type_name"))
    references = next((c for c in constraints if c.enum("contype") == "CONSTR_FOREIGN"), None)
    target = relation(references.child("pktable")) if references else None
    yield replace(
        table,
        kind=Act.ADD_COLUMN,
        columns=(node.text("colname"),),
        type=kind,
        expression=_value(constraints),
        references=(target[0], target[1]) if target and target[1] else None,
        referenced_columns=references.names("pk_attrs") if references else (),
        options=table.options | _column_words(constraints) | words(kind in _SERIAL and "serial"),
    )
    yield from _inline(node.text("colname"), constraints, table)


def _value(constraints: tuple[Node, ...]) -> str | None:
    """The default or the generation expression."""
    kinds = ("CONSTR_DEFAULT", "CONSTR_GENERATED")
    return next((expression(c.child("raw_expr")) for c in constraints if c.enum("contype") in kinds), None)


def _column_words(constraints: tuple[Node, ...]) -> frozenset[str]:
    found = {_OF_COLUMN[c.enum("contype")] for c in constraints if c.enum("contype") in _OF_COLUMN}
    for node in constraints:
        if node.enum("contype") == "CONSTR_GENERATED":
            found.add("generated_stored" if node.text("generated_kind") == "s" else "generated_virtual")
    return frozenset(found)


def _inline(column: str, constraints: tuple[Node, ...], table: Action) -> Iterator[Action]:
    found: list[Action] = []
    for node in constraints:
        kind = node.enum("contype")
        if kind in _MARKS and found:
            found[-1] = replace(found[-1], options=found[-1].options | {_MARKS[kind]})
        elif kind in _KINDS and kind != "CONSTR_NOTNULL":
            made = add_constraint(node, table)
            found.append(replace(made, columns=(column,), options=made.options | {"inline"}))
    yield from found


def add_constraint(node: Node, table: Action) -> Action:
    """ADD_CONSTRAINT for a Constraint. ``object`` is its name, or the index's behind USING INDEX."""
    referenced = relation(node.child("pktable"))
    predicate = expression(node.child("where_clause"))
    return replace(
        table,
        kind=Act.ADD_CONSTRAINT,
        constraint=_KINDS.get(node.enum("contype"), "check"),
        object=node.text("conname") or None,
        columns=_constrained(node),
        expression=expression(node.child("raw_expr")),
        condition=predicate,
        references=(referenced[0], referenced[1]) if referenced[1] else None,
        referenced_columns=node.names("pk_attrs"),
        parameters=_constraint_parameters(node),
        options=table.options | _constraint_words(node),
    )


def _constrained(node: Node) -> tuple[str, ...]:
    if node.enum("contype") == "CONSTR_FOREIGN":
        return node.names("fk_attrs")
    if node.enum("contype") == "CONSTR_EXCLUSION":
        elements = (pair.children("items")[0] for pair in node.children("exclusions") if pair.children("items"))
        return tuple(e.text("name") for e in elements if e.text("name"))
    if node.enum("contype") == "CONSTR_CHECK":
        return referenced_columns(node.child("raw_expr"))
    return node.names("keys")


def referenced_columns(node: Node | None) -> tuple[str, ...]:
    """The columns an expression mentions, each once, in order."""
    if node is None:
        return ()
    names = [n.names("fields")[-1] for n in node.walk() if n.kind == "ColumnRef" and n.names("fields")]
    return tuple(dict.fromkeys(n for n in names if n != "*"))


def _constraint_parameters(node: Node) -> tuple[tuple[str, str], ...]:
    found = options(node)
    if node.text("indexname"):
        found += (("index", node.text("indexname")),)
    if node.names("including"):
        found += (("include", ", ".join(node.names("including"))),)
    for action, field in (("on_delete", "fk_del_action"), ("on_update", "fk_upd_action")):
        if node.text(field) not in ("", "a"):
            found += ((action, node.text(field)),)
    if node.text("access_method"):
        found += (("method", node.text("access_method")),)
    return found


def _constraint_words(node: Node) -> frozenset[str]:
    enforceable = node.enum("contype") in ("CONSTR_CHECK", "CONSTR_FOREIGN")
    return words(
        node.flag("skip_validation") and "not_valid",
        enforceable and not node.flag("is_enforced") and "not_enforced",
        node.flag("nulls_not_distinct") and "nulls_not_distinct",
        bool(node.text("indexname")) and "using_index",
        node.flag("deferrable") and "deferrable",
        node.flag("is_no_inherit") and "no_inherit",
    )
