"""``indexpilot discover``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from indexpilot_cli.cli.command import SERVER, command, size_of, table_filter
from indexpilot_cli.cli.options import ExcludeTables, Schemas, Snapshot, Tables, option
from indexpilot_cli.cli.session import CommandSession

EXAMPLES = """Examples:

  indexpilot discover -d shop --schema public --sort writes

  indexpilot discover --snapshot shop.ipsnap --json
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
    snapshot: Snapshot = None,
) -> int:
    """Show tables, indexes, sizes and activity."""
    session.load()
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


COMMANDS = {"discover": discover}
