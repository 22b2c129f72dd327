"""What a schema review asks of SQL texts before it questions production; None for what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.sql.ddl.columns import CONSTRAINT_KINDS
from indexpilot_cli.sql.parser import Node, Unparsed, deparse_expression, deparse_type, parse
from indexpilot_cli.sql.safe import expression
from indexpilot_cli.sql.safe.values import Key, PartitionBound, Rule


def rule(definition: str) -> Rule | None:
    """A constraint by its ``pg_get_constraintdef`` text, or the one an ALTER TABLE adds."""
    whole = definition.lstrip()[:12].upper().startswith("ALTER TABLE")
    node = _statement(definition if whole else f"ALTER TABLE t ADD CONSTRAINT c {definition}")
    command = node.children("cmds")[0] if node is not None and node.kind == "AlterTableStmt" else None
    constraint = command.child("def") if command else None
    if constraint is None or constraint.kind != "Constraint":
        return None
    kind = CONSTRAINT_KINDS.get(constraint.enum("contype"))
    return None if kind is None else _rule(constraint, kind)


def unique_index(definition: str) -> Key | None:
    """The key of a CREATE UNIQUE INDEX by its text."""
    node = _statement(definition)
    if node is None or node.kind != "IndexStmt" or not node.flag("unique"):
        return None
    return _key(node.children("index_params"), node.child("where_clause"), node.flag("nulls_not_distinct"))


def computed(definition: str) -> tuple[tuple[str, ...], str]:
    """(key expressions, predicate) of any CREATE INDEX by its text; empty where there are none."""
    node = _statement(definition)
    if node is None or node.kind != "IndexStmt":
        return (), ""
    inner = (element.child("expr") for element in node.children("index_params"))
    predicate = node.child("where_clause")
    texts = tuple(deparse_expression(i) for i in inner if i is not None)
    return texts, deparse_expression(predicate) if predicate else ""


def bound(sql: str) -> PartitionBound | None:
    """The bound of ATTACH PARTITION or CREATE TABLE … PARTITION OF."""
    node = _statement(sql)
    target = node.child("relation") if node else None
    if node is None or target is None:
        return None
    if node.kind == "CreateStmt" and node.children("inh_relations"):
        return _bound(node.child("partbound"), node.children("inh_relations")[0], target)
    commands = node.children("cmds") if node.kind == "AlterTableStmt" else ()
    partition = commands[0].child("def") if commands else None
    if partition is None or partition.kind != "PartitionCmd":
        return None
    return _bound(partition.child("bound"), target, partition.child("name"))


def labels(sql: str) -> tuple[str, ...] | None:
    """The labels of CREATE TYPE … AS ENUM."""
    node = _statement(sql)
    return node.names("vals") if node is not None and node.kind == "CreateEnumStmt" else None


def domain_checks(sql: str) -> tuple[str, ...] | None:
    """The checks of CREATE DOMAIN; NOT NULL comes as ``value IS NOT NULL``."""
    node = _statement(sql)
    if node is None or node.kind != "CreateDomainStmt":
        return None
    found: list[str] = []
    for constraint in node.children("constraints"):
        raw = constraint.child("raw_expr")
        if constraint.enum("contype") == "CONSTR_NOTNULL":
            found.append("value IS NOT NULL")
        elif constraint.enum("contype") == "CONSTR_CHECK" and raw is not None:
            found.append(deparse_expression(raw))
    return tuple(found)


def uncast(text: str) -> tuple[str, str]:
    """(inner expression, type) of an outermost cast; (text, '') without one."""
    node = expression.read(text)
    if node is None or node.kind != "TypeCast":
        return text, ""
    inner, kind = node.child("arg"), node.child("type_name")
    return (deparse_expression(inner), deparse_type(kind)) if inner and kind else (text, "")


def harmless(sql: str) -> bool:
    """Whether a SELECT calls only functions that change no table."""
    node = _statement(sql)
    if node is None or node.kind != "SelectStmt" or node.child("into_clause"):
        return False
    known = expression.QUIET | expression.SCALAR | expression.AGGREGATE | expression.WINDOW
    calls = (n.names("funcname") for n in node.walk() if n.kind == "FuncCall")
    changes = any(n.kind in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt") for n in node.walk())
    return not changes and all(c and c[:-1] in ((), ("pg_catalog",)) and c[-1] in known for c in calls)


def _statement(sql: str) -> Node | None:
    found = parse(sql)
    return None if isinstance(found, Unparsed) else found.node


def _rule(node: Node, kind: str) -> Rule:
    raw, target = node.child("raw_expr"), node.child("pktable")
    columns = node.names("fk_attrs") if kind == "foreign_key" else node.names("keys")
    return Rule(
        kind=kind,
        columns=columns,
        expression=deparse_expression(raw) if raw is not None else "",
        references=_relation(target) if target is not None else None,
        referenced_columns=node.names("pk_attrs"),
        on_delete=node.text("fk_del_action") or "a",
        deferrable=node.flag("deferrable"),
        match_full=node.text("fk_matchtype") == "f",
        key=_exclusion(node) if kind == "exclude" else _plain_key(node, columns) if columns else None,
    )


def _plain_key(node: Node, columns: tuple[str, ...]) -> Key:
    quoted = tuple(quote_identifier(c) for c in columns)
    return Key(quoted, columns, nulls_not_distinct=node.flag("nulls_not_distinct"))


def _exclusion(node: Node) -> Key | None:
    pairs = [item.children("items") for item in node.children("exclusions")]
    if any(len(pair) != 2 for pair in pairs):
        return None
    operators = tuple(pair[1].names("items")[-1] for pair in pairs)
    key = _key(tuple(pair[0] for pair in pairs), node.child("where_clause"), False)
    return None if key is None else Key(key.keys, key.columns, key.predicate, operators=operators)


def _key(elements: Sequence[Node], predicate: Node | None, nulls: bool) -> Key | None:
    texts, columns = [], []
    for element in elements:
        inner, name = element.child("expr"), element.text("name")
        text = f"({deparse_expression(inner)})" if inner is not None else quote_identifier(name)
        collation = ".".join(quote_identifier(c) for c in element.names("collation"))
        texts.append(f"{text} COLLATE {collation}" if collation else text)
        columns += [name] if name else []
    return Key(tuple(texts), tuple(columns), deparse_expression(predicate) if predicate else None, nulls)


def _relation(node: Node) -> tuple[str | None, str]:
    return node.text("schemaname") or None, node.text("relname")


def _bound(bound: Node | None, parent: Node, child: Node | None) -> PartitionBound | None:
    if bound is None or child is None:
        return None
    values = bound.children("listdatums")
    nulls = [v.kind == "A_Const" and v.flag("isnull") for v in values]
    return PartitionBound(
        _relation(parent),
        _relation(child),
        tuple(deparse_expression(v) for v, null in zip(values, nulls, strict=True) if not null),
        tuple(_limit(v) for v in bound.children("lowerdatums")),
        tuple(_limit(v) for v in bound.children("upperdatums")),
        bound.number("modulus"),
        bound.number("remainder"),
        bound.flag("is_default"),
        any(nulls),
    )


def _limit(node: Node) -> str | None:
    if node.kind == "ColumnRef" and node.names("fields") in (("minvalue",), ("maxvalue",)):
        return None
    return deparse_expression(node)
