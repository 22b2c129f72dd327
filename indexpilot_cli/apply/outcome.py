"""From reports to the outcome of the command, and the row that says why nothing was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from indexpilot_cli.apply.plan import DID_NOT_PAY
from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.mutation import Mutation, MutationReport, MutationType
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.signals import SHELL
from indexpilot_cli.guards.context import Verdict
from indexpilot_cli.log import mutations
from indexpilot_cli.log.bookkeeping import DONE, FAILED

# What only looks must not count as a build.
_KINDS = {"apply": MutationType.RECOMMEND_INDEX, "rollback": MutationType.DISCOVER}
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
    taken_back = tuple(r for r in result.reconciled if r.outcome == "reverted")
    code, status = _code((*result.mutations, *taken_back), error, stopped_by=stopped_by, cron=cron)
    if error is not None:
        words = [error.message, *(text for text in (error.detail, error.hint) if text)]
        warnings = (*warnings, Warn(error.code, result.plan or "", "; ".join(words)))
    if code > SHELL:
        warnings = (*warnings, Warn("interrupted", result.plan or "", "stopped by a signal"))
    after = _next(result, command, code)
    return Outcome(command, replace(result, warnings=warnings), status, code, server, warnings, after)


def skipped_outcome(
    result: ApplyResult,
    server: Server | None,
    ctx: RunContext | None = None,
    no: Sequence[Verdict] = (),
    *,
    command: str = "apply",
) -> Outcome[ApplyResult]:
    """Nothing was done and that is no failure; logged where a guard is the reason."""
    if ctx is not None:
        log_no(ctx, result, no, "skipped")
    code = 9 if any(r.outcome == "reverted" for r in result.reconciled) else 0
    return Outcome(command, result, "skipped", code, server)


def refused_outcome(
    ctx: RunContext, result: ApplyResult, no: Sequence[Verdict], server: Server | None, *, command: str = "apply"
) -> Outcome[ApplyResult]:
    """A guard or the user said no; the log tells who."""
    log_no(ctx, result, no, "refused")
    return Outcome(command, result, "refused", 6, server, next=(f"indexpilot {command} --dry-run",))


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
    fine = ("did_not_pay", "window") if cron else ("did_not_pay",)
    held_up = [r for r in reports if r.outcome == "skipped" and r.error_code not in fine]
    if error is not None or held_up:
        return (7, "partial") if "done" in outcomes else (6, "refused")
    return 0, "ok"


def _next(result: ApplyResult, command: str, code: int) -> tuple[str, ...]:
    if result.dry_run and result.mutations and command == "apply":
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
    kind = MutationType.INDEX_CREATION_FAILED
    if any(v.guard == "rate" for v in no):
        kind = MutationType.RATE_LIMIT_EXCEEDED
    reasons = [{"guard": v.guard, "reason": v.reason, "origin": v.origin} for v in no]
    why = "; ".join(v.reason for v in no) or str(result.skipped or how)
    details = {
        "outcome": how,
        "plan": result.plan,
        "guards": reasons,
        "indexes": [r.sql for r in result.mutations if r.outcome == "planned"],
        "actor": ctx.record.actor,
        "version": ctx.record.version,
        "command": ctx.record.command,
    }
    _record(ctx, Mutation(kind, details, state=FAILED, actor=ctx.record.actor or None, error=why))


@contextmanager
def failure_told(ctx: RunContext, command: str) -> Iterator[None]:
    """An error that leaves the block gets its row; it is raised again, unchanged."""
    try:
        yield
    except IndexPilotError as error:
        facts = {"error_class": type(error).__name__, "error_code": error.code}
        _write(ctx, command, FAILED, facts, error)
        raise


def tell_idle(ctx: RunContext, outcome: Outcome[ApplyResult]) -> None:
    """A row for an outcome that has none of its own: those of indexes and of refusals are written already."""
    result = outcome.result
    idle = all(m.outcome in _IDLE or m.error_code == DID_NOT_PAY for m in result.mutations) and not result.reconciled
    if idle and (result.dry_run or result.skipped in (None, "already_done", DID_NOT_PAY, "nothing_to_undo")):
        word = "dry_run" if result.dry_run else result.skipped or "nothing_to_do"
        indexes = [m.sql for m in result.mutations if m.outcome == "planned"]
        _write(ctx, outcome.command, DONE, {"outcome": word, "plan": result.plan, "indexes": indexes})


def _write(
    ctx: RunContext, command: str, state: str, facts: dict[str, Any], error: IndexPilotError | None = None
) -> None:
    asked = {"command": ctx.record.command, "version": ctx.record.version, "actor": ctx.record.actor}
    row = Mutation(
        _KINDS[command],
        {key: value for key, value in {**asked, **facts}.items() if value not in (None, "", [])},
        state=state,
        actor=ctx.record.actor or None,
        sqlstate=sqlstate(error),
        error=None if error is None else error.message,
    )
    _record(ctx, row)


def _record(ctx: RunContext, row: Mutation) -> None:
    with suppress(IndexPilotError):  # refused on a standby, for one, where nothing can be written
        mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)
