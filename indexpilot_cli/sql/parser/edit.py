"""Copies of trees with something replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import postgast
from google.protobuf.message import Message

from indexpilot_cli.sql.parser.native import ONEOF, Node, unwrapped
from indexpilot_cli.sql.parser.text import deparse, parse_expression

pb = postgast.pg_query_pb2

Replace = Callable[[Node, Node], Node | None]
_MESSAGE = 11


def copy(node: Node) -> Node:
    """A deep copy."""
    message = type(node.message)()
    message.CopyFrom(node.message)
    return Node(message)


def rewrite(node: Node, replace: Replace) -> Node:
    """A copy in which ``replace(node, parent)`` had its say: a node it returns stands instead, None keeps.

    Parents are asked before their children, and replacements are not entered. The root itself is not asked.
    """
    root = copy(node)
    stack = [root]
    while stack:
        parent = stack.pop()
        for place in _places(parent.message):
            inner = unwrapped(place)
            if inner is None:
                continue
            here = Node(inner)
            other = replace(here, parent) if type(place) is pb.Node else None
            if other is None:
                stack.append(here)
            else:
                _put(place, other)
    return Node(root.message)


def _places(message: Message) -> list[Message]:
    found: list[Message] = []
    for descriptor, value in message.ListFields():
        if descriptor.type == _MESSAGE:
            found.extend((value,) if isinstance(value, Message) else value)
    return found


def _put(place: Message, node: Node) -> None:
    fresh = pb.Node()
    getattr(fresh, ONEOF[node.kind]).CopyFrom(node.message)
    place.CopyFrom(fresh)


def set_child(node: Node, field: str, value: Node) -> Node:
    """A copy of ``node`` with another node in one singular field."""
    fresh = copy(node)
    _put(getattr(fresh.message, field), value)
    return fresh


def with_only(node: Node, field: str, index: int) -> Node:
    """A copy that keeps one element of a repeated field."""
    fresh = copy(node)
    places = getattr(fresh.message, field)
    kept = type(places[index])()
    kept.CopyFrom(places[index])
    del places[:]
    places.append(kept)
    return fresh


def parameters(node: Node) -> tuple[int, ...]:
    """Numbers of the ``$n`` in the tree, ascending, each once (``?`` placeholders count as 0)."""
    return tuple(sorted({n.number("number") for n in node.walk() if n.kind == "ParamRef"}))


def bind(node: Node, values: Mapping[int, str]) -> Node:
    """A copy with parameters replaced by SQL expressions (such as ``'x'`` or ``'2020-01-01'::date``)."""

    def literal(here: Node, _parent: Node) -> Node | None:
        if here.kind == "ParamRef" and here.number("number") in values:
            return parse_expression(values[here.number("number")])
        return None

    return rewrite_all(node, literal)


def rewrite_all(node: Node, replace: Replace) -> Node:
    """As ``rewrite``, with the root asked too."""
    return replace(node, node) or rewrite(node, replace)


def unqualified(node: Node, name: Callable[[Node], str | None]) -> Node:
    """A copy with each column reference reduced to the column name that ``name`` gives for it."""

    def plain(here: Node, _parent: Node) -> Node | None:
        column = name(here) if here.kind == "ColumnRef" else None
        return None if column is None else column_reference(column)

    return rewrite_all(node, plain)


def column_reference(name: str) -> Node:
    """A column reference without a qualifier."""
    message = pb.ColumnRef()
    message.fields.add().string.sval = name
    return Node(message)


def cast(node: Node, type_name: str) -> Node:
    """``node::type_name``."""
    return set_child(parse_expression(f"NULL::{type_name}"), "arg", node)


def function_call(name: str, arguments: Sequence[Node]) -> Node:
    """An ordinary call of a function of pg_catalog."""
    call = copy(parse_expression(f"pg_catalog.{name}()"))
    for argument in arguments:
        _put(call.message.args.add(), argument)
    return call


def renumber(node: Node) -> Node:
    """A copy whose parameters are numbered 1, 2, … without gaps, in the order of their old numbers."""
    numbers = {old: new for new, old in enumerate(parameters(node), 1)}

    def fresh(here: Node, _parent: Node) -> Node | None:
        if here.kind != "ParamRef":
            return None
        return Node(pb.ParamRef(number=numbers[here.number("number")]))

    return rewrite(node, fresh)


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
    message = table.message
    other = rename(message.schemaname or None, message.relname)
    if other is None:
        return
    if not message.HasField("alias"):
        message.alias.aliasname = message.relname
    message.schemaname, message.relname, message.inh = "", other, True


def _qualify(call: Node) -> None:
    message = call.message
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
