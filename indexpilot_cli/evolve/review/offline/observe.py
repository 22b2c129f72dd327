"""The offline fallback: a file judged by rules instead of being run. Nothing here asks a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.observation import (
    CatalogChange,
    Lock,
    MigrationObservation,
    RunState,
    SqlError,
    StatementObservation,
)
from indexpilot_cli.evolve.review.offline.effects import apply
from indexpilot_cli.evolve.review.offline.state import OfflineEffect, OfflineState
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement, performed

_ALONE = frozenset({Act.CREATE_INDEX, Act.DROP_INDEX, Act.REINDEX, Act.DETACH_PARTITION})
_NOTES = ("judged by rules of the manual, nothing was run",)
_LATEST = 180000


def observe_by_rules(
    migration: Migration, catalog: Catalog | None, version: int, state: OfflineState | None = None
) -> MigrationObservation:
    """What the manual says the file does: locks, work (source ``rule``), the changes it names, certain errors.

    ``catalog`` None means that nothing is known of any database: tables that the file does not make itself exist
    and have an unknown size. ``version`` is ``server_version_num``, 0 for the latest. What stands behind
    an error is judged too, as if that statement were not there. ``state`` is what files before this one left; what
    this one does is noted there.
    """
    walk = _Walk(state or OfflineState(catalog, version or _LATEST), migration.one_transaction)
    statements = tuple(walk.step(s) for s in migration.statements)
    changes: list[CatalogChange] = []
    for statement in statements:
        changes += statement.changes
    return MigrationObservation(
        migration.path, "rules", statements, tuple(changes), walk.inside and not migration.one_transaction, _NOTES
    )


def judge_by_rules(
    seen: Sequence[StatementObservation], migration: Migration, state: OfflineState
) -> tuple[StatementObservation, ...]:
    """What was seen of the file, and of statements that the sandbox did not run what the manual says they take and do.

    Their state stays NOT_RUN; locks of their transaction that were seen stay held. ``state`` is what files before this
    one left, by the rules; what this one does is noted there, so that a table that it makes itself is known as new.
    """
    effects = {s.number: _effect(s.actions, state) for s in migration.statements}
    return tuple(_judged(s, effects[s.number]) if s.state is RunState.NOT_RUN else s for s in seen)


def _judged(statement: StatementObservation, effect: OfflineEffect) -> StatementObservation:
    held = _strongest((*statement.held, *effect.locks))
    return replace(statement, locks=_strongest(effect.locks), held=held, work=tuple(effect.work))


@dataclass
class _Walk:
    """Transactions as psql would have them, locks held until each ends."""

    state: OfflineState
    wrapped: bool
    number: int = 0
    inside: bool = False
    failed: bool = False
    held: tuple[Lock, ...] = field(default=())
    values: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.inside = self.wrapped
        self.number = 1 if self.wrapped else 0

    def step(self, written: MigrationStatement) -> StatementObservation:
        begins = any(a.kind is Act.BEGIN for a in written.actions)
        if not self.inside:
            self.number += 1
            self.held = ()
        self.inside = self.inside or begins
        behind = self.failed
        seen = self._seen(written)
        if behind:
            seen = replace(seen, state=RunState.BEHIND)
        self._note_values(written)
        if any(a.kind in (Act.COMMIT, Act.ROLLBACK) and not a.nested for a in written.actions):
            chained = any(a.has("chain") for a in written.actions)
            self.held, self.values = (), frozenset()
            self.inside = chained
            seen = replace(seen, held=())
            self.number += 1 if chained else 0
        return seen

    def _note_values(self, written: MigrationStatement) -> None:
        """Values added to an enum cannot be used before their transaction ends."""
        # The statement itself may stand in a block (12 and later); only the use of the value must wait for COMMIT
        # (55P04). https://www.postgresql.org/docs/current/sql-altertype.html
        added = (a.new_name for a in written.actions if a.kind is Act.ADD_ENUM_VALUE)
        self.values |= {value for value in added if value and self.inside}

    def _seen(self, written: MigrationStatement) -> StatementObservation:
        alone = stands_alone(written)
        effect = _effect(written.actions, self.state)
        if alone and self.inside:
            text = f"{written.sql.split(None, 1)[0].upper()} cannot run inside a transaction block"
            effect = OfflineEffect(error=SqlError("25001", text))
        used = next((v for v in self.values if f"'{v}'" in written.sql), None) if self.inside else None
        if used is not None:
            effect = OfflineEffect(error=SqlError("55P04", f'unsafe use of new value "{used}" of an enum type'))
        if effect.error is not None:
            self.failed = True
            return StatementObservation(
                written.number, RunState.FAILED, self.number, error=effect.error, outside_transaction=alone
            )
        locks = _strongest(effect.locks)
        self.held = _strongest((*self.held, *locks))
        return StatementObservation(
            written.number,
            RunState.RAN,
            self.number,
            locks,
            self.held,
            tuple(dict.fromkeys(effect.work)),
            tuple(effect.changes),
            outside_transaction=alone,
        )


def stands_alone(written: MigrationStatement) -> bool:
    """Whether the statement refuses a transaction block."""
    own = [a for a in written.actions if not a.nested]
    if any(a.kind in _ALONE and a.has("concurrently") for a in own):
        return True
    # CLUSTER of one table runs in a block, CLUSTER of all tables commits after each.
    return any(a.kind is Act.VACUUM or (a.kind is Act.CLUSTER and a.table is None) for a in own)


def _effect(actions: tuple[Action, ...], state: OfflineState) -> OfflineEffect:
    effect = OfflineEffect()
    for action in performed(actions, state.bodies):
        apply(action, state, effect, actions)
    return effect


def _strongest(locks: tuple[Lock, ...] | list[Lock]) -> tuple[Lock, ...]:
    """The strongest lock of each relation, in the order they were first taken."""
    found: dict[object, Lock] = {}
    for lock in locks:
        key = (lock.relation.name, lock.relation.kind == "i")
        if key not in found or found[key].mode.strength < lock.mode.strength:
            found[key] = lock
    return tuple(found.values())
