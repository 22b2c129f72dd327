"""Clauses of one block: conditions to atoms (AND, OR, NOT), then ORDER BY, GROUP BY, DISTINCT, LIMIT, min and max."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.core.workload import Atom, AtomKind, SortKey
from indexpilot_cli.sql.parser import Node, deparse_expression, parameters
from indexpilot_cli.workload.predicates.comparisons import Comparisons, list_items
from indexpilot_cli.workload.predicates.scopes import (
    NameScope,
    Operand,
    Outputs,
    Use,
    all_operands,
    function_name,
    is_aggregate,
    operands,
    operator,
    target_operands,
)

_NEGATED = {"=": "<>", "<>": "=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Collector(Comparisons):
    """Walks the conditions of one block and adds atoms to the relations they restrict."""

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
        numbers = tuple(sorted(set(chain.from_iterable(map(parameters, arms)))))
        elements = sum(len(list_items(arm)) for arm in arms)
        self.emit(first, AtomKind.IN, "=", node, conjunctive, parameters=numbers, elements=elements)
        return True

    def _equality(self, node: Node) -> Operand | None:
        """The restricted side when the node is ``x = constant`` or ``x IN (constants)``."""
        if node.kind != "A_Expr" or operator(node) != "=" or node.enum("kind") not in ("AEXPR_OP", "AEXPR_IN"):
            return None
        left, right = node.child("lexpr"), node.child("rexpr")
        if left is None or right is None or left.kind == "RowExpr":
            return None
        side = operands(left, self.scope)
        fixed = all(o.fixed and not o.subquery for o in all_operands(list_items(node), self.scope))
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
            self.compare(node, _NEGATED[operator(node)], conjunctive, negated=True)
        elif node.kind == "NullTest":
            self._null_test(node, conjunctive, negated=True)
        elif node.kind == "ColumnRef":
            self._column(node, "false", conjunctive, f"NOT {deparse_expression(node)}")
        else:
            self.anything(node, "not", conjunctive)

    def _other(self, node: Node, conjunctive: bool) -> None:
        if node.kind == "ColumnRef":
            self._column(node, "true", conjunctive, None)
        elif node.kind == "NullTest":
            self._null_test(node, conjunctive)
        elif node.kind == "BooleanTest":
            self._boolean_test(node, conjunctive)
        elif node.kind == "FuncCall" and function_name(node) == "starts_with" and len(node.children("args")) == 2:
            left, right = node.children("args")
            self.sides(left, right, "^@", node, conjunctive)
        elif node.kind == "FuncCall" and function_name(node) in self.scope.catalog.supported:
            self.supported(node, conjunctive)
        elif node.kind not in ("A_Const", "ParamRef"):
            self.anything(node, function_name(node) if node.kind == "FuncCall" else node.kind, conjunctive)

    def _column(self, node: Node, value: str, conjunctive: bool, sql: str | None) -> None:
        for side in operands(node, self.scope):
            text = deparse_expression(side.node)
            sql_here = None if sql is None else f"NOT {text}"
            self.emit(side, AtomKind.EQUAL, "=", None, conjunctive, constant=value, sql=sql_here or text)

    def _null_test(self, node: Node, conjunctive: bool, negated: bool = False) -> None:
        argument = node.child("arg")
        null = (node.enum("nulltesttype") == "IS_NULL") != negated
        kind, name = (AtomKind.IS_NULL, "IS NULL") if null else (AtomKind.IS_NOT_NULL, "IS NOT NULL")
        for side in operands(argument, self.scope) if argument else ():
            text = deparse_expression(side.node)
            self.emit(side, kind, name, None, conjunctive, sql=f"{_grouped(side.node, text)} {name}")

    def _boolean_test(self, node: Node, conjunctive: bool) -> None:
        argument, test = node.child("arg"), node.enum("booltesttype")
        value = {"IS_TRUE": "true", "IS_FALSE": "false"}.get(test)
        for side in operands(argument, self.scope) if argument else ():
            if value is not None:
                self.emit(side, AtomKind.EQUAL, "=", node, conjunctive, constant=value)
            else:
                kinds = {"IS_UNKNOWN": AtomKind.IS_NULL, "IS_NOT_UNKNOWN": AtomKind.IS_NOT_NULL}
                name = test.replace("_", " ")
                self.emit(side, kinds.get(test, AtomKind.NOT_EQUAL), name, node, conjunctive)

    def _expression(self, node: Node, conjunctive: bool) -> None:
        kind = node.enum("kind")
        if kind in ("AEXPR_OP", "AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR"):
            self.compare(node, operator(node), conjunctive)
        elif kind == "AEXPR_NOT_DISTINCT":
            self.compare(node, "=", conjunctive)
        elif kind in ("AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM"):
            self.between(node, conjunctive)
        elif kind == "AEXPR_IN":
            self.inside(node, conjunctive)
        elif kind == "AEXPR_OP_ANY":
            self.any_of_array(node, conjunctive)
        else:
            self.anything(node, operator(node), conjunctive)


def conjuncts(node: Node) -> list[Node]:
    """The conditions that AND joins at the top of one condition."""
    if node.kind == "BoolExpr" and node.enum("boolop") == "AND_EXPR":
        return list(chain.from_iterable(map(conjuncts, node.children("args"))))
    return [node]


def _grouped(node: Node, text: str) -> str:
    return text if node.kind in ("ColumnRef", "FuncCall", "CoalesceExpr") else f"({text})"


DISTANCE = frozenset(("<->", "<#>", "<=>", "<+>", "<<->", "<->>", "<~>", "<%>"))


def note_order(node: Node, scope: NameScope) -> None:
    """The order that rows are wanted in, that of a window or ORDER BY, onto the relation its first keys lie on."""
    order = [(_meant(item.child("node"), node), item) for item in node.children("sort_clause")]
    # Windows see all rows in their order before the query's own order counts. Those of groups see no rows of a table.
    orders = () if node.children("group_clause") else (_order_of(w, node) for w in windows(node))
    found: list[tuple[Use, SortKey]] = []
    for value, item in next(filter(None, orders), order):
        if value is None or _distance(value, scope):
            break
        sides = operands(value, scope)
        if len(sides) == 1 and sides[0].fixed:
            continue
        use = sides[0].use if len(sides) == 1 else None
        if use is None or (found and found[0][0] is not use) or is_aggregate(value) or sides[0].parameters:
            break
        found.append((use, _key(sides[0], item)))
    else:
        if found:
            found[0][0].order_complete = True
    if found and found[0][0] in set(scope.members()):
        found[0][0].order_by = tuple(key for _, key in found)


def note_order_of_arms(node: Node, scope: NameScope) -> None:
    """ORDER BY and LIMIT of a query of nothing but a UNION ALL, onto its arms: what is read in order is merged."""
    alone = len(scope.sources) == 1 and scope.sources[0].appended
    if alone and not (node.children("group_clause") or node.message.distinct_clause):
        items = node.children("sort_clause")
        values = [_meant(item.child("node"), node) for item in items]
        _order_arms([operands(v, scope) if v is not None else () for v in values], items, node)


def note_own_order_of_arms(node: Node, outputs: Outputs) -> None:
    """The same of a UNION ALL that has an ORDER BY of its own: by names and positions of its output alone."""
    items, columns = node.children("sort_clause"), list(outputs.items())
    sides: list[tuple[Operand, ...]] = []
    for value in (item.child("node") for item in items):
        place = value.child("ival") if value is not None and value.kind == "A_Const" else None
        name = value.names("fields")[-1] if value is not None and value.kind == "ColumnRef" else None
        meant = [t for n, (label, t) in enumerate(columns, 1) if label == name or (place and place.number("ival") == n)]
        found = chain.from_iterable(meant)
        sides.append(tuple(chain.from_iterable(target_operands(value, target) for target in found)) if value else ())
    _order_arms(sides, items, node)


def _order_arms(sides: Sequence[tuple[Operand, ...]], items: Sequence[Node], node: Node) -> None:
    if node.child("limit_count") is None or not all(sides):
        return
    found: dict[Use, list[SortKey]] = {}
    for alike, item in zip(sides, items, strict=True):
        for side in alike:
            if side.use is not None and not side.parameters:
                found.setdefault(side.use, []).append(_key(side, item))
    for use, keys in found.items():
        if not use.order_by and len(keys) == len(sides):
            use.order_by, use.order_complete, use.limited = tuple(keys), True, True


def _key(side: Operand, item: Node | None) -> SortKey:
    if item is None:
        return SortKey(side.column, side.expression)
    nulls = {"SORTBY_NULLS_FIRST": True, "SORTBY_NULLS_LAST": False}.get(item.enum("sortby_nulls"))
    return SortKey(side.column, side.expression, item.enum("sortby_dir") == "SORTBY_DESC", nulls)


def windows(node: Node) -> tuple[Node, ...]:
    """The windows (OVER) that the functions in a query's output look through."""
    inside = chain.from_iterable(target.level() for target in node.children("target_list"))
    found = (call.child("over") for call in inside if call.kind == "FuncCall")
    return tuple(window for window in found if window is not None)


def _order_of(window: Node, node: Node) -> list[tuple[Node | None, Node | None]]:
    """Keys of the rows' order in a window with their SortBy: partitions, which have none, then ORDER BY."""
    items = window.children("order_clause") or _defined(window, node).children("order_clause")
    keys: list[tuple[Node | None, Node | None]] = [(key, None) for key in partition(window, node)]
    return [*keys, *((item.child("node"), item) for item in items)]


def partition(window: Node, node: Node) -> tuple[Node, ...]:
    """The keys of PARTITION BY of a window of the query, also where WINDOW names it."""
    return _defined(window, node).children("partition_clause")


def _defined(window: Node, node: Node) -> Node:
    """The window itself, or the one of WINDOW that it names."""
    named = {w.text("name"): w for w in node.children("window_clause")}
    return named.get(window.text("name") or window.text("refname"), window)


def _meant(value: Node | None, select: Node) -> Node | None:
    """The expression behind a position (``ORDER BY 2``) or an output name."""
    if value is None:
        return None
    targets = select.children("target_list")
    number = value.child("ival") if value.kind == "A_Const" else None
    if number is not None:
        position = number.number("ival")
        return targets[position - 1].child("val") if 0 < position <= len(targets) else None
    if value.kind == "ColumnRef" and len(value.names("fields")) == 1:
        name = value.names("fields")[0]
        named = [t for t in targets if t.text("name") == name]
        return named[0].child("val") if named else value
    return value


def _distance(value: Node, scope: NameScope) -> bool:
    if value.kind != "A_Expr" or operator(value) not in DISTANCE:
        return False
    left, right = value.child("lexpr"), value.child("rexpr")
    sides = all_operands((n for n in (left, right) if n is not None), scope)
    if len(sides) != 2 or sum(o.fixed for o in sides) != 1:
        return False
    side, other = sides if sides[1].fixed else reversed(sides)
    if side.use is not None:
        atom = Atom(
            AtomKind.DISTANCE,
            operator(value),
            side.column,
            side.expression,
            other.constant,
            other.parameters,
        )
        side.use.atoms[atom] = None
    return True


def note_sets(node: Node, scope: NameScope) -> None:
    """GROUP BY and DISTINCT, where all keys lie on one relation."""
    groups = node.children("group_clause")
    # ROLLUP, CUBE and GROUPING SETS group several times over: no one order of rows serves them.
    if not any(group.kind == "GroupingSet" for group in groups):
        _same_relation([_meant(g, node) for g in groups], scope, "group_by")
    if len(node.message.distinct_clause):
        values = (target.child("val") for target in node.children("target_list"))
        keys = node.children("distinct_clause") or tuple(value for value in values if value is not None)
        _same_relation([_meant(k, node) for k in keys], scope, "distinct")


def _same_relation(keys: Sequence[Node | None], scope: NameScope, field: str) -> None:
    found: list[tuple[Use, SortKey]] = []
    for key in keys:
        if key is None or (key.kind == "ColumnRef" and key.names("fields")[-1] == "*"):
            return
        sides = operands(key, scope)
        use = sides[0].use if len(sides) == 1 else None
        if len(sides) == 1 and sides[0].fixed:
            continue
        if use is None or (found and found[0][0] is not use) or is_aggregate(key) or sides[0].parameters:
            return
        found.append((use, SortKey(sides[0].column, sides[0].expression)))
    if found:
        setattr(found[0][0], field, tuple(dict.fromkeys(k for _, k in found)))


def note_limit(node: Node, scope: NameScope) -> None:
    """LIMIT onto every relation of the block."""
    count = node.child("limit_count")
    if count is None or (count.kind == "A_Const" and count.flag("isnull")):
        return
    number = count.child("ival") if count.kind == "A_Const" else None
    for use in scope.members():
        use.limited = True
        use.limit = number.number("ival") if number is not None else None


def note_locks(node: Node, scope: NameScope) -> None:
    """FOR UPDATE and FOR SHARE onto the relations whose rows they lock: an index alone has nothing to lock."""
    for clause in node.children("locking_clause"):
        names = {relation.text("relname") for relation in clause.children("locked_rels")}
        for source in scope.sources:
            if source.use is not None and (not names or source.alias in names):
                source.use.locked = True


def note_aggregates(node: Node, scope: NameScope) -> None:
    """min and max of a column over one relation without grouping: an index end answers them."""
    members = list(scope.members())
    if len(members) != 1 or len(scope.sources) != 1 or node.children("group_clause"):
        return
    found: dict[tuple[str, str], None] = {}
    for target in node.children("target_list"):
        for call in (n for n in target.level() if n.kind == "FuncCall"):
            arguments = call.children("args")
            if function_name(call) not in ("min", "max") or len(arguments) != 1 or call.child("over"):
                continue
            sides = operands(arguments[0], scope)
            if len(sides) == 1 and sides[0].use is members[0] and sides[0].column is not None:
                found[(function_name(call), sides[0].column)] = None
    members[0].aggregates = tuple(found)
