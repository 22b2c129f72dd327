"""``doctor``: is everything here that the work needs, and how exact is the twin?"""

from __future__ import annotations

from datetime import UTC, datetime

from indexpilot_cli.admin import doctor_checks as checks
from indexpilot_cli.admin.doctor_open import names, observation_checks, open_checks, open_operations, settle
from indexpilot_cli.admin.values import Check, DoctorRequest, DoctorResult
from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.core.catalog import Capabilities
from indexpilot_cli.core.command import Outcome, Progress, TableFilter
from indexpilot_cli.core.estimator import Fidelity
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.planner.open import open_planner_twin
from indexpilot_cli.snapshot.source import Source, open_reader, open_source
from indexpilot_cli.workload.templates import fold_workload

LIVE, READY = "live", "ready"
_NOT_READY = 5
_NEXT = {True: ("indexpilot recommend",), False: ("indexpilot init", "indexpilot recommend")}


def run(request: DoctorRequest, progress: Progress) -> Outcome[DoctorResult]:
    """Checks in the order to fix them in; with ``twin`` also the twin's fidelity as numbers.

    With ``reconcile`` what earlier runs left open is settled first, and told.
    """
    if request.probe != "all":
        return probe(request, progress)
    # First, so that the checks below tell what is left after it.
    settled = settle(request, progress) if request.reconcile else ()
    with (
        bookkeeping(request.connection, MutationType.DISCOVER, request.record, offline=bool(request.snapshot)) as note,
        open_source(request.connection, request.snapshot, progress) as source,
    ):
        found = (*settled, *_checks(source, request))
        fidelity = measure_fidelity(source, request, progress) if request.twin else None
        note.details(checks={c.code: c.state for c in found})
    bad = any(c.state in ("error", "warning") for c in found)
    can = source.capabilities
    initialised = can is None or can.metadata_hidden or can.metadata_version is not None
    return Outcome(
        "doctor",
        DoctorResult(found, fidelity),
        status="findings" if bad else "ok",
        server=source.server,
        warnings=note.warnings,
        next=_NEXT[initialised],
    )


def _checks(source: Source, request: DoctorRequest) -> tuple[Check, ...]:
    now = source.catalog.taken_at or datetime.now(UTC)
    found: list[Check] = []
    left = open_operations(source.session, source.capabilities, request.connection.metadata_schema)
    if source.capabilities is None:
        found.append(Check("ok", "snapshot", f"{request.snapshot}, PostgreSQL {source.catalog.major}", code="snapshot"))
    else:
        found += checks.server_checks(source.capabilities)
        found += checks.planner_checks(source.capabilities, source.catalog)
        found += checks.workload_checks(source.capabilities)
        found += checks.privilege_checks(source.capabilities)
        found.append(checks.metadata_check(source.capabilities, request.connection.metadata_schema))
        found += open_checks(left) if source.capabilities.metadata_version is not None else ()
        found += observation_checks(source)
    found += checks.statistics_checks(source.catalog, now)
    found += checks.index_checks(source.catalog, names(left))
    return tuple(found)


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
                found = (*found, _writable(capabilities), checks.metadata_check(capabilities, schema), *opened)
        note.details(probe=request.probe, checks={c.code: c.state for c in found})
    bad = request.probe == READY and any(c.state != "ok" for c in found)
    return Outcome(
        "doctor",
        DoctorResult(found if request.probe == READY else found[:1]),
        "failed" if bad else "ok",
        _NOT_READY if bad else 0,
        capabilities.server,
        note.warnings,
        ("indexpilot doctor",) if bad else (),
    )


def _writable(capabilities: Capabilities) -> Check:
    server = capabilities.server
    if server.in_recovery:
        return Check("error", "writable", "a standby: indexes are built on the primary", code="writable")
    if server.read_only:
        text, fix = "transactions are read-only by default", "ALTER ROLE … SET default_transaction_read_only = off;"
        return Check("error", "writable", text, fix, "writable")
    return Check("ok", "writable", "indexes can be changed here", code="writable")


def measure_fidelity(source: Source, request: DoctorRequest, progress: Progress) -> Fidelity:
    """Share of identical plans and the distribution of cost errors over the workload's templates.

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
        return measure(twin, source.session, statements)
