"""ORDER BY, GROUP BY, DISTINCT, LIMIT and min/max of one block."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.workload import Atom, AtomKind, SortKey
from indexpilot_cli.sql.parser import Node
from indexpilot_cli.workload.predicates.operands import (
    Operand,
    all_operands,
    function_name,
    is_aggregate,
    operands,
    operator,
)
from indexpilot_cli.workload.predicates.scopes import NameScope, Use

DISTANCE = frozenset(("<->", "<#>", "<=>", "<+>", "<<->", "<->>", "<~>", "<%>"))


def note_order(node: Node, scope: NameScope) -> None:
    """ORDER BY onto the relation its first keys lie on."""
    items = node.children("sort_clause")
    found: list[tuple[Use, SortKey]] = []
    for item in items:
        value = _meant(item.child("node"), node)
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


def _key(side: Operand, item: Node) -> SortKey:
    nulls = {"SORTBY_NULLS_FIRST": True, "SORTBY_NULLS_LAST": False}.get(item.enum("sortby_nulls"))
    return SortKey(side.column, side.expression, item.enum("sortby_dir") == "SORTBY_DESC", nulls)


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
