"""``calibrate``: what writes and builds cost on this server, measured in a schema of its own and kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress, next_line
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.calibrate import expected_wal, measure, refuse_elsewhere, swept
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.session import Session, session_to
from indexpilot_cli.guards.bypass import require_on
from indexpilot_cli.log import calibrations
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.methods.rates import Calibration
from indexpilot_cli.settings.sections import BypassSettings
from indexpilot_cli.snapshot.source import hidden_metadata, open_reader


class CalibrateAction(StrEnum):
    """What a run does. ``plan`` only looks whether it could, and says what it would write."""

    MEASURE = "measure"
    PLAN = "plan"
    SHOW = "show"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class CalibrateRequest(CommandRequest):
    """``rows`` of the table that is written to; after ``seconds`` nothing further is measured."""

    action: CalibrateAction = CalibrateAction.MEASURE
    rows: int = 100_000
    seconds: float = 60.0
    bypass: BypassSettings = field(default_factory=BypassSettings)


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """What counts from now on, and where it is kept.

    ``forgotten`` calibrations are gone; about ``wal_bytes`` are, or would be, written.
    """

    action: CalibrateAction
    calibration: Annotated[Calibration | None, "null: the defaults count"] = None
    place: str = ""
    problem: Annotated[str, "why what is kept cannot be used; empty: nothing is wrong"] = ""
    swept: Annotated[Count, "schemas of runs that were killed, now gone"] = 0
    forgotten: Count = 0
    wal_bytes: Annotated[Count, "that are written, about; 0: nothing is"] = 0

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """What is wrong with what is kept."""
        return (Warn("calibration", self.place, self.problem),) if self.problem else ()


def run(request: CalibrateRequest, progress: Progress) -> Outcome[CalibrateResult]:
    """What the action gives.

    Raises PrerequisiteError on a standby, a read-only server and without the right to make a schema.
    """
    looking = request.action in (CalibrateAction.SHOW, CalibrateAction.PLAN)
    if not looking:
        # By the settings now; by the switch of all processes, which is in the database, as soon as that is open.
        require_on(request.bypass, "calibration")
    kind = MutationType.DISCOVER if looking else MutationType.SYSTEM_CONFIG_CHANGE
    with bookkeeping(request.connection, kind, request.record, action=request.action.value) as note:
        with open_reader(request.connection) as session:
            can = look(session, metadata_schema=request.connection.metadata_schema)
            if not looking:
                require_on(request.bypass, "calibration", session=session, schema=request.connection.metadata_schema)
        result = _DO[request.action](request, progress)
        _noted(note, result)
    after = (next_line("recommend"),) if result.action is CalibrateAction.MEASURE else ()
    warnings = (*hidden_metadata(can, request.connection.metadata_schema), *note.warnings, *result.warnings)
    return Outcome("calibrate", result, server=can.server, warnings=warnings, next=after)


def _noted(note: Note, result: CalibrateResult) -> None:
    note.details(place=result.place, swept=result.swept, forgotten=result.forgotten)
    if result.calibration is not None and result.action is CalibrateAction.MEASURE:
        rates = result.calibration.rates
        note.details(rows=result.calibration.rows, classes=len(rates.entries), pace=round(rates.pace, 2))


def _writing(request: CalibrateRequest) -> Session:
    connection = request.connection
    return session_to(connection, read_only=False, statement_timeout_ms=connection.statement_timeout_ms)


def _measure(request: CalibrateRequest, progress: Progress) -> CalibrateResult:
    with _writing(request) as session:
        refuse_elsewhere(session)
        # First: what a killed run left takes as much room as what is filled now.
        gone = swept(session)
        progress.stage("filling tables to measure on")
        told = measure(session, request.rows, request.seconds, lambda kind: progress.stage(f"measuring: {kind}"))
    place = calibrations.keep(request.connection, told)
    problem = "" if place else "it is kept nowhere: the role may not see which server this is; indexpilot init keeps it"
    return CalibrateResult(request.action, told, place, problem, swept=gone, wal_bytes=expected_wal(request.rows))


def _plan(request: CalibrateRequest, _progress: Progress) -> CalibrateResult:
    # The session that would write: whether it may is what is asked.
    with _writing(request) as session:
        refuse_elsewhere(session)
    return CalibrateResult(request.action, wal_bytes=expected_wal(request.rows))


def _show(request: CalibrateRequest, _progress: Progress) -> CalibrateResult:
    with open_reader(request.connection) as session:
        found = calibrations.kept(session, request.connection.metadata_schema)
    return CalibrateResult(request.action, found.calibration, found.place, found.problem)


def _forget(request: CalibrateRequest, _progress: Progress) -> CalibrateResult:
    with _writing(request) as session:
        gone = swept(session)
    return CalibrateResult(request.action, swept=gone, forgotten=calibrations.forget(request.connection))


_DO = {
    CalibrateAction.MEASURE: _measure,
    CalibrateAction.PLAN: _plan,
    CalibrateAction.SHOW: _show,
    CalibrateAction.FORGET: _forget,
}
