"""Trying again, only where trying again can help."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.errors import IndexPilotError, UnreachableError

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
