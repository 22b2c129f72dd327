"""``bypass``: what is switched off, by whom and why; and the persisted switch that every process obeys."""

from __future__ import annotations

from dataclasses import replace

from indexpilot_cli.apply.values import BypassRequest, BypassResult
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.errors import UsageError
from indexpilot_cli.guards.bypass import RUNTIME, SYSTEM, BypassLevel, current_levels, stopping
from indexpilot_cli.guards.context import GuardContext, PermitRequest, read_server
from indexpilot_cli.log import metadata, switches
from indexpilot_cli.log.bookkeeping import Note, bookkeeping, writer
from indexpilot_cli.snapshot.source import open_reader

STATUS, ENABLE, DISABLE = "status", "enable", "disable"
_KINDS = {
    STATUS: MutationType.DISCOVER,
    ENABLE: MutationType.SYSTEM_ENABLE,
    DISABLE: MutationType.SYSTEM_DISABLE,
}


def run(request: BypassRequest, progress: Progress) -> Outcome[BypassResult]:
    """Every level with its effective value, source and reason, after the switch was set where that was asked.

    Turning the switch is logged even where a bypass has switched the log off.

    Raises UsageError (unknown action, no reason to disable), PrerequisiteError before ``init`` or on a standby.
    """
    _check(request)
    record = request.record if request.action == STATUS else replace(request.record, enabled=True)
    with bookkeeping(request.connection, _KINDS[request.action], record) as note:
        progress.stage("reading the switches")
        changed = _turn(request, note) if request.action != STATUS else False
        with open_reader(request.connection) as session:
            server = look(session, metadata_schema=request.connection.metadata_schema).server
            asked = PermitRequest(request.connection, bypass=request.bypass, origins=request.origins)
            found = current_levels(GuardContext(session, asked))
            note.details(running=not stopping(found))
    result = BypassResult(request.action, not stopping(found), found, changed, _notes(request, found))
    status = "ok" if request.action == STATUS or changed else "skipped"
    return Outcome("bypass", result, status=status, server=server, warnings=note.warnings, next=_next(result))


def _check(request: BypassRequest) -> None:
    if request.action not in _KINDS:
        raise UsageError(f"unknown action {request.action[:40]!r}", hint="status, enable or disable", code="bad_action")
    if request.action == DISABLE and not request.reason.strip():
        raise UsageError("switching off needs a reason, for those who find it off", hint="add --reason", code="reason")
    if request.for_seconds is not None and not 0 < request.for_seconds <= 366 * 86400:
        raise UsageError("the time to stay off is more than nothing and at most a year", code="bad_duration")


def _turn(request: BypassRequest, note: Note) -> bool:
    """Whether the switch stood otherwise before."""
    schema = request.connection.metadata_schema
    off = request.action == DISABLE
    note.details(reason=request.reason, for_seconds=request.for_seconds)
    with writer(request.connection) as session:
        metadata.require(session, schema)
        now = read_server(session).now
        before = next((s for s in switches.read(session, schema=schema) if s.name == SYSTEM), None)
        was_off = before is not None and before.off_at(now)
        changed = was_off != off or (off and before is not None and before.reason != request.reason)
        changed = changed or (off and request.for_seconds is not None)
        if changed:
            switches.turn(
                session,
                SYSTEM,
                off=off,
                reason=request.reason,
                actor=request.record.actor,
                seconds=request.for_seconds if off else None,
                schema=schema,
            )
        note.details(changed=changed, was_off=was_off)
    return changed


def _notes(request: BypassRequest, found: tuple[BypassLevel, ...]) -> tuple[str, ...]:
    elsewhere = [level for level in stopping(found) if level.source != RUNTIME]
    if request.action == ENABLE and elsewhere:
        places = ", ".join(level.source for level in elsewhere)
        return (f"still off by {places}: what says off wins",)
    return ()


def _next(result: BypassResult) -> tuple[str, ...]:
    by_hand = any(level.source == RUNTIME for level in stopping(result.levels))
    return ("indexpilot bypass enable",) if by_hand else ()
