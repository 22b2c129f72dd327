"""Options of the operations of ``schema-evolve``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.options.common import RUN, WHAT

Table = Annotated[str, typer.Argument(metavar="TABLE", help="The table, such as orders or sales.orders.")]
TheColumn = Annotated[str, typer.Argument(metavar="COLUMN", help="The column's name, exactly as it is.")]
NewColumn = Annotated[str, typer.Argument(metavar="COLUMN", help="The new column's name, exactly as it will be.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name, exactly as it will be.")]
Type = Annotated[
    str, typer.Option("--type", metavar="TYPE", help="Its type: bigint, varchar(20).", rich_help_panel=WHAT)
]
Default = Annotated[
    str | None,
    typer.Option("--default", metavar="SQL", help="Its default: 0, \"'new'\", now().", rich_help_panel=WHAT),
]
NotNull = Annotated[bool, typer.Option("--not-null", metavar="", help="It may not be NULL.", rich_help_panel=WHAT)]
Comment = Annotated[str | None, typer.Option("--comment", metavar="TEXT", help="What it is for.", rich_help_panel=WHAT)]
Unique = Annotated[bool, typer.Option("--unique", metavar="", help="No value twice.", rich_help_panel=WHAT)]
References = Annotated[
    str | None,
    typer.Option("--references", metavar="T(C)", help="It points there: customers(id).", rich_help_panel=WHAT),
]
Using = Annotated[
    str | None,
    typer.Option("--using", metavar="SQL", help="How new values are computed: code::int.", rich_help_panel=WHAT),
]
Online = Annotated[
    bool,
    typer.Option("--online", metavar="", help="Use a shadow column whatever the table's size.", rich_help_panel=WHAT),
]
Save = Annotated[
    bool,
    typer.Option("--save", metavar="", help="Keep the values, so that rollback can restore.", rich_help_panel=WHAT),
]
SaveTo = Annotated[
    str | None, typer.Option("--save-to", metavar="TABLE", help="Keep them in this new table.", rich_help_panel=WHAT)
]
QueryFiles = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="FILE", help="Recorded queries: a log or SQL file.", rich_help_panel=WHAT),
]
ForceDrop = Annotated[
    bool, typer.Option("--force", metavar="", help="Indexes and constraints may go too.", rich_help_panel=RUN)
]
ForceName = Annotated[
    bool, typer.Option("--force", metavar="", help="Also a name that is a reserved word.", rich_help_panel=RUN)
]
ForceUndo = Annotated[
    bool, typer.Option("--force", metavar="", help="Also what was built on it since.", rich_help_panel=RUN)
]
Execute = Annotated[
    bool, typer.Option("--execute", metavar="", help="Do it; without this it is only shown.", rich_help_panel=RUN)
]
Retries = Annotated[
    int | None,
    typer.Option("--retries", metavar="N", min=0, max=100, help="Tries after a lock timeout: 5.", rich_help_panel=WHAT),
]
Target = Annotated[str | None, typer.Argument(metavar="M-ID", help="The change; or --last.", show_default=False)]
Fill = Annotated[
    str | None,
    typer.Option("--fill", metavar="SQL", help="Value for rows whose own was not saved.", rich_help_panel=WHAT),
]
