"""Statements that wait for a lock, run beside a watcher that says for whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.db.locks import blocker
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError

T = TypeVar("T")

_LOOK = 0.2  # seconds between two looks at who blocks


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """What came of it: a value or an error, and the last sessions it waited for."""

    value: T | None
    error: IndexPilotError | None
    blockers: tuple[Blocker, ...] = ()


def watched(session: Session, look: Session, work: Callable[[], T], stopped: Callable[[], bool]) -> Ended[T]:
    """Run ``work``, which uses ``session``, in a thread; ``look`` asks meanwhile whom it waits for.

    When ``stopped`` says so the running statement is cancelled, once.
    """
    done = threading.Event()
    kept: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            kept.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread and raised there
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="indexpilot-change", daemon=True)
    thread.start()
    seen: tuple[Blocker, ...] = ()
    asked = False
    while not done.wait(_LOOK):
        seen = _blockers(look, session.backend_pid) or seen
        if stopped() and not asked:
            asked = True
            with suppress(IndexPilotError, OSError):
                session.cancel()
    thread.join()
    error = errors[0] if errors else None
    if error is not None and not isinstance(error, IndexPilotError):
        raise error
    return Ended(kept[0] if kept else None, error, seen)


def in_transaction(session: Session, statements: Sequence[str], tail: Callable[[], T]) -> T:
    """The statements and what ``tail`` does, all or nothing; gives what ``tail`` gave."""
    with session.transaction():
        for text in statements:
            session.execute(text)
        return tail()


def _blockers(look: Session, pid: int) -> tuple[Blocker, ...]:
    try:
        return tuple(blocker(row) for row in look.rows("execute/blockers", {"pid": pid}))
    except IndexPilotError:
        return ()
