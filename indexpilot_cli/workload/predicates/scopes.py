"""Which relation and column a name in a statement means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.workload import Atom, RelationUse, SortKey
from indexpilot_cli.sql.parser import Node


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
    whole_row: bool = False
    target: bool = False
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
            whole_row=self.whole_row,
            target=self.target,
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
    """A FROM item. ``columns`` None means that any name may be a column of it."""

    alias: str
    columns: Outputs | None
    use: Use | None = None
    schema: str | None = None

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
