"""Conditions and distances that no index can serve as they are written, and the form of each that one can.

Conditions stand in WHERE, ON and HAVING under AND and OR, where unknown and false are the same; under NOT they are
not, and are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.advise.rewrites.anti import anti_joins
from indexpilot_cli.advise.rewrites.condition import (
    FLIPPED,
    WHOLE,
    Condition,
    Sargable,
    Tables,
    binary,
    call_arguments,
    column_of,
    is_column,
    named_tables,
    number_value,
    references_in,
)
from indexpilot_cli.advise.rewrites.intervals import interval_hints
from indexpilot_cli.advise.rewrites.rules import RULES
from indexpilot_cli.advise.rewrites.unions import united
from indexpilot_cli.core.catalog import Catalog, Column
from indexpilot_cli.sql.parser import Node, Statement, deparse_expression, parse, parse_expression, rewrite
from indexpilot_cli.sql.safe.expression import moving


def sargable(statement: Node, catalog: Catalog) -> tuple[tuple[Sargable, Node], ...]:
    """The rewrites of a statement's conditions, each with the statement in which it was made."""
    nodes = tuple(statement.walk())
    tables = named_tables(nodes, catalog)
    found: dict[str, tuple[Sargable, Node]] = {}
    for condition in _conditions(nodes):
        answer = _of_condition(condition, tables)
        if answer is not None and answer.before not in found:
            found[answer.before] = (answer, _with(statement, answer.before, answer.after))
    for hint in anti_joins(statement, tables):
        found.setdefault(hint.before, (hint, _with(statement, hint.before, hint.after)))
    for made in chain(interval_hints(statement, tables), united(statement, tables)):
        found.setdefault(made[0].before, made)
    for key, distance in sorted_distances(nodes):
        nearest = _of_distance(key, distance, tables)
        if nearest is not None:
            found[nearest.before] = (nearest, _sorted_by(statement, key, distance.operator_form))
    return tuple(found.values())


def _of_distance(key: Node, distance: PlaneDistance, tables: Tables) -> Sargable | None:
    read = [column_of(reference, tables) for reference in distance.columns]
    (first, second) = read
    if first is None or second is None or first[0] is not second[0] or not is_plane((first[1], second[1])):
        return None
    before, after = f"ORDER BY {deparse_expression(key)}", f"ORDER BY {distance.operator_form}"
    return Sargable("distance", first[0].name, before, after, WHY, ONLY)


def _sorted_by(statement: Node, key: Node, text: str) -> Node:
    fresh, before = parse_expression(text), deparse_expression(key)

    def exchanged(here: Node, parent: Node) -> Node | None:
        return fresh if parent.kind == "SortBy" and deparse_expression(here) == before else None

    return rewrite(statement, exchanged)


def keysets(text: str, catalog: Catalog) -> tuple[Sargable, ...]:
    """The pages by key with OR in a statement's text, and the row comparison of each."""
    statement = parse(text) if " OR " in text else None
    found = sargable(statement.node, catalog) if isinstance(statement, Statement) else ()
    return tuple(hint for hint, _ in found if hint.rule == "keyset")


def _with(statement: Node, before: str, after: str) -> Node:
    fresh = parse_expression(f"({after})")

    def exchanged(here: Node, parent: Node) -> Node | None:
        # Not in what is selected, where unknown and false are not the same.
        condition = here.kind in ("A_Expr", "BoolExpr", "FuncCall", "SubLink") and parent.kind != "ResTarget"
        return fresh if condition and deparse_expression(here) == before else None

    return rewrite(statement, exchanged)


_CONDITIONS = {"JoinExpr": "quals"} | dict.fromkeys(("SelectStmt", "UpdateStmt", "DeleteStmt"), "where_clause")


def _conditions(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        condition = node.child(_CONDITIONS[node.kind]) if node.kind in _CONDITIONS else None
        if condition is not None:
            yield from _arms(condition)


def _arms(node: Node) -> Iterator[Node]:
    if node.kind in ("A_Expr", "FuncCall", "SubLink"):
        yield node
    elif node.kind == "BoolExpr" and node.enum("boolop") != "NOT_EXPR":
        if node.enum("boolop") == "OR_EXPR":
            yield node
        for arm in node.children("args"):
            yield from _arms(arm)


def _of_condition(node: Node, tables: Tables) -> Sargable | None:
    if node.kind == "BoolExpr":
        return _keyset(node, tables)
    read = unnested(node) if node.kind == "SubLink" else _read(node)
    for left, operator, right in read:
        references = references_in(left)
        found = column_of(references[0], tables) if len(references) == 1 and not moving(right) else None
        if found is None:
            continue
        condition = Condition(left, operator, right, found[1], deparse_expression(references[0]))
        for rule, apply in RULES.items():
            answer = apply(condition)
            if answer is not None:
                return Sargable(rule, found[0].name, deparse_expression(node), *answer)
    return None


def _read(node: Node) -> tuple[tuple[Node, str, Node], ...]:
    if node.kind == "FuncCall":
        arguments = node.children("args")
        return ((arguments[0], f"{node.names('funcname')[-1]}()", arguments[1]),) if len(arguments) == 2 else ()
    left, right, kind = node.child("lexpr"), node.child("rexpr"), node.enum("kind")
    name = (node.names("name") or ("",))[-1]
    if left is None or right is None:
        return ()
    if kind == "AEXPR_NOT_DISTINCT":
        return (left, "is", right), (right, "is", left)
    if kind == "AEXPR_OP_ANY":
        return ((right, "any", left),) if name == "=" else ()
    if kind not in ("AEXPR_OP", "AEXPR_IN", "AEXPR_BETWEEN", "AEXPR_LIKE", "AEXPR_ILIKE"):
        return ()
    if kind == "AEXPR_BETWEEN":
        return ((left, "between", right),)
    if kind == "AEXPR_IN":
        return ((left, "in", right),) if name == "=" else ()
    if name in FLIPPED:
        return (left, name, right), (right, FLIPPED[name], left)
    return ((left, name, right),) if name in _PATTERNS else ()


_PATTERNS = ("~~", "~~*", "~", "~*")


def unnested(link: Node) -> tuple[tuple[Node, str, Node], ...]:
    """``EXISTS (SELECT FROM unnest(col) x WHERE x = v)`` and ``v IN (SELECT unnest(col))``, as (col, unnested, v)."""
    query, asked = link.child("subselect"), link.child("testexpr")
    kind, own = link.enum("sub_link_type"), ("target_list", "from_clause", "where_clause")
    written = [d.name for d, _ in query.message.ListFields() if d.name not in ("limit_option", "op")] if query else []
    if query is None or any(name not in own for name in written) or _computes(query):
        return ()
    taken = _element_of(query)
    if kind == "ANY_SUBLINK" and taken is not None and query.child("where_clause") is None and asked is not None:
        return ((taken[0], "unnested", asked),) if link.names("oper_name") in ((), ("=",)) else ()
    condition = query.child("where_clause")
    read = _read(condition) if condition is not None and condition.kind == "A_Expr" else ()
    if kind != "EXISTS_SUBLINK" or taken is None:
        return ()
    equal = ((left, o, v) for left, o, v in read if is_column(left) and left.names("fields")[-1] == taken[1])
    return tuple((taken[0], "unnested", v) for _, o, v in equal if o in ("=", "in"))[:1]


def _computes(query: Node) -> bool:
    """Whether it selects what a function makes: an aggregate gives a row where there is none."""
    calls = [n for t in query.children("target_list") for n in t.level() if n.kind == "FuncCall"]
    return any(call.names("funcname")[-1] != "unnest" for call in calls)


def _element_of(query: Node) -> tuple[Node, str] | None:
    """The column whose elements a query gives, and what they are called in it."""
    items, targets = query.children("from_clause"), query.children("target_list")
    value = targets[0].child("val") if len(targets) == 1 and not items else None
    if len(items) == 1 and items[0].kind == "RangeFunction" and not items[0].flag("ordinality"):
        lists, alias = items[0].children("functions"), items[0].child("alias")
        called = lists[0].children("items") if len(lists) == 1 else ()
        value = called[0] if called else None
        name = (*alias.names("colnames"), alias.text("aliasname"))[0] if alias is not None else "unnest"
    else:
        name = ""
    arguments = call_arguments(value, "unnest") if value is not None else ()
    return (arguments[0], name) if len(arguments) == 1 and is_column(arguments[0]) else None


# -- keyset pagination


def _keyset(node: Node, tables: Tables) -> Sargable | None:
    """``a < x OR (a = x AND id < n)`` is ``(a, id) < (x, n)``, which an index reads from one place on."""
    arms = [_steps(arm) for arm in node.children("args")]
    if len(arms) < 2 or None in arms:
        return None
    ordered = sorted((a for a in arms if a is not None), key=len)
    last = ordered[-1]
    names, values = [s[0] for s in last], [s[2] for s in last]
    operator, strict = last[-1][1], last[-1][1].rstrip("=")
    if strict not in ("<", ">") or [len(a) for a in ordered] != list(range(1, len(ordered) + 1)):
        return None
    same: dict[str, str] = {}
    for place, arm in enumerate(ordered):
        wanted = ["="] * place + [operator if arm is last else strict]
        if [s[0] for s in arm] != names[: place + 1] or [s[1] for s in arm] != wanted:
            return None
        same |= {s[2]: v for s, v in zip(arm, values, strict=False) if s[2] != v}
    if not all(re.fullmatch(r"\$\d+", text) for text in (*same, *same.values())):
        return None
    found = column_of(references_in(node)[0], tables)
    if found is None or any(column_of(r, tables) is None for r in references_in(node)):
        return None
    after = f"({', '.join(names)}) {operator} ({', '.join(values)})"
    only = " and ".join(f"{a} is the same as {b}" for a, b in sorted(same.items()))
    why = "it is read from the beginning of the order on, and what was on earlier pages is thrown away"
    return Sargable("keyset", found[0].name, deparse_expression(node), after, why, only and f"as long as {only}")


def _steps(arm: Node) -> list[tuple[str, str, str]] | None:
    """(column, operator, value) of each comparison of an arm, equalities first."""
    parts: Sequence[Node] = (arm,)
    if arm.kind == "BoolExpr" and arm.enum("boolop") == "AND_EXPR":
        parts = arm.children("args")
    found = []
    for part in parts:
        read = _read(part) if part.kind == "A_Expr" else ()
        step = next(((a, o, b) for a, o, b in read if is_column(a) and not moving(b)), None)
        if step is None:
            return None
        found.append((deparse_expression(step[0]), step[1], deparse_expression(step[2])))
    return sorted(found, key=lambda s: s[1] != "=")


# Distances that a statement computes itself and sorts by: ``sqrt((x - a)^2 + (y - b)^2)`` is the distance of two
# points, ``point(x, y) <-> point(a, b)``, which GiST gives in order
# (https://www.postgresql.org/docs/current/gist.html). Both are the same but for the last bit of rounding.
_KINDS = (*WHOLE, "float4", "float8", "numeric")
WHY = "it computes the distance of every row and sorts them all"
ONLY = "but for the order of rows whose distances differ by rounding alone"


@dataclass(frozen=True, slots=True)
class PlaneDistance:
    """A distance of two columns from two values: the columns as nodes, and the values as SQL text."""

    columns: tuple[Node, Node]
    values: tuple[str, str]

    @property
    def operator_form(self) -> str:
        """``point(x, y) <-> point(a, b)``."""
        own = ", ".join(map(deparse_expression, self.columns))
        return f"point({own}) <-> point({', '.join(self.values)})"


def sorted_distances(nodes: Iterable[Node]) -> Iterator[tuple[Node, PlaneDistance]]:
    """The first sort keys that are such a distance, of SELECTs with a LIMIT, each with what it means."""
    for select in nodes:
        items = select.children("sort_clause") if select.kind == "SelectStmt" else ()
        # Farthest first no index gives, nor NULLs first.
        if not items or select.child("limit_count") is None or items[0].enum("sortby_dir") == "SORTBY_DESC":
            continue
        key = items[0].child("node")
        meant = _output(select, key) if key is not None else None
        found = plane_distance(meant) if meant is not None else None
        if found is not None and key is not None and items[0].enum("sortby_nulls") != "SORTBY_NULLS_FIRST":
            yield key, found


def _output(select: Node, key: Node) -> Node | None:
    """The expression behind an output name or position, else the key itself."""
    targets = select.children("target_list")
    position = key.child("ival") if key.kind == "A_Const" else None
    if position is not None:
        number = position.number("ival")
        return targets[number - 1].child("val") if 0 < number <= len(targets) else None
    if is_column(key) and len(key.names("fields")) == 1:
        named = [t for t in targets if t.text("name") == key.names("fields")[0]]
        return named[0].child("val") if named else key
    return key


def plane_distance(node: Node) -> PlaneDistance | None:
    """The distance that an expression computes, squared or not; None for any other."""
    root = call_arguments(node, "sqrt", "dsqrt")
    found = binary(root[0] if len(root) == 1 else node)
    if found is None or found[1] != "+":
        return None
    parts = [_squared(part) for part in (found[0], found[2])]
    if None in parts:
        return None
    (first, a), (second, b) = (part for part in parts if part is not None)
    return PlaneDistance((first, second), (a, b))


def _squared(node: Node) -> tuple[Node, str] | None:
    """The column and the value of ``(column - value)`` squared in one of the ways there are."""
    power = call_arguments(node, "power", "pow", "dpow")
    found = binary(node)
    base = power[0] if len(power) == 2 and number_value(power[1]) == 2 else None
    if found is not None and found[1] == "^" and number_value(found[2]) == 2:
        base = found[0]
    if found is not None and found[1] == "*" and deparse_expression(found[0]) == deparse_expression(found[2]):
        base = found[0]
    difference = binary(base) if base is not None else None
    if difference is None or difference[1] != "-":
        return None
    left, _, right = difference
    column, value = (left, right) if is_column(left) else (right, left)
    return (column, deparse_expression(value)) if is_column(column) and not moving(value) else None


def is_plane(columns: tuple[Column, Column]) -> bool:
    """Whether both columns become coordinates of a point without an error."""
    return all(column.base_type in _KINDS for column in columns)
