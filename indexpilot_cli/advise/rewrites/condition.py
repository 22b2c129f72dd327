"""One comparison with a column inside, and the constants in it: what the rules look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.sql.normal import type_name
from indexpilot_cli.sql.parser import Node, deparse_expression

WHOLE = {"int2": 15, "int4": 31, "int8": 63}  # bits without the sign
FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Condition:
    """``left operator right`` where ``right`` holds no column; ``column`` is the one column of ``left``."""

    left: Node
    operator: str
    right: Node
    column: Column
    name: str

    @property
    def value(self) -> str:
        """SQL text of the right side."""
        return deparse_expression(self.right)


@dataclass(frozen=True, slots=True)
class Sargable:
    """A condition as written and as an index could serve it. ``only`` says when both are true for the same rows
    ('' always); ``rule`` is a stable word, ``why`` a clause on what keeps an index from the first.
    ``others`` are tables whose indexes the new form may want besides.
    """

    rule: str
    table: QualifiedName
    before: str
    after: str
    why: str
    only: str = ""
    others: tuple[QualifiedName, ...] = ()


Answer = tuple[str, str, str]  # the condition to write, why, and when it is the same
Rule = Callable[[Condition], Answer | None]


# -- values


def string_value(node: Node) -> str | None:
    """The text of a string constant, a cast around it aside."""
    inner = node.child("arg") if node.kind == "TypeCast" else node
    value = inner.child("sval") if inner is not None and inner.kind == "A_Const" else None
    return value.text("sval") if value is not None else None


def number_value(node: Node) -> Decimal | None:
    """The value of a numeric constant, whatever it is cast to."""
    inner = node.child("arg") if node.kind == "TypeCast" else node
    negative = inner is not None and inner.kind == "A_Expr" and inner.child("lexpr") is None
    if inner is None or not (inner.kind == "A_Const" or negative):
        return None
    text = deparse_expression(inner)
    text = text.strip("'") if node.kind == "TypeCast" else text
    return Decimal(text.replace(" ", "")) if re.fullmatch(r"-? ?\d+(\.\d*)?|- ?\.\d+|\.\d+", text) else None


def cast_to(node: Node) -> str:
    """The type a value is cast to, '' for a bare one."""
    target = node.child("type_name") if node.kind == "TypeCast" else None
    return type_name(".".join(target.names("names")).removeprefix("pg_catalog.")) if target is not None else ""


def is_column(node: Node | None) -> bool:
    return node is not None and node.kind == "ColumnRef"


def call_arguments(node: Node, *names: str) -> tuple[Node, ...]:
    """The arguments of a call of one of the functions, else nothing."""
    called = node.kind == "FuncCall" and node.names("funcname")[-1] in names
    return node.children("args") if called else ()


def binary(node: Node) -> tuple[Node, str, Node] | None:
    left, right = node.child("lexpr") if node.kind == "A_Expr" else None, None
    if left is not None and node.enum("kind") == "AEXPR_OP":
        right = node.child("rexpr")
    return (left, node.names("name")[-1], right) if left is not None and right is not None else None


# -- columns

Tables = Mapping[str, Table]


def named_tables(nodes: Iterable[Node], catalog: Catalog) -> Tables:
    found: dict[str, Table] = {}
    for item in (n for n in nodes if n.kind == "RangeVar"):
        table = catalog.resolve(item.text("relname"), item.text("schemaname") or None)
        alias = item.child("alias")
        if table is not None:
            found.setdefault(alias.text("aliasname") if alias else item.text("relname"), table)
    return found


def column_of(reference: Node, tables: Tables) -> tuple[Table, Column] | None:
    *before, name = reference.names("fields")
    among = [tables[before[-1]]] if before and before[-1] in tables else [] if before else list(tables.values())
    having = [(t, c) for t in among if (c := t.column(name)) is not None]
    # A bare name that several tables have depends on scopes, which are not looked at here.
    return having[0] if len(having) == 1 else None


def references_in(node: Node) -> list[Node]:
    return [n for n in node.walk() if n.kind == "ColumnRef"]
