"""One side of a comparison: which relations it touches and how it reads without qualifiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.sql.parser import Node, deparse_expression, parameters, rewrite, unqualified
from indexpilot_cli.workload.predicates.scopes import BoundColumn, Derived, NameScope, Target, Use

_AGGREGATES_TEXT = """
    count sum avg min max array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg bool_and bool_or
    every bit_and bit_or bit_xor stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
    percentile_cont percentile_disc mode rank dense_rank regr_slope range_agg any_value xmlagg
"""
AGGREGATES = frozenset(_AGGREGATES_TEXT.split())
_VOLATILE = frozenset(("random", "clock_timestamp", "gen_random_uuid", "nextval", "timeofday", "setval"))
ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "||", "^", "&", "|", "#", "<<", ">>"))


@dataclass(frozen=True, slots=True)
class Operand:
    """A grounded expression: columns are those of base relations.

    ``node`` has unqualified columns when one use is touched. ``opaque`` means that it also depends on something
    that is no base relation; ``fixed`` that the planner treats it as a constant of this scan.
    """

    node: Node
    uses: tuple[Use, ...] = ()
    column: str | None = None
    opaque: bool = False
    subquery: bool = False
    volatile: bool = False

    @property
    def use(self) -> Use | None:
        """The only relation touched, or None."""
        return self.uses[0] if len(self.uses) == 1 and not self.opaque else None

    @property
    def fixed(self) -> bool:
        """Whether it is a constant, a parameter, or computed from those only."""
        return not self.uses and not self.opaque and not self.volatile

    @property
    def expression(self) -> str | None:
        """SQL text when it is more than a column."""
        return None if self.column is not None else deparse_expression(self.node)

    @property
    def constant(self) -> str | None:
        """SQL text when it is a constant without parameters."""
        if not self.fixed or self.subquery or self.parameters:
            return None
        return deparse_expression(self.node)

    @property
    def parameters(self) -> tuple[int, ...]:
        """Numbers of the ``$n`` inside."""
        return parameters(self.node)

    @property
    def arithmetic(self) -> bool:
        """Whether it computes with the column (``a + 1``) rather than looks at it."""
        node: Node | None = self.node
        while node is not None and node.kind == "TypeCast":
            node = node.child("arg")
        return node is not None and node.kind == "A_Expr" and operator(node) in ARITHMETIC


def operator(node: Node) -> str:
    """The operator's name of an A_Expr, without a schema."""
    names = node.names("name")
    return names[-1] if names else ""


def function_name(node: Node) -> str:
    """The name of a FuncCall, without a schema."""
    names = node.names("funcname")
    return names[-1] if names else ""


def operands(node: Node, scope: NameScope) -> tuple[Operand, ...]:
    """The expression grounded in base relations: several when a UNION supplies it."""
    if node.kind == "ColumnRef":
        found = (target_operands(node, target) for target in scope.resolve(node))
        return tuple(chain.from_iterable(found)) or (Operand(node, opaque=True),)
    return (_compound(node, scope),)


def all_operands(nodes: Iterable[Node], scope: NameScope) -> tuple[Operand, ...]:
    """The operands of several expressions, in order."""
    return tuple(chain.from_iterable(operands(node, scope) for node in nodes))


def parameter_numbers(found: Iterable[Operand]) -> tuple[int, ...]:
    """Numbers of all ``$n`` inside the operands, ascending."""
    return tuple(sorted(set(chain.from_iterable(operand.parameters for operand in found))))


def target_operands(node: Node, target: Target) -> tuple[Operand, ...]:
    """What a resolved name is in terms of base relations; ``node`` is the reference."""
    if isinstance(target, BoundColumn):
        return (Operand(_plain(node, target.column), (target.use,), target.column),)
    if isinstance(target, Derived) and target.pushable:
        return operands(target.node, target.scope)
    return (Operand(node, opaque=True),)


def _plain(node: Node, column: str) -> Node:
    return unqualified(node, lambda _: column)


def _compound(node: Node, scope: NameScope) -> Operand:
    uses: dict[Use, None] = {}
    opaque = False
    found: dict[tuple[str, ...], Operand] = {}
    for reference in column_references(node):
        sides = operands(reference, scope)
        opaque = opaque or len(sides) != 1 or sides[0].opaque
        if len(sides) == 1:
            found[reference.names("fields")] = sides[0]
            uses.update(dict.fromkeys(sides[0].uses))
    subquery = any(n.kind == "SubLink" for n in node.level())
    opaque = opaque or is_aggregate(node) or (subquery and bool(uses))

    def ground(here: Node, _parent: Node) -> Node | None:
        side = found.get(here.names("fields")) if here.kind == "ColumnRef" else None
        return side.node if side else None

    grounded = rewrite(node, ground) if found and len(uses) == 1 and not opaque else node
    return Operand(grounded, tuple(uses), None, opaque, subquery, is_volatile(node, scope))


def column_references(node: Node) -> Iterator[Node]:
    """Column references of this query level."""
    return (n for n in node.level() if n.kind == "ColumnRef" and n.names("fields")[-1:] != ("*",))


def is_aggregate(node: Node) -> bool:
    """Whether an aggregate or window function is called at this query level."""
    return any(
        n.kind == "GroupingFunc"
        or (n.kind == "FuncCall" and (function_name(n) in AGGREGATES or n.flag("agg_star") or n.child("over")))
        for n in node.level()
    )


def is_volatile(node: Node, scope: NameScope) -> bool:
    """Whether a function is called that may answer differently for each row."""
    functions = scope.catalog.functions
    names = [function_name(n) for n in node.level() if n.kind == "FuncCall"]
    return any(n in _VOLATILE or functions.get(n) == "v" for n in names)


def conjunct_text(node: Node, scope: NameScope) -> str | None:
    """The condition without qualifiers, or None when it is not about exactly one relation."""
    sides = operands(node, scope)
    if len(sides) != 1 or sides[0].use is None or sides[0].subquery:
        return None
    return deparse_expression(sides[0].node)
