"""A change of one column: what is asked, what the catalog says, what it touches, and the steps that carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, Literal

from indexpilot_cli.core.codec import UNPUBLISHED, Count
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName


class ColumnChangeKind(StrEnum):
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
    ColumnChangeKind.ADD: MutationType.ADD_COLUMN,
    ColumnChangeKind.DROP: MutationType.DROP_COLUMN,
    ColumnChangeKind.TYPE: MutationType.ALTER_COLUMN,
    ColumnChangeKind.RENAME: MutationType.RENAME_COLUMN,
}


class TypeWork(StrEnum):
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
class Classified:
    """What a type change costs, why, and who said so (``rules`` or the version of the server that ran it)."""

    work: TypeWork
    reason: str
    by: str = "rules"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the change cannot be made as asked.

    ``code`` is a stable word; ``exit_code`` 2 (asked wrongly), 5 or 6.
    """

    code: str
    message: str
    hint: str | None = None
    exit_code: Annotated[int, UNPUBLISHED] = 2


AffectedEffect = Literal["disappears", "breaks", "blocks", "follows", "rebuilt", "look"]


@dataclass(frozen=True, slots=True)
class Affected:
    """One object that the change touches.

    ``effect`` is disappears, breaks, blocks (PostgreSQL refuses the change because of it), follows (adapts by itself),
    rebuilt, or look (not tracked by PostgreSQL: may break). ``kind`` is index, view, function, query …
    """

    kind: str
    name: str
    effect: AffectedEffect
    detail: str = ""
    definition: str = ""


@dataclass(frozen=True, slots=True)
class QueryAffected:
    """A recorded query that names the column.

    ``share`` of the workload 0–1; ``whole_row``: only through ``*``.
    """

    id: str
    text: str
    calls: float
    share: float
    effect: Literal["breaks", "look"]
    whole_row: bool = False


@dataclass(frozen=True, slots=True)
class ColumnImpact:
    """What hangs on the column."""

    objects: tuple[Affected, ...] = ()
    queries: Annotated[tuple[QueryAffected, ...] | None, "null: no recorded workload could be read"] = ()
    profiles: Count = 0
    partitions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, *effects: str) -> tuple[Affected, ...]:
        """The objects with one of these effects."""
        return tuple(o for o in self.objects if o.effect in effects)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, in a transaction of its own.

    ``how`` is transaction (all statements in one), alone (statements that refuse a transaction block), fill (batches
    of UPDATE over ``statements[0]``, which holds ``{low}`` and ``{high}`` block numbers), analyze (the change stands
    without it too) or shadow (the online type change; databases have that word in their logs). ``makes`` is
    ``index:NAME`` of a concurrent build or ``column:NAME`` that a fill writes; ``table`` is the table it is on.
    """

    title: str
    statements: tuple[str, ...]
    how: str = "transaction"
    span: Span = Span.BRIEF
    # What ALTER TABLE takes unless its form says otherwise.
    lock: str = "ACCESS EXCLUSIVE"
    makes: str = ""
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
    def script(self) -> str:
        """All statements as one script, without the last semicolon."""
        return ";\n".join((*self.statements, *self.after))


@dataclass(frozen=True, slots=True)
class ExpectedWait:
    """Who waits for about how long. ``when`` is change or rollback; ``basis`` where the rates come from.

    ``during`` says what is done meanwhile, and under which lock.
    """

    when: str
    who: str
    low: float
    high: float
    basis: str
    during: str


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A change that passed its checks: what will run, what it touches, how it is taken back."""

    kind: ColumnChangeKind
    table: QualifiedName
    column: str
    relid: int
    steps: tuple[Step, ...]
    undo: Undo
    impact: ColumnImpact = field(default_factory=ColumnImpact)
    classified: Classified | None = None
    bytes: int = 0
    rows: float | None = None
    new_name: str | None = None
    type: str | None = None
    notes: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    waits: tuple[ExpectedWait, ...] = ()

    @property
    def statements(self) -> tuple[str, ...]:
        """Every statement of every step."""
        return tuple(chain.from_iterable(step.statements for step in self.steps))

    @property
    def atomic(self) -> bool:
        """Whether all of it happens or nothing."""
        return [step.how for step in self.steps if step.how != "analyze"] == ["transaction"]


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
    kind: ColumnChangeKind
    table: QualifiedName
    column: str
    outcome: str
    undo: Undo
    steps: tuple[StepReport, ...] = ()
    id: int | None = None
    error: str | None = None
    error_code: str | None = None
    notes: tuple[str, ...] = ()
    waits: tuple[ExpectedWait, ...] = ()
