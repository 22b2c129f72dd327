"""Conditions to atoms: what each conjunct asks of one relation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexpilot_cli.model.names import QualifiedName
from indexpilot_cli.model.workload import Atom, AtomKind
from indexpilot_cli.workload.operands import Operand, conjunct_text, function_name, operands, operator
from indexpilot_cli.workload.patterns import LIKE_OPERATORS, pattern_kind
from indexpilot_cli.workload.scopes import Scope, Use
from indexpilot_cli.workload.sqlast import Node, deparse_expression

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
_NEGATED = {"=": "<>", "<>": "=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_JOINABLE = frozenset(
    (AtomKind.EQUAL, AtomKind.RANGE, AtomKind.CONTAINS, AtomKind.CONTAINED, AtomKind.OVERLAPS, AtomKind.SIMILAR)
)
Subquery = Callable[[Node, Scope, bool], None]


@dataclass(frozen=True, slots=True)
class Collector:
    """Walks conditions of one block. ``subquery`` is called for each SubLink condition (node, scope, negated).

    ``only`` limits which relations may be restricted (the inner side of an outer join); None: all.
    """

    scope: Scope
    subquery: Subquery
    only: frozenset[Use] | None = None

    def collect(self, node: Node, conjunctive: bool = True) -> None:
        """Atoms of a condition, added to the uses they restrict."""
        if node.kind == "BoolExpr":
            self._boolean(node, conjunctive)
        elif node.kind == "A_Expr":
            self._expression(node, conjunctive)
        elif node.kind == "SubLink":
            self.subquery(node, self.scope, False)
        else:
            self._other(node, conjunctive)

    def _boolean(self, node: Node, conjunctive: bool) -> None:
        arms = node.children("args")
        if node.enum("boolop") == "AND_EXPR":
            for arm in arms:
                self.collect(arm, conjunctive)
        elif node.enum("boolop") == "NOT_EXPR":
            self._negated(arms[0], conjunctive)
        elif not self._or_as_in(arms, node, conjunctive):
            self._or(arms, conjunctive)

    def _or(self, arms: Sequence[Node], conjunctive: bool) -> None:
        """Conjuncts that all arms share hold for the whole; the rest may only serve a bitmap OR."""
        split = [{deparse_expression(c): c for c in conjuncts(arm)} for arm in arms]
        shared = set.intersection(*(set(s) for s in split))
        for text in (t for t in split[0] if t in shared):
            self.collect(split[0][text], conjunctive)
        for rest in split:
            for text, conjunct in rest.items():
                if text not in shared:
                    self.collect(conjunct, False)

    def _or_as_in(self, arms: Sequence[Node], node: Node, conjunctive: bool) -> bool:
        sides = [self._equality(arm) for arm in arms]
        texts = {deparse_expression(s.node) for s in sides if s}
        first = sides[0]
        if first is None or None in sides or len(texts) != 1 or {s.use for s in sides if s} != {first.use}:
            return False
        numbers = tuple(sorted({p for arm in arms for p in _parameters(arm)}))
        elements = sum(len(_items(arm)) for arm in arms)
        self._emit(first, AtomKind.IN, "=", node, conjunctive, parameters=numbers, elements=elements)
        return True

    def _equality(self, node: Node) -> Operand | None:
        """The restricted side when the node is ``x = constant`` or ``x IN (constants)``."""
        if node.kind != "A_Expr" or operator(node) != "=" or node.enum("kind") not in ("AEXPR_OP", "AEXPR_IN"):
            return None
        left, right = node.child("lexpr"), node.child("rexpr")
        if left is None or right is None or left.kind == "RowExpr":
            return None
        side = operands(left, self.scope)
        fixed = all(o.fixed and not o.subquery for i in _items(node) for o in operands(i, self.scope))
        return side[0] if len(side) == 1 and side[0].use and fixed else None

    def _negated(self, node: Node, conjunctive: bool) -> None:
        if node.kind == "BoolExpr":
            inner = node.children("args")
            negate = node.enum("boolop")
            if negate == "NOT_EXPR":
                self.collect(inner[0], conjunctive)
            else:
                for arm in inner:
                    self._negated(arm, conjunctive and negate == "OR_EXPR")
        elif node.kind == "SubLink":
            self.subquery(node, self.scope, True)
        elif node.kind == "A_Expr" and node.enum("kind") == "AEXPR_OP" and operator(node) in _NEGATED:
            self._compare(node, _NEGATED[operator(node)], conjunctive, negated=True)
        elif node.kind == "NullTest":
            self._null_test(node, conjunctive, negated=True)
        elif node.kind == "ColumnRef":
            self._column(node, "false", conjunctive, f"NOT {deparse_expression(node)}")
        else:
            self._anything(node, "not", conjunctive)

    def _other(self, node: Node, conjunctive: bool) -> None:
        if node.kind == "ColumnRef":
            self._column(node, "true", conjunctive, None)
        elif node.kind == "NullTest":
            self._null_test(node, conjunctive)
        elif node.kind == "BooleanTest":
            self._boolean_test(node, conjunctive)
        elif node.kind == "FuncCall" and function_name(node) == "starts_with" and len(node.children("args")) == 2:
            left, right = node.children("args")
            self._sides(left, right, "^@", node, conjunctive)
        elif node.kind not in ("A_Const", "ParamRef"):
            self._anything(node, function_name(node) if node.kind == "FuncCall" else node.kind, conjunctive)

    def _column(self, node: Node, value: str, conjunctive: bool, sql: str | None) -> None:
        for side in operands(node, self.scope):
            text = deparse_expression(side.node)
            sql_here = None if sql is None else f"NOT {text}"
            self._emit(side, AtomKind.EQUAL, "=", None, conjunctive, constant=value, sql=sql_here or text)

    def _null_test(self, node: Node, conjunctive: bool, negated: bool = False) -> None:
        argument = node.child("arg")
        null = (node.enum("nulltesttype") == "IS_NULL") != negated
        kind, name = (AtomKind.IS_NULL, "IS NULL") if null else (AtomKind.IS_NOT_NULL, "IS NOT NULL")
        for side in operands(argument, self.scope) if argument else ():
            text = deparse_expression(side.node)
            self._emit(side, kind, name, None, conjunctive, sql=f"{_grouped(side.node, text)} {name}")

    def _boolean_test(self, node: Node, conjunctive: bool) -> None:
        argument, test = node.child("arg"), node.enum("booltesttype")
        value = {"IS_TRUE": "true", "IS_FALSE": "false"}.get(test)
        for side in operands(argument, self.scope) if argument else ():
            if value is not None:
                self._emit(side, AtomKind.EQUAL, "=", node, conjunctive, constant=value)
            else:
                kinds = {"IS_UNKNOWN": AtomKind.IS_NULL, "IS_NOT_UNKNOWN": AtomKind.IS_NOT_NULL}
                name = test.replace("_", " ")
                self._emit(side, kinds.get(test, AtomKind.NOT_EQUAL), name, node, conjunctive)

    def _expression(self, node: Node, conjunctive: bool) -> None:
        kind = node.enum("kind")
        if kind in ("AEXPR_OP", "AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR"):
            self._compare(node, operator(node), conjunctive)
        elif kind == "AEXPR_NOT_DISTINCT":
            self._compare(node, "=", conjunctive)
        elif kind in ("AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM"):
            self._between(node, conjunctive)
        elif kind == "AEXPR_IN":
            self._in(node, conjunctive)
        elif kind == "AEXPR_OP_ANY":
            self._any(node, conjunctive)
        else:
            self._anything(node, operator(node), conjunctive)

    def _compare(self, node: Node, name: str, conjunctive: bool, negated: bool = False) -> None:
        left, right = node.child("lexpr"), node.child("rexpr")
        if left is None or right is None:
            self._anything(node, name, conjunctive)
        elif left.kind == "RowExpr" and right.kind == "RowExpr":
            self._rows(left.children("args"), right.children("args"), name, node, conjunctive)
        else:
            self._sides(left, right, name, None if negated else node, conjunctive)

    def _rows(self, left: Sequence[Node], right: Sequence[Node], name: str, node: Node, conjunctive: bool) -> None:
        """``(a, b) > (1, 2)`` bounds its first column surely and the others only together with it."""
        sure = conjunctive
        for a, b in zip(left, right, strict=False):
            self._sides(a, b, name, node, sure)
            sure = conjunctive and name == "="

    def _sides(self, left: Node, right: Node, name: str, node: Node | None, conjunctive: bool) -> None:
        for a in operands(left, self.scope):
            for b in operands(right, self.scope):
                self._both(a, b, name, node, conjunctive)

    def pair(self, left: Operand, right: Operand, name: str) -> None:
        """The condition ``left name right`` of a semi-join."""
        self._both(left, right, name, None, True)

    def _both(self, a: Operand, b: Operand, name: str, node: Node | None, conjunctive: bool) -> None:
        self._pair(a, b, name, node, conjunctive)
        if (name in KINDS or name in LIKE_OPERATORS) and not b.fixed:
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
        self._emit(side, kind, name, node, conjunctive, constant=other.constant, parameters=other.parameters)

    def _kind(self, side: Operand, other: Operand, name: str, commuted: bool) -> AtomKind:
        if name in LIKE_OPERATORS:
            return AtomKind.OTHER if commuted else pattern_kind(name, other.node)
        if side.arithmetic or side.volatile or name not in KINDS:
            return AtomKind.OTHER
        if name == "@@" and _category(side) == "jsonb":
            return AtomKind.JSON_PATH
        if name == "%" and _category(side) not in ("text", "varchar", "bpchar", "citext", ""):
            return AtomKind.OTHER
        return KINDS[name]

    def _against_relation(
        self, side: Operand, other: Operand, name: str, node: Node | None, conjunctive: bool, commuted: bool
    ) -> None:
        """A condition between relations: an index on this side serves when the other side is known first."""
        if side.use in other.uses:
            if not commuted:
                self._emit(side, AtomKind.OTHER, name, node, conjunctive)
            return
        kind = KINDS.get(name, AtomKind.OTHER)
        if kind not in _JOINABLE or side.arithmetic or other.volatile:
            return
        kind = AtomKind.JOIN if kind is AtomKind.EQUAL else kind
        target = other.use
        join_to = (target.table.name, other.column or deparse_expression(other.node)) if target else None
        self._emit(side, kind, name, None, conjunctive, join_to=join_to)

    def _between(self, node: Node, conjunctive: bool) -> None:
        left, bounds = node.child("lexpr"), node.child("rexpr")
        limits = bounds.children("items") if bounds is not None else ()
        for side in operands(left, self.scope) if left is not None else ():
            ends = [o for limit in limits for o in operands(limit, self.scope)]
            if side.use and ends and all(e.fixed for e in ends):
                constants = [e.constant for e in ends]
                known = " AND ".join(c for c in constants if c) if all(constants) else None
                numbers = tuple(sorted({p for e in ends for p in e.parameters}))
                kind = AtomKind.OTHER if side.arithmetic or side.volatile else AtomKind.RANGE
                self._emit(side, kind, "BETWEEN", node, conjunctive, constant=known, parameters=numbers)
                continue
            for limit, name in zip(limits, (">=", "<="), strict=False):
                for end in operands(limit, self.scope):
                    self._pair(side, end, name, node, conjunctive)
                    self._pair(end, side, _COMMUTED[name], node, conjunctive, commuted=True)

    def _in(self, node: Node, conjunctive: bool) -> None:
        left, items = node.child("lexpr"), _items(node)
        if left is None:
            return
        if left.kind == "RowExpr":
            for position, part in enumerate(left.children("args")):
                values = [i.children("args")[position] for i in items if i.kind == "RowExpr"]
                self._membership(part, values, node, conjunctive)
        else:
            self._membership(left, items, node, conjunctive)

    def _membership(self, left: Node, items: Sequence[Node], node: Node, conjunctive: bool) -> None:
        values = [o for i in items for o in operands(i, self.scope)]
        numbers = tuple(sorted({p for v in values for p in v.parameters}))
        negated = operator(node) == "<>"
        for side in operands(left, self.scope):
            if all(v.fixed for v in values):
                kind = AtomKind.EQUAL if len(values) == 1 else AtomKind.IN
                kind = AtomKind.NOT_EQUAL if negated else (AtomKind.OTHER if side.arithmetic else kind)
                constants = [v.constant for v in values]
                known = ", ".join(c for c in constants if c) if all(constants) else None
                self._emit(
                    side, kind, operator(node), node, conjunctive,
                    constant=known, parameters=numbers, elements=max(len(values), 1),
                )  # fmt: skip
            elif not negated:
                for value in values:
                    self._pair(side, value, "=", None, conjunctive and len(values) == 1)
                    self._pair(value, side, "=", None, conjunctive and len(values) == 1)

    def _any(self, node: Node, conjunctive: bool) -> None:
        left, right, name = node.child("lexpr"), node.child("rexpr"), operator(node)
        if left is None or right is None:
            return
        for side in operands(left, self.scope):
            for array in operands(right, self.scope):
                if side.fixed and array.use and name == "=":
                    self._emit(
                        array, AtomKind.CONTAINS, "= ANY", node, conjunctive,
                        constant=side.constant, parameters=side.parameters,
                    )  # fmt: skip
                elif side.use and array.fixed:
                    self._any_of(side, array, right, name, node, conjunctive)
                elif side.use and side.use not in array.uses and name == "=":
                    self._emit(side, AtomKind.JOIN, "=", None, conjunctive)

    def _any_of(self, side: Operand, array: Operand, right: Node, name: str, node: Node, conjunctive: bool) -> None:
        kind = AtomKind.IN if name == "=" else self._kind(side, array, name, commuted=False)
        if side.arithmetic:
            kind = AtomKind.OTHER
        elements = array_length(right)
        self._emit(
            side, kind, name, node, conjunctive,
            constant=array.constant, parameters=array.parameters, elements=elements,
        )  # fmt: skip

    def _anything(self, node: Node, name: str, conjunctive: bool) -> None:
        """A condition no index serves as written; which column it looks at is still worth knowing."""
        for side in operands(node, self.scope):
            if side.use is not None:
                columns = {n.names("fields")[-1] for n in side.node.walk() if n.kind == "ColumnRef"}
                column = next(iter(columns)) if len(columns) == 1 else None
                text = deparse_expression(side.node)
                self._add(side.use, Atom(AtomKind.OTHER, name, column, None if column else text,
                                         conjunctive=conjunctive, sql=text))  # fmt: skip

    def _emit(
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


def conjuncts(node: Node) -> list[Node]:
    """The conditions that AND joins at the top of one condition."""
    if node.kind == "BoolExpr" and node.enum("boolop") == "AND_EXPR":
        return [c for arm in node.children("args") for c in conjuncts(arm)]
    return [node]


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


def _items(node: Node) -> tuple[Node, ...]:
    right = node.child("rexpr")
    if right is None:
        return ()
    return right.children("items") if right.kind == "List" else (right,)


def _parameters(node: Node) -> tuple[int, ...]:
    return tuple(n.number("number") for n in node.walk() if n.kind == "ParamRef")


def _grouped(node: Node, text: str) -> str:
    return text if node.kind in ("ColumnRef", "FuncCall", "CoalesceExpr") else f"({text})"


def _category(side: Operand) -> str:
    use = side.use
    column = use.table.column(side.column) if use and side.column else None
    return column.base_type if column else ""
