"""A change of one column: what is asked, what the catalog says, what it touches, and the steps that carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from indexpilot_cli.model.mutation import MutationType
from indexpilot_cli.model.names import QualifiedName


class ChangeKind(StrEnum):
    """The four operations."""

    ADD = "add_column"
    DROP = "drop_column"
    TYPE = "alter_type"
    RENAME = "rename_column"

    @property
    def mutation(self) -> MutationType:
        """The word of the mutation log."""
        return _MUTATIONS[self]

    @property
    def command(self) -> str:
        """The word of the command line."""
        return self.value.replace("_", "-")


_MUTATIONS = {
    ChangeKind.ADD: MutationType.ADD_COLUMN,
    ChangeKind.DROP: MutationType.DROP_COLUMN,
    ChangeKind.TYPE: MutationType.ALTER_COLUMN,
    ChangeKind.RENAME: MutationType.RENAME_COLUMN,
}


class Work(StrEnum):
    """What PostgreSQL does with the data during a type change, from nothing to everything."""

    INSTANT = "instant"
    VERIFY = "verify"
    REBUILD = "index_rebuild"
    REWRITE = "rewrite"


class Span(StrEnum):
    """Whom a step keeps waiting."""

    BRIEF = "brief lock"
    ONLINE = "long but online"
    WRITES = "long, blocks writes"
    READS = "long, blocks reads"
    NOBODY = "blocks nobody"


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
    ``computed``: an expression or a predicate is part of it.
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
    columns; empty where there is none. ``parents`` and ``children`` are written ``schema.name``.
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

    def column(self, name: str) -> ColumnFacts | None:
        """The column of that name."""
        return next((c for c in self.columns if c.name == name), None)

    def mentioning(self, column: str) -> tuple[Attached, ...]:
        """What is built on the column."""
        return tuple(a for a in self.attached if column in a.columns)


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """A type as the rules see it. ``kind`` is pg_type.typtype; ``modifiers`` as written between the parentheses.

    ``constrained``: a domain that checks something. ``base`` is the domain's base type.
    """

    oid: int
    name: str
    text: str
    kind: str = "b"
    category: str = ""
    modifiers: tuple[int, ...] = ()
    constrained: bool = False
    base: str | None = None


@dataclass(frozen=True, slots=True)
class TypeChange:
    """A type change as a classifier and the shadow column see it. ``using`` is SQL text or None.

    ``timezone`` is the session's TimeZone; ``castable`` is how pg_cast converts: b (nothing), f, i or None.
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


@dataclass(frozen=True, slots=True)
class Classified:
    """What a type change costs, why, and who said so (``rules`` or the version of the server that ran it)."""

    work: Work
    reason: str
    by: str = "rules"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a change cannot be made as asked. ``code`` is a stable word; ``exit_code`` 2 (asked wrongly), 5 or 6."""

    code: str
    message: str
    hint: str | None = None
    exit_code: int = 2


@dataclass(frozen=True, slots=True)
class Affected:
    """One thing the change touches.

    ``effect`` is disappears, breaks, blocks (PostgreSQL refuses the change because of it), follows (adapts by
    itself), rebuilt, or look (not tracked by PostgreSQL: may break). ``kind`` is index, view, function, query …
    """

    kind: str
    name: str
    effect: str
    detail: str = ""
    definition: str = ""


@dataclass(frozen=True, slots=True)
class QueryAffected:
    """A recorded query that names the column. ``share`` of the workload 0–1; ``whole_row``: only through ``*``."""

    id: str
    text: str
    calls: float
    share: float
    effect: str
    whole_row: bool = False


@dataclass(frozen=True, slots=True)
class Impact:
    """Everything that hangs on a column. ``queries`` None: no recorded workload could be read."""

    objects: tuple[Affected, ...] = ()
    queries: tuple[QueryAffected, ...] | None = ()
    profiles: int = 0
    partitions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, *effects: str) -> tuple[Affected, ...]:
        """The objects with one of these effects."""
        return tuple(o for o in self.objects if o.effect in effects)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, in a transaction of its own.

    ``how`` is transaction (all statements in one), alone (one statement that refuses a transaction block), fill
    (batches of UPDATE over ``statements[0]``, which holds ``{low}`` and ``{high}`` block numbers) or shadow (the
    online type change). ``done`` is the catalog question that says it needs no doing again: the name of a
    constraint (``constraint:NAME``, ``valid:NAME``), ``column:NAME``, ``default``, ``not_null``, ``index:NAME``.
    ``table`` is the leaf a fill works on.
    """

    title: str
    statements: tuple[str, ...]
    how: str = "transaction"
    span: Span = Span.BRIEF
    lock: str = "ACCESS EXCLUSIVE"
    done: str = ""
    table: QualifiedName | None = None


@dataclass(frozen=True, slots=True)
class Undo:
    """The way back. ``statements`` run in order and in one transaction, those of ``after`` each alone afterwards.

    ``loss`` says plainly what does not come back, empty when everything does; ``saved`` is the table that keeps
    the values.
    """

    statements: tuple[str, ...]
    after: tuple[str, ...] = ()
    loss: str = ""
    notes: tuple[str, ...] = ()
    saved: QualifiedName | None = None

    @property
    def sql(self) -> str:
        """All statements as one script."""
        return "".join(f"{text};\n" for text in (*self.statements, *self.after))


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A change that passed its checks: what will run, what it touches, how it is taken back."""

    kind: ChangeKind
    table: QualifiedName
    column: str
    relid: int
    steps: tuple[Step, ...]
    undo: Undo
    impact: Impact = field(default_factory=Impact)
    classified: Classified | None = None
    bytes: int = 0
    rows: float | None = None
    new_name: str | None = None
    type: str | None = None
    notes: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def statements(self) -> tuple[str, ...]:
        """Every statement of every step."""
        return tuple(text for step in self.steps for text in step.statements)

    @property
    def atomic(self) -> bool:
        """Whether all of it happens or nothing."""
        return len(self.steps) == 1 and self.steps[0].how == "transaction"


@dataclass(frozen=True, slots=True)
class StepReport:
    """How one step went: planned, done, skipped (done before), failed. ``tries`` counts lock timeouts too."""

    title: str
    outcome: str
    statements: tuple[str, ...]
    span: str
    lock: str
    milliseconds: float | None = None
    tries: int = 0
    rows: int | None = None
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What a change did or would do.

    ``outcome`` is planned, done, already_done, failed, partial (some steps stand: run it again to go on), unknown,
    declined or refused. ``id`` is the number behind ``M-``. ``undo`` is the way back that the log keeps.
    """

    change: SchemaChange
    outcome: str
    steps: tuple[StepReport, ...]
    undo: Undo
    id: int | None = None
    op_id: str | None = None
    problems: tuple[Problem, ...] = ()
    error: str | None = None
    error_code: str | None = None
    waiting: tuple[str, ...] = ()
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What ``schema-evolve rollback`` did or would do; ``outcome`` as for a change. ``reverts`` is the M- number."""

    reverts: int
    kind: ChangeKind
    table: QualifiedName
    column: str
    outcome: str
    undo: Undo
    steps: tuple[StepReport, ...] = ()
    id: int | None = None
    error: str | None = None
    error_code: str | None = None
    notes: tuple[str, ...] = ()
