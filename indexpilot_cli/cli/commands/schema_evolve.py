"""``indexpilot schema-evolve``: ``check`` here, the operations beside it."""

from __future__ import annotations

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.commands import schema_evolve_operations
from indexpilot_cli.cli.options import common as opt
from indexpilot_cli.cli.options import evolve as own
from indexpilot_cli.cli.requests import planner_flags, workload, workload_flags
from indexpilot_cli.cli.session import Session

GROUP = own.PathsGroup
EXAMPLES = """Examples:

  indexpilot schema-evolve check migrations/0042_orders.sql -d shop

  indexpilot schema-evolve --git-diff origin/main migrations/ --snapshot shop.snapshot --format sarif

  indexpilot schema-evolve check 0042_orders.sql -d shop --fix --write

  indexpilot schema-evolve add-column orders tier --type int --default 0 --not-null -d shop

  indexpilot schema-evolve rollback --last --execute -d shop
"""


@command("schema-evolve", *SERVER, also=("sarif", "github"))
def check(
    session: Session,
    *,
    files: own.Migrations = None,
    git_diff: own.GitDiff = None,
    snapshot: opt.Snapshot = None,
    offline: own.Offline = False,
    server_version: own.ServerVersion = None,
    transaction: own.TransactionOption = None,
    ignore: own.Ignore = None,
    with_files: own.QueryFiles = None,
    source: opt.SourceOption = None,
    since: opt.Since = None,
    min_calls: opt.MinCalls = None,
    min_time: opt.MinTime = None,
    workers: opt.Workers = None,
    fix: own.Fix = False,
    write: own.Write = False,
    fail_on: own.FailOnOption = None,
    exit_zero: own.ExitZero = False,
) -> int:
    """Say of each migration whom it blocks, for how long, what it breaks and whether it fails. Changes nothing."""
    flags = {**workload_flags(min_calls, min_time), **planner_flags(workers=workers)}
    session.load({**flags, **own.check_flags(fail_on, transaction, ignore)})
    from indexpilot_cli.cli.review import check_request, review

    recorded = workload(session, source, with_files, since=since)
    request = check_request(
        session,
        recorded,
        files=tuple(files or ()),
        git_diff=git_diff,
        snapshot=snapshot,
        offline=offline,
        server_version=server_version,
        fix=fix or write,
        write_fix=write,
        exit_zero=exit_zero,
    )
    return review(session, request)


COMMANDS = {"check": check, **schema_evolve_operations.COMMANDS}
