"""``indexpilot snapshot save``."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, workload
from indexpilot_cli.cli.options import option
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
    statements: opt.StatementOptions,
) -> int:
    """Save schema, statistics and workload to a file that other commands read with --snapshot."""
    session.load(statements)
    from indexpilot_cli.admin.snapshot import SnapshotRequest, run
    from indexpilot_cli.render.views.discover import snapshot_view

    request = SnapshotRequest(file, workload=workload(session, statements, with_files), redact=redact)
    return answer(session, run, request, partial(snapshot_view, verbose=session.verbose))


COMMANDS = {"save": save}
