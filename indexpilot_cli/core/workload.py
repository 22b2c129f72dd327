"""The workload: observed statements, folded query templates, and what could not be used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.codec import Amount, Count, Portion, SummedPortion
from indexpilot_cli.core.names import QualifiedName

# In every statement that our sessions send, behind its first word: pg_stat_statements 18 drops comments in front of a
# statement, 12 to 17 keep them, and all keep those within.
OWN_MARK = "/* indexpilot */"
_MARKED = re.compile(rf"\s*(?:\w+\s*)?{re.escape(OWN_MARK)}")


def is_own(text: str) -> bool:
    """Whether one of our sessions sent the statement."""
    return _MARKED.match(text) is not None


class SourceKind(StrEnum):
    """Where statements were observed."""

    STATEMENTS = "statements"
    LOG = "log"
    SQL = "sql"
    QUERY_STATS = "query_stats"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class ObservedStatement:
    """One statement as a source gave it.

    ``text`` may hold ``$1`` parameters. ``parameters`` are their values as PostgreSQL text (None: SQL NULL),
    empty when unknown. ``total_ms`` is None when the source has no times (SQL files).
    ``variance`` is Σ calls·sd² in ms², where the source knows it. ``blocks`` is hit + read, in pages.
    ``cancelled`` are those of the calls that a timeout or somebody ended: their time is a lower bound.
    ``search_path`` is that of the role that sent it, where it is known.
    ``assumed``: nobody saw the statement, it was made from what is known of it.
    """

    text: str
    calls: float = 1.0
    total_ms: float | None = None
    parameters: tuple[str | None, ...] = ()
    rows: float | None = None
    blocks: float | None = None
    variance: float | None = None
    query_id: int | None = None
    origin: str | None = None
    cancelled: float = 0.0
    search_path: tuple[str, ...] = ()
    assumed: bool = False


class Stage(StrEnum):
    """Where in a run a statement was left out."""

    READ = "read"
    FOLD = "fold"
    PREDICATES = "predicates"
    PARAMETERS = "parameters"
    FOREIGN_KEYS = "foreign_keys"
    COMPRESS = "compress"
    PROPOSE = "propose"
    PRICE = "price"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Statements that could not be used: why, an example, and how much of the workload they carry.

    ``reason`` is a stable word: utility, unparsed, own, transaction, unplanned, not_modelled, no_table,
    no_field, hidden, empty, too_long, compressed, covered, catalog_only, and failed: a fault of ours that ought to be
    reported.
    ``share`` is that of the whole workload, where it has been worked out.
    """

    reason: str
    text: str
    detail: str = ""
    calls: float = 0.0
    total_ms: float = 0.0
    stage: Stage = Stage.READ
    share: float = 0.0


UNPLANNED = "unplanned"
FAILED = "failed"
_TOLD = 3  # reasons in one clause


def not_looked_at(skipped: Iterable[Skipped]) -> tuple[Skipped, ...]:
    """What no planner has seen although it could have been planned, unlike utility commands."""
    return tuple(s for s in skipped if s.reason in (UNPLANNED, FAILED))


def reasons_of(skipped: Iterable[Skipped]) -> str:
    """The reasons as one clause, those that carry most of the workload first."""
    by_why: dict[str, float] = {}
    for item in skipped:
        by_why[item.detail] = by_why.get(item.detail, 0.0) + item.share
    ranked = sorted(by_why, key=lambda why: -by_why[why])
    more = f" and {len(ranked) - _TOLD} other reasons" if len(ranked) > _TOLD else ""
    return "; ".join(ranked[:_TOLD]) + more


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything one or more sources observed, before folding."""

    source: SourceKind
    statements: tuple[ObservedStatement, ...]
    skipped: tuple[Skipped, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    notes: tuple[str, ...] = ()


class StatementKind(StrEnum):
    """What a template does."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"


class AtomKind(StrEnum):
    """How a predicate restricts one column or expression."""

    EQUAL = "equal"  # = constant or parameter; also a boolean column used as a condition
    IN = "in"  # IN (...), = ANY(array)
    RANGE = "range"  # < <= > >= BETWEEN
    NOT_EQUAL = "not_equal"
    IS_NULL = "is_null"
    IS_NOT_NULL = "is_not_null"
    LIKE_PREFIX = "like_prefix"  # LIKE 'abc%', ^@, starts_with; also LIKE $1 when samples are prefixes
    LIKE_INFIX = "like_infix"  # LIKE '%abc%', ILIKE, ~, ~*, similar to
    JOIN = "join"  # = column of another relation of the same or an outer block
    CONTAINS = "contains"  # @>
    CONTAINED = "contained"  # <@
    OVERLAPS = "overlaps"  # &&
    HAS_KEY = "has_key"  # ? ?| ?&
    JSON_PATH = "json_path"  # @? @@ on jsonb
    TEXT_SEARCH = "text_search"  # @@ on tsvector
    SIMILAR = "similar"  # % of pg_trgm
    MATCHES = "matches"  # another operator (or function) that an operator class of the type serves
    DISTANCE = "distance"  # ORDER BY col <-> value
    OTHER = "other"  # some other operator or function of the column: not indexable as written


@dataclass(frozen=True, slots=True)
class Atom:
    """One conjunct on one relation of one query block.

    ``column`` or ``expression`` (SQL text without qualifiers, as deparsed, columns of this relation only).
    ``constant`` is the SQL text of the compared constant, None for parameters, joins and subqueries.
    ``parameters`` are the numbers of the ``$n`` compared with. ``operator`` is the SQL operator's name.
    ``join_to`` is (relation, column) of the other side for JOIN atoms.
    ``conjunctive`` is False when it stands under OR or NOT (an index may serve it only by a bitmap OR).
    ``sql`` is the conjunct itself without qualifiers, for partial-index predicates; None for joins.
    """

    kind: AtomKind
    operator: str
    column: str | None = None
    expression: str | None = None
    constant: str | None = None
    parameters: tuple[int, ...] = ()
    join_to: tuple[QualifiedName, str] | None = None
    conjunctive: bool = True
    sql: str | None = None
    elements: int = 1


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of ORDER BY, GROUP BY or DISTINCT on this relation."""

    column: str | None = None
    expression: str | None = None
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class RelationUse:
    """How one query block uses one relation.

    ``order_by`` is set only when the block's whole ORDER BY (or a prefix) lies on this relation, and
    ``order_complete`` when all of it does; ``limited`` says the block has LIMIT (a constant or parameter).
    ``columns`` are all columns of the relation the statement reads (for covering); ``whole_row`` means
    ``SELECT *`` or a whole-row reference; ``tested`` are those that only the WHERE clause reads. ``locked``: FOR UPDATE
    or FOR SHARE goes to the row itself.
    ``write`` says what a statement (or a WITH query of it) does to the relation it changes;
    ``updated`` are the columns UPDATE sets. ``nullable`` marks the inner side of an outer join.
    """

    table: QualifiedName
    alias: str
    atoms: tuple[Atom, ...] = ()
    order_by: tuple[SortKey, ...] = ()
    order_complete: bool = False
    group_by: tuple[SortKey, ...] = ()
    distinct: tuple[SortKey, ...] = ()
    limited: bool = False
    limit: int | None = None
    columns: frozenset[str] = frozenset()
    tested: frozenset[str] = frozenset()
    whole_row: bool = False
    locked: bool = False
    write: StatementKind | None = None
    updated: frozenset[str] = frozenset()
    nullable: bool = False
    aggregates: tuple[tuple[str, str], ...] = ()  # (min|max, column) that an index end could answer

    @property
    def target(self) -> bool:
        """Whether rows of the relation are changed."""
        return self.write is not None


class PlanMode(StrEnum):
    """How a statement is given to the planner."""

    LITERAL = "literal"  # plain EXPLAIN of the text
    GENERIC = "generic"  # EXPLAIN (GENERIC_PLAN), 16+
    PREPARED = "prepared"  # PREPARE and EXPLAIN EXECUTE with plan_cache_mode = force_generic_plan


@dataclass(frozen=True, slots=True)
class Plannable:
    """A statement the planner accepts. ``parameters`` counts ``$n`` for GENERIC and PREPARED."""

    sql: str
    mode: PlanMode = PlanMode.LITERAL
    parameters: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One parameter class of a template and its share of the template's calls (shares sum to 1).

    ``label`` says what it stands for: sample, common, typical, rare, newest, generic, as_written.
    """

    statement: Plannable
    share: float
    label: str


@dataclass(frozen=True, slots=True)
class QueryTemplate:
    """Statements that differ only in constants. ``id`` is ``q-`` and hex digits of the fingerprint.

    ``calls`` and ``total_ms`` are sums over what was folded in (``total_ms`` None: no times known).
    ``samples`` are real parameter vectors or whole literal statements seen, most frequent first; where IN lists differ
    in length the first stand for the lengths, with their calls. ``variants`` are (text, calls) by length where there
    are no samples.
    ``relations`` in order of appearance; ``uses`` one per relation and block. ``cancelled`` and ``assumed`` as with a
    statement.
    """

    id: str
    fingerprint: str
    text: str
    kind: StatementKind
    calls: float
    total_ms: float | None
    relations: tuple[QualifiedName, ...]
    uses: tuple[RelationUse, ...] = field(compare=False)
    scenarios: tuple[Scenario, ...] = field(default=(), compare=False)
    samples: tuple[ObservedStatement, ...] = field(default=(), compare=False)
    variance: float | None = field(default=None, compare=False)
    blocks: float | None = field(default=None, compare=False)
    variants: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    cancelled: float = field(default=0.0, compare=False)
    assumed: bool = False

    @property
    def is_write(self) -> bool:
        """Whether the template changes rows, itself or in a WITH query."""
        return self.kind is not StatementKind.SELECT or any(use.target for use in self.uses)

    @property
    def mean_ms(self) -> float | None:
        """Mean time per call in milliseconds, where times are known."""
        return None if self.total_ms is None or self.calls <= 0 else self.total_ms / self.calls

    @property
    def weight(self) -> float:
        """Milliseconds in all where times are known, else calls."""
        return self.calls if self.total_ms is None else self.total_ms


@dataclass(frozen=True, slots=True)
class FoldedWorkload:
    """Templates in order of weight, what was left out, and the loss of compression.

    ``compression_loss`` bounds the share of benefit potential that dropped templates held.
    """

    templates: tuple[QueryTemplate, ...]
    skipped: tuple[Skipped, ...]
    source: SourceKind
    statements: int = 0
    total_ms: float | None = None
    compression_loss: float = 0.0
    since: datetime | None = None
    until: datetime | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateReport:
    """Statements that differ only in constants."""

    id: str
    kind: StatementKind
    calls: Amount
    total_ms: Annotated[Amount | None, "milliseconds; null when the source has no times"] = None
    mean_ms: Amount | None = None
    share: Annotated[Portion, "part of the workload"]
    is_write: bool = False
    reads: Annotated[str | None, "how rows are found: seq scan, index, mixed"] = None
    blocks: Annotated[Amount | None, "pages, hit and read"] = None
    cancelled: Annotated[Amount, "calls that a timeout or a cancel ended; the times are lower bounds then"] = 0.0
    relations: tuple[QualifiedName, ...] = ()
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedReport:
    """Statements left out for one reason. Reason failed: a fault of indexpilot, please report it."""

    reason: str
    stage: Stage = Stage.READ
    count: Count
    share: SummedPortion = 0.0
    detail: str = ""
    example: str = ""
