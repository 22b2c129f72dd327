"""The two questions of a supervisor: does the server answer, and could indexes be changed now?"""

from __future__ import annotations

from indexpilot_cli.admin import doctor_checks as checks
from indexpilot_cli.admin.doctor_open import open_checks, open_operations
from indexpilot_cli.admin.values import Check, DoctorRequest, DoctorResult
from indexpilot_cli.core.catalog import Capabilities
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_reader

LIVE, READY = "live", "ready"
_NOT_READY = 5


def probe(request: DoctorRequest, progress: Progress) -> Outcome[DoctorResult]:
    """The checks of the probe; exit code 5 when it is not ready. Raises UnreachableError when nobody answers."""
    schema = request.connection.metadata_schema
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
