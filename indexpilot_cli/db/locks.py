"""Getting a lock: our own, and trying again where a try can help.

One index change per table at a time, among all who use IndexPilot: advisory locks, polled and never waited for.
A waiting ``pg_advisory_lock`` would hold a snapshot that a CREATE INDEX CONCURRENTLY has to wait for.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError

RUN = 0  # in place of a table: one run at a time in the database
SPACE = 0x49504C54  # our half of the key; the other half is the table's oid. Locks are per database by themselves.


def try_lock(session: Session, relid: int) -> bool:
    """Whether this session now holds the table's lock, until it ends."""
    return bool(session.value("execute/lock", _key(relid)))


def holder(session: Session, relid: int) -> Blocker | None:
    """Who holds the table's lock, None when nobody does any more."""
    row = session.one("execute/lock_holder", {"space": SPACE, "relid": relid})
    return None if row is None else blocker(row)


def blocker(row: Row) -> Blocker:
    """A row of pid, user, application, state and seconds as a value."""
    return Blocker(row.pid, row.user, row.application, row.state, row.seconds)


def _key(relid: int) -> dict[str, int]:
    # Both halves of the key are signed 4-byte integers, an oid is unsigned.
    return {"space": SPACE, "relation": relid - (1 << 32) if relid >= 1 << 31 else relid}


T = TypeVar("T")

TRANSIENT = frozenset({"40001", "40P01", "55P03"})
_ONCE = frozenset({"57014"})
_PROTOCOL = "08P01"  # our own mistake, not the network's


def retrying(
    action: Callable[[], T],
    *,
    tries: int = 3,
    pause: float = 0.05,
    reconnect: Callable[[], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The action's result after at most ``tries`` attempts, the pause (seconds) doubling in between.

    Serialization failures, deadlocks and lock timeouts are tried again, a cancelled statement once, a lost
    connection only when ``reconnect`` is given. Everything else (syntax, privileges) is raised at once.
    """
    cancelled = False
    for attempt in range(1, tries + 1):
        try:
            return action()
        except IndexPilotError as error:
            state = sqlstate(error)
            again = _again(error, state, cancelled=cancelled, reconnects=reconnect is not None)
            if attempt == tries or not again:
                raise
            cancelled = cancelled or state in _ONCE
            sleep(pause * 2 ** (attempt - 1))
            if reconnect is not None and _lost(error, state):
                reconnect()
    raise ValueError("tries must be at least 1")


def _again(error: IndexPilotError, state: str | None, *, cancelled: bool, reconnects: bool) -> bool:
    if state in TRANSIENT:
        return True
    if state in _ONCE:
        return not cancelled
    return reconnects and _lost(error, state)


def _lost(error: IndexPilotError, state: str | None) -> bool:
    if state == _PROTOCOL:
        return False
    return (state or "").startswith("08") or (isinstance(error, UnreachableError) and error.code == "connection_lost")
