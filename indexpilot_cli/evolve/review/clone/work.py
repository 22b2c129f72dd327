"""From what a session said and did to the work that grows with the tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    Lock,
    LockMode,
    Relation,
    RunState,
    SqlError,
    StatementObservation,
    Work,
    WorkKind,
    strongest,
)
from indexpilot_cli.db.observe_session import KnownObject, Message, SessionAnswer
from indexpilot_cli.evolve.review.clone.look import RelationState, SessionState
from indexpilot_cli.sql.ddl.action import Act, MigrationStatement

# Texts at DEBUG1, measured on 13 to 18: they are no part of a documented interface.
_REWRITING = re.compile(r'rewriting table "(.*)"', re.DOTALL)
_VERIFYING = re.compile(r'verifying table "(.*)"', re.DOTALL)
_VALIDATING = re.compile(r'validating foreign key constraint "(.*)"', re.DOTALL)
_BUILDING = re.compile(r'building index "(.*)" on table "(.*)" (?:serially|with request for .*)', re.DOTALL)
# REINDEX CONCURRENTLY builds under a name of its own and changes names at the end.
_ONLINE_NAME = re.compile(r"_ccnew\d*\Z")
PROGRAMS = frozenset({Act.DO, Act.CALL, Act.DYNAMIC, Act.SELECT})
_WRITERS = frozenset({Act.UPDATE, Act.DELETE, Act.MERGE, Act.INSERT})
_READERS = _WRITERS | {Act.SELECT, Act.CREATE_TABLE_AS, Act.CREATE_MATVIEW, Act.REFRESH, Act.COPY}
_READ = frozenset({LockMode.ACCESS_SHARE, LockMode.ROW_SHARE, LockMode.ROW_EXCLUSIVE})
_HEAPS = "rpm"


@dataclass(frozen=True, slots=True)
class RelationsAtStart:
    """What was there when the run began: relations by oid. ``path`` is the search path."""

    relations: Mapping[int, RelationState]
    path: Sequence[str] = ("public",)

    def relation(self, oid: int, now: Mapping[int, RelationState]) -> Relation | None:
        """The relation by the name it had when the run began, or has now when it is new; None when nobody knows it."""
        state = self.relations.get(oid) or now.get(oid)
        if state is None:
            return None
        old = self.relations.get(oid) or self._made_again(state)
        owner = self.relations.get(state.table) or now.get(state.table)
        return Relation(state.name, state.kind, old is not None, owner.name if owner else None)

    def _made_again(self, state: RelationState) -> RelationState | None:
        """An index of that name on that table: a change of type makes indexes anew."""
        same = (s for s in self.relations.values() if s.name == state.name and s.table == state.table)
        return next(same, None) if state.kind in "iI" else None


def locks_of(
    scene: RelationsAtStart, before: SessionState, after: SessionState
) -> tuple[tuple[Lock, ...], tuple[Lock, ...]]:
    """The locks taken or strengthened between two looks, and all that are held at the second."""
    relations = {**before.relations, **after.relations}
    had, held = _by_relation(scene, before, relations), _by_relation(scene, after, relations)
    fresh = (lock for name, lock in held.items() if name not in had or had[name].mode.strength < lock.mode.strength)
    return tuple(sorted(fresh, key=_order)), tuple(sorted(held.values(), key=_order))


def _by_relation(
    scene: RelationsAtStart, state: SessionState, relations: Mapping[int, RelationState]
) -> dict[QualifiedName, Lock]:
    held = ((scene.relation(oid, relations), _strongest(modes)) for oid, modes in state.locks.items())
    return strongest(Lock(relation, mode) for relation, mode in held if relation)


def _order(lock: Lock) -> tuple[int, QualifiedName]:
    return -lock.mode.strength, lock.relation.name


def work_of(
    scene: RelationsAtStart,
    statement: MigrationStatement,
    before: SessionState,
    after: SessionState,
    messages: Sequence[Message],
    objects: Iterable[KnownObject],
) -> tuple[Work, ...]:
    """Everything the statement did whose time grows with the relations that existed when the run began.

    ``objects`` are the catalog's after the statement.
    """
    if {action.kind for action in statement.actions} == {Act.TRUNCATE}:
        return ()  # what it builds stays empty
    observer = _Observer(scene, statement, before, after, objects)
    found = [*observer.said(messages), *observer.files(), *observer.scans()]
    unique = {(w.kind, w.relation.name, w.index): w for w in reversed(found)}
    return tuple(sorted(unique.values(), key=lambda w: (w.relation.name, w.kind, w.index or "")))


class _Observer:
    """One statement's evidence, source by source: what the server said, files that changed, scans counted."""

    def __init__(
        self,
        scene: RelationsAtStart,
        statement: MigrationStatement,
        before: SessionState,
        after: SessionState,
        objects: Iterable[KnownObject],
    ):
        self._scene = scene
        self._constraints = [item for item in objects if item.object.kind == "constraint"]
        self._before, self._after = before, after
        self._statement = statement
        self._kinds = {action.kind for action in statement.actions}
        self._explained: dict[int, int] = {}
        self._rewritten: set[int] = set()
        self._validates = False
        self._online = any(action.has("concurrently") for action in statement.actions)

    def said(self, messages: Iterable[Message]) -> Iterator[Work]:
        """Work the server spoke of in its debug messages."""
        for message in messages:
            if not message.level.startswith("DEBUG"):
                continue
            if match := _REWRITING.fullmatch(message.text):
                yield from self._on(match[1], WorkKind.REWRITE)
            elif match := _VERIFYING.fullmatch(message.text):
                yield from self._on(match[1], WorkKind.VERIFY)
            elif match := _VALIDATING.fullmatch(message.text):
                yield from self._validated(match[1])
            elif match := _BUILDING.fullmatch(message.text):
                yield from self._on(match[2], WorkKind.BUILD_INDEX, index=match[1])

    def files(self) -> Iterator[Work]:
        """Work that only a new file under an old name shows: CLUSTER, VACUUM FULL, REFRESH, REINDEX."""
        # TRUNCATE gives the table another file too, and nothing is rewritten.
        if Act.TRUNCATE in self._kinds:
            return
        for oid in self._after.touched & self._before.relations.keys():
            old, new = self._before.relations[oid], self._after.relations[oid]
            relation = self._scene.relation(oid, {}) if new.node != old.node else None
            if relation is None or oid in self._rewritten:
                continue
            # REFRESH … CONCURRENTLY keeps the file and changes rows in it: a new file means the form that locks readers
            # out. https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
            if relation.kind == "m":
                self._explained[oid] = 1
                yield Work(WorkKind.REFRESH, relation, source="relfilenode", online=False)
            elif relation.kind == "r":
                self._explained[oid] = 1
                yield Work(WorkKind.REWRITE, relation, source="relfilenode")
            # A rewrite gives the indexes of its table new files too; the server has spoken of those builds already.
            elif relation.kind == "i" and relation.table and old.table not in self._rewritten:
                table = self._scene.relation(old.table, {})
                if table:
                    yield Work(WorkKind.BUILD_INDEX, table, relation.name.name, True, "relfilenode", self._online)

    def scans(self) -> Iterator[Work]:
        """Reading and changing rows that nothing the server said explains."""
        through = {self._after.relations[oid].table for oid in self._after.touched if self._scanned(oid) > 0}
        seen = {oid: source for oid in self._after.touched if (source := self._source(oid, through))}
        if seen and self._kinds & {Act.INSERT}:
            # What is read is put somewhere; on empty tables nothing arrives.
            seen |= {oid: "scans" for oid in self._gained(LockMode.ROW_EXCLUSIVE) if oid not in seen}
        if self._kinds & _READERS and (seen or not self._kinds & {Act.INSERT, Act.COPY, Act.SELECT}):
            # The inner side of a join is not even begun when the outer one is empty.
            seen |= {oid: "rule" for oid in self._gained(*_READ) if oid not in seen}
        for oid, source in seen.items():
            relation = self._scene.relation(oid, {})
            # A partitioned table has no rows of its own, and its partitions are locked and listed themselves.
            if relation and relation.kind in _HEAPS and (source != "rule" or relation.kind != "p"):
                yield Work(self._kind_of_scan(oid), relation, source=source)

    def _source(self, oid: int, through: Collection[int]) -> str | None:
        """How the relation was read beyond what the server's words explain: scans, index, or not at all."""
        new = self._after.relations[oid]
        if new.kind not in _HEAPS or (not self._programs and (self._validates or oid in self._explained)):
            return None
        if self._scanned(oid) > self._explained.get(oid, 0):
            return "scans"
        return "index" if oid in through else None

    def _scanned(self, oid: int) -> int:
        old = self._before.relations.get(oid)
        return self._after.relations[oid].scans - (old.scans if old else 0)

    def _gained(self, *modes: LockMode) -> list[int]:
        """Relations on which the statement took one of these modes and no stronger one."""
        gained = []
        for oid, held in self._after.locks.items():
            new = held - self._before.locks.get(oid, frozenset())
            if new and oid in self._scene.relations and oid not in self._explained and _strongest(new) in modes:
                gained.append(oid)
        return gained

    @property
    def _programs(self) -> bool:
        """Whether the statement can do several things, one of which does not explain another."""
        return not self._kinds or bool(self._kinds & PROGRAMS)

    def _kind_of_scan(self, oid: int) -> WorkKind:
        taken = self._after.locks.get(oid, frozenset()) - self._before.locks.get(oid, frozenset())
        if LockMode.ROW_EXCLUSIVE in taken and (self._programs or self._kinds & _WRITERS):
            return WorkKind.MODIFY
        if self._kinds & {Act.REFRESH} and self._scene.relations[oid].kind == "m" and _strongest(taken).blocks_writes:
            return WorkKind.REFRESH
        return WorkKind.SCAN if self._programs or self._kinds & _READERS else WorkKind.VERIFY

    def _validated(self, constraint: str) -> Iterator[Work]:
        tables = {item.relation for item in self._constraints if item.object.path[-1] == constraint}
        self._validates = True
        # The message has the constraint's name only, which is unique within one table, not within a schema.
        for oid in tables & set(self._after.locks):
            relation = self._scene.relation(oid, {})
            if relation and relation.kind in _HEAPS:
                yield Work(WorkKind.VALIDATE_FOREIGN_KEY, relation)

    def _on(self, table: str, kind: WorkKind, index: str | None = None) -> Iterator[Work]:
        for oid in self._named(table):
            # CONCURRENTLY reads the table twice: once to build, once to find what came meanwhile.
            self._explained[oid] = self._explained.get(oid, 0) + 1 + (self._online and index is not None)
            if kind is WorkKind.REWRITE:
                self._rewritten.add(oid)
            relation = self._scene.relation(oid, {})
            if relation is None:
                continue
            plain = _ONLINE_NAME.sub("", index) if index and self._online else index
            before = (s for s in self._scene.relations.values() if s.table == oid and s.kind in "iI")
            yield Work(kind, relation, plain, any(s.name.name == plain for s in before), "debug", self._online)

    def _named(self, table: str) -> list[int]:
        """The relations of that name the statement locked: the server's messages name no schema."""
        states = {**self._before.relations, **self._after.relations}
        same = [oid for oid, state in states.items() if state.name.name == table and state.kind in _HEAPS]
        locked = [oid for oid in same if oid in self._after.locks]
        return locked or same


def names_of(objects: Iterable[KnownObject]) -> dict[int, QualifiedName]:
    """Tables by their oid."""
    return {item.relation: item.object.table for item in objects if item.object.table is not None}


def _strongest(modes: Iterable[LockMode]) -> LockMode:
    return max(modes, key=lambda mode: mode.strength)


def ran(
    statement: MigrationStatement,
    answer: SessionAnswer,
    number: int,
    locks: tuple[Lock, ...] = (),
    held: tuple[Lock, ...] = (),
    work: tuple[Work, ...] = (),
) -> StatementObservation:
    """It ran in the transaction of that number."""
    return StatementObservation(
        statement.number,
        RunState.RAN,
        number,
        locks,
        held,
        work,
        rows=_rows(answer),
        milliseconds=round(answer.milliseconds, 3),
    )


def failed(statement: MigrationStatement, number: int, error: SqlError) -> StatementObservation:
    """It fails, in production too."""
    return StatementObservation(statement.number, RunState.FAILED, number, error=_placed(error, statement))


def not_run(
    statement: MigrationStatement, number: int, reason: str, error: SqlError | None = None
) -> StatementObservation:
    """The sandbox kept it from running, or cut it off."""
    return StatementObservation(statement.number, RunState.NOT_RUN, number, reason=reason, error=error)


def _rows(answer: SessionAnswer) -> int | None:
    # A command tag ends in the count of rows: INSERT 0 5, UPDATE 3.
    # https://www.postgresql.org/docs/current/protocol-message-formats.html
    words = answer.tags[-1].split() if answer.tags else []
    return int(words[-1]) if len(words) > 1 and words[-1].isdigit() else None


def _placed(error: SqlError, statement: MigrationStatement) -> SqlError:
    inside = error.position is None or error.position <= len(statement.sql) + 1
    return error if inside else replace(error, position=None)
