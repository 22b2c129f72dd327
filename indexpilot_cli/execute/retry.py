"""Trying again what a lock stood in the way of: which refusals, how often, after which pauses. Everybody asks here.

A request for a strong lock makes everybody queue behind it, so each try waits briefly, gives up, and lets the others
pass. https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeVar

from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.locks import TRANSIENT
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute.signals import Stop

T = TypeVar("T")

SHORT = 3  # tries of what is brief and ours to put right, however many the user gave the change itself
_LONGEST = 6  # the try after which the pauses grow no further: eight seconds


def pause(attempt: int, jitter: float) -> float:
    """Seconds before try ``attempt`` + 1: doubling from a quarter of a second to eight, spread by ``jitter`` (0–1)."""
    return float(min(8.0, 0.25 * 2 ** (attempt - 1)) * (0.5 + jitter))


def worth_retrying(state: str | None) -> bool:
    """Whether the same statement may succeed later: a lock that was not free, a deadlock, a serialization failure."""
    return state in TRANSIENT


def is_busy(error: IndexPilotError) -> bool:
    """Whether the error says so: by the server's code, or because we did not even ask for the lock."""
    return worth_retrying(sqlstate(error)) or error.code == "lock_timeout"


def attempts(stop: Stop, tries: int, *, longest: int = _LONGEST, obstinate: bool = False) -> Iterator[int]:
    """Numbers of the tries, with a pause between two of them. Somebody who asks to stop ends them.

    ``longest``: pauses stop growing after that try. ``obstinate``: what is begun is finished, stop or not.
    """
    for attempt in range(1, tries + 1):
        yield attempt
        if attempt < tries and stop.sleep(pause(min(attempt, longest), random.random())) and not obstinate:
            return


def until_free(
    numbers: Iterator[int], action: Callable[[int], T], busy: Callable[[int, IndexPilotError], None] | None = None
) -> T:
    """The action's result as soon as no lock is in its way; ``busy`` is told of each try that found one.

    Raises the action's error: at once when it is no matter of locks, the last one when there are no more tries.
    """
    last: IndexPilotError | None = None
    for attempt in numbers:
        try:
            return action(attempt)
        except IndexPilotError as error:
            if not is_busy(error):
                raise
            last = error
            if busy is not None:
                busy(attempt, error)
    assert last is not None
    raise last
