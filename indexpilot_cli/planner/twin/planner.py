"""The planner twin as an estimator: any index of any access method, tried without touching production."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TypeAlias

from indexpilot_cli.core.catalog import BLOCK, ColumnStatistics
from indexpilot_cli.core.command import Progress, Silent
from indexpilot_cli.core.estimator import (
    AssumedStatistics,
    CostEstimator,
    NotModelled,
    PlannedStatement,
    WhatIf,
)
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.plans import IndexLookup, KnownIndex, Node, PlanNames, failed, read_plan
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.planner.twin.cluster import Cluster, ScratchHost, open_cluster, open_scratch
from indexpilot_cli.planner.twin.hypothetical import HypotheticalIndexes
from indexpilot_cli.planner.twin.placement import TOGETHER, Key, Placement, Round, Task, TwinQuestion
from indexpilot_cli.planner.twin.pool import CRASHED, WorkerPool
from indexpilot_cli.planner.twin.worker import IndexSize, Reach, Worker, lost
from indexpilot_cli.snapshot.values import Snapshot

_MOST_WORKERS = 16


_Group: TypeAlias = list[IndexDefinition]


class TwinEstimator(CostEstimator):
    """Costs with hypothetical and without hidden indexes, from the planner twin. Close it, or use ``with``."""

    assumed: tuple[AssumedStatistics, ...] = ()

    def __init__(self, cluster: Cluster | ScratchHost, snapshot: Snapshot, workers: int):
        self._cluster = cluster
        self._catalog = snapshot.catalog
        self._snapshot = snapshot
        self._heaps = MappingProxyType(dict(cluster.hydrated.heaps))
        known = {entry.relation for entry in snapshot.statistics}
        # A table that was empty when it was analyzed has no statistics either, and zero rows is what the planner knows.
        unknown = (s for s in snapshot.sizes if s.kind in "rm" and s.name not in known)
        self._guessed = frozenset(s.name for s in unknown if s.tuples < 0 or s.pages)
        self._existing = {i.name: i.definition for i in snapshot.catalog.indexes()}
        most = max(1, min(workers, _MOST_WORKERS))
        self._pool = WorkerPool(cluster, self._heaps, most, len(cluster.hydrated.files))
        self._reach: dict[Plannable, Reach] = {}
        self._placement = Placement(self._reach)
        self._memo: dict[Key, PlannedStatement] = {}
        # By what is assumed: who compares two assumptions asks the same under each of them more than once.
        self._memos: dict[tuple[AssumedStatistics, ...], dict[Key, PlannedStatement]] = {(): self._memo}
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
        wanted: dict[Key, bool] = {}
        for item in asked:
            known = self._memo.get(item.key)
            if known is None or (item.keep_tree and known.tree is None and known.ok):
                wanted[item.key] = wanted.get(item.key, False) or item.keep_tree
                unseen = (d for d in item.key[1] if d not in self._indexes.refusals)
                self._indexes.want(sorted(unseen, key=lambda d: d.id))
        self._hits += len(questions) - len(wanted)
        self._spread([(key[0], TwinQuestion(key, tree)) for key, tree in wanted.items()])
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
        self._prepare(families.values(), suspects.extend, TOGETHER)
        self._prepare([[one] for one in suspects], lambda alone: self._indexes.refusals.update({alone[0]: CRASHED}))

    def know(self, table: QualifiedName, expression: str, statistics: ColumnStatistics) -> None:
        """See CostEstimator: before an index on the expression is asked about."""
        self._indexes.know(table, expression, statistics)

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
        """See CostEstimator."""
        self.assumed = tuple(assumed)
        self._memo = self._memos.setdefault(self.assumed, {})
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

    def _prepare(self, groups: Collection[_Group], crashed: Callable[[_Group], None], together: int = 1) -> None:
        """Make each group, of one family of tables, on the worker of its table, so many indexes or more at a time;
        ``crashed`` gets what ends it.
        """
        shares: list[list[_Group]] = [[] for _ in self._pool.workers]
        for group in groups:
            members = self._pool.workers[0].members_of(self._indexes.root(group[0].table))
            share = shares[self._placement.of_table(min(members, default=0), len(shares))]
            if share and len(share[-1]) < together:
                share[-1].extend(group)
            else:
                share.append(group)

        def make(worker: Worker, group: _Group) -> None:
            self._indexes.build(worker, group)

        self._pool.each(make, shares, crashed)

    def _known_reach(self, statement: Plannable) -> Reach:
        if statement not in self._reach:
            self._spread([(statement, None)])
        return self._reach[statement]

    def _spread(self, tasks: Sequence[Task]) -> None:
        """Every task on the worker of its statement, workers side by side."""
        count = len(self._pool.workers)
        suspects: list[Task] = []
        shares = self._placement.spread(tasks, count)
        self._pool.each(self._work, [self._placement.rounds(share) for share in shares], suspects.extend)
        alone = [[[task] for task in share] for share in self._placement.spread(suspects, count)]
        self._pool.each(self._work, alone, lambda crashed: self._set_aside(*crashed))

    def _work(self, worker: Worker, tasks: Round) -> None:
        asked = [question for _, question in tasks if question is not None]
        if asked:
            answers = self._answers(worker, asked)
            with self._lock:
                self._calls += len(answers)
                self._memo.update(answers)
        else:
            statements = [statement for statement, _ in tasks]
            reaches = worker.reach(statements)
            with self._lock:
                self._reach.update(zip(statements, reaches, strict=True))

    def _set_aside(self, task: Task) -> None:
        """The server crashed over it: no plan, and none for the whole statement when indexes are not to blame."""
        statement, asked = task
        self._crashes[statement] += 1
        known = self._reach.get(statement, Reach(frozenset()))
        if asked is not None:
            self._memo[asked.key] = failed(CRASHED)
        if asked is None or not asked.key[1] or self._crashes[statement] > 1:
            self._reach[statement] = replace(known, error=CRASHED)

    def _reduced(self, question: WhatIf) -> TwinQuestion:
        """Indexes on tables the statement does not touch cannot change its plan."""
        reach, worker = self._reach[question.statement], self._pool.workers[0]
        indexes = frozenset(d for d in question.indexes if d.table in reach.names)
        hidden = frozenset(n for n in question.hidden if worker.table_of(n) & reach.tables)
        return TwinQuestion((question.statement, indexes, hidden, question.factors), question.keep_tree)

    def _answers(self, worker: Worker, asked: Sequence[TwinQuestion]) -> dict[Key, PlannedStatement]:
        """The answers to the questions of a round: of those that can be planned together in one message."""
        found: dict[Key, PlannedStatement] = {}
        waiting: list[TwinQuestion] = []
        self._indexes.build(worker, frozenset[IndexDefinition]().union(*(a.key[1] for a in asked)))
        for question in asked:
            statement, indexes, hidden, factors = question.key
            reach = self._reach[statement]
            refusal = self._indexes.build(worker, indexes) if reach.error is None else None
            taken = None
            if not (factors or indexes or hidden or self.assumed or self._schemas(reach)[1]):
                taken = self._taken(statement, reach)
            if reach.error is not None:
                found[question.key] = failed(reach.error)
            elif refusal is not None:
                found[question.key] = failed(f"the server refuses the index: {refusal}")
            elif taken is not None:
                found[question.key] = self._read(worker, question, taken)
            else:
                waiting.append(question)
        if waiting:
            worker.assume(self.assumed, self._snapshot)
            worker.show((q.key[1], q.key[2], self._reach[q.key[0]]) for q in waiting)
            for group in _plannable_together(waiting):
                found |= self._planned(worker, group)
        return found

    def _planned(self, worker: Worker, asked: Sequence[TwinQuestion]) -> dict[Key, PlannedStatement]:
        """The questions answered with what is shown now; one by one where they cannot be planned together."""
        try:
            texts = [(q.key[0], self._schemas(self._reach[q.key[0]])[1]) for q in asked]
            if len(asked) == 1:
                nodes = [worker.explain(texts[0][0], verbose=texts[0][1], factors=asked[0].key[3])]
            else:
                nodes = worker.explain_all(texts)
        except IndexPilotError as error:
            if lost(error):
                raise
            if len(asked) == 1:
                return {asked[0].key: failed(error.detail or error.message)}
        else:
            return {q.key: self._read(worker, q, node) for q, node in zip(asked, nodes, strict=True)}
        found: dict[Key, PlannedStatement] = {}
        for question in asked:
            found |= self._planned(worker, (question,))
        return found

    def _read(self, worker: Worker, asked: TwinQuestion, node: Node) -> PlannedStatement:
        schemas, _ = self._schemas(self._reach[asked.key[0]])
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


def _plannable_together(asked: Sequence[TwinQuestion]) -> list[list[TwinQuestion]]:
    """Literal statements at the session's own cost constants go in one message, the others each in theirs."""
    plain = [q for q in asked if q.key[3] is None and q.key[0].mode is PlanMode.LITERAL]
    return [*([plain] if plain else []), *([q] for q in asked if q not in plain)]


def _as_asked(answer: PlannedStatement, keep_tree: bool) -> PlannedStatement:
    return answer if keep_tree or answer.tree is None else replace(answer, tree=None)
