"""``indexpilot explain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command, lifecycle_request, planner, workload
from indexpilot_cli.cli.options import explainable, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from indexpilot_cli.advise.values import ExplainResult
    from indexpilot_cli.core.command import Outcome
    from indexpilot_cli.lifecycle.values import LifecycleRequest

Subject = Annotated[
    str | None,
    typer.Argument(metavar="ID", help="An id the tool printed: R-…, q-…, F-…, M-…, L01.", autocompletion=explainable),
]
Query = Annotated[str | None, option("--query SQL", "Plan this statement.")]
With = Annotated[list[str] | None, option("--with DDL", "With this index (repeatable).")]
Without = Annotated[
    list[str] | None,
    option("--without NAME", "With --query: without this index; with R-…: without this algorithm (repeatable)."),
]
Standby = Annotated[list[str] | None, option("--standby DSN", "Of F-…: count its scans too (repeatable).")]
Analyze = Annotated[bool, option("--analyze", "Run the SELECT for real, read-only.")]


def explained_hazard(session: CommandSession, subject: str) -> bool:
    """Print what a kind of hazard is; False when the subject is something else. Raises UsageError."""
    from indexpilot_cli.evolve.review.registry import explain_hazard, is_hazard

    if not is_hazard(subject):
        return False
    from indexpilot_cli.cli.show import show
    from indexpilot_cli.render.views.explain import view

    outcome = explain_hazard(subject)
    show(session, outcome, view(outcome.result), 0)
    return True


def explained_finding(session: CommandSession, subject: str, request: LifecycleRequest) -> int:
    """Print what a finding of ``lifecycle`` rests on. Raises UsageError."""
    from indexpilot_cli.lifecycle.explain import explain_finding

    return shown(session, session.call(lambda asked, progress: explain_finding(asked, subject, progress), request))


def shown(session: CommandSession, outcome: Outcome[ExplainResult]) -> int:
    """Print the explanation; its exit code."""
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.explain import view

    return finish(session, outcome, view(outcome.result, verbose=session.verbose))


EXAMPLES = """Examples:

  indexpilot explain R-7f3a1c09

  indexpilot explain --query "SELECT * FROM orders WHERE status = 'open'" --without orders_status_idx

  indexpilot explain R-7f3a1c09 --without cert

  indexpilot explain F-3d20a1b7 --standby "host=db2"

  indexpilot explain L01

  indexpilot explain --query "$(cat slow.sql)" --with "CREATE INDEX ON orders (status)"
"""


@command("explain", *SERVER)
def explain(
    session: CommandSession,
    *,
    subject: Subject = None,
    query: Query = None,
    with_: With = None,
    without: Without = None,
    analyze: Analyze = False,
    standby: Standby = None,
    with_files: opt.QueryFiles = None,
    source: opt.SourceOption = None,
    min_benefit: opt.MinBenefit = None,
    asked: opt.PlannerOptions,
    snapshot: opt.Snapshot = None,
    yes: opt.Yes = False,
) -> int:
    """Say why an index is recommended, why not, or what a query would cost with other indexes."""
    session.load(asked, flags={"advisor.min_benefit": ("--min-benefit", min_benefit)})
    check(subject, query, bool(with_ or analyze), without or ())
    if subject is not None and explained_hazard(session, subject):
        return 0
    statements = workload(session, opt.StatementOptions(source), with_files)
    if subject is not None and subject.upper().startswith("F-"):
        finding = lifecycle_request(session, statements, standby, snapshot)
        # A small index may be asked about, too.
        return explained_finding(session, subject, replace(finding, min_bytes=0))
    if analyze:
        allow_to_run(session, snapshot, yes=yes)
    from indexpilot_cli.advise.explain.explain import run
    from indexpilot_cli.advise.values import ExplainRequest
    from indexpilot_cli.core.command import TableFilter

    excluded = session.settings.advisor.exclude_tables if subject is not None else ()
    request = replace(
        ExplainRequest.by(session.settings),
        connection=session.connection(),
        snapshot=snapshot,
        subject=subject,
        query=query,
        with_indexes=tuple(with_ or ()),
        without_indexes=tuple(without or ()) if query is not None else (),
        without_algorithms=() if query is not None else tuple(without or ()),
        analyze=analyze,
        workload=statements,
        filter=TableFilter(exclude=excluded),
        planner=planner(session),
        record=session.record(),
    )
    return shown(session, session.call(run, request))


def check(subject: str | None, query: str | None, what_if: bool, without: Sequence[str]) -> None:
    """Exactly one of id and query; indexes only with a query, algorithms only with advice."""
    if (subject is None) == (query is None):
        raise UsageError("give either an id or --query", hint="indexpilot explain --help")
    if query is None and what_if:
        raise UsageError("--with and --analyze need --query", hint="indexpilot explain --help")
    if without and query is None:
        if not (subject or "").startswith("R-"):
            raise UsageError("--without needs --query or the id of an advice", hint="indexpilot explain --help")
        from indexpilot_cli.algorithms import registry

        registry.check(without)  # before anything is opened


def allow_to_run(session: CommandSession, snapshot: str | None, *, yes: bool) -> None:
    """Raises UsageError where there is no server to run the query, RefusedError when the user does not want that."""
    if snapshot:
        raise UsageError("--analyze needs the server, not a snapshot")
    if not yes and not session.confirm("This runs the query on the server. Proceed?"):
        raise RefusedError("not run", code="declined")


COMMANDS = {"explain": explain}
