"""Getting a lock: our own, and trying again where a try can help.

One index change per table at a time, among all who use IndexPilot: advisory locks, polled and never waited for.
A waiting ``pg_advisory_lock`` would hold a snapshot that a CREATE INDEX CONCURRENTLY has to wait for.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS

A request for a strong lock of the server makes everybody queue behind it, so each try waits briefly, gives up, and
lets the others pass.
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, RefusedError, UnreachableError

RUN = 0  # in place of a table: one run at a time in the database
SPACE = 0x49504C54  # our half of the key; the other half is the table's oid. Locks are per database by themselves.


def refuse_pooled(session: Session) -> None:
    """RefusedError through a pooler: what is set for a session stays with a backend that is lent to others next."""
    if session.pooled:
        raise RefusedError(
            "a transaction-mode pooler stands between, and lends this run's settings and locks to others",
            hint="connect to the server directly",
            code="pooled",
        )


def try_lock(session: Session, relid: int) -> bool:
    """Whether this session now holds the table's lock, until it ends. Raises RefusedError through a pooler."""
    refuse_pooled(session)
    return bool(session.value("execute/lock", _key(relid)))


def holder(session: Session, relid: int) -> Blocker | None:
    """Who holds the table's lock, None when nobody does any more."""
    row = session.one("execute/lock_holder", {"space": SPACE, "relid": relid})
    return None if row is None else blocker(row)


def blocker(row: Row) -> Blocker:
    """A row of pid, user, application, state and seconds as a value."""
    return filled(Blocker, row)


def _key(relid: int) -> dict[str, int]:
    # Both halves of the key are signed 4-byte integers, an oid is unsigned.
    return {"space": SPACE, "relation": relid - (1 << 32) if relid >= 1 << 31 else relid}


T = TypeVar("T")

SHORT = 3  # tries of what is brief and ours to put right, however many the user gave the change itself
_LONGEST = 6  # the try after which the pauses grow no further: eight seconds
_TRANSIENT = frozenset({"40001", "40P01", "55P03"})
_CANCELLED = "57014"
_PROTOCOL = "08P01"  # our own mistake, not the network's


class Pausing(Protocol):
    """Somebody who waits, and says whether there was a request to stop meanwhile."""

    def sleep(self, seconds: float) -> bool:
        """Wait, or less when somebody asks to stop."""


def pause(attempt: int, jitter: float) -> float:
    """Seconds before try ``attempt`` + 1: doubling from a quarter of a second to eight, spread by ``jitter`` (0–1)."""
    return float(min(8.0, 0.25 * 2 ** (attempt - 1)) * (0.5 + jitter))


def worth_retrying(state: str | None) -> bool:
    """Whether the same statement may succeed later: a lock that was not free, a deadlock, a serialization failure."""
    return state in _TRANSIENT


def is_busy(error: IndexPilotError) -> bool:
    """Whether the error says so: by the server's code, or because we did not even ask for the lock."""
    return worth_retrying(sqlstate(error)) or error.code == "lock_timeout"


def attempts(stop: Pausing, tries: int, *, longest: int = _LONGEST, obstinate: bool = False) -> Iterator[int]:
    """Numbers of the tries, with a pause between two of them. Somebody who asks to stop ends them.

    ``longest``: pauses stop growing after that try. ``obstinate``: what is begun is finished, stop or not.
    """
    for attempt in range(1, tries + 1):
        yield attempt
        if attempt < tries and stop.sleep(pause(min(attempt, longest), random.random())) and not obstinate:
            return


def until_free(
    numbers: Iterable[int],
    action: Callable[[int], T],
    busy: Callable[[int, IndexPilotError], None] | None = None,
    again: Callable[[IndexPilotError], bool] = is_busy,
) -> T:
    """The action's result as soon as nothing that passes is in its way; ``busy`` is told of each try that failed so.

    Raises the action's error: at once when ``again`` says that it will not pass, the last one when there are no more
    tries.
    """
    last: IndexPilotError | None = None
    for attempt in numbers:
        try:
            return action(attempt)
        except IndexPilotError as error:
            if not again(error):
                raise
            last = error
            if busy is not None:
                busy(attempt, error)
    assert last is not None
    raise last


def retrying(
    action: Callable[[], T],
    *,
    tries: int = 3,
    pause: float = 0.05,
    reconnect: Callable[[], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The result of looking, after at most ``tries`` attempts, the pause (seconds) doubling in between.

    Serialization failures, deadlocks and lock timeouts are tried again, a cancelled statement once, a lost
    connection only when ``reconnect`` is given. Everything else (syntax, privileges) is raised at once.
    """
    seen: list[str | None] = []

    def again(error: IndexPilotError) -> bool:
        seen.append(sqlstate(error))
        if seen[-1] == _CANCELLED:
            return seen.count(_CANCELLED) == 1
        return worth_retrying(seen[-1]) or (reconnect is not None and _lost(error))

    def busy(attempt: int, error: IndexPilotError) -> None:
        if attempt < tries:
            sleep(pause * 2 ** (attempt - 1))
            if reconnect is not None and _lost(error):
                reconnect()

    return until_free(range(1, tries + 1), lambda _: action(), busy, again)


def _lost(error: IndexPilotError) -> bool:
    state = sqlstate(error) or ""
    if state == _PROTOCOL:
        return False
    return state.startswith("08") or (isinstance(error, UnreachableError) and error.code == "connection_lost")
