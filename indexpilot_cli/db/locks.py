"""One index change per table at a time, among all who use IndexPilot: advisory locks, polled and never waited for.

A waiting ``pg_advisory_lock`` would hold a snapshot that a CREATE INDEX CONCURRENTLY has to wait for.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
"""

from __future__ import annotations

from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.db.session import Row, Session

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
