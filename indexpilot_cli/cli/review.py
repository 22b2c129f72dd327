"""``schema-evolve check``: the request, the exit code, and the files it may write."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from typing import TYPE_CHECKING, Any

from indexpilot_cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from indexpilot_cli.cli.session import Session
    from indexpilot_cli.core.command import Outcome, WorkloadRequest
    from indexpilot_cli.evolve.requests import CheckRequest
    from indexpilot_cli.evolve.review.values import CheckResult

_OLDEST = 13


def check_request(session: Session, recorded: WorkloadRequest, **asked: Any) -> CheckRequest:
    """The request; limits come from the settings, where flags have gone already. Raises UsageError, RefusedError."""
    from indexpilot_cli.cli.requests import planner
    from indexpilot_cli.evolve.requests import CheckRequest

    settings = session.settings.operational.schema_evolution
    if not settings.enabled:
        place = session.settings.origin("operational.schema_evolution.enabled")
        raise RefusedError("schema evolution is switched off", detail=f"by {place}", code="disabled")
    request = CheckRequest(
        connection=session.connection(),
        workload=recorded,
        planner=planner(session),
        ignore=settings.ignore,
        fail_on="error" if settings.fail_on == "never" else settings.fail_on,
        one_transaction=settings.transaction == "single",
        probe_seconds=settings.probe_seconds,
        run_seconds=settings.run_seconds,
        long_rows=settings.long_rows,
        record=session.record(),
        **asked,
    )
    _possible(request)
    return dataclasses.replace(request, exit_zero=request.exit_zero or settings.fail_on == "never")


def _possible(request: CheckRequest) -> None:
    if not request.files and request.git_diff is None:
        raise UsageError(
            "give files or directories to review, or --git-diff BASE", hint="indexpilot schema-evolve --help"
        )
    if request.write_fix and "-" in request.files:
        raise UsageError("--write needs a file: standard input cannot be written to")
    if request.server_version is not None and request.server_version < _OLDEST:
        raise UsageError(f"--server-version: PostgreSQL {_OLDEST} or newer, such as 16")


def review(session: Session, request: CheckRequest) -> int:
    """Run the review, print it, write what ``--write`` asked for; the exit code."""
    from indexpilot_cli.cli.show import show
    from indexpilot_cli.evolve.review.check import run
    from indexpilot_cli.evolve.review.explain_hazard import hazards
    from indexpilot_cli.render.views.review.view import view

    outcome = finished(session.call(run, request), exit_zero=request.exit_zero)
    document = view(outcome.result, hazards=hazards(), verbose=session.verbose, fix=request.fix)
    show(session, outcome, document, outcome.exit_code, news=outcome.status != "ok" or request.fix)
    if request.write_fix:
        write_fixes(session, outcome.result)
    return outcome.exit_code


def finished(outcome: Outcome[CheckResult], *, exit_zero: bool) -> Outcome[CheckResult]:
    """The outcome with its status, exit code and next steps.

    2: a file is not SQL; 3: findings at or above ``fail_on`` that are not ignored; 0 otherwise.
    """
    result = outcome.result
    grave = any(f.severity.rank >= result.fail_on.rank for f in result.findings)
    unread = any(file.unparsed is not None for file in result.files)
    code = 2 if unread else 3 if grave and not exit_zero else 0
    status = "failed" if unread else "findings" if result.findings else "ok"
    return dataclasses.replace(outcome, status=status, exit_code=code, next=outcome.next or following(result))


def following(result: CheckResult) -> tuple[str, ...]:
    """What to type next: the explanation of the gravest finding, and the safer form of its file."""
    worst = max(result.findings, key=lambda f: f.severity.rank, default=None)
    if worst is None:
        return ()
    safer = next((f.path for f in result.findings if f.instead and f.path != "-"), None)
    done = any(file.fixed is not None for file in result.files)
    more = () if safer is None or done else (f"indexpilot schema-evolve check {shlex.quote(safer)} --fix",)
    return (f"indexpilot explain {worst.id}", *more)


def write_fixes(session: Session, result: CheckResult) -> None:
    """Write the safer forms that were found to be no worse than the file. Raises UsageError."""
    from indexpilot_cli.cli.output import write_file
    from indexpilot_cli.render.units import visible
    from indexpilot_cli.render.views.review.fix import better

    for file in result.files:
        if better(file):
            write_file(file.path, file.fixed or "")
            if not session.output.quiet:
                sys.stderr.write(f"written to {visible(file.path)}\n")
