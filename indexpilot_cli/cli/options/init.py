"""Options of ``init`` alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from indexpilot_cli.cli.options.common import WHAT


class Profile(StrEnum):
    """Configurations to begin with."""

    SMALL = "small"
    OLTP = "oltp"
    ANALYTICS = "analytics"


MetadataSchema = Annotated[
    str | None, typer.Option("--schema", metavar="S", help="Schema of our tables.", rich_help_panel=WHAT)
]
Check = Annotated[
    bool,
    typer.Option("--check", metavar="", help="Only look; exit with 3 when something is missing.", rich_help_panel=WHAT),
]
Upgrade = Annotated[bool, typer.Option("--upgrade", metavar="", help="Bring older tables up.", rich_help_panel=WHAT)]
ConfigOnly = Annotated[
    bool, typer.Option("--config-only", metavar="", help="Write the file, ask no server.", rich_help_panel=WHAT)
]
DbOnly = Annotated[bool, typer.Option("--db-only", metavar="", help="Write no file.", rich_help_panel=WHAT)]
ProfileOption = Annotated[Profile, typer.Option("--profile", help="What the file holds.", rich_help_panel=WHAT)]
FromSchema = Annotated[
    str | None,
    typer.Option("--from-schema", metavar="FILE", help="Fill the genome catalog from it.", rich_help_panel=WHAT),
]
DiscoverFields = Annotated[
    bool,
    typer.Option("--discover", metavar="", help="Fill the genome catalog from the database.", rich_help_panel=WHAT),
]
