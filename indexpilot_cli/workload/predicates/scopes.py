"""Which relation and column a name in a statement means, and what one side of a comparison touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.workload import Atom, RelationUse, SortKey, StatementKind
from indexpilot_cli.sql.parser import Node, deparse_expression, parameters, rewrite, unqualified


@dataclass(eq=False, slots=True)
class Block:
    """A query block. ``pulled`` says that the planner can join it with its parent (not a scalar subquery)."""

    parent: Block | None
    pulled: bool = True

    def reaches(self, other: Block) -> bool:
        """Whether a condition in this block can restrict a relation of ``other``."""
        here: Block | None = self
        passable = True
        while here is not None:
            if here is other:
                return passable
            passable = passable and here.pulled
            here = here.parent
        return True


@dataclass(eq=False, slots=True)
class Use:
    """One relation in one block while it is being analysed; ``frozen`` gives the value."""

    table: Table
    alias: str
    block: Block
    atoms: dict[Atom, None] = field(default_factory=dict)
    order_by: tuple[SortKey, ...] = ()
    order_complete: bool = False
    group_by: tuple[SortKey, ...] = ()
    distinct: tuple[SortKey, ...] = ()
    limited: bool = False
    limit: int | None = None
    columns: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)  # outside of WHERE
    whole_row: bool = False
    locked: bool = False
    write: StatementKind | None = None
    updated: set[str] = field(default_factory=set)
    nullable: bool = False
    aggregates: tuple[tuple[str, str], ...] = ()

    def frozen(self) -> RelationUse:
        """The use as a value."""
        return RelationUse(
            table=self.table.name,
            alias=self.alias,
            atoms=tuple(self.atoms),
            order_by=self.order_by,
            order_complete=self.order_complete,
            group_by=self.group_by,
            distinct=self.distinct,
            limited=self.limited,
            limit=self.limit,
            columns=frozenset(self.columns),
            tested=frozenset(self.columns - self.used),
            whole_row=self.whole_row,
            locked=self.locked,
            write=self.write,
            updated=frozenset(self.updated),
            nullable=self.nullable,
            aggregates=self.aggregates,
        )


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A name that is a column of a relation."""

    use: Use
    column: str


@dataclass(eq=False, slots=True)
class Derived:
    """A name that stands for an expression of an inner block. Conditions may move in only when ``pushable``."""

    node: Node
    scope: NameScope
    pushable: bool
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Opaque:
    """A name of a FROM item that is no relation: function, VALUES, recursion, a table we do not know."""

    source: object


Target = BoundColumn | Derived | Opaque
Outputs = Mapping[str, tuple[Target, ...]]


@dataclass(eq=False, slots=True)
class FromItem:
    """A FROM item. ``columns`` None means that any name may be a column of it. ``appended``: it is a UNION ALL, whose
    arms are planned each by itself.
    """

    alias: str
    columns: Outputs | None
    use: Use | None = None
    schema: str | None = None
    appended: bool = False

    def find(self, column: str) -> tuple[Target, ...] | None:
        """What the column means here, or None when there is no such column."""
        return (Opaque(self),) if self.columns is None else self.columns.get(column)


@dataclass(eq=False, slots=True)
class Cte:
    """A WITH query: parsed once per reference when it is inlined, else analysed once. ``outputs`` when done."""

    name: str
    node: Node
    scope: NameScope
    aliases: tuple[str, ...]
    inlined: bool
    recursive: bool = False
    outputs: Outputs | None = None


@dataclass(eq=False, slots=True)
class NameScope:
    """The names visible in a block. ``seen`` are places of subqueries that were analysed."""

    block: Block
    parent: NameScope | None
    catalog: Catalog
    uses: list[Use]
    sources: list[FromItem] = field(default_factory=list)
    ctes: dict[str, Cte] = field(default_factory=dict)
    views: tuple[str, ...] = ()
    seen: set[int] = field(default_factory=set)
    simple: list[NameScope] = field(default_factory=list)

    def inner(self, *, pulled: bool = True, lateral: bool = True) -> NameScope:
        """A scope for a block inside this one, which sees our FROM items when ``lateral``."""
        block = Block(self.block, pulled)
        scope = NameScope(block, self if lateral else self.parent, self.catalog, self.uses, ctes=self.ctes)
        scope.views, scope.seen = self.views, self.seen
        return scope

    def cte(self, name: str) -> Cte | None:
        """The WITH query of that name, or None."""
        return self.ctes.get(name)

    def resolve(self, reference: Node) -> tuple[Target, ...]:
        """What a column reference means; empty when it is nothing we know."""
        parts = reference.names("fields")
        if not parts or parts[-1] == "*":
            return ()
        scope: NameScope | None = self
        while scope is not None:
            found = scope.here(parts)
            if found is not None:
                return found
            scope = scope.parent
        return ()

    def here(self, parts: tuple[str, ...]) -> tuple[Target, ...] | None:
        """What the name means among the FROM items of this block only."""
        if len(parts) == 1:
            return self._bare(parts[0])
        source = self.source(parts[-2], parts[-3] if len(parts) > 2 else None)
        if source is not None:
            return source.find(parts[-1])
        whole = self.source(parts[0]) if len(parts) == 2 else None
        return whole.find(parts[1]) if whole else None

    def _bare(self, name: str) -> tuple[Target, ...] | None:
        known = [s for s in self.sources if s.columns is not None and name in s.columns]
        if known:
            return known[0].find(name)
        return next((s.find(name) for s in self.sources if s.columns is None), None)

    def source(self, alias: str, schema: str | None = None) -> FromItem | None:
        """The FROM item of that alias."""
        fitting = (s for s in self.sources if s.alias == alias and (schema is None or s.schema in (None, schema)))
        return next(fitting, None)

    def reachable_source(self, alias: str) -> FromItem | None:
        """The FROM item of that alias here or in an enclosing block."""
        scope: NameScope | None = self
        while scope is not None:
            found = scope.source(alias)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def members(self) -> Iterator[Use]:
        """Relations of this block, those of subqueries that dissolve into it included."""
        yield from (s.use for s in self.sources if s.use is not None)
        for scope in self.simple:
            yield from scope.members()


_AGGREGATES_TEXT = """
    count sum avg min max array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg bool_and bool_or
    every bit_and bit_or bit_xor stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp
    percentile_cont percentile_disc mode rank dense_rank regr_slope range_agg any_value xmlagg
"""
AGGREGATES = frozenset(_AGGREGATES_TEXT.split())
_VOLATILE = frozenset(("random", "clock_timestamp", "gen_random_uuid", "nextval", "timeofday", "setval"))
# What can be taken to the other side of a comparison, or tells nothing of how many values come of it; % and & do.
ARITHMETIC = frozenset(("+", "-", "*", "/", "||", "^", "|", "#", "<<", ">>"))


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
        """Whether it computes with one column (``a + 1``) rather than looks at it: that can be done to the value."""
        node: Node | None = self.node
        while node is not None and node.kind == "TypeCast":
            node = node.child("arg")
        computes = node is not None and node.kind == "A_Expr" and operator(node) in ARITHMETIC
        return computes and len({n.names("fields")[-1] for n in column_references(self.node)}) == 1


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
        return (Operand(unqualified(node, lambda _: target.column), (target.use,), target.column),)
    if isinstance(target, Derived) and target.pushable:
        return operands(target.node, target.scope)
    return (Operand(node, opaque=True),)


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
