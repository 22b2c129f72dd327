"""One build per table at a time, ours or anybody's: two of them on one table deadlock. Other locks warn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.locks import SPACE
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict
from indexpilot_cli.settings.sections import LockManagerSettings


@dataclass(frozen=True, slots=True)
class LockFacts:
    """Another session that builds on, alters or waits for the table. ``ours``: another run of IndexPilot.

    ``idle_seconds`` is how long it has executed nothing, None while it executes or where that is hidden.
    """

    relid: int
    pid: int
    mode: str
    user: str = ""
    application: str = ""
    ours: bool = False
    building: bool = False
    idle_seconds: float | None = None


def read(context: GuardContext) -> tuple[LockFacts, ...]:
    """Other sessions that build on, alter or reserve the tables, or wait to; VACUUM has a guard of its own."""
    # CREATE INDEX CONCURRENTLY takes SHARE UPDATE EXCLUSIVE, which conflicts with itself and all that is stronger, and
    # not with the locks of readers and writers. https://www.postgresql.org/docs/current/explicit-locking.html
    return tuple(
        LockFacts(r.relid, r.pid, r.mode, r.role or "", r.application or "", r.ours, r.building, r.idle_seconds)
        for r in context.session.rows("guards/locks", context.scope | {"space": SPACE})
    )


def judge(
    settings: LockManagerSettings, locks: Sequence[LockFacts], tables: Mapping[int, QualifiedName]
) -> tuple[Verdict, ...]:
    """A verdict for each session and table, by its worst lock: one run holds an advisory lock and the table's too."""
    if not settings.enabled:
        return (Verdict("lock", True, "the lock manager is off", "production_safeguards.lock_manager.enabled"),)
    if not locks:
        return (Verdict("lock", True, "no other run, no other build", "pg_locks"),)
    worst: dict[tuple[int, int], LockFacts] = {}
    for held in locks:
        known = worst.setdefault((held.relid, held.pid), held)
        worst[held.relid, held.pid] = max(known, held, key=lambda one: (one.ours, one.building))
    return tuple(_held(settings, held, tables.get(held.relid)) for held in worst.values())


def _held(settings: LockManagerSettings, held: LockFacts, table: QualifiedName | None) -> Verdict:
    place = table.short if table is not None else "the table"
    who = f"pid {held.pid}" + "".join(f", {word}" for word in (held.user, held.application) if word)
    if held.ours and held.idle_seconds is not None and held.idle_seconds > settings.stale_lock_seconds:
        text = (
            f"another run ({who}) holds {place} and has done nothing for {held.idle_seconds:.0f} s; "
            f"if it is dead: SELECT pg_terminate_backend({held.pid});"
        )
    elif held.ours:
        text = f"another run ({who}) is working on {place}"
    elif held.building:
        text = f"somebody else ({who}) is building an index on {place}"
    else:
        text = f"{who} holds {held.mode} on {place}: the build waits for it as long as the lock timeout lets it"
    # Measured: two concurrent builds on one table deadlock (40P01) after deadlock_timeout, and either of them may lose;
    # what merely holds a lock is waited for, and the wait is bounded.
    allowed = not (held.ours or held.building)
    return Verdict("lock", allowed, text, "pg_locks", warning=allowed, table=table)


GUARD = Guard("lock", 3, lambda context: judge(context.request.safeguards.lock_manager, read(context), context.names))
