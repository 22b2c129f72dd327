"""Work that writes: in the background, one at a time, as the command of the same name does it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from indexpilot_cli.apply.outcome import settled
from indexpilot_cli.core.command import Outcome, Progress, Silent
from indexpilot_cli.errors import IndexPilotError, RefusedError, UsageError
from indexpilot_cli.execute.signals import Stop, StopRequested
from indexpilot_cli.render.document import Document
from indexpilot_cli.render.envelope import envelope, failure, finite
from indexpilot_cli.render.views.api.work import WorkReport

_MOST_KEPT = 100
RUNNING, DONE, FAILED = "running", "done", "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done: ``run`` gets a place for its progress and learns by the Stop that the server is to end.

    ``view`` makes the document of what came of it.
    """

    kind: str
    run: Callable[[Progress, Stop], Outcome[Any]]
    view: Callable[[Any], Document]


Change = Callable[..., Outcome[Any]]


def change(kind: str, workflow: Change, asked: Any, view: Callable[[Any], Document]) -> Job:
    """The job of ``apply`` or ``rollback`` for a request that is confirmed."""
    return Job(kind, lambda progress, stop: settled(workflow(asked, progress, lambda _: True, stop)), view)


@dataclass(slots=True)
class Works:
    """The works of this process, the latest of them. ``changed`` is called before one is told to have ended."""

    changed: Callable[[], None]
    stop: Stop = field(default_factory=Stop)
    _reports: dict[str, WorkReport] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _begun: int = 0

    def begin(self, job: Job) -> WorkReport:
        """Begin the job. Raises RefusedError while another one runs, and when the server is to end."""
        with self._lock:
            running = next((r for r in self._reports.values() if r.state == RUNNING), None)
            if running is not None or self.stop.requested:
                text = f"{running.kind} runs as {running.id}" if running is not None else "this server is to end"
                raise RefusedError(f"one at a time: {text}", code="busy")
            self._begun += 1
            report = WorkReport(f"W-{self._begun}", job.kind, RUNNING, datetime.now(UTC))
            self._reports[report.id] = report
            for old in tuple(self._reports)[:-_MOST_KEPT]:
                del self._reports[old]
            # No daemon: what is half done is cleaned up before the process ends.
            self._thread = threading.Thread(target=self._work, args=(report, job), name=f"serve {report.id}")
            self._thread.start()
        return report

    def ended(self, kind: str, outcome: Outcome[Any], view: Callable[[Any], Document]) -> WorkReport:
        """A report of what only looked and is over; it is not kept."""
        began = datetime.now(UTC)
        return WorkReport("", kind, started_at=began, ended_at=began, **_told(outcome, view))

    def get(self, work_id: str) -> WorkReport:
        """The work of that id. Raises UsageError."""
        found = self._reports.get(work_id)
        if found is None:
            raise UsageError(f"no work {work_id[:40]!r}", code="unknown_id", hint="GET /api/work")
        return found

    def all(self) -> tuple[WorkReport, ...]:
        """The latest works, newest first."""
        return tuple(reversed(self._reports.values()))

    def close(self, number: int = signal.SIGTERM) -> None:
        """Ask what runs to stop as a signal would, and wait until it has cleaned up."""
        self.stop.request(number)
        if self._thread is not None:
            self._thread.join()

    def note(self, work_id: str, **changed: Any) -> None:
        """Keep what has changed."""
        with self._lock:
            self._reports[work_id] = replace(self._reports[work_id], **changed)

    def _work(self, report: WorkReport, job: Job) -> None:
        ended: dict[str, Any] = {"state": FAILED, "exit_code": 1}  # a fault of ours: its traceback goes to stderr
        try:
            ended = _carried_out(job, _WorkStages(self, report.id), self.stop)
        finally:
            self.changed()  # first: who is told that it has ended looks at once, and would be given what was before
            self.note(report.id, stage=None, ended_at=datetime.now(UTC), **ended)


def _carried_out(job: Job, progress: Progress, stop: Stop) -> dict[str, Any]:
    """How it ended: what the command prints as JSON, and its exit code."""
    now = datetime.now(UTC)
    try:
        with suppress(StopRequested):
            outcome = job.run(progress, stop)
            return _told(outcome, job.view)
        raise RefusedError("stopped: this server is to end", code="interrupted")
    except IndexPilotError as error:
        return {"state": FAILED, "exit_code": error.exit_code, "result": failure(error, error.exit_code, now)}


def _told(outcome: Outcome[Any], view: Callable[[Any], Document]) -> dict[str, Any]:
    document = envelope(outcome, view(outcome.result).payload, outcome.exit_code, datetime.now(UTC))
    state = FAILED if outcome.status in ("failed", "refused", "partial") else DONE
    return {"state": state, "exit_code": outcome.exit_code, "result": finite(document)}


class _WorkStages(Silent):
    """Progress that is kept with the report."""

    def __init__(self, works: Works, work_id: str) -> None:
        self._works = works
        self._id = work_id

    def stage(self, title: str, total: float | None = None) -> None:  # noqa: ARG002 - part of the protocol
        """Keep what is done just now."""
        self._works.note(self._id, stage=title)

    def say(self, text: str) -> None:
        """Keep it likewise."""
        self._works.note(self._id, stage=text)
