"""The planner twin as an estimator: any index of any access method, tried without touching production."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TypeAlias

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.command import Progress, Silent
from indexpilot_cli.core.estimator import (
    AssumedStatistics,
    CostEstimator,
    CostFactors,
    NotModelled,
    PlannedStatement,
    WhatIf,
)
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.plans import IndexLookup, KnownIndex, Node, PlanNames, failed, read_plan
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.planner.twin.cluster import Cluster, ScratchHost, open_cluster, open_scratch
from indexpilot_cli.planner.twin.hypothetical import HypotheticalIndexes
from indexpilot_cli.planner.twin.pool import CRASHED, WorkerPool
from indexpilot_cli.planner.twin.worker import IndexSize, Reach, Worker
from indexpilot_cli.snapshot.values import Snapshot

_MOST_WORKERS = 16
_LEAN, _HEADROOM = 1.2, 16  # how much longer than the shortest a worker's queue may get for the sake of its indexes

_Key: TypeAlias = tuple[Plannable, frozenset[IndexDefinition], frozenset[QualifiedName], CostFactors | None]


@dataclass(frozen=True, slots=True)
class _TwinQuestion:
    """A question reduced to what can matter for it."""

    key: _Key
    keep_tree: bool


_Task: TypeAlias = tuple[Plannable, _TwinQuestion | None]
"""A statement with a question about it, or without one: then what it reads is asked."""
_Group: TypeAlias = list[IndexDefinition]


class TwinEstimator(CostEstimator):
    """Costs with hypothetical and without hidden indexes, from the planner twin. Close it, or use ``with``."""

    def __init__(self, cluster: Cluster | ScratchHost, snapshot: Snapshot, workers: int):
        self._cluster = cluster
        self._catalog = snapshot.catalog
        self._snapshot = snapshot
        self._heaps = MappingProxyType(dict(cluster.hydrated.heaps))
        known = {entry.relation for entry in snapshot.statistics}
        # A table that was empty when it was analyzed has no statistics either, and zero rows is what the planner knows.
        self._guessed = frozenset(
            s.name for s in snapshot.sizes if s.kind in "rm" and s.name not in known and (s.tuples < 0 or s.pages)
        )
        self._existing = {i.name: i.definition for i in snapshot.catalog.indexes()}
        most = max(1, min(workers, _MOST_WORKERS))
        self._pool = WorkerPool(cluster, self._heaps, most, len(cluster.hydrated.files))
        self._home: dict[Plannable, int] = {}
        self._table_home: dict[int, int] = {}
        self._reach: dict[Plannable, Reach] = {}
        self._assumed: tuple[AssumedStatistics, ...] = ()
        self._memo: dict[_Key, PlannedStatement] = {}
        # By what is assumed: who compares two assumptions asks the same under each of them more than once.
        self._memos: dict[tuple[AssumedStatistics, ...], dict[_Key, PlannedStatement]] = {(): self._memo}
        self._indexes = HypotheticalIndexes(snapshot.catalog)
        self._crashes: Counter[Plannable] = Counter()
        self._calls = 0
        self._hits = 0
        self._lock = threading.Lock()

    def __enter__(self) -> TwinEstimator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._close(clean=kind is None)

    def close(self) -> None:
        """End the sessions and stop the server."""
        self._close(clean=True)

    def _close(self, *, clean: bool) -> None:
        # After an error nobody knows what was under way: the copy is made anew next time.
        builds = self._pool.restore() if clean else None
        self._pool.close()
        self._cluster.close(builds)

    # -- facts

    @property
    def name(self) -> str:
        """Such as ``twin/15.20``."""
        return f"twin/{self._cluster.version}"

    @property
    def version(self) -> str:
        """Version of the planner, such as 15.20."""
        return self._cluster.version

    @property
    def calls(self) -> int:
        """EXPLAINs sent so far."""
        return self._calls

    @property
    def cache_hits(self) -> int:
        """Questions answered from memory so far."""
        return self._hits

    @property
    def not_modelled(self) -> tuple[NotModelled, ...]:
        """What the twin does not have, or only by a stand-in."""
        return self._cluster.hydrated.not_modelled

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the twin differs from the source as a whole."""
        notes = self._cluster.hydrated.notes + self._cluster.notes
        major = int(self.version.split(".")[0])
        if major != self._snapshot.major:
            notes += (f"plans come from PostgreSQL {major}, the server is {self._snapshot.major}",)
        return notes

    def guessed(self, statement: Plannable) -> frozenset[QualifiedName]:
        """The tables that the statement reads and that were never analyzed, or whose statistics we may not read."""
        tables = self._pool.workers[0].tables
        return frozenset(tables[oid] for oid in self._known_reach(statement).tables if oid in tables) & self._guessed

    # -- questions

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        """Answers in the order of the questions; each distinct one is planned once in the twin's life."""
        self._pool.grow(self._calls + len(questions))
        unknown = dict.fromkeys(q.statement for q in questions if q.statement not in self._reach)
        self._spread([(statement, None) for statement in unknown])
        asked = [self._reduced(question) for question in questions]
        wanted: dict[_Key, bool] = {}
        for item in asked:
            known = self._memo.get(item.key)
            if known is None or (item.keep_tree and known.tree is None and known.ok):
                wanted[item.key] = wanted.get(item.key, False) or item.keep_tree
                unseen = (d for d in item.key[1] if d not in self._indexes.refusals)
                self._indexes.want(sorted(unseen, key=lambda d: d.id))
        self._hits += len(questions) - len(wanted)
        self._spread([(key[0], _TwinQuestion(key, tree)) for key, tree in wanted.items()])
        return tuple(_as_asked(self._memo[item.key], item.keep_tree) for item in asked)

    def refuses(self, definition: IndexDefinition) -> str | None:
        """Why the server does not take the index, in its words; None when it does (it is then there, hidden)."""
        if definition not in self._indexes.refusals:
            self._indexes.want([definition])
            try:
                self._pool.ask(lambda worker: self._indexes.build(worker, (definition,)))
            except StatementError as error:
                self._indexes.refusals[definition] = error.message
        return self._indexes.refusals[definition]

    def prepare(self, definitions: Sequence[IndexDefinition]) -> None:
        """Make these hypothetical indexes now, workers side by side; what is refused is remembered."""
        self._pool.grow(self._calls + len(definitions))
        self._indexes.want(definitions)
        families: dict[QualifiedName, list[IndexDefinition]] = {}
        for definition in definitions:
            if definition not in self._indexes.refusals:
                families.setdefault(self._indexes.root(definition.table), []).append(definition)
        suspects: list[IndexDefinition] = []
        self._prepare(families.values(), suspects.extend)
        self._prepare([[one] for one in suspects], lambda alone: self._indexes.refusals.update({alone[0]: CRASHED}))

    def set_size(self, definition: IndexDefinition, pages: int, tuples: float, height: int | None = None) -> None:
        """Use this size for the hypothetical index from now on; without ``height`` it follows from the pages."""
        if height is None:
            height = self._indexes.height(definition, pages)
        size = IndexSize(max(1, pages), tuples, height)
        if self._indexes.sizes.get(definition) == size:
            return
        self._indexes.sizes[definition] = size
        if definition in self._indexes.refusals:  # else nobody has asked about it yet
            for memo in self._memos.values():
                for key in [key for key in memo if definition in key[1]]:
                    del memo[key]
        for worker in self._pool.workers:
            if worker.built(definition):
                worker.resize(definition, size)

    def assume(self, assumed: Sequence[AssumedStatistics]) -> bool:
        """Plan from now on as if ANALYZE had found this; nothing: by what the snapshot knows."""
        self._assumed = tuple(assumed)
        self._memo = self._memos.setdefault(self._assumed, {})
        return True

    def size(self, definition: IndexDefinition) -> int:
        """Bytes the planner believes the hypothetical index has; 0 when the server refuses it."""
        if definition not in self._indexes.sizes and self.refuses(definition) is not None:
            return 0
        return self._indexes.sizes[definition].pages * BLOCK

    def parameter_types(self, sql: str) -> tuple[str, ...]:
        """Types of ``$1`` … in the statement as the server infers them.

        Raises StatementError with the server's words when it cannot.
        """
        return self._pool.ask(lambda worker: worker.parameter_types(sql))

    def needs_schemas(self, statement: Plannable) -> bool:
        """Whether the statement reads tables of equal names, so that only EXPLAIN VERBOSE tells them apart."""
        return self._schemas(self._known_reach(statement))[1]

    def understand(
        self, statement: Plannable, node: Node, built: Mapping[QualifiedName, IndexDefinition] | None = None
    ) -> PlannedStatement:
        """Another planner's EXPLAIN tree of the statement read with the twin's names, for comparing shapes.

        ``built`` names indexes that really exist there and count as hypothetical.
        """
        schemas, _ = self._schemas(self._known_reach(statement))
        ours = self._index_lookup(self._pool.workers[0])

        def find(relation: QualifiedName | None, name: str) -> KnownIndex | None:
            definition = built.get(QualifiedName(relation.schema, name)) if built and relation else None
            return KnownIndex(definition) if definition else ours(relation, name)

        return read_plan(node, PlanNames(find, schemas))

    # -- inside

    def _prepare(self, groups: Collection[_Group], crashed: Callable[[_Group], None]) -> None:
        """Make each group, of one family of tables, on the worker of its table; ``crashed`` gets one that ends it."""
        shares: list[list[_Group]] = [[] for _ in self._pool.workers]
        for group in groups:
            members = self._pool.workers[0].members_of(self._indexes.root(group[0].table))
            shares[self._home_of_table(min(members, default=0))].append(group)

        def make(worker: Worker, group: _Group) -> None:
            self._indexes.build(worker, group)

        self._pool.each(make, shares, crashed)

    def _known_reach(self, statement: Plannable) -> Reach:
        if statement not in self._reach:
            self._spread([(statement, None)])
        return self._reach[statement]

    def _spread(self, tasks: Sequence[_Task]) -> None:
        """Every task on the worker of its statement, workers side by side."""
        shares: list[list[_Task]] = [[] for _ in self._pool.workers]
        for task in tasks:
            shares[self._home_of(task[0], shares)].append(task)
        self._pool.each(self._work, shares, self._set_aside)

    def _home_of(self, statement: Plannable, shares: Sequence[Sequence[object]]) -> int:
        """The worker that has built most of what the statement needs, as long as that does not leave others idle."""
        if statement not in self._home:
            least = min(range(len(shares)), key=lambda n: len(shares[n]))
            reach = self._reach.get(statement)
            if reach is None:
                return least
            own = self._home_of_table(min(reach.tables, default=0))
            spare = len(shares[own]) <= _LEAN * len(shares[least]) + _HEADROOM
            self._home[statement] = own if spare else least
        return self._home[statement]

    def _home_of_table(self, oid: int) -> int:
        if oid not in self._table_home:
            used = Counter(self._table_home.values())
            self._table_home[oid] = min(range(len(self._pool.workers)), key=lambda n: used[n])
        return self._table_home[oid]

    def _work(self, worker: Worker, task: _Task) -> None:
        statement, asked = task
        if asked is None:
            reach = worker.reach(statement)
            with self._lock:
                self._reach[statement] = reach
        else:
            answer = self._answer(worker, asked)
            with self._lock:
                self._calls += 1
                self._memo[asked.key] = answer

    def _set_aside(self, task: _Task) -> None:
        """The server crashed over it: no plan, and none for the whole statement when indexes are not to blame."""
        statement, asked = task
        self._crashes[statement] += 1
        known = self._reach.get(statement, Reach(frozenset()))
        if asked is not None:
            self._memo[asked.key] = failed(CRASHED)
        if asked is None or not asked.key[1] or self._crashes[statement] > 1:
            self._reach[statement] = replace(known, error=CRASHED)

    def _reduced(self, question: WhatIf) -> _TwinQuestion:
        """Indexes on tables the statement does not touch cannot change its plan."""
        reach, worker = self._reach[question.statement], self._pool.workers[0]
        indexes = frozenset(d for d in question.indexes if d.table in reach.names)
        hidden = frozenset(n for n in question.hidden if worker.table_of(n) & reach.tables)
        return _TwinQuestion((question.statement, indexes, hidden, question.factors), question.keep_tree)

    def _answer(self, worker: Worker, asked: _TwinQuestion) -> PlannedStatement:
        statement, indexes, hidden, factors = asked.key
        reach = self._reach[statement]
        if reach.error is not None:
            return failed(reach.error)
        refusal = self._indexes.build(worker, indexes)
        if refusal is not None:
            return failed(f"the server refuses the index: {refusal}")
        try:
            schemas, verbose = self._schemas(reach)
            node = None if verbose or factors or indexes or hidden or self._assumed else self._taken(statement, reach)
            if node is None:
                worker.assume(self._assumed, self._snapshot)
                worker.show(indexes, hidden, reach)
                node = worker.explain(statement, verbose=verbose, factors=factors)
        except UnreachableError as error:
            if error.code != "timeout":
                raise
            return failed(error.detail or error.message)
        except IndexPilotError as error:
            return failed(error.detail or error.message)
        return read_plan(node, PlanNames(self._index_lookup(worker), schemas), keep_tree=asked.keep_tree)

    def _taken(self, statement: Plannable, reach: Reach) -> Node | None:
        """The plan that was made to see what the statement reads; kept until it is asked for once."""
        if reach.plan is not None:
            with self._lock:
                self._reach[statement] = replace(reach, plan=None)
        return reach.plan

    def _index_lookup(self, worker: Worker) -> IndexLookup:
        def find(relation: QualifiedName | None, name: str) -> KnownIndex | None:
            if relation is None:
                return None
            return worker.lookup(self._existing, QualifiedName(relation.schema, name))

        return find

    def _schemas(self, reach: Reach) -> tuple[dict[str, str], bool]:
        """Schemas by table name, and whether names alone are ambiguous for the statement."""
        worker = self._pool.workers[0]
        names = [worker.tables[oid] for oid in reach.tables if oid in worker.tables]
        schemas = {name.name: name.schema for name in names}
        return schemas, len(schemas) < len(names)


def open_twin(
    snapshot: Snapshot,
    *,
    cache_dir: Path,
    workers: int | None = None,
    major: int | None = None,
    scratch_dsn: str | None = None,
    progress: Progress | None = None,
) -> TwinEstimator:
    """The twin of the snapshot, ready to plan; ``workers`` None means one for each core, started when needed.

    ``major`` asks for binaries of one major version. ``scratch_dsn`` is a superuser's connection string of a
    server to use instead of a private one; it has one worker, and files of the source's size for the time.
    Raises PrerequisiteError when no server can be started or used.
    """
    said = progress or Silent()
    cluster: Cluster | ScratchHost
    if scratch_dsn is not None:
        cluster, workers = open_scratch(snapshot, scratch_dsn, said), 1
    else:
        cluster = open_cluster(snapshot, cache_dir, major, said)
    try:
        return TwinEstimator(cluster, snapshot, workers or os.cpu_count() or 1)
    except BaseException:
        cluster.close()
        raise


def _as_asked(answer: PlannedStatement, keep_tree: bool) -> PlannedStatement:
    return answer if keep_tree or answer.tree is None else replace(answer, tree=None)
