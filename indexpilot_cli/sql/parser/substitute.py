"""Copies of trees in which tables are named anew and functions are those of pg_catalog."""

from __future__ import annotations

from collections.abc import Callable

from indexpilot_cli.sql.parser.edit import copy, pb
from indexpilot_cli.sql.parser.node import ONEOF, Node
from indexpilot_cli.sql.parser.text import deparse

Rename = Callable[[str | None, str], str | None]


def settled(node: Node, rename: Rename) -> Node:
    """A copy: each table gets the name that ``rename(schema, name)`` gives and keeps its own as alias (None: kept),
    functions without a schema get pg_catalog, columns lose schema names before their table's.
    """
    fresh = copy(node)
    for here in fresh.walk():
        if here.kind == "RangeVar":
            _rename(here, rename)
        elif here.kind == "FuncCall" and len(here.message.funcname) == 1:
            _qualify(here)
        elif here.kind == "ColumnRef":
            fields = here.message.fields
            del fields[:-2]
    return Node(fresh.message)


def _rename(table: Node, rename: Rename) -> None:
    message: pb.RangeVar = table.message
    other = rename(message.schemaname or None, message.relname)
    if other is None:
        return
    if not message.HasField("alias"):
        message.alias.aliasname = message.relname
    message.schemaname, message.relname, message.inh = "", other, True


def _qualify(call: Node) -> None:
    message: pb.FuncCall = call.message
    name = message.funcname[0].string.sval
    del message.funcname[:]
    for part in ("pg_catalog", name):
        message.funcname.add().string.sval = part


def from_text(item: Node) -> str:
    """SQL text of one item of a FROM list; raises ValueError when it cannot be written."""
    select = pb.SelectStmt(limit_option=pb.LIMIT_OPTION_DEFAULT, op=pb.SETOP_NONE)
    select.target_list.add().res_target.val.a_const.isnull = True
    getattr(select.from_clause.add(), ONEOF[item.kind]).CopyFrom(item.message)
    return deparse(Node(select)).removeprefix("SELECT NULL FROM").strip()


def with_prefix(clause: Node) -> str:
    """``WITH … `` with a space behind it, as SQL text; raises ValueError when it cannot be written."""
    select = pb.SelectStmt(limit_option=pb.LIMIT_OPTION_DEFAULT, op=pb.SETOP_NONE)
    select.target_list.add().res_target.val.a_const.isnull = True
    select.with_clause.CopyFrom(clause.message)
    return deparse(Node(select)).removesuffix("SELECT NULL").strip() + " "
