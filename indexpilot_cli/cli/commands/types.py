"""``indexpilot types``."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import RUN, Schemas, Tables, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

EXAMPLES = """Examples:

  indexpilot types -d shop --output shop_rows.py

  indexpilot types -d shop --output shop_rows.py --check

  indexpilot types -d shop --table orders --style pydantic
"""


class Style(StrEnum):
    """What the rows are made of."""

    TYPEDDICT = "typeddict"
    DATACLASS = "dataclass"
    PYDANTIC = "pydantic"


@command("types", *SERVER)
def types(
    session: CommandSession,
    *,
    schema: Schemas = None,
    table: Tables = None,
    style: Annotated[Style, option("--style", "What the rows are made of.", metavar=None)] = Style.TYPEDDICT,
    metadata: Annotated[bool, option("--metadata/--no-metadata", "IndexPilot's own tables, too.")] = True,
    check: Annotated[
        bool, option("--check", "Write nothing; exit with 1 when FILE holds something else.", panel=RUN)
    ] = False,
) -> int:
    """Write Python types for the rows of the tables: one class each, checked by mypy --strict."""
    file = session.output.output
    if check:
        if file in (None, "-"):
            raise UsageError("--check needs the file to check", hint="indexpilot types --output FILE --check")
        session.output = dataclasses.replace(session.output, output=None)
    session.load()
    from indexpilot_cli.admin.types import TypesRequest, WantedTypes, run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.genome.typed_source import TypeStyle
    from indexpilot_cli.render.views.genome import types_view

    wanted = WantedTypes(tuple(table or ()), tuple(schema or ()), own=metadata, style=TypeStyle(style.value))
    outcome = session.call(run, session.signed(TypesRequest(wanted=wanted, check=file if check else None)))
    return finish(session, outcome, types_view(outcome.result), news=not check or outcome.status != "ok")


COMMANDS = {"types": types}
