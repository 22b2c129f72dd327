"""``indexpilot history``."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from indexpilot_cli.cli.command import SERVER, answer, command
from indexpilot_cli.cli.options import Since, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

EXAMPLES = """Examples:

  indexpilot history -d shop --since 7d

  indexpilot history -d shop --type CREATE_INDEX --type ROLLBACK_INDEX --json

  indexpilot history -d shop --versions --table orders

  indexpilot history -d shop --algorithms --since 30d
"""


@command("history", *SERVER)
def history(
    session: CommandSession,
    *,
    since: Since = None,
    type_: Annotated[list[str] | None, option("--type TYPE", "Only this mutation type (repeatable).")] = None,
    table: Annotated[str | None, option("--table T", "Only this table.")] = None,
    tenant: Annotated[int | None, option("--tenant ID", "Only this tenant.")] = None,
    limit: Annotated[int, option("--limit N", "Show at most so many.", min=1)] = 100,
    versions: Annotated[
        bool, option("--versions", "Show the definitions that indexes had, for rollback --to-version.")
    ] = False,
    algorithms: Annotated[
        bool, option("--algorithms", "Show what each algorithm did in the plans that are kept.")
    ] = False,
) -> int:
    """Show the mutation log, newest first."""
    session.load()
    if versions:
        if since or type_ or tenant is not None or algorithms:
            raise UsageError("--versions goes with --table and --limit", hint="indexpilot history --help")
        return _versions(session, table, limit)
    if algorithms:
        if type_ or tenant is not None:
            raise UsageError("--algorithms goes with --table and --since", hint="indexpilot history --help")
        return _algorithms(session, table, since)
    from indexpilot_cli.admin.history import HistoryRequest, run
    from indexpilot_cli.render.views.history import history_view

    types = tuple(_known(t) for t in type_ or ())
    request = HistoryRequest(since=session.since(since), types=types, table=table, tenant=tenant, limit=limit)
    return answer(session, run, request, partial(history_view, verbose=session.verbose))


def _versions(session: CommandSession, table: str | None, limit: int) -> int:
    from indexpilot_cli.admin.history import VersionsRequest, list_versions
    from indexpilot_cli.render.views.history import versions_view

    return answer(session, list_versions, VersionsRequest(table=table, limit=limit), versions_view)


def _algorithms(session: CommandSession, table: str | None, since: str | None) -> int:
    from indexpilot_cli.admin.history import UsageRequest, list_usage
    from indexpilot_cli.render.views.history import usage_view

    return answer(session, list_usage, UsageRequest(table=table, since=session.since(since)), usage_view)


def _known(text: str) -> str:
    from indexpilot_cli.core.mutation import MutationType
    from indexpilot_cli.settings.keys import nearest

    names = [t.value for t in MutationType]
    if text.upper() in names:
        return text.upper()
    meant = nearest(text.upper(), names)
    raise UsageError(f"no mutation type {text!r}" + (f", did you mean {meant}?" if meant else ""))


COMMANDS = {"history": history}
