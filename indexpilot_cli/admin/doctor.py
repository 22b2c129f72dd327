"""``doctor``: is everything here that the work needs, and how exact is the twin?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from platform import python_version

from indexpilot_cli.admin import doctor_checks as checks
from indexpilot_cli.admin.doctor_checks import Check
from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.apply.verify import statistics
from indexpilot_cli.apply.verify.verdict import IndexVerdict
from indexpilot_cli.core.catalog import Capabilities
from indexpilot_cli.core.command import (
    CommandRequest,
    Outcome,
    PlannerRequest,
    Progress,
    TableFilter,
    WorkloadRequest,
    next_line,
)
from indexpilot_cli.core.estimator import Fidelity
from indexpilot_cli.core.mutation import MutationReport, MutationType
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.execute.build import CatalogVerdict
from indexpilot_cli.execute.reconcile import Pending, pending, settle_open
from indexpilot_cli.execute.standing import drifted
from indexpilot_cli.guards.bypass import current_levels, judge
from indexpilot_cli.guards.context import GuardContext, PermitRequest
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.planner.open import open_planner_twin
from indexpilot_cli.settings.sections import BypassSettings
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_reader, open_source
from indexpilot_cli.sql.parser import parse
from indexpilot_cli.workload.aside import fault_warnings
from indexpilot_cli.workload.templates import fold_workload, with_shares

ALIVE, LIVE, READY = "alive", "live", "ready"
_NOT_READY = 5
_UNSETTLED = 7  # --reconcile left something behind


@dataclass(frozen=True, slots=True)
class DoctorRequest(CommandRequest):
    """``twin`` also measures how faithfully the twin plans the workload.

    ``reconcile`` settles what earlier runs left open. ``probe`` is all, alive (does this program work; no server is
    asked), live (does the server answer) or ready (could indexes be changed now); they ask a handful of questions only.
    """

    snapshot: str | None = None
    twin: bool = False
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    reconcile: bool = False
    probe: str = "all"
    bypass: BypassSettings = field(default_factory=BypassSettings)


@dataclass(frozen=True, slots=True)
class DoctorResult:
    """Checks in the order to fix them in."""

    checks: tuple[Check, ...]
    fidelity: Fidelity | None = None


def run(request: DoctorRequest, progress: Progress) -> Outcome[DoctorResult]:
    """Checks in the order to fix them in; with ``twin`` also the twin's fidelity as numbers.

    With ``reconcile`` what earlier runs left open is settled first, and told.
    """
    if request.probe == ALIVE:
        return alive(request)
    if request.probe != "all":
        return probe(request, progress)
    with (
        bookkeeping(request.connection, MutationType.DISCOVER, request.record, offline=bool(request.snapshot)) as note,
        ExitStack() as stack,
    ):
        # First, so that the checks below tell what is left after it.
        settled = settle(request, progress) if request.reconcile else ()
        source = stack.enter_context(open_source(SourceRequest(request.connection, request.snapshot), progress))
        found = (*settled, *_checks(source, request))
        fidelity, faults, unmeasured = _fidelity(source, request, progress)
        found = (*found, *unmeasured, *checks.fidelity_checks(fidelity))
        note.details(checks={c.code: c.state for c in found})
    bad = any(c.state in ("error", "warning") for c in found)
    unsettled = any(c.state == "error" for c in settled)
    return Outcome(
        "doctor",
        DoctorResult(found, fidelity),
        status="partial" if unsettled else "findings" if bad else "ok",
        exit_code=_UNSETTLED if unsettled else 0,
        server=source.server,
        warnings=(*faults, *note.warnings),
        next=tuple(_next(request, source)),
    )


def _next(request: DoctorRequest, source: Source) -> Iterator[str]:
    """What can be done with the database as it is: no advice where no statement of it is known."""
    can = source.capabilities
    if can is not None and not can.metadata_hidden and can.metadata_version is None and not can.server.read_only:
        yield "indexpilot init"
    if source.records_statements:
        yield next_line("recommend", request.snapshot)


def _checks(source: Source, request: DoctorRequest) -> tuple[Check, ...]:
    now = source.catalog.taken_at or datetime.now(UTC)
    found: list[Check] = []
    left = open_operations(source.session, source.capabilities, request.connection.metadata_schema)
    if source.capabilities is None:
        found.append(Check("ok", "snapshot", f"{request.snapshot}, PostgreSQL {source.catalog.major}", code="snapshot"))
    else:
        found += checks.server_checks(source.capabilities)
        found += checks.encryption_checks(source.capabilities)
        found += checks.planner_checks(source.capabilities, source.catalog)
        found += checks.workload_checks(source.capabilities)
        found += checks.privilege_checks(source.capabilities)
        found.append(checks.metadata_check(source.capabilities, request.connection.metadata_schema))
        found += open_checks(left) if source.capabilities.metadata_version is not None else ()
        found += drift_checks(source, request.connection.metadata_schema)
        found += observation_checks(source)
    found += checks.statistics_checks(source.catalog, now)
    accounted = frozenset(item.event.index for item in left)
    found += checks.index_checks(source.catalog, accounted)
    found += checks.redundant_checks(source.catalog)
    return tuple(found)


def _fidelity(
    source: Source, request: DoctorRequest, progress: Progress
) -> tuple[Fidelity | None, tuple[Warn, ...], tuple[Check, ...]]:
    """The twin's fidelity where it was asked for, warnings, and the check that says why there is nothing to compare."""
    if not request.twin:
        return None, (), ()
    try:
        return *measure_fidelity(source, request, progress), ()
    except PrerequisiteError as error:
        if error.code != "statements_missing":
            raise
        text = f"nothing was compared: {error.message}"
        fix = "give SQL or log files as arguments"
        return None, (), (Check("warning", "twin fidelity", text, fix, "twin_fidelity"),)


def probe(request: DoctorRequest, progress: Progress) -> Outcome[DoctorResult]:
    """The checks of the probe; exit code 5 when it is not ready. Raises UnreachableError when nobody answers."""
    schema = request.connection.metadata_schema
    # Probes come often: one session, and neither the tables nor the workload are read.
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("asking the server")
        with open_reader(request.connection) as session:
            capabilities = look(session, metadata_schema=schema)
            found = tuple(checks.server_checks(capabilities))
            if request.probe == READY:
                opened = tuple(open_checks(open_operations(session, capabilities, schema)))
                off = tuple(_switched_off(session, request))
                writable = _writable(session, capabilities, schema)
                found = (*found, writable, *off, checks.metadata_check(capabilities, schema), *opened)
        bad = request.probe == READY and any(c.state != "ok" for c in found)
        note.details(probe=request.probe, checks={c.code: c.state for c in found})
        note.idle = None if bad else request.probe  # asked every few seconds: a row for each would fill the log
    return Outcome(
        "doctor",
        DoctorResult(found if request.probe == READY else found[:1]),  # live: that it answered
        "failed" if bad else "ok",
        _NOT_READY if bad else 0,
        capabilities.server,
        note.warnings,
        ("indexpilot doctor",) if bad else (),
    )


def _switched_off(session: Session, request: DoctorRequest) -> Iterator[Check]:
    """A line where a switch refuses every change; none where nothing is switched off."""
    asked = PermitRequest(request.connection, bypass=request.bypass)
    verdict = judge(current_levels(GuardContext(session, asked)))
    if not verdict.allowed:
        yield Check("error", "switches", verdict.reason, "indexpilot bypass status", "bypass")


def alive(request: DoctorRequest) -> Outcome[DoctorResult]:
    """That this program works, whatever the database does: who restarts it for that would mend nothing."""
    parse("SELECT 1")  # the one part that is native code of its own
    found = Check("ok", "program", f"version {request.record.version}, Python {python_version()}", code="program")
    return Outcome("doctor", DoctorResult((found,)))


def _writable(session: Session, capabilities: Capabilities, schema: str) -> Check:
    server = capabilities.server
    if server.in_recovery:
        return Check("error", "writable", "a standby: indexes are built on the primary", code="writable")
    if server.read_only:
        text, fix = "transactions are read-only by default", "ALTER ROLE … SET default_transaction_read_only = off;"
        return Check("error", "writable", text, fix, "writable")
    found = session.one("guards/owned", {"schema": schema})
    assert found is not None
    role = quote_identifier(server.user)
    if not found.may_log:
        text, fix = f"{role} may not write to the log", f"GRANT INSERT ON ALL TABLES IN SCHEMA {schema} TO {role};"
        return Check("error", "writable", text, fix, "writable")
    if found.tables and not found.owned:
        owner = quote_identifier(found.owner)
        # Membership of a superuser's role would give more than the tables.
        fix = f"ALTER TABLE … OWNER TO {role};" if found.superuser_owns else f"GRANT {owner} TO {role};"
        text = f"{role} owns none of {found.tables} tables (most are of {owner}): only owners build indexes"
        return Check("error", "writable", text, fix, "writable")
    if found.owned and not found.indexable:
        text, fix = f"{role} may create nothing in the schemas of its tables", f"GRANT CREATE ON SCHEMA … TO {role};"
        return Check("error", "writable", text, fix, "writable")
    part = f" on {found.indexable} of {found.tables} tables" if found.indexable < found.tables else ""
    return Check("ok", "writable", f"indexes can be changed here{part}", code="writable")


def measure_fidelity(source: Source, request: DoctorRequest, progress: Progress) -> tuple[Fidelity, tuple[Warn, ...]]:
    """Share of identical plans and the distribution of cost errors over the workload's templates; and what we could
    not handle of them.

    Raises PrerequisiteError for a snapshot: there is no server to compare with.
    """
    from indexpilot_cli.planner.twin.fidelity import measure

    if source.session is None:
        raise PrerequisiteError("doctor --twin compares with a server, not with a snapshot", code="no_connection")
    folded = fold_workload(source, request.workload, TableFilter(), progress)
    with open_planner_twin(source, request.planner, progress) as twin:
        folded = prepared(folded, source.catalog, types_from(twin))
        statements = [(t.id, t.scenarios[0].statement) for t in folded.templates if t.scenarios]
        progress.stage("comparing plans", len(statements))
        return measure(twin, source.session, statements), fault_warnings(with_shares(folded.skipped, folded))


_LOOK = "indexpilot apply --verify statistics --auto-revert"
_SETTLED = {"done": "ok", "already_done": "ok", "failed": "ok", "leftover": "error"}
_WORDS = {
    "done": "recorded as done",
    "already_done": "recorded as gone",
    "failed": "recorded as failed, nothing is left",
    "leftover": "still there",
}


def open_operations(session: Session | None, found: Capabilities | None, schema: str) -> tuple[Pending, ...]:
    """Operations nobody closed; none before ``init``, for a snapshot, and where our role may not read the log."""
    if session is None or found is None or found.metadata_version is None:
        return ()
    return pending(session, schema)


def open_checks(found: Iterable[Pending]) -> Iterator[Check]:
    """One line per open operation with its fix, or one that says there is none."""
    lines = [_check(item) for item in found]
    yield from lines or [Check("ok", "operations", "none was left open", code="operations")]


def drift_checks(source: Source, schema: str) -> Iterator[Check]:
    """One line for each index of ours that others dropped, renamed or rebuilt since, of which the log is to be told."""
    if source.session is None or not source.is_initialised:
        return
    for drift in drifted(source.session, schema):
        text = f"M-{drift.before.id} {drift.before.index.short}: {drift.text}, and the log does not say so yet"
        yield Check("warning", "drift", text, "indexpilot doctor --reconcile", "drift")


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
    found = item.found
    # Writes maintain an index from when it is ready (indisready), valid or not, and refuse duplicates for it.
    return found is not None and found.ready and found.definition is not None and found.definition.unique


def settle(request: DoctorRequest, progress: Progress) -> tuple[Check, ...]:
    """Close every open operation by what the catalog says; one line for each, none when there was none.

    Raises what ``settle_open`` raises.
    """
    return tuple(map(_settled, settle_open(request.connection, request.record, request.bypass, progress)))


def _settled(report: MutationReport) -> Check:
    told = ", ".join(part for part in (_WORDS.get(report.outcome, report.outcome), *report.notes) if part)
    state = _SETTLED.get(report.outcome, "warning")
    fix = f"indexpilot explain M-{report.id}" if state != "ok" else None
    return Check(state, "settled", f"M-{report.id} {report.index}: {told}", fix, "settled")


def observation_checks(source: Source) -> Iterator[Check]:
    """One line for each index whose verdict is still open; nothing is decided here, and nothing written."""
    if source.session is None or not source.is_initialised:
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
