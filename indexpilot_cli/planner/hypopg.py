"""What-if on the database itself with the HypoPG extension: the second implementation of ``CostEstimator``.

HypoPG 1.3 pretends B-tree, BRIN, hash and bloom indexes; hiding a real index needs 1.4. It gives an index its
own size estimate, which ignores deduplication. It writes nothing, so every session here is read-only.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from types import TracebackType
from typing import TypeAlias, TypeVar

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.estimator import CostEstimator, CostFactors, PlannedStatement, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.locks import retrying
from indexpilot_cli.db.plans import PlanNames, failed, read_plan, relations
from indexpilot_cli.db.session import Session, open_session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UnreachableError
from indexpilot_cli.methods.partitioned import upwards
from indexpilot_cli.planner.hypopg_indexes import Pretender, Real

S = TypeVar("S")
T = TypeVar("T")

METHODS = frozenset({"btree", "brin", "hash", "bloom"})
HIDES_FROM = (1, 4)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What a statement touches: its tables (with partition parents), and how EXPLAIN names them."""

    tables: frozenset[QualifiedName]
    schemas: tuple[tuple[str, str], ...] = ()
    verbose: bool = False
    error: str | None = None


_Key: TypeAlias = tuple[Plannable, frozenset[IndexDefinition], frozenset[QualifiedName], CostFactors | None]


class HypoPGEstimator(CostEstimator):
    """Costs with hypothetical indexes, from a production server's own planner.

    Opens ``workers`` sessions like the given one, on first use; with ``adopt`` the given one is among them and
    closed with them. Close it, or use it in a ``with`` block.
    Raises PrerequisiteError when the extension is not installed in the database, or when a pooler stands before it.
    """

    def __init__(self, session: Session, catalog: Catalog, *, workers: int = 2, adopt: bool = False):
        # Hypothetical indexes live in one backend's memory: behind a pooler the next statement may reach another.
        # https://hypopg.readthedocs.io/en/rel1_stable/usage.html
        if session.pooled:
            raise _through_a_pooler()
        extension = session.one("planner/extension")
        if extension is None or extension.installed is None:
            raise _missing(extension.available if extension else None)
        self.version: str = extension.installed
        self._schema: str = extension.schema
        self._origin = session
        self._catalog = catalog
        self._real = Real({i.name: i.definition for i in catalog.indexes()}, _leaves(catalog))
        self._workers = max(1, workers)
        self._idle: queue.LifoQueue[Pretender] = queue.LifoQueue()
        self._opened: list[Pretender] = []
        self._reach: dict[Plannable, _Reach] = {}
        self._memo: dict[_Key, PlannedStatement] = {}
        self._refusals: dict[IndexDefinition, str | None] = {}
        self._sizes: dict[IndexDefinition, int] = {}
        self._away: frozenset[QualifiedName] = frozenset()
        self._calls = 0
        self._counting = threading.Lock()
        if adopt:
            self._idle.put(self._started(session))

    def __enter__(self) -> HypoPGEstimator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every session that was opened."""
        while self._opened:
            self._opened.pop().close()
        self._idle = queue.LifoQueue()

    @property
    def name(self) -> str:
        """Such as ``hypopg/1.4.1``."""
        return f"hypopg/{self.version}"

    @property
    def calls(self) -> int:
        """EXPLAINs sent so far."""
        return self._calls

    @property
    def notes(self) -> tuple[str, ...]:
        """What it cannot do of what was asked."""
        if not self._away or self.hides:
            return ()
        listed = ", ".join(name.short for name in sorted(self._away))
        return (f"HypoPG {self.version} cannot hide {listed}, which not every schema has: --what-if twin can",)

    @property
    def hides(self) -> bool:
        """Whether this HypoPG can hide a real index."""
        return tuple(int(part) for part in self.version.split(".")[:2]) >= HIDES_FROM

    def hide(self, indexes: frozenset[QualifiedName]) -> None:
        """Plan as if these were not there, whatever is asked; a HypoPG that cannot hide uses them, and says so."""
        self._away = indexes

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        """Answers in the order of the questions; each distinct one is planned once in the estimator's life."""
        unknown = dict.fromkeys(q.statement for q in questions if q.statement not in self._reach)
        self._reach.update(self._spread(self._learn, unknown))
        keys = [self._key(question) for question in questions]
        wanted = {key: q.keep_tree for key, q in zip(keys, questions, strict=True) if self._unanswered(key, q)}
        self._memo.update(self._spread(lambda p, key: self._answer(p, key, wanted[key]), wanted))
        return tuple(_as_asked(self._memo[key], q) for key, q in zip(keys, questions, strict=True))

    def refuses(self, definition: IndexDefinition) -> str | None:
        """Why HypoPG cannot pretend the index exists, in the server's words; None when it can."""
        if definition not in self._refusals:
            self._refusals[definition] = self._try(definition)
        return self._refusals[definition]

    def set_size(self, definition: IndexDefinition, pages: int, tuples: float, height: int | None = None) -> None:
        """Nothing: HypoPG takes no sizes and uses its own."""

    def size(self, definition: IndexDefinition) -> int:
        """Bytes HypoPG believes the index has; 0 when it refuses the index."""
        return 0 if self.refuses(definition) else self._sizes[definition]

    # -- inside

    def _try(self, definition: IndexDefinition) -> str | None:
        if definition.method not in METHODS:
            return f"HypoPG cannot pretend a {definition.method} index"
        with self._borrowed() as pretender:
            try:
                self._sizes[definition] = retrying(lambda: pretender.size(definition), reconnect=pretender.renew)
            except IndexPilotError as error:
                return _answerable(error)
        return None

    def _learn(self, pretender: Pretender, statement: Plannable) -> _Reach:
        try:
            self._count()
            plan = retrying(lambda: pretender.explain(statement, verbose=True), reconnect=pretender.renew)
        except IndexPilotError as error:
            return _Reach(frozenset(), error=_answerable(error))
        touched = relations(plan)
        schemas = tuple(sorted({(name.name, name.schema) for name in touched}))
        # EXPLAIN names no schemas unless it is VERBOSE, which is only worth it where two tables share a name.
        verbose = len({name for name, _ in schemas}) < len(schemas)
        return _Reach(
            frozenset(chain.from_iterable(upwards(name, self._catalog) for name in touched)), schemas, verbose
        )

    def _key(self, question: WhatIf) -> _Key:
        reach = self._reach[question.statement]
        indexes = frozenset(d for d in question.indexes if d.table in reach.tables)
        existing = self._real.indexes
        hidden = frozenset(n for n in question.hidden if n in existing and existing[n].table in reach.tables)
        return question.statement, indexes, hidden | self._away if self.hides else hidden, question.factors

    def _unanswered(self, key: _Key, question: WhatIf) -> bool:
        known = self._memo.get(key)
        return known is None or (question.keep_tree and known.ok and known.tree is None)

    def _answer(self, pretender: Pretender, key: _Key, keep_tree: bool) -> PlannedStatement:
        statement, indexes, hidden, factors = key
        reach = self._reach[statement]
        if reach.error is not None:
            return failed(reach.error)
        # hypopg_hide_index() came with 1.4.
        if hidden and not self.hides:
            return failed(f"HypoPG {self.version} cannot hide an existing index; 1.4 can")

        def ask() -> PlannedStatement:
            pretender.show(indexes, hidden, reach.tables)
            plan = pretender.explain(statement, verbose=reach.verbose, factors=factors)
            return read_plan(plan, PlanNames(pretender.lookup, dict(reach.schemas)), keep_tree=keep_tree)

        self._count()
        try:
            return retrying(ask, reconnect=pretender.renew)
        except IndexPilotError as error:
            return failed(_answerable(error))

    def _spread(self, work: Callable[[Pretender, S], T], items: Iterable[S]) -> dict[S, T]:
        """The work's result for each item; neighbours stay with one worker, which then changes little."""
        todo = list(items)
        # Neighbouring questions differ in few indexes, so they stay together.
        size = -(-len(todo) // self._workers) or 1
        chunks = [todo[start : start + size] for start in range(0, len(todo), size)]

        def run(chunk: list[S]) -> list[T]:
            with self._borrowed() as pretender:
                return [work(pretender, item) for item in chunk]

        if len(chunks) <= 1:
            results = [run(chunk) for chunk in chunks]
        else:
            with ThreadPoolExecutor(len(chunks), thread_name_prefix="hypopg") as pool:
                results = list(pool.map(run, chunks))
        return dict(zip(todo, chain.from_iterable(results), strict=True))

    def _count(self) -> None:
        with self._counting:
            self._calls += 1

    @contextmanager
    def _borrowed(self) -> Iterator[Pretender]:
        try:
            pretender = self._idle.get_nowait()
        except queue.Empty:
            pretender = self._started(self._origin.another())
        try:
            yield pretender
        finally:
            self._idle.put(pretender)

    def _started(self, session: Session) -> Pretender:
        pretender = Pretender(session, self._schema, self._real)
        self._opened.append(pretender)
        return pretender


def open_hypopg(
    conninfo: str,
    catalog: Catalog,
    *,
    password: str | None = None,
    workers: int | None = None,
    statement_timeout_ms: int | None = 5000,
) -> HypoPGEstimator:
    """An estimator on sessions of its own (``workers`` None: as many as we have cores, at most 4). Close it.

    Raises UnreachableError, and PrerequisiteError when the extension is not installed in the database.
    """
    session = open_session(conninfo, password=password, statement_timeout_ms=statement_timeout_ms)
    try:
        return HypoPGEstimator(session, catalog, workers=workers or min(4, os.cpu_count() or 1), adopt=True)
    except IndexPilotError:
        session.close()
        raise


def _as_asked(answer: PlannedStatement, question: WhatIf) -> PlannedStatement:
    return answer if question.keep_tree or answer.tree is None else replace(answer, tree=None)


def _leaves(catalog: Catalog) -> dict[QualifiedName, tuple[QualifiedName, ...]]:
    """The leaf partitions of every partitioned table."""
    children: dict[QualifiedName | None, list[Table]] = {}
    for table in catalog.tables:
        children.setdefault(table.parent, []).append(table)

    def below(table: Table) -> Iterator[QualifiedName]:
        for child in children.get(table.name, ()):
            if child.kind == "p":
                yield from below(child)
            elif child.kind == "r":
                yield child.name

    return {table.name: tuple(below(table)) for table in catalog.tables if table.kind == "p"}


def _answerable(error: IndexPilotError) -> str:
    """The text of an error that is an answer; a lost server is raised instead."""
    if isinstance(error, UnreachableError) and error.code != "timeout":
        raise error
    return error.detail or error.message


def _through_a_pooler() -> PrerequisiteError:
    return PrerequisiteError(
        "HypoPG needs a connection of its own: its indexes live in one backend",
        detail="another backend answered than the one connected to",
        hint="connect to the server itself instead of the pooler, or plan on the twin (the default)",
        code="pooler",
    )


def _missing(available: str | None) -> PrerequisiteError:
    if available is None:
        return PrerequisiteError(
            "HypoPG is not on the server", hint="plan on the twin instead (the default)", code="hypopg_missing"
        )
    return PrerequisiteError(
        "HypoPG is not installed in the database",
        detail=f'extension "hypopg" is available, version {available}',
        hint="as a superuser run  CREATE EXTENSION hypopg;  or plan on the twin (the default)",
        code="hypopg_missing",
    )
