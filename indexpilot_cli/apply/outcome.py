"""From reports to the outcome of the command, and the row that says why nothing was done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from indexpilot_cli.apply.plan import NO_PLAN, SETTLED
from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core import telemetry
from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.mutation import Mutation, MutationReport, MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.signals import SHELL
from indexpilot_cli.guards.context import Verdict
from indexpilot_cli.log import mutations
from indexpilot_cli.log.bookkeeping import FAILED, Note

# What a guard's no is called where it is more than a build that did not happen.
_NO = {
    "rate": MutationType.RATE_LIMIT_EXCEEDED,
    "privileges": MutationType.AUTHORIZATION_DENIED,
    "approval": MutationType.AUTHORIZATION_DENIED,
}
_WINDOW = "window"
_NOTHING = (None, "already_done", NO_PLAN, *SETTLED, "nothing_to_undo")
_IDLE = frozenset({"planned", "already_done"})
_FAILURES = frozenset({"failed", "leftover", "conflict"})


def outcome(
    result: ApplyResult,
    server: Server | None,
    *,
    command: str = "apply",
    error: IndexPilotError | None = None,
    warnings: tuple[Warn, ...] = (),
    stopped_by: int | None = None,
    cron: bool = False,
) -> Outcome[ApplyResult]:
    """The outcome by its reports; ``error`` is what ended the run early, ``stopped_by`` the signal that did.

    For ``cron`` a closing window is no fault.
    """
    _measure(result.mutations)
    taken_back = tuple(r for r in result.reconciled if r.outcome == "reverted")
    code, status = _code((*result.mutations, *taken_back), error, stopped_by=stopped_by, cron=cron)
    if error is not None:
        words = [error.message, *(text for text in (error.detail, error.hint) if text)]
        warnings = (*warnings, Warn(error.code, result.plan or "", "; ".join(words)))
    if code > SHELL:
        warnings = (*warnings, Warn("interrupted", result.plan or "", "stopped by a signal"))
    after = _next(result, command, code)
    return Outcome(command, replace(result, warnings=warnings), status, code, server, warnings, after)


def _measure(reports: Sequence[MutationReport]) -> None:
    for report in reports:
        if report.milliseconds is not None:
            telemetry.timing("operations", report.milliseconds / 1000, kind=report.kind.value, outcome=report.outcome)


def skipped_outcome(result: ApplyResult, server: Server | None, *, command: str = "apply") -> Outcome[ApplyResult]:
    """Nothing was done and that is no failure."""
    code = 9 if any(r.outcome == "reverted" for r in result.reconciled) else 0
    return Outcome(command, result, "skipped", code, server)


def refused_outcome(
    ctx: RunContext, result: ApplyResult, no: Sequence[Verdict], server: Server | None, *, command: str = "apply"
) -> Outcome[ApplyResult]:
    """A guard or the user said no; the log tells who."""
    log_no(ctx, result, no, "refused")
    return Outcome(command, result, "refused", 6, server, next=(f"indexpilot {command} --dry-run".replace("_", " "),))


def _code(
    reports: Sequence[MutationReport], error: IndexPilotError | None, *, stopped_by: int | None, cron: bool
) -> tuple[int, str]:
    outcomes = {report.outcome for report in reports}
    # Before everything else, a signal too: a script that reads only the exit code has to learn that an index may be
    # there which no row accounts for.
    if isinstance(error, OutcomeUnknownError) or "unknown" in outcomes:
        return 8, "failed"
    if stopped_by is not None:
        return SHELL + stopped_by, "failed"
    if "reverted" in outcomes:
        return 9, "partial"
    if outcomes & _FAILURES:
        return (7, "partial") if any(r.id is not None for r in reports) else (6, "refused")
    fine = {*SETTLED, "window"} if cron else SETTLED
    held_up = [r for r in reports if r.outcome == "skipped" and r.error_code not in fine]
    if error is not None or held_up:
        return (7, "partial") if "done" in outcomes else (6, "refused")
    return 0, "ok"


def _next(result: ApplyResult, command: str, code: int) -> tuple[str, ...]:
    if result.dry_run and any(r.outcome == "planned" for r in result.mutations) and command == "apply":
        return (f"indexpilot apply {result.plan}" if result.plan else "indexpilot apply",)
    if code == 8 or any(r.outcome == "leftover" for r in result.mutations):
        return ("indexpilot doctor --reconcile",)
    if code > SHELL:
        return ("indexpilot doctor",)
    failed = [r.recommendation for r in result.mutations if r.outcome in _FAILURES and r.recommendation]
    if failed and command == "apply":
        return (f"indexpilot apply {' '.join(dict.fromkeys(failed))}",)
    return ("indexpilot history",) if any(r.outcome == "done" for r in result.mutations) else ()


def log_no(ctx: RunContext, result: ApplyResult, no: Sequence[Verdict], how: str) -> None:
    """One row that says what was not done and which guards said so; never counted as a build."""
    reasons = [{"guard": v.guard, "reason": v.reason, "origin": v.origin} for v in no]
    details = {
        "outcome": how,
        "plan": result.plan,
        "guards": reasons,
        "indexes": _planned(result),
        "actor": ctx.record.actor,
        "version": ctx.record.version,
        "command": ctx.record.command,
    }
    kind = next((_NO[v.guard] for v in no if v.guard in _NO), MutationType.INDEX_CREATION_FAILED)
    why = "; ".join(v.reason for v in no) or str(result.skipped or how)
    row = Mutation(kind, details, state=FAILED, actor=ctx.record.actor or None, error=why)
    with suppress(IndexPilotError):  # refused on a standby, for one, where nothing can be written
        mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)


def tell(note: Note, outcome: Outcome[ApplyResult], *, cron: bool = False) -> None:
    """What the command's own row says: none where indexes and refusals have theirs, a count for an idle ``cron``."""
    result = outcome.result
    note.elsewhere = True
    if outcome.exit_code == 8:
        note.critical("what was done is not known or not recorded")
        return
    word = _idle(result)
    if word is None and not (cron and result.skipped == _WINDOW):
        return
    note.elsewhere = False
    note.idle = word or _WINDOW if cron and not result.dry_run else None
    facts = {"outcome": word or _WINDOW, "plan": result.plan, "indexes": _planned(result)}
    note.details(**{key: value for key, value in facts.items() if value})


def _idle(result: ApplyResult) -> str | None:
    """The word for a run that neither did anything nor was refused; None for others."""
    idle = all(m.outcome in _IDLE or m.error_code in SETTLED for m in result.mutations) and not result.reconciled
    if not idle or not (result.dry_run or result.skipped in _NOTHING):
        return None
    return "dry_run" if result.dry_run else result.skipped or "nothing_to_do"


def _planned(result: ApplyResult) -> list[str]:
    return [m.sql for m in result.mutations if m.outcome == "planned"]


def settled(outcome: Outcome[ApplyResult]) -> Outcome[ApplyResult]:
    """A dry run with something to do has findings; nothing done is never plainly ok."""
    result = outcome.result
    if outcome.status not in ("ok", "findings") or outcome.exit_code:
        return outcome
    if result.dry_run and any(m.outcome == "planned" for m in result.mutations):
        return replace(outcome, status="findings")
    idle = all(m.outcome in ("already_done", "skipped") for m in result.mutations)
    return replace(outcome, status="skipped") if idle and not result.reconciled else outcome
