"""``doctor``: is everything here that the work needs, and how exact is the twin?"""

from __future__ import annotations

from datetime import UTC, datetime

from indexpilot_cli.admin import doctor_checks as checks
from indexpilot_cli.admin.doctor_observed import observation_checks
from indexpilot_cli.admin.doctor_open import names, open_checks, open_operations, settle
from indexpilot_cli.admin.doctor_probe import probe
from indexpilot_cli.admin.fidelity import measure_fidelity
from indexpilot_cli.admin.values import Check, DoctorRequest, DoctorResult
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import Source, open_source

_NEXT = {True: ("indexpilot recommend",), False: ("indexpilot init", "indexpilot recommend")}


def run(request: DoctorRequest, progress: Progress) -> Outcome[DoctorResult]:
    """Checks in the order to fix them in; with ``twin`` also the twin's fidelity as numbers.

    With ``reconcile`` what earlier runs left open is settled first, and told.
    """
    if request.probe != "all":
        return probe(request, progress)
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
