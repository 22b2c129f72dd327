"""Locks and work of statements that run in transactions of their own, where nobody can look in between.

What they did shows afterwards (files, indexes, messages); how they lock stands in the manual:
https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import Lock, LockMode, Relation, Work, WorkKind, strongest
from indexpilot_cli.evolve.review.clone.look import RelationState, SessionState
from indexpilot_cli.evolve.review.clone.work import RelationsAtStart
from indexpilot_cli.sql.ddl.action import Act, Action, MigrationStatement

_TABLES = "rpm"


def outside_locks(
    scene: RelationsAtStart,
    statement: MigrationStatement,
    before: SessionState,
    after: SessionState,
    work: Sequence[Work],
    changed: Collection[QualifiedName],
) -> tuple[Lock, ...]:
    """The strongest lock the statement takes on each relation that was there when the run began.

    ``changed`` are the tables whose part of the catalog is another now.
    """
    given = [*_all(scene, statement, before, after, work), *_altered(scene, statement, changed)]
    found = strongest(Lock(relation, mode) for relation, mode in given)
    return tuple(sorted(found.values(), key=lambda lock: (-lock.mode.strength, lock.relation.name)))


def unexecuted(
    scene: RelationsAtStart, happening: Iterable[Action], relations: Mapping[int, RelationState]
) -> tuple[Work, ...]:
    """Changes of rows that stand in a loop or a branch which empty tables do not enter, also in a routine called."""
    changing = (Act.UPDATE, Act.DELETE, Act.MERGE)
    actions = [a for a in happening if a.nested and a.table and a.kind in changing]
    tables = _named_by(scene, actions, relations)
    return tuple(Work(WorkKind.MODIFY, relation, source="rule") for relation in tables if relation.existed)


def vacuumed(
    scene: RelationsAtStart, statement: MigrationStatement, relations: Mapping[int, RelationState]
) -> tuple[Work, ...]:
    """Reading by VACUUM: it counts no scans and goes on beside reads and writes."""
    plain = [a for a in statement.actions if a.kind is Act.VACUUM and not a.has("full")]
    tables = _named_by(scene, plain, relations)
    return tuple(Work(WorkKind.SCAN, relation, source="rule", online=True) for relation in tables)


def _named_by(
    scene: RelationsAtStart, actions: Sequence[Action], relations: Mapping[int, RelationState]
) -> tuple[Relation, ...]:
    """The relations that the actions name, each once."""
    found = chain.from_iterable(_targets(scene, action, relations) for action in actions)
    return tuple({relation.name: relation for relation in found}.values())


def _all(
    scene: RelationsAtStart,
    statement: MigrationStatement,
    before: SessionState,
    after: SessionState,
    work: Sequence[Work],
) -> Iterator[tuple[Relation, LockMode]]:
    online = any(action.has("concurrently") for action in statement.actions)
    kinds = {action.kind for action in statement.actions}
    for item in work:
        if item.kind is WorkKind.BUILD_INDEX and not online and item.rebuilt and Act.REINDEX in kinds:
            # REINDEX: writers of the table wait; its index is locked so that no query of the table can even be planned.
            yield item.relation, LockMode.SHARE
            yield from _index(scene, item)
        else:
            yield item.relation, _mode(item, online)
    # An index that is gone: DROP INDEX locks its table too, with ACCESS EXCLUSIVE, CONCURRENTLY with SHARE UPDATE
    # EXCLUSIVE.
    for oid in before.relations.keys() - after.relations.keys():
        table = scene.relation(before.relations[oid].table, before.relations)
        if table:
            yield table, LockMode.SHARE_UPDATE_EXCLUSIVE if online else LockMode.ACCESS_EXCLUSIVE
    for action in statement.actions:
        if action.kind is Act.DETACH_PARTITION and action.has("concurrently"):
            for relation in _targets(scene, action, before.relations):
                # DETACH CONCURRENTLY (14 and later) waits for readers of the parent without keeping others out.
                yield relation, LockMode.SHARE_UPDATE_EXCLUSIVE
            part = replace(action, table=action.object, schema=action.object_schema)
            for relation in _targets(scene, part, before.relations):
                yield relation, LockMode.ACCESS_EXCLUSIVE  # at the very end, after every reader has gone


def _altered(
    scene: RelationsAtStart, statement: MigrationStatement, changed: Collection[QualifiedName]
) -> Iterator[tuple[Relation, LockMode]]:
    """Programs that commit on their way: nobody saw their locks, and nearly every change of a table wants this one."""
    if not {action.kind for action in statement.actions} & {Act.DO, Act.CALL, Act.DYNAMIC, Act.SELECT}:
        return
    for state in scene.relations.values():
        if state.name in changed and state.kind in _TABLES:
            yield Relation(state.name, state.kind), LockMode.ACCESS_EXCLUSIVE


def _mode(work: Work, online: bool) -> LockMode:
    # CONCURRENTLY, VACUUM and VALIDATE go on beside reads and writes.
    if online or work.online:
        return LockMode.SHARE_UPDATE_EXCLUSIVE
    # VACUUM FULL and CLUSTER copy the table under ACCESS EXCLUSIVE; no rewrite goes on beside readers.
    if work.kind is WorkKind.REWRITE:
        return LockMode.ACCESS_EXCLUSIVE
    if work.kind is WorkKind.MODIFY:
        return LockMode.ROW_EXCLUSIVE
    # A plain CREATE INDEX lets everybody read and nobody write.
    return LockMode.SHARE if work.kind is WorkKind.BUILD_INDEX else LockMode.ACCESS_SHARE


def _index(scene: RelationsAtStart, work: Work) -> Iterator[tuple[Relation, LockMode]]:
    for state in scene.relations.values():
        if state.kind == "i" and state.name == QualifiedName(work.relation.name.schema, work.index or ""):
            yield Relation(state.name, "i", True, work.relation.name), LockMode.ACCESS_EXCLUSIVE


def _targets(scene: RelationsAtStart, action: Action, relations: Mapping[int, RelationState]) -> Iterator[Relation]:
    for oid, state in relations.items():
        if state.kind in _TABLES and _is_named(action, state.name, scene.path):
            relation = scene.relation(oid, relations)
            if relation:
                yield relation


def _is_named(action: Action, name: QualifiedName, path: Sequence[str]) -> bool:
    # VACUUM without a name takes every table of the database.
    if action.table is None:
        return action.kind is Act.VACUUM
    return action.table == name.name and (action.schema == name.schema if action.schema else name.schema in path)
