"""The offline fallback: a file judged by rules instead of being run, by the manual's table of lock modes read as code.

Nothing here asks a server. https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    CatalogChange,
    Lock,
    LockMode,
    MigrationObservation,
    RunState,
    SqlError,
    StatementObservation,
    WorkKind,
    strongest,
)
from indexpilot_cli.evolve.review.offline import columns, objects
from indexpilot_cli.evolve.review.offline.columns import volatile
from indexpilot_cli.evolve.review.offline.state import OfflineEffect, OfflineState, OnTable
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


def _strongest(locks: Iterable[Lock]) -> tuple[Lock, ...]:
    return tuple(strongest(locks).values())


TableRule = Callable[[OnTable], None]

_AEL = LockMode.ACCESS_EXCLUSIVE
_SRE = LockMode.SHARE_ROW_EXCLUSIVE
_SUE = LockMode.SHARE_UPDATE_EXCLUSIVE
# Brief, as only the catalog changes. Where the manual names no mode for a subcommand, it means ACCESS EXCLUSIVE.
# https://www.postgresql.org/docs/current/sql-altertable.html
_LOCK_ONLY = {
    Act.RENAME_COLUMN: _AEL,
    Act.SET_DEFAULT: _AEL,
    Act.DROP_DEFAULT: _AEL,
    Act.DROP_NOT_NULL: _AEL,
    Act.DROP_EXPRESSION: _AEL,
    Act.ADD_IDENTITY: _AEL,
    Act.SET_STATISTICS: _SUE,
    Act.SET_STORAGE: _AEL,
    Act.RENAME_CONSTRAINT: _AEL,
    # fillfactor, autovacuum and TOAST parameters, parallel_workers.
    Act.SET_OPTIONS: _SUE,
    Act.SET_TRIGGER: _SRE,
    Act.SET_ROW_SECURITY: _AEL,
    Act.SET_OWNER: _AEL,
    Act.SET_REPLICA_IDENTITY: _AEL,
    Act.SET_CLUSTER: _SUE,
    Act.INHERIT: _AEL,
    Act.CREATE_TRIGGER: _SRE,
    Act.DROP_TRIGGER: _AEL,
    Act.CREATE_POLICY: _AEL,
    Act.DROP_POLICY: _AEL,
    Act.CREATE_STATISTICS: _SUE,
    Act.COMMENT: _SUE,
    Act.ANALYZE: _SUE,
    Act.OTHER: _AEL,
}
_LOCKED: dict[Act, TableRule] = {
    Act.ADD_COLUMN: columns.add_column,
    Act.ALTER_TYPE: columns.alter_type,
    Act.SET_NOT_NULL: columns.set_not_null,
    Act.DROP_COLUMN: columns.drop_column,
}
_ON_TABLE: dict[Act, TableRule] = {
    Act.ADD_CONSTRAINT: objects.add_constraint,
    Act.VALIDATE_CONSTRAINT: objects.validate,
    Act.DROP_CONSTRAINT: objects.drop_constraint,
    Act.ATTACH_PARTITION: objects.attach,
    Act.DETACH_PARTITION: objects.detach,
    Act.CREATE_PARTITION: objects.create_partition,
    Act.CREATE_INDEX: objects.create_index,
    Act.DROP_TABLE: objects.drop_table,
    Act.INSERT: objects.rows,
    Act.UPDATE: objects.rows,
    Act.DELETE: objects.rows,
    Act.MERGE: objects.rows,
    Act.COPY: objects.rows,
}
_COPIES = frozenset({Act.CLUSTER, Act.SET_LOGGED, Act.SET_ACCESS_METHOD, Act.SET_TABLESPACE})
_MAKES = frozenset({Act.CREATE_TABLE, Act.CREATE_TABLE_AS, Act.CREATE_MATVIEW})


def apply(action: Action, state: OfflineState, effect: OfflineEffect, whole: tuple[Action, ...]) -> None:
    """Add what an action takes and does, and remember what it changes. ``whole`` is its statement's actions."""
    if action.kind in _MAKES:
        _make(action, state, effect)
    elif action.kind is Act.DROP_VIEW and action.object is not None:
        state.dropped.add(state.now(action.object_schema, action.object))
    elif action.kind is Act.DROP_INDEX:
        objects.drop_index(action, state, effect)
    elif action.kind is Act.REINDEX:
        objects.reindex(action, state, effect)
    elif action.kind is Act.ALTER_DOMAIN:
        objects.alter_domain(action, state, effect)
    elif action.kind is Act.CREATE_DOMAIN:
        state.domains[action.object or ""] = action.has("constrained")
        state.domain_types[action.object or ""] = action.type or ""
    elif action.kind is Act.CREATE_FUNCTION:
        _function(action, state)
    elif action.kind is Act.SET:
        _setting(action, state)
    # Either may make tables and columns that no text names: a missing name is no error from here on.
    elif action.kind in (Act.DYNAMIC, Act.CREATE_EXTENSION):
        state.unsure = True
    elif action.kind is Act.LOCK and action.table is not None:
        # LOCK TABLE that names no mode means ACCESS EXCLUSIVE. https://www.postgresql.org/docs/current/sql-lock.html
        modes = [LockMode(v) for k, v in action.parameters if k == "mode" and v]
        effect.lock(state.relation(action.schema, action.table), modes[0] if modes else _AEL)
    elif action.table is not None:
        _on_table(action, state, effect, whole)


def _on_table(action: Action, state: OfflineState, effect: OfflineEffect, whole: tuple[Action, ...]) -> None:
    assert action.table is not None
    if action.has("new_table"):
        _of_new_table(action, state, effect)
        return
    changes_shape = action.kind in _LOCKED or action.kind in _ON_TABLE or action.kind in _LOCK_ONLY
    if changes_shape and not state.known(action.schema, action.table):
        if not action.has("if_exists"):
            effect.fail("42P01", f'relation "{action.table}" does not exist')
        return
    on = OnTable(action, state, effect, state.relation(action.schema, action.table), whole)
    if action.kind in _LOCKED:
        on.lock(_AEL)
        _LOCKED[action.kind](on)
    elif action.kind in _ON_TABLE:
        _ON_TABLE[action.kind](on)
    elif action.kind in _LOCK_ONLY:
        on.lock(_LOCK_ONLY[action.kind])
    else:
        _whole_table(on)


def _whole_table(on: OnTable) -> None:
    action = on.action
    if action.kind in _COPIES or (action.kind is Act.VACUUM and action.has("full")):
        objects.rewritten(on)
    elif action.kind is Act.VACUUM:
        on.lock(_SUE)
        on.do(WorkKind.SCAN, online=True)
    elif action.kind is Act.REFRESH:
        objects.refresh(on)
    elif action.kind is Act.TRUNCATE:
        objects.truncate(on)
    elif action.kind in (Act.RENAME_TABLE, Act.SET_SCHEMA):
        on.lock(_AEL)
        new = action.new_name or on.name.name
        moved = action.kind is Act.SET_SCHEMA
        on.state.rename(on.name, QualifiedName(new, on.name.name) if moved else QualifiedName(on.name.schema, new))
    elif action.kind is Act.SET_EXPRESSION:
        on.lock(_AEL)
        known = on.state.column(action, action.column or "")
        # A virtual column (from 18 on) has no stored values that could be written anew.
        if known is None or known.generated == "s":
            on.do(WorkKind.REWRITE)
    elif action.kind is Act.SELECT:
        on.lock(LockMode.ROW_SHARE if action.has("for_update") else LockMode.ACCESS_SHARE)
        if not objects.picks(action.condition, on.table):
            on.do(WorkKind.SCAN)


def _of_new_table(action: Action, state: OfflineState, effect: OfflineEffect) -> None:
    """Columns and constraints of a CREATE TABLE: only what they refer to is locked."""
    full = state.now(action.schema, action.table or "")
    if action.kind is Act.ADD_COLUMN and action.column:
        state.added.setdefault(full, {})[action.column] = action.type or ""
    if action.kind is Act.ADD_CONSTRAINT and action.references is not None:
        objects.refer(action.references, state, effect)


def _make(action: Action, state: OfflineState, effect: OfflineEffect) -> None:
    if action.table is None:
        return
    path = (action.schema,) if action.schema else state.search_path or ("public",)
    full = QualifiedName(path[0], action.table)
    there = state.table(action.schema, action.table) is not None and not action.has("temporary")
    if there and not action.has("if_not_exists") and not state.unsure:
        effect.fail("42P07", f'relation "{action.table}" already exists')
    if not there:
        kind = "m" if action.kind is Act.CREATE_MATVIEW else "p" if action.has("partitioned") else "r"
        state.made.setdefault(full, kind)


def _function(action: Action, state: OfflineState) -> None:
    """Only volatility after inlining matters: an unmarked SQL function is what its body is."""
    name = action.object or ""
    # Without a mark the server takes a function for VOLATILE; it can look into SQL functions only, by inlining them.
    # https://www.postgresql.org/docs/current/xfunc-volatility.html
    marked = next((w[0] for w in ("immutable", "stable") if action.has(w)), "v")
    if marked == "v" and action.type == "sql" and action.expression is not None:
        marked = "v" if volatile(action.expression, state.functions) else "s"
    state.functions = {**state.functions, name: marked}
    state.bodies[name] = action.body


def _setting(action: Action, state: OfflineState) -> None:
    given = dict(action.parameters)
    path = given.get("search_path")
    if path is not None and not action.has("reset"):
        names = (part.strip().strip("\"'") for part in path.split(","))
        state.search_path = tuple(n for n in names if n and n != "$user" and n != "pg_catalog") or state.search_path
    # timestamp to timestamptz rewrites nothing in UTC only: the zone that the file sets decides.
    zone = next((v for k, v in given.items() if k.lower() in ("timezone", "time zone")), None)
    if zone is not None:
        state.timezone = zone
