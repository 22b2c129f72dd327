"""``indexpilot discover``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from indexpilot_cli.cli.command import SERVER, command, size_of, table_filter
from indexpilot_cli.cli.options import RUN, ExcludeTables, ExitCode, Schemas, Snapshot, Tables, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

EXAMPLES = """Examples:

  indexpilot discover -d shop --schema public --sort writes

  indexpilot discover --snapshot shop.ipsnap --json

  indexpilot discover --sync --exit-code
"""


class Sort(StrEnum):
    """Orders of the tables."""

    SIZE = "size"
    WRITES = "writes"
    READS = "reads"
    NAME = "name"


@command("discover", *SERVER)
def discover(
    session: CommandSession,
    *,
    schema: Schemas = None,
    table: Tables = None,
    exclude_table: ExcludeTables = None,
    min_size: Annotated[str | None, option("--min-size SIZE", "Leave out smaller tables.")] = None,
    sort: Annotated[Sort, option("--sort", "Order of the tables.", metavar=None)] = Sort.SIZE,
    save: Annotated[bool, option("--save", "Record the columns in the genome catalog.")] = False,
    sync: Annotated[bool, option("--sync", "Show what the genome catalog does not know yet.")] = False,
    snapshot: Snapshot = None,
    write: Annotated[bool, option("--write", "With --sync: the genome catalog follows.", panel=RUN)] = False,
    exit_code: ExitCode = False,
) -> int:
    """Show tables, indexes, sizes and activity; with --sync, what changed since the genome catalog was filled."""
    session.load()
    if sync:
        others = {"--save": save, "--snapshot": snapshot, "--min-size": min_size}
        return _sync(session, schema, write, exit_code, {**others, "--table": table, "--exclude-table": exclude_table})
    if write:
        raise UsageError("--write is for --sync", hint="indexpilot discover --sync --write")
    from indexpilot_cli.admin.discover import DiscoverRequest, run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.discover import discover_view

    request = DiscoverRequest(
        session.connection(),
        snapshot,
        table_filter(session, schema, table, exclude_table),
        size_of("--min-size", min_size) or 0,
        sort.value,
        save,
        session.record(),
    )
    outcome = session.call(run, request)
    return finish(session, outcome, discover_view(outcome.result, verbose=session.verbose))


def _sync(
    session: CommandSession, schemas: list[str] | None, write: bool, exit_code: bool, others: dict[str, object]
) -> int:
    from indexpilot_cli.admin.schema_sync import SchemaSyncRequest, run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.genome import schema_sync_view

    for flag, given in others.items():
        if given:
            raise UsageError(
                f"--sync compares whole schemas, without {flag}", hint="indexpilot discover --sync --schema S"
            )
    request = SchemaSyncRequest(session.connection(), tuple(schemas or ()), write, session.record())
    outcome = session.call(run, request)
    return finish(session, outcome, schema_sync_view(outcome.result), exit_code=exit_code)


COMMANDS = {"discover": discover}
