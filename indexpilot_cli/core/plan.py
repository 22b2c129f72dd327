"""The plan: recommendations with proof, rejections with reasons, and how good it provably is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.catalog import Catalog, Server
from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.index import IndexDefinition, Reason, RedundantIndex, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.core.workload import Skipped


@dataclass(frozen=True, slots=True)
class TemplateEffect:
    """What the whole plan's indexes do to one template this index serves.

    ``before`` and ``after`` are planner costs per call; ``weight`` converts a cost into workload units;
    ``share`` is the template's share of the workload before; ``holds``/``scenarios`` count the parameter
    classes in which the index is used and the cost falls.
    """

    template: str
    before: float
    after: float
    share: float
    weight: float = 1.0
    holds: int = 1
    scenarios: int = 1


@dataclass(frozen=True, slots=True)
class Risk:
    """A reason to doubt planner cost as a proxy of time, and the statement that would settle it."""

    code: str
    text: str
    settle: str | None = None
    templates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A condition of a statement that no index serves as written, and the form that one can.

    ``only`` says when both are true for the same rows ('' always). ``cost_before`` and ``cost_after`` are planner costs
    per call of the statement with the plan's indexes, the second with ``index`` too, where the new form wants one.
    """

    template: str
    table: QualifiedName
    rule: str
    before: str
    after: str
    why: str
    only: str
    cost_before: float
    cost_after: float
    index: str | None = None


@dataclass(frozen=True, slots=True)
class WriteEffect:
    """What an index adds to each row written: microseconds, and bytes of WAL without images of whole pages.

    ``share`` is of the time that the table's write statements take now (0-1 and more); ``kind`` says what statements
    these are and how that is known.
    """

    insert_us: float
    insert_wal_bytes: float
    update_us: float
    update_wal_bytes: float
    share: float
    kind: str


class PlanAction(StrEnum):
    """What a plan does with an index."""

    CREATE = "create"
    DROP = "drop"
    REINDEX = "reindex"
    REPLACE = "replace"

    @property
    def builds(self) -> bool:
        """Whether a new index comes of it."""
        return self in (PlanAction.CREATE, PlanAction.REPLACE)


@dataclass(frozen=True, slots=True)
class ReplacedIndex:
    """An index that goes once the new one stands in its place."""

    name: str
    definition: IndexDefinition
    ddl: Annotated[str, "runs as it is, after the build"]
    undo: Annotated[str, "runs as it is"]
    size_bytes: Count


class Effect(StrEnum):
    """What a finding does to the choice."""

    ADDED = "added"
    REMOVED = "removed"
    REPRICED = "repriced"
    HELD = "held"
    RETYPED = "retyped"
    REPORT_ONLY = "report_only"


@dataclass(frozen=True, slots=True)
class AlgorithmFinding:
    """One thing that an algorithm saw. ``object`` is what it is about, as a person reads it.

    ``decision`` says what was done about it, ``confidence`` an interval or a class, ``cannot_tell`` what the evidence
    leaves open. ``statements`` and ``pages`` are what looking cost the server. ``definition`` is the index that it
    changes something for; because of it ``statistics`` are to be made, ``targets`` to be set, the table ``analyze`` to
    be analyzed.
    """

    algorithm: str
    kind: str
    object: str
    effect: Effect
    decision: str
    evidence: tuple[Reason, ...]
    confidence: str = ""
    cannot_tell: str = ""
    statements: int = 0
    pages: int = 0
    definition: IndexDefinition | None = None
    statistics: ExtendedStatistics | None = None
    analyze: QualifiedName | None = None
    targets: tuple[StatisticsTarget, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedVacuum:
    """A table to vacuum and analyze; ``freeze``: old rows are frozen, as its ids run out."""

    table: QualifiedName
    freeze: bool = False

    @property
    def sql(self) -> str:
        """The statement, without the semicolon; never in a transaction."""
        return f"VACUUM ({'FREEZE, ' if self.freeze else ''}ANALYZE) {self.table}"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One index to create, or one that is there to drop or to rebuild (``action``); ``size_bytes`` is its own.

    A replacement is a new index too: it is built first, then those in whose place it stands are dropped (``replaces``).
    ``needs`` are ids of builds without which a drop would cost too much.
    Of schemas with the same tables each has an entry: the first says what was found out and how many there are
    (``copies``), the others name it (``same_as``). Each of them holds for its own table (``table_digest``).
    ``benefit`` is the share of the workload's cost that is lost again if only this index is left out of the
    plan; ``reduction`` the relative fall of the cost of the templates it serves (0–1).
    ``write_cost`` is added time relative to what the table's write statements take now (0–1), ``writes`` the same
    per row (None where no writes were seen);
    ``confidence`` is high, medium or low, with the reason in ``confidence_why``.
    """

    id: str
    definition: IndexDefinition
    name: str
    ddl: str
    undo: str
    summary: str
    kind: str
    size_bytes: int
    size_method: str
    benefit: float = 0.0
    reduction: float = 0.0
    write_cost: float = 0.0
    hot_loss: float = 0.0
    templates: tuple[TemplateEffect, ...] = ()
    reasons: tuple[Reason, ...] = ()
    risks: tuple[Risk, ...] = ()
    confidence: str = "medium"
    confidence_why: str = ""
    writes: WriteEffect | None = None
    action: PlanAction = PlanAction.CREATE
    replaces: tuple[ReplacedIndex, ...] = ()
    needs: tuple[str, ...] = ()
    same_as: str | None = None
    copies: int = 1
    table_digest: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """How far from the best the selection can be, with these candidates and planner costs.

    ``objective`` is the workload cost with the plan (incl. write cost), ``lower`` a proven lower bound of any
    selection; ``gap`` is (objective - lower) / objective; None when nothing could be proved.
    """

    objective: float | None
    lower: float | None
    gap: Annotated[float | None, "(objective - lower) / objective; null: nothing proved"]
    solver: str = "HiGHS"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Warn:
    """A warning of the envelope: stable code, the object it is about, one sentence."""

    code: str
    object: str
    message: str

    @property
    def line(self) -> str:
        """The sentence, with what it is about where it does not say so itself."""
        return f"{self.object}: {self.message}" if self.object and self.object not in self.message else self.message


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``recommend`` found. Serialisable: recommend today, apply tonight.

    ``cost_before`` and ``cost_after`` are workload costs in ``unit`` ("ms" when times are known, else "cost");
    ``schema_digest`` fingerprints the tables the plan touches, so that a stale plan can be refused. ``database`` says
    whose it is: the cluster and the database of ``database_identity``; empty for a snapshot's and for those of earlier
    versions. ``redundant`` are existing indexes that another existing one makes needless; ``statistics`` are to be
    made, ``vacuum`` tables to vacuum and ``analyze`` tables to analyze, first where indexes were chosen by what the
    planner expects then, else when everything else is done. ``findings`` are what the published algorithms saw and
    changed. ``budget_curve`` is what the workload costs relative to now within other budgets, ``budget_sets`` the ids
    of the new indexes at each of its points.
    """

    id: str
    created_at: datetime
    server: Server | None
    estimator: str
    templates: int
    statements: int
    candidates: int
    cost_before: float
    cost_after: float
    unit: str
    recommendations: tuple[Recommendation, ...]
    rejections: tuple[Rejection, ...]
    bound: Bound
    budget_bytes: int | None = None
    size_bytes: int = 0
    write_cost: float = 0.0
    skipped: tuple[Skipped, ...] = ()
    skipped_share: float = 0.0
    calls: int = 0
    cache_hits: int = 0
    seconds: float = 0.0
    schema_digest: str = ""
    warnings: tuple[Warn, ...] = field(default=())
    notes: tuple[str, ...] = ()
    budget_curve: tuple[tuple[int, float], ...] = ()
    budget_sets: tuple[tuple[str, ...], ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    database: str = ""
    redundant: tuple[RedundantIndex, ...] = ()
    analyze: tuple[QualifiedName, ...] = ()
    vacuum: tuple[PlannedVacuum, ...] = ()
    statistics: tuple[ExtendedStatistics, ...] = ()
    findings: tuple[AlgorithmFinding, ...] = ()
    targets: tuple[StatisticsTarget, ...] = ()

    @property
    def told_planner(self) -> tuple[ExtendedStatistics | StatisticsTarget, ...]:
        """Statistics to make and targets to set, in their order; ANALYZE fills them."""
        return (*self.statistics, *self.targets)

    @property
    def upkeep(self) -> bool:
        """Whether there is more to do than to build, rebuild and drop indexes."""
        return bool(self.analyze or self.vacuum or self.told_planner)

    @property
    def freed_bytes(self) -> int:
        """What the indexes take that go."""
        gone = sum(r.size_bytes for r in self.recommendations if r.action is PlanAction.DROP)
        for recommendation in self.recommendations:
            gone += sum(old.size_bytes for old in recommendation.replaces)
        return gone

    @property
    def tables(self) -> frozenset[QualifiedName]:
        """The tables that the plan changes something about."""
        upkeep = {*self.analyze, *(v.table for v in self.vacuum), *(s.table for s in self.told_planner)}
        return frozenset({*upkeep, *(r.definition.table for r in self.recommendations)})

    @property
    def digested(self) -> frozenset[QualifiedName]:
        """Those of them that ``schema_digest`` is of: a change of one of them outdates the whole plan."""
        single = {r.definition.table for r in self.recommendations if r.table_digest}
        return self.tables - single

    @property
    def advised(self) -> tuple[Recommendation, ...]:
        """The recommendations without those that repeat one for another schema."""
        return tuple(r for r in self.recommendations if r.same_as is None)

    def size_of(self, advised: Recommendation) -> int:
        """Bytes of an index in all schemas that get it."""
        if advised.copies == 1:
            return advised.size_bytes
        return sum(r.size_bytes for r in self.recommendations if advised.id in (r.id, r.same_as))


EXPERIMENT = "experiment"  # what stands for the estimator in the plans by which an experiment swaps its variants


def unpriced_plan(content: Iterable[str], created_at: datetime, server: Server | None, estimator: str) -> Plan:
    """A plan that no workload was priced for, still empty; its id follows from the time and from what it will hold."""
    digest = hashlib.sha256("\n".join((created_at.isoformat(), *content)).encode()).hexdigest()
    return Plan(
        id=f"P-{digest[:6]}",
        created_at=created_at,
        server=server,
        estimator=estimator,
        templates=0,
        statements=0,
        candidates=0,
        cost_before=0.0,
        cost_after=0.0,
        unit="cost",
        recommendations=(),
        rejections=(),
        bound=Bound(0.0, None, None),
    )


def schema_digest(catalog: Catalog, tables: Iterable[QualifiedName]) -> str:
    """Sixteen hex digits of the identity, columns and types of the tables; empty for no tables.

    Indexes are left out: building the plan changes them, and apply compares those one by one.
    """
    facts = []
    for name in sorted(tables):
        table = catalog.table(name)
        columns = [(c.number, c.name, c.type, c.collation) for c in table.columns] if table else None
        facts.append([str(name), table.oid if table else None, columns])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16] if facts else ""
