"""Copies of trees with something replaced: values, names, and all constants at once (the normal form)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import postgast
from google.protobuf.message import Message

from indexpilot_cli.sql.parser.native import ONEOF, Node, unwrapped, walk_all
from indexpilot_cli.sql.parser.text import deparse, deparse_expression, parse_expression

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


def without(node: Node, field: str) -> Node:
    """A copy without what stands in one field."""
    fresh = copy(node)
    fresh.message.ClearField(field)
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


def subquery_item(query: Node, alias: str, columns: Sequence[str] = ()) -> Node:
    """``LATERAL (query) AS alias (columns)``: an item of a FROM list."""
    message = pb.RangeSubselect(lateral=True)
    message.subquery.select_stmt.CopyFrom(query.message)
    message.alias.aliasname = alias
    for column in columns:
        message.alias.colnames.add().string.sval = column
    return Node(message)


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


def relocated(node: Node, schema_of: Callable[[str | None, str | None], str | None]) -> Node:
    """A copy with other schemas: ``schema_of(schema, table)`` names that of a table (None: as it is written), and with
    table None that of whatever else is written with a schema, columns, functions and types.
    """
    fresh = copy(node)
    for here in fresh.walk():
        message = here.message
        if here.kind == "RangeVar":
            message.schemaname = schema_of(message.schemaname or None, message.relname) or message.schemaname
        elif here.kind in _DOTTED:
            field, least = _DOTTED[here.kind]
            parts = getattr(message, field)
            if len(parts) >= least and parts[0].HasField("string"):
                parts[0].string.sval = schema_of(parts[0].string.sval, None) or parts[0].string.sval
    return Node(fresh.message)


# Lists of names, and from how many parts on the first one is a schema.
_DOTTED = {"ColumnRef": ("fields", 3), "FuncCall": ("funcname", 2), "TypeName": ("names", 2)}


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


# Constants in these places say what is computed, not which rows: they stay, and they tell templates apart.
JSON_STEPS = frozenset(("->", "->>", "#>", "#>>"))
_SHAPING_TEXT = """
    date_trunc date_part extract timezone to_char to_tsvector substring substr left right split_part date_bin
    jsonb_extract_path jsonb_extract_path_text json_extract_path json_extract_path_text
"""
SHAPING = frozenset(_SHAPING_TEXT.split())
_CONDITIONS = frozenset(("JoinExpr", "BoolExpr", "SelectStmt", "ResTarget", "SortBy", "TypeName", "DefElem"))


@dataclass(frozen=True, slots=True)
class Normalised:
    """A statement with ``$n`` in place of constants.

    ``constants`` maps the new numbers to the SQL text of what stood there; ``shape`` are the constants that
    stayed because they say what is computed (a JSON key, the unit of date_trunc).
    """

    text: str
    node: Node
    constants: Mapping[int, str]
    shape: tuple[str, ...]


def normalise(node: Node) -> Normalised:
    """The statement with its constants numbered after the parameters it has, in order of appearance."""
    shape = shaping_constants(node)
    kept = {c.number("location") for c in shape}
    found = sorted(_replaceable(node, kept), key=lambda n: n.number("location"))
    first = max(parameters(node), default=0) + 1
    numbers = {n.number("location"): first + i for i, n in enumerate(found)}

    def parameter(here: Node, _parent: Node) -> Node | None:
        number = numbers.get(here.number("location")) if here.kind == "A_Const" else None
        return None if number is None else Node(pb.ParamRef(number=number))

    replaced = rewrite(node, parameter) if numbers else node
    constants = {numbers[n.number("location")]: deparse_expression(n) for n in found}
    return Normalised(deparse(replaced), replaced, constants, tuple(deparse_expression(c) for c in shape))


def _replaceable(node: Node, kept: set[int]) -> list[Node]:
    found, stack = [], [node]
    while stack:
        parent = stack.pop()
        for here in parent.below():
            if here.kind != "A_Const":
                stack.append(here)
            elif parent.kind not in _CONDITIONS and not here.flag("isnull") and here.number("location") not in kept:
                found.append(here)
    for here in node.walk():
        found += [v for v in _written(here) if v.kind == "A_Const" and not v.flag("isnull")]
    return [n for n in found if n.number("location") >= 0]


def _written(node: Node) -> list[Node]:
    """Values of LIMIT, OFFSET and SET, which stand where constants otherwise belong to the statement."""
    if node.kind == "SelectStmt":
        return [v for v in (node.child("limit_count"), node.child("limit_offset")) if v is not None]
    if node.kind in ("UpdateStmt", "OnConflictClause", "MergeWhenClause"):
        return [v for t in node.children("target_list") if (v := t.child("val")) is not None]
    return []


def shaping_constants(statement: Node) -> list[Node]:
    """The constants of a statement that say what is computed: a JSON key, a unit, a configuration."""
    return list(chain.from_iterable(map(_shaping, statement.walk())))


def _shaping(node: Node) -> list[Node]:
    if node.kind == "A_Expr" and node.names("name")[-1:] and node.names("name")[-1] in JSON_STEPS:
        steps = node.child("rexpr")
        return [steps] if steps is not None and steps.kind == "A_Const" else []
    if node.kind == "FuncCall" and node.names("funcname")[-1] in SHAPING:
        arguments = node.children("args")
        if any(n.kind == "ColumnRef" for n in walk_all(arguments)):
            return [a for a in arguments if a.kind == "A_Const" and not a.flag("isnull")]
    return []
