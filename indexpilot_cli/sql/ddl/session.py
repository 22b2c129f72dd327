"""SET and transaction control as Actions."""

from __future__ import annotations

from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.words import value, words
from indexpilot_cli.sql.parser import Node

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
