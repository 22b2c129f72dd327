"""Rows of the mutation log for refused statements, written by a thread of its own.

The first refusal of a template is written at once; those that follow within a minute are counted in one row at its
end. So a flood of them is one row per template and minute, and the counts of all rows sum up to the refusals.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.host.place import in_background

WINDOW = 60.0
_MOST_KEYS = 1_000  # beyond, templates are counted together: a flood of texts that are ever new must not fill memory
_PATIENCE = 1.0  # seconds that a caller waits for its row while the log can be written
_REST = "statements of other templates"


@dataclass(frozen=True, slots=True)
class RefusalKey:
    """What is counted together."""

    type: MutationType
    template_id: str
    tenant_id: int | str | None = None


@dataclass(slots=True)
class Refusals:
    """Refusals that are still to be written; ``facts`` are those of the latest."""

    key: RefusalKey
    facts: Mapping[str, Any]
    count: int
    first_at: datetime
    last_at: datetime


WriteRefusals = Callable[[Sequence[Refusals]], None]


class RefusalJournal:
    """Takes refusals from any thread and never raises; ``failures`` counts the writes that failed."""

    def __init__(self, write: WriteRefusals, *, window: float = WINDOW, clock: Callable[[], float] = time.monotonic):
        self._write, self._window, self._clock = write, window, clock
        self._change = threading.Condition()
        self._due: dict[RefusalKey, tuple[float, Refusals | None]] = {}
        self._thread: threading.Thread | None = None
        self._rounds = 0
        self._urgent = self._writing = False
        self._healthy = True
        self.failures = 0

    def add(self, key: RefusalKey, facts: Mapping[str, Any]) -> None:
        """Note a refusal. The first of a key waits for its row, a second at most, and only while rows get written."""
        with self._change:
            if key not in self._due and len(self._due) >= _MOST_KEYS:
                key = RefusalKey(key.type, _REST)
            known = self._due.get(key)
            now = datetime.now(UTC)
            due, waiting = known or (self._clock(), None)
            if waiting is None:
                waiting = Refusals(key, facts, 0, now, now)
            waiting.count += 1
            waiting.facts, waiting.last_at = facts, now
            self._due[key] = (due, waiting)
            if known is None:
                self._start()
                if self._healthy:
                    # The rows of a round that is being written were taken before this one came: it goes with the next.
                    goal = self._rounds + (2 if self._writing else 1)
                    # After a wait in vain nobody waits until a row is written: a server that is gone costs one wait.
                    self._healthy = self._change.wait_for(lambda: self._rounds >= goal, _PATIENCE) and self._healthy

    def flush(self, seconds: float = 10.0) -> bool:
        """Write what waits; False when that did not succeed in time."""
        with self._change:
            if self._waiting():
                self._urgent = True
                self._start()
            goal = self._rounds + (2 if self._writing else 1)
            self._change.wait_for(lambda: self._is_empty() or self._rounds >= goal, seconds)
            return self._is_empty()

    def _waiting(self) -> bool:
        return any(waiting is not None for _, waiting in self._due.values())

    def _is_empty(self) -> bool:
        return not self._writing and not self._waiting()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = in_background(self._run, "indexpilot-journal")
            self._healthy = self._healthy and self._thread is not None
        self._change.notify_all()

    def _run(self) -> None:
        try:
            while (rows := self._next()) is not None:
                self._put(rows)
        finally:
            with self._change:
                self._thread = None
                if self._waiting():
                    self._start()

    def _next(self) -> list[Refusals] | None:
        with self._change:
            rows = self._taken()
            self._writing = rows is not None
            return rows

    def _taken(self) -> list[Refusals] | None:
        """What is due, as soon as something is; None when no key is left."""
        while self._due:
            now = self._clock()
            due = [key for key, (at, _) in self._due.items() if at <= now or self._urgent]
            rows = [row for key in due if (row := self._due[key][1]) is not None]
            for key in due:
                if self._due[key][1] is None and not self._urgent:
                    del self._due[key]  # a minute without another refusal
                else:
                    self._due[key] = (now + self._window, None)
            self._urgent = False
            if rows:
                return rows
            earliest = min((at for at, _ in self._due.values()), default=now)
            self._change.wait(max(0.0, earliest - now))
        return None

    def _put(self, rows: list[Refusals]) -> None:
        done = False
        try:
            self._write(rows)
            done = True
        except IndexPilotError:
            self.failures += 1
        finally:
            with self._change:
                self._writing, self._healthy = False, done
                self._rounds += 1
                if not done:
                    self._keep(rows)
                self._change.notify_all()

    def _keep(self, rows: Sequence[Refusals]) -> None:
        """Rows that could not be written join those of the next window."""
        for row in rows:
            at, later = self._due.get(row.key, (self._clock() + self._window, None))
            if later is not None:
                row.count += later.count
                row.facts, row.last_at = later.facts, later.last_at
            self._due[row.key] = (at, row)
