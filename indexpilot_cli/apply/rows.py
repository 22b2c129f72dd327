"""The one row of a run that changed no index: a dry run, nothing to do, or an error before anything was done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from indexpilot_cli.apply.plan import DID_NOT_PAY
from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.log import mutations
from indexpilot_cli.log.bookkeeping import DONE, FAILED

# What only looks must not count as a build.
_KINDS = {"apply": MutationType.RECOMMEND_INDEX, "rollback": MutationType.DISCOVER}
_IDLE = frozenset({"planned", "already_done"})


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
    with suppress(IndexPilotError):  # a standby takes no row
        mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)
