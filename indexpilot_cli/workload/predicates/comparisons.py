"""Comparisons to atoms: one conjunct, the relations on its sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.sql.literals import LIKE_OPERATORS, pattern_kind
from indexpilot_cli.sql.parser import Node, deparse_expression, parse_expression
from indexpilot_cli.sql.volatility import result_type
from indexpilot_cli.workload.predicates.scopes import (
    NameScope,
    Operand,
    Use,
    all_operands,
    conjunct_text,
    function_name,
    operands,
    operator,
    parameter_numbers,
)

UNKNOWN_ELEMENTS = 10  # the planner's own guess for an array it cannot see
KINDS = {
    "=": AtomKind.EQUAL,
    "<>": AtomKind.NOT_EQUAL,
    "!=": AtomKind.NOT_EQUAL,
    **dict.fromkeys(("<", "<=", ">", ">="), AtomKind.RANGE),
    "@>": AtomKind.CONTAINS,
    "<@": AtomKind.CONTAINED,
    "&&": AtomKind.OVERLAPS,
    **dict.fromkeys(("?", "?|", "?&"), AtomKind.HAS_KEY),
    "@?": AtomKind.JSON_PATH,
    "@@": AtomKind.TEXT_SEARCH,
    "@@@": AtomKind.TEXT_SEARCH,
    **dict.fromkeys(("%", "<%", "%>", "<<%", "%>>"), AtomKind.SIMILAR),
    "^@": AtomKind.LIKE_PREFIX,
}
_COMMUTED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "@>": "<@", "<@": "@>", "<%": "%>", "%>": "<%"}
_COMMUTED |= {"<<": ">>", ">>": "<<", "<<=": ">>=", ">>=": "<<="}
_PATTERN_TYPES = ("text", "varchar", "bpchar", "citext", "name", "")  # '' is an expression of unknown type
_MOVABLE = frozenset({AtomKind.EQUAL, AtomKind.NOT_EQUAL, AtomKind.RANGE})  # what is computed can change sides
_JOINABLE = frozenset(
    {
        *(AtomKind.EQUAL, AtomKind.RANGE, AtomKind.CONTAINS, AtomKind.CONTAINED, AtomKind.OVERLAPS, AtomKind.SIMILAR),
        *(AtomKind.MATCHES, AtomKind.TEXT_SEARCH),
    }
)
Subquery = Callable[[Node, NameScope, bool], None]


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Reads comparisons of one block. ``subquery`` is called for each SubLink condition (node, scope, negated).

    ``only`` limits which relations may be restricted (the inner side of an outer join); None: all.
    """

    scope: NameScope
    subquery: Subquery
    only: frozenset[Use] | None = None

    def compare(self, node: Node, name: str, conjunctive: bool, negated: bool = False) -> None:
        left, right = node.child("lexpr"), node.child("rexpr")
        if left is None or right is None:
            self.anything(node, name, conjunctive)
        elif left.kind == "RowExpr" and right.kind == "RowExpr":
            self._rows(left.children("args"), right.children("args"), name, node, conjunctive)
        else:
            if negated:  # as the planner turns it (negate_clause), so that its share of the rows is known
                node = parse_expression(f"({deparse_expression(left)}) {name} ({deparse_expression(right)})")
            self.sides(left, right, name, node, conjunctive)

    def _rows(self, left: Sequence[Node], right: Sequence[Node], name: str, node: Node, conjunctive: bool) -> None:
        """``(a, b) > (1, 2)`` bounds its first column surely and the others only together with it."""
        sure = conjunctive
        for a, b in zip(left, right, strict=False):
            self.sides(a, b, name, node, sure)
            sure = conjunctive and name == "="

    def sides(self, left: Node, right: Node, name: str, node: Node | None, conjunctive: bool) -> None:
        for a in operands(left, self.scope):
            for b in operands(right, self.scope):
                self._both(a, b, name, node, conjunctive)

    def pair(self, left: Operand, right: Operand, name: str) -> None:
        """The condition ``left name right`` of a semi-join."""
        self._both(left, right, name, None, True)

    def _both(self, a: Operand, b: Operand, name: str, node: Node | None, conjunctive: bool) -> None:
        self._pair(a, b, name, node, conjunctive)
        if (name in KINDS or name in LIKE_OPERATORS or name in _COMMUTED) and not b.fixed:
            self._pair(b, a, _COMMUTED.get(name, name), node, conjunctive, commuted=True)

    def _pair(
        self, side: Operand, other: Operand, name: str, node: Node | None, conjunctive: bool, commuted: bool = False
    ) -> None:
        use = side.use
        if use is None:
            return
        if not other.fixed:
            self._against_relation(side, other, name, node, conjunctive, commuted)
            return
        kind = self._kind(side, other, name, commuted)
        self.emit(side, kind, name, node, conjunctive, constant=other.constant, parameters=other.parameters)

    def _kind(self, side: Operand, other: Operand, name: str, commuted: bool) -> AtomKind:
        kind = _type_name(side)
        if name in LIKE_OPERATORS and kind in _PATTERN_TYPES:
            return AtomKind.OTHER if commuted else pattern_kind(name, other.node)
        if side.volatile or (side.arithmetic and KINDS.get(name) in _MOVABLE):
            return AtomKind.OTHER
        if name == "@@" and kind == "jsonb":
            return AtomKind.JSON_PATH
        if name not in KINDS or (name == "%" and kind not in _PATTERN_TYPES):
            return self._by_class(kind, name)
        return KINDS[name]

    def _by_class(self, kind: str, name: str) -> AtomKind:
        """What the operator means is up to the type: an operator class that has it can serve it."""
        classes = (c for c in self.scope.catalog.operator_classes if name in c.searches)
        known = any(c in self.scope.catalog.classes(c.method, kind) for c in classes)
        return AtomKind.MATCHES if known else AtomKind.OTHER

    def _against_relation(
        self, side: Operand, other: Operand, name: str, node: Node | None, conjunctive: bool, commuted: bool
    ) -> None:
        """A condition between relations: an index on this side serves when the other side is known first."""
        if side.use in other.uses:
            if not commuted:
                self.emit(side, AtomKind.OTHER, name, node, conjunctive)
            return
        kind = KINDS.get(name) or self._by_class(_type_name(side), name)
        if kind not in _JOINABLE or (side.arithmetic and kind in _MOVABLE) or other.volatile:
            return
        kind = AtomKind.JOIN if kind is AtomKind.EQUAL else kind
        target = other.use
        join_to = (target.table.name, other.column or deparse_expression(other.node)) if target else None
        self.emit(side, kind, name, None, conjunctive, join_to=join_to)

    def between(self, node: Node, conjunctive: bool) -> None:
        left, bounds = node.child("lexpr"), node.child("rexpr")
        limits = bounds.children("items") if bounds is not None else ()
        told = node if node.enum("kind") == "AEXPR_BETWEEN" else None  # which of SYMMETRIC's ends is lower is not told
        for side in operands(left, self.scope) if left is not None else ():
            ends = all_operands(limits, self.scope)
            if side.use and ends and all(e.fixed for e in ends):
                constants = [e.constant for e in ends]
                known = " AND ".join(c for c in constants if c) if all(constants) and told else None
                numbers = parameter_numbers(ends)
                kind = AtomKind.OTHER if side.arithmetic or side.volatile else AtomKind.RANGE
                self.emit(side, kind, "BETWEEN", told, conjunctive, constant=known, parameters=numbers)
                continue
            for limit, name in zip(limits, (">=", "<="), strict=False):
                for end in operands(limit, self.scope):
                    self._pair(side, end, name, node, conjunctive)
                    self._pair(end, side, _COMMUTED[name], node, conjunctive, commuted=True)

    def inside(self, node: Node, conjunctive: bool) -> None:
        left, items = node.child("lexpr"), list_items(node)
        if left is None:
            return
        if left.kind == "RowExpr":
            for position, part in enumerate(left.children("args")):
                values = [i.children("args")[position] for i in items if i.kind == "RowExpr"]
                self._membership(part, values, node, conjunctive)
        else:
            self._membership(left, items, node, conjunctive)

    def _membership(self, left: Node, items: Sequence[Node], node: Node, conjunctive: bool) -> None:
        values = all_operands(items, self.scope)
        numbers = parameter_numbers(values)
        negated = operator(node) == "<>"
        for side in operands(left, self.scope):
            if all(v.fixed for v in values):
                kind = AtomKind.EQUAL if len(values) == 1 else AtomKind.IN
                kind = AtomKind.NOT_EQUAL if negated else (AtomKind.OTHER if side.arithmetic else kind)
                constants = [v.constant for v in values]
                known = ", ".join(c for c in constants if c) if all(constants) else None
                self.emit(
                    side, kind, operator(node), node, conjunctive,
                    constant=known, parameters=numbers, elements=max(len(values), 1),
                )  # fmt: skip
            elif not negated:
                for value in values:
                    self._pair(side, value, "=", None, conjunctive and len(values) == 1)
                    self._pair(value, side, "=", None, conjunctive and len(values) == 1)

    def any_of_array(self, node: Node, conjunctive: bool) -> None:
        left, right, name = node.child("lexpr"), node.child("rexpr"), operator(node)
        if left is None or right is None:
            return
        for side in operands(left, self.scope):
            for array in operands(right, self.scope):
                if side.fixed and array.use and name == "=":
                    self.emit(
                        array, AtomKind.CONTAINS, "= ANY", node, conjunctive,
                        constant=side.constant, parameters=side.parameters,
                    )  # fmt: skip
                elif side.use and array.fixed:
                    self._any_of(side, array, right, name, node, conjunctive)
                elif side.use and side.use not in array.uses and name == "=":
                    self.emit(side, AtomKind.JOIN, "=", None, conjunctive)

    def _any_of(self, side: Operand, array: Operand, right: Node, name: str, node: Node, conjunctive: bool) -> None:
        kind = AtomKind.IN if name == "=" else self._kind(side, array, name, commuted=False)
        if side.arithmetic:
            kind = AtomKind.OTHER
        elements = array_length(right)
        self.emit(
            side, kind, name, node, conjunctive,
            constant=array.constant, parameters=array.parameters, elements=elements,
        )  # fmt: skip

    def supported(self, node: Node, conjunctive: bool) -> None:
        """A function with an index form of its own, such as ST_DWithin: either of two arguments may be the key."""
        name, first = function_name(node), node.children("args")[:2]
        sides = [operands(argument, self.scope) for argument in first]
        for mine, others in (sides, sides[::-1]) if len(sides) == 2 else ():
            for side in mine:
                for other in others:
                    self._matched(side, other, name, node, conjunctive)

    def _matched(self, side: Operand, other: Operand, name: str, node: Node, conjunctive: bool) -> None:
        if side.use is None or side.use in other.uses or side.volatile:
            return
        target = other.use
        join_to = (target.table.name, other.column or deparse_expression(other.node)) if target else None
        self.emit(
            side, AtomKind.MATCHES, name, node if other.fixed else None, conjunctive,
            constant=other.constant, parameters=other.parameters, join_to=join_to,
        )  # fmt: skip

    def anything(self, node: Node, name: str, conjunctive: bool) -> None:
        """A condition no index serves as written; which column it looks at is still worth knowing."""
        for side in operands(node, self.scope):
            if side.use is not None:
                columns = {n.names("fields")[-1] for n in side.node.walk() if n.kind == "ColumnRef"}
                column = next(iter(columns)) if len(columns) == 1 else None
                text = deparse_expression(side.node)
                self._add(side.use, Atom(AtomKind.OTHER, name, column, None if column else text,
                                         conjunctive=conjunctive, sql=text))  # fmt: skip

    def emit(
        self,
        side: Operand,
        kind: AtomKind,
        name: str,
        node: Node | None,
        conjunctive: bool,
        *,
        constant: str | None = None,
        parameters: tuple[int, ...] = (),
        join_to: tuple[QualifiedName, str] | None = None,
        elements: int = 1,
        sql: str | None = None,
    ) -> None:
        use = side.use
        if use is None:
            return
        if side.parameters:  # an expression with a parameter inside is no expression an index can have
            kind = AtomKind.OTHER
        text = sql if sql is not None or node is None else conjunct_text(node, self.scope)
        self._add(
            use,
            Atom(
                kind=kind,
                operator=name,
                column=side.column,
                expression=side.expression,
                constant=constant,
                parameters=parameters,
                join_to=join_to,
                conjunctive=conjunctive,
                sql=text,
                elements=elements,
            ),
        )

    def _add(self, use: Use, atom: Atom) -> None:
        if (self.only is None or use in self.only) and self.scope.block.reaches(use.block):
            use.atoms[atom] = None


def array_length(node: Node) -> int:
    """Elements of an array expression; the planner's guess when it is a parameter."""
    while node.kind == "TypeCast":
        inner = node.child("arg")
        if inner is None:
            return UNKNOWN_ELEMENTS
        node = inner
    if node.kind == "A_ArrayExpr":
        return max(len(node.children("elements")), 1)
    value = node.child("sval") if node.kind == "A_Const" else None
    return value.text("sval").count(",") + 1 if value is not None else UNKNOWN_ELEMENTS


def list_items(node: Node) -> tuple[Node, ...]:
    """The values of an IN list."""
    right = node.child("rexpr")
    if right is None:
        return ()
    return right.children("items") if right.kind == "List" else (right,)


def _type_name(side: Operand) -> str:
    """The short type name of a column or of an expression of one table; '' when it cannot be told."""
    use = side.use
    if use is None:
        return ""
    column = use.table.column(side.column) if side.column else None
    if column is not None:
        return column.base_type
    return (result_type(side.expression, use.table) if side.expression else None) or ""
