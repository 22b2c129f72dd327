"""``indexpilot snapshot save``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.command import SERVER, command, workload, workload_flags
from indexpilot_cli.cli.options import LogDatabase, MinCalls, MinTime, Since, SourceOption, option
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot snapshot save shop.ipsnap -d shop --redact

  indexpilot recommend --snapshot shop.ipsnap

A redacted file holds what is allowed and nothing else:

  names: of the database, schemas, tables, columns, indexes, functions, roles,
  labels of enum types, JSON keys; types; settings of the planner; sizes and
  counters; the shape of definitions and queries, with LIMIT and OFFSET;
  the month of the first and of the last date.

Sampled values and literals, also those of defaults, checks, views, policies,
predicates and partition bounds, are surrogates in the same order. Values that
cannot be replaced in order (jsonb, inet, bytea, ranges) are left out, and so
are bodies and settings of functions, arguments of triggers, options of
foreign tables, comments, hosts and what cannot be parsed.

Of utility statements only the kind is kept, redacted or not.
"""


@command("snapshot", *SERVER)
def save(
    session: CommandSession,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write.", show_default=False)],
    redact: Annotated[bool, option("--redact", "Keep names and shapes, no value (see below).")] = False,
    with_files: Annotated[list[str] | None, option("--file FILE", "Take statements from there (repeatable).")] = None,
    source: SourceOption = None,
    since: Since = None,
    log_database: LogDatabase = None,
    min_calls: MinCalls = None,
    min_time: MinTime = None,
) -> int:
    """Save schema, statistics and workload to a file that other commands read with --snapshot."""
    session.load(workload_flags(min_calls, min_time))
    from indexpilot_cli.admin.snapshot import SnapshotRequest, run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.discover import snapshot_view

    statements = workload(session, source, with_files, since=since, log_database=log_database)
    request = SnapshotRequest(file, session.connection(), statements, redact, session.record())
    outcome = session.call(run, request)
    return finish(session, outcome, snapshot_view(outcome.result, verbose=session.verbose))


COMMANDS = {"save": save}
