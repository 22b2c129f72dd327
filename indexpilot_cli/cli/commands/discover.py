"""``indexpilot discover``."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, size_of, table_filter
from indexpilot_cli.cli.options import RUN, ExitCode, Snapshot, option
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
    tables: opt.TableOptions,
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
        tables_too = {"--table": tables.table, "--exclude-table": tables.exclude_table}
        return _sync(session, tables.schema, write, exit_code, {**others, **tables_too})
    if write:
        raise UsageError("--write is for --sync", hint="indexpilot discover --sync --write")
    from indexpilot_cli.admin.discover import DiscoverRequest, run
    from indexpilot_cli.render.views.discover import discover_view

    request = DiscoverRequest(
        snapshot=snapshot,
        filter=table_filter(session, tables),
        min_size_bytes=size_of("--min-size", min_size) or 0,
        sort=sort.value,
        save=save,
    )
    return answer(session, run, request, partial(discover_view, verbose=session.verbose))


def _sync(
    session: CommandSession, schemas: list[str] | None, write: bool, exit_code: bool, others: dict[str, object]
) -> int:
    from indexpilot_cli.admin.schema_sync import SchemaSyncRequest, run
    from indexpilot_cli.render.views.genome import schema_sync_view

    for flag, given in others.items():
        if given:
            raise UsageError(
                f"--sync compares whole schemas, without {flag}", hint="indexpilot discover --sync --schema S"
            )
    request = SchemaSyncRequest(schemas=tuple(schemas or ()), write=write)
    return answer(session, run, request, schema_sync_view, exit_code=exit_code)


COMMANDS = {"discover": discover}
