"""A table as a change of its columns sees it: everything a dump says of a column, and what is built on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from indexpilot_cli.core.names import QualifiedName


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege of an access list. ``grantee`` is empty for PUBLIC."""

    grantee: str
    grantor: str
    privilege: str
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """A sequence that belongs to a column. ``last_value`` None: never used, or not to be seen."""

    name: QualifiedName
    identity: bool
    type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cache: int
    cycles: bool
    last_value: int | None = None
    unlogged: bool = False
    owner: str = ""
    comment: str | None = None
    grants: tuple[Grant, ...] = ()

    @property
    def steady(self) -> SequenceFacts:
        """The same without its position."""
        return replace(self, last_value=None)


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column with everything a dump says of it.

    ``collation``, ``storage``, ``target`` are None where they are the type's own; ``identity`` is a (always) or
    d (by default); ``generated`` is s (stored) or v (virtual), with ``generation`` as its expression.
    """

    name: str
    number: int
    type: str
    collation: str | None = None
    not_null: bool = False
    default: str | None = None
    generation: str | None = None
    identity: str = ""
    generated: str = ""
    storage: str | None = None
    compression: str | None = None
    target: int | None = None
    options: tuple[str, ...] = ()
    comment: str | None = None
    grants: tuple[Grant, ...] = ()
    sequence: SequenceFacts | None = None
    local: bool = True
    inherited: int = 0


@dataclass(frozen=True, slots=True)
class Attached:
    """An index, constraint or extended statistics object of the table, with all that is needed to make it again.

    ``kind`` is index, constraint or statistics. ``type`` of a constraint is pg_constraint's letter (p, u, x, c, f, n).
    An index that backs a constraint is not listed by itself: the constraint's ``index`` is its definition.
    ``computed``: an expression or a predicate is part of it. ``partitioned``: the index of a partitioned table;
    ``parent`` is the one that an index of a partition is attached to; ``local`` False: the constraint is inherited.
    """

    kind: str
    name: QualifiedName
    definition: str
    columns: tuple[str, ...] = ()
    type: str = ""
    valid: bool = True
    index: str | None = None
    deferrable: bool = False
    deferred: bool = False
    comment: str | None = None
    index_comment: str | None = None
    tablespace: str | None = None
    options: tuple[str, ...] = ()
    targets: tuple[tuple[int, int], ...] = ()
    clustered: bool = False
    replica_identity: bool = False
    owner: str | None = None
    partitioned: bool = False
    parent: QualifiedName | None = None
    local: bool = True
    computed: bool = False
    references: str | None = None
    bytes: int = 0

    @property
    def word(self) -> str:
        """What a person calls it."""
        return _CONSTRAINT_WORDS.get(self.type, "constraint") if self.kind == "constraint" else self.kind


_CONSTRAINT_WORDS = {
    "p": "primary key",
    "u": "unique constraint",
    "x": "exclusion constraint",
    "c": "check constraint",
    "f": "foreign key",
    "n": "not-null constraint",
}


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """The table a change is about. ``bytes`` and ``rows`` count partitions too; ``rows`` None: never analyzed.

    ``key`` is the smallest key a row can be found by again: its primary key, else a unique index over NOT NULL
    columns; empty where there is none. ``parents`` and ``children`` are written ``schema.name``. ``triggers`` are the
    enabled ones of users that an UPDATE fires, by name, True for those that fire in replicas too. ``below`` are the
    partitions and children of all levels, where they were asked for.
    """

    name: QualifiedName
    relid: int
    kind: str
    version: int
    bytes: int = 0
    rows: float | None = None
    owner: str = ""
    owned: bool = True
    is_partition: bool = False
    typed: bool = False
    persistence: str = "p"
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    columns: tuple[ColumnFacts, ...] = ()
    attached: tuple[Attached, ...] = ()
    key: tuple[str, ...] = ()
    triggers: tuple[tuple[str, bool], ...] = ()
    below: tuple[RelationFacts, ...] = ()

    def column(self, name: str) -> ColumnFacts | None:
        """The column of that name."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def steady(self) -> RelationFacts:
        """The same without what changes by itself while people work: sizes, counts, positions of sequences."""
        # Autovacuum, ANALYZE and nextval() go on between two looks: only what DDL changes must make a plan stale.
        columns = (replace(c, sequence=None if c.sequence is None else c.sequence.steady) for c in self.columns)
        attached = (replace(a, bytes=0) for a in self.attached)
        return replace(self, bytes=0, rows=None, columns=tuple(columns), attached=tuple(attached))

    def mentioning(self, column: str) -> tuple[Attached, ...]:
        """What is built on the column."""
        return tuple(a for a in self.attached if column in a.columns)


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """A type as the rules see it. ``kind`` is pg_type.typtype; ``modifiers`` as written between the parentheses.

    ``constrained``: a domain that checks something. ``base`` is the type below all domains, with its modifiers.
    """

    oid: int
    name: str
    text: str
    kind: str = "b"
    category: str = ""
    modifiers: tuple[int, ...] = ()
    constrained: bool = False
    base: str | None = None
    base_oid: int | None = None
    base_modifiers: tuple[int, ...] = ()

    @property
    def stored_oid(self) -> int:
        """The type as which values are stored: a domain's is the one below it."""
        return self.base_oid or self.oid


@dataclass(frozen=True, slots=True)
class TypeChange:
    """A type change as a classifier and the shadow column see it. ``using`` is SQL text or None.

    ``timezone`` is the TimeZone in which it runs; ``castable`` is how pg_cast converts: b (nothing), f, i or None.
    ``context`` is pg_cast.castcontext: e (explicit only), a (assignment) or i.
    """

    table: RelationFacts
    column: ColumnFacts
    old: TypeFacts
    new: TypeFacts
    using: str | None = None
    timezone: str = "UTC"
    castable: str | None = None
    context: str | None = None
