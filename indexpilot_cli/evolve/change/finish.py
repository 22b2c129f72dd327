"""``schema-evolve finish``: the old column that an online type change kept goes."""

from __future__ import annotations

from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.evolve.change import online_operation as online
from indexpilot_cli.evolve.change.execute import COMMAND, Confirm, named, permit, verdicts
from indexpilot_cli.evolve.change.values import ChangeResult
from indexpilot_cli.evolve.impact import clear_impact_cache
from indexpilot_cli.evolve.requests import ChangeRequest
from indexpilot_cli.execute.context import RunLimits, open_context
from indexpilot_cli.execute.signals import Stop, listening

_ENDS = {"planned": ("findings", 0), "done": ("ok", 0), "partial": ("partial", 7), "failed": ("failed", 7)}


def finish_change(request: ChangeRequest, progress: Progress, confirm: Confirm) -> Outcome[ChangeResult]:
    """What would go, or that it went; exit codes as for a change. Raises RefusedError when nothing is kept."""
    limits = RunLimits(request.lock_timeout, request.retries)
    with open_context(request.connection, request.record, progress, Stop(), limits) as ctx:
        server = look(ctx.look, metadata_schema=ctx.schema).server
        table = _table(named(ctx, ctx.look, request), request)
        result = online.finish(ctx, table, request.column, execute=False)
        if request.execute:
            # DROP COLUMN asks for ACCESS EXCLUSIVE, however briefly: it is no less bound to the window than the change
            # was.
            permit(verdicts(ctx, request))
            if not request.confirmed and not confirm(result):
                raise RefusedError("nothing was done", code="declined")
            with listening(ctx.stop):
                result = online.finish(ctx, table, request.column, execute=True)
            clear_impact_cache()
    status, code = _ENDS[result.outcome]
    again = f"indexpilot schema-evolve finish {table} {request.column} --execute"
    return Outcome(COMMAND, result, status, code, server, (), () if request.execute else (again,))


def _table(found: tuple[QualifiedName, int] | None, request: ChangeRequest) -> QualifiedName:
    if found is None:
        raise RefusedError(f"there is no table {request.table}", code="table_missing")
    return found[0]
