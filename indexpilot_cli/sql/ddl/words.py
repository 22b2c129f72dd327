"""Names, types and expressions of parse trees as the text an Action holds."""

from __future__ import annotations

from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.parser import Node, deparse, deparse_expression, deparse_type


def relation(node: Node | None) -> tuple[str | None, str | None]:
    """(schema, name) of a RangeVar."""
    if node is None:
        return None, None
    return node.text("schemaname") or None, node.text("relname") or None


def qualified(parts: tuple[str, ...]) -> tuple[str | None, str | None]:
    """(schema, name) of a dotted name."""
    if not parts:
        return None, None
    return (parts[-2] if len(parts) > 1 else None), parts[-1]


def strings(node: Node | None) -> tuple[str, ...]:
    """The parts of a name, whether it stands as a List, a String, a TypeName or an ObjectWithArgs."""
    if node is None:
        return ()
    if node.kind == "String":
        return (node.text("sval"),)
    field = {"List": "items", "TypeName": "names", "ObjectWithArgs": "objname"}.get(node.kind)
    return node.names(field) if field else ()


def expression(node: Node | None) -> str | None:
    """SQL text of an expression; None where there is none or it cannot be written."""
    if node is None:
        return None
    try:
        return deparse_expression(node)
    except ValueError:
        return None


def type_text(node: Node | None) -> str | None:
    """SQL text of a type with its modifiers."""
    if node is None:
        return None
    try:
        return deparse_type(node)
    except ValueError:
        return ".".join(node.names("names")) or None


def statement_text(node: Node) -> str:
    """SQL text of a statement, empty where it cannot be written."""
    try:
        return deparse(node)
    except ValueError:
        return ""


def value(node: Node | None) -> str:
    """The text of an option's value: a word, a number, a string or a type."""
    if node is None:
        return ""
    if node.kind == "A_Const":
        return constant(node) or ""
    plain = {"String": "sval", "Float": "fval"}
    if node.kind in plain:
        return node.text(plain[node.kind])
    if node.kind == "Integer":
        return str(node.number("ival"))
    if node.kind == "Boolean":
        return "true" if node.flag("boolval") else "false"
    if node.kind == "TypeName":
        return type_text(node) or ""
    return expression(node) or ""


def constant(node: Node) -> str | None:
    """The text of a constant, without quotes; None for NULL."""
    if node.flag("isnull"):
        return None
    which = node.message.WhichOneof("val")
    inner = node.child(which) if which else None
    return value(inner) if inner is not None else ""


def options(node: Node, field: str = "options") -> tuple[tuple[str, str], ...]:
    """The DefElems of a field as (name, value)."""
    return tuple((o.text("defname"), value(o.child("arg"))) for o in node.children(field) if o.kind == "DefElem")


def words(*given: str | bool | None) -> frozenset[str]:
    """The words that are set: ``words(node.flag("x") and "x", …)``."""
    return frozenset(word for word in given if isinstance(word, str) and word)


def cascade(node: Node) -> str:
    """``cascade`` when the statement says so."""
    return "cascade" if node.enum("behavior") == "DROP_CASCADE" else ""


_TRANSACTION = {
    "TRANS_STMT_BEGIN": Act.BEGIN,
    "TRANS_STMT_START": Act.BEGIN,
    "TRANS_STMT_COMMIT": Act.COMMIT,
    "TRANS_STMT_PREPARE": Act.COMMIT,
    "TRANS_STMT_ROLLBACK": Act.ROLLBACK,
    "TRANS_STMT_SAVEPOINT": Act.SAVEPOINT,
    "TRANS_STMT_RELEASE": Act.SAVEPOINT,
    "TRANS_STMT_ROLLBACK_TO": Act.SAVEPOINT,
}


def transaction(node: Node, sql: str) -> Action:
    """BEGIN, COMMIT, ROLLBACK; savepoints have ``release`` or ``rollback_to`` among their options."""
    kind = node.enum("kind")
    word = kind.removeprefix("TRANS_STMT_").lower()
    flags = words(node.flag("chain") and "chain", word if word in ("release", "rollback_to", "prepare") else "")
    return Action(_TRANSACTION.get(kind, Act.OTHER), object=node.text("savepoint_name") or None, options=flags, sql=sql)


def runs(node: Node) -> bool:
    """Whether an EXPLAIN runs its statement."""
    return any(o.text("defname") == "analyze" for o in node.children("options"))


def setting(node: Node, sql: str) -> Action:
    """SET, RESET (option ``reset``), SET LOCAL (``local``); ``object`` is the parameter's name."""
    name = node.text("name") or None
    given = ", ".join(value(a) for a in node.children("args"))
    reset = node.enum("kind") in ("VAR_RESET", "VAR_RESET_ALL", "VAR_SET_DEFAULT")
    flags = words(node.flag("is_local") and "local", reset and "reset")
    return Action(Act.SET, object=name, parameters=((name, given),) if name else (), options=flags, sql=sql)
