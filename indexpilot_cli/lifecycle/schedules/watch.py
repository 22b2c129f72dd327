"""``lifecycle watch``: the jobs that are due, again and again, in the foreground: for containers, and for hosts.

It needs no state of its own: what was run stands in our tables, so a watch that is stopped, killed or started twice
runs nothing twice and forgets nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated

from indexpilot_cli.core.codec import UNPUBLISHED, Count
from indexpilot_cli.core.command import Connection, Outcome, Progress
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.lifecycle.schedules.run import JobRun, RunOutcome, ScheduleRunRequest, ScheduleRunResult
from indexpilot_cli.lifecycle.schedules.run import run as run_due

_SHELL = 128  # what a shell adds to a signal's number
_LONGEST = 600.0  # seconds between two looks at a server that does not answer


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """``interval``: seconds between two looks; ``rounds``: end after so many (None: when somebody says so)."""

    connection: Connection = field(default_factory=Connection)
    schedule: ScheduleRunRequest = field(default_factory=ScheduleRunRequest)
    interval: float = 60.0
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class WatchRound:
    """One look: what was run, or why nothing could be. ``at`` is this machine's clock."""

    number: int
    at: datetime
    runs: tuple[JobRun, ...] = ()
    error: str | None = None

    @property
    def healthy(self) -> bool:
        """Whether the server answered and nothing failed."""
        return self.error is None and all(one.outcome is not RunOutcome.FAILED for one in self.runs)


@dataclass(slots=True)
class WatchResult:
    """What a watch did until it was stopped.

    ``error`` is that of the last round, ``in_a_row`` how many rounds before it failed, it included.
    """

    started_at: datetime
    stopped_at: datetime
    rounds: Annotated[Count, "how often it looked"] = 0
    runs: Annotated[Count, "jobs that were run"] = 0
    failures: Annotated[Count, "rounds in which something failed"] = 0
    error: Annotated[str | None, "of the last round"] = None
    in_a_row: Annotated[int, UNPUBLISHED] = 0
    stopped_by: Annotated[str | None, "the signal"] = None


Told = Callable[[WatchRound], None]


def _untold(_round: WatchRound) -> None:
    """Nobody listens."""


def watch(
    request: WatchRequest, progress: Progress, told: Told = _untold, stop: threading.Event | None = None
) -> Outcome[WatchResult]:
    """Look for due jobs until ``stop`` is set or a signal comes; each round is ``told``.

    A signal ends a job that is being run: it is recorded as interrupted and is due again. Raises what the first round
    raises: who cannot even begin should say so.
    """
    stop = stop or threading.Event()
    result = WatchResult(datetime.now(UTC), datetime.now(UTC))
    code, outcome = 0, None
    try:
        while not stop.is_set():
            outcome = _round(request, progress, result, told) or outcome
            if request.rounds is not None and result.rounds >= request.rounds:
                break
            stop.wait(max(request.interval, min(request.interval * 2 ** min(result.in_a_row, 10), _LONGEST)))
    except KeyboardInterrupt:
        code = _SHELL + signal.SIGINT
    except SystemExit as ended:  # the program's handlers of TERM and HUP raise it
        code = ended.code if isinstance(ended.code, int) and ended.code > _SHELL else _SHELL + signal.SIGTERM
    result.stopped_at = datetime.now(UTC)
    result.stopped_by = signal.Signals(code - _SHELL).name if code else None
    server = outcome.server if outcome is not None else None
    status = "ok" if result.error is None else "partial"
    return Outcome("lifecycle_watch", result, status, code, server)


def _round(
    request: WatchRequest, progress: Progress, result: WatchResult, told: Told
) -> Outcome[ScheduleRunResult] | None:
    """One look. An error after the first one is told, and the next look comes later."""
    now, first = datetime.now(UTC), result.rounds == 0
    try:
        outcome = run_due(replace(request.schedule, connection=request.connection, keys=()), progress)
    except IndexPilotError as error:
        if first:
            raise
        _count(result, (), error.message)
        told(WatchRound(result.rounds, now, error=error.message))
        return None
    began = tuple(one for one in outcome.result.runs if one.outcome in (RunOutcome.DONE, RunOutcome.FAILED))
    failed = next((one.error for one in began if one.outcome is RunOutcome.FAILED), None)
    _count(result, began, failed)
    told(WatchRound(result.rounds, now, began, failed))
    return outcome


def _count(result: WatchResult, began: tuple[JobRun, ...], error: str | None) -> None:
    result.rounds += 1
    result.runs += len(began)
    result.error = error
    result.failures += error is not None
    result.in_a_row = result.in_a_row + 1 if error is not None else 0
