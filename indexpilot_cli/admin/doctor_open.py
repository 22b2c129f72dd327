"""What earlier runs left open, as checks of ``doctor``; and settling it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from indexpilot_cli.admin.values import Check, DoctorRequest
from indexpilot_cli.apply.verify import statistics
from indexpilot_cli.apply.verify.verdict import IndexVerdict
from indexpilot_cli.core.catalog import Capabilities
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.mutation import MutationReport
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.execute.build import CatalogVerdict
from indexpilot_cli.execute.context import open_context
from indexpilot_cli.execute.reconcile import Pending, pending, reconcile
from indexpilot_cli.execute.signals import listening
from indexpilot_cli.snapshot.source import Source

_LOOK = "indexpilot apply --verify statistics --auto-revert"
_SETTLED = {"done": "ok", "failed": "ok", "leftover": "error", "conflict": "warning", "skipped": "warning"}
_WORDS = {"done": "recorded as done", "failed": "recorded as failed, nothing is left", "leftover": "still there"}


def open_operations(session: Session | None, found: Capabilities | None, schema: str) -> tuple[Pending, ...]:
    """Operations nobody closed; none before ``init``, for a snapshot, and where our role may not read the log."""
    if session is None or found is None or found.metadata_version is None:
        return ()
    return pending(session, schema)


def open_checks(found: Iterable[Pending]) -> Iterator[Check]:
    """One line per open operation with its fix, or one that says there is none."""
    lines = [_check(item) for item in found]
    yield from lines or [Check("ok", "operations", "none was left open", code="operations")]


def names(found: Iterable[Pending]) -> frozenset[QualifiedName]:
    """Indexes that an open operation accounts for."""
    return frozenset(item.event.index for item in found)


def _check(item: Pending) -> Check:
    event = item.event
    began = f" started {event.created_at:%Y-%m-%d %H:%M}Z" if event.created_at else ""
    index = item.found
    unique = " and UNIQUE: it still refuses application inserts" if index and _unique(item) else ""
    invalid = f"; invalid index {event.index.short}{unique}" if index is not None and not index.valid else ""
    text = f"M-{event.id}{began}, never closed{invalid}: {item.text}"
    if item.verdict is CatalogVerdict.LEAVE:
        return Check("warning", "running", text, item.fix, "running")
    return Check("error", "leftover", text, item.fix, "leftover")


def _unique(item: Pending) -> bool:
    return item.found is not None and item.found.definition is not None and item.found.definition.unique


def settle(request: DoctorRequest, progress: Progress) -> tuple[Check, ...]:
    """Close every open operation by what the catalog says; one line for each, none when there was none.

    Raises PrerequisiteError before ``init``, OutcomeUnknownError when the log cannot be written.
    """
    progress.stage("settling what was left open")
    with listening() as stop, open_context(request.connection, request.record, progress, stop) as ctx:
        return tuple(_settled(report) for report in reconcile(ctx))


def _settled(report: MutationReport) -> Check:
    told = ", ".join(part for part in (_WORDS.get(report.outcome, report.outcome), *report.notes) if part)
    state = _SETTLED.get(report.outcome, "warning")
    fix = f"indexpilot explain M-{report.id}" if state != "ok" else None
    return Check(state, "settled", f"M-{report.id} {report.index}: {told}", fix, "settled")


def observation_checks(source: Source) -> Iterator[Check]:
    """One line for each index whose verdict is still open; nothing is decided here, and nothing written."""
    initialised = source.capabilities is not None and source.capabilities.metadata_version is not None
    if source.session is None or not initialised:
        return
    try:
        found = statistics.look(source.session, source.catalog, source.connection.metadata_schema)
    # pg_stat_statements may have been dropped since the build; the other checks are still worth having.
    except PrerequisiteError as error:
        yield Check("warning", "verification", f"observed indexes cannot be judged: {error.message}", error.hint)
        return
    for one in found:
        yield _observed(one)


def _observed(one: statistics.Observed) -> Check:
    found = one.verification
    text = f"{one.operation.name}: {found.text}" + (f"; {one.size}" if one.size else "")
    if one.crashed:
        return Check("warning", "verification", text, _LOOK, "observed_index")
    if found.verdict is IndexVerdict.NOT_ENOUGH:
        remedy = f"DROP INDEX CONCURRENTLY {one.operation.index}; if you do not want it" if one.expired else None
        return Check("warning" if one.expired else "ok", "verification", text, remedy, "observed_index")
    return Check("warning" if found.harmful else "ok", "verification", text, _LOOK, "observed_index")
