"""Options of the operations of ``schema-evolve``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli.options.common import RUN, option

Table = Annotated[str, typer.Argument(metavar="TABLE", help="The table, such as orders or sales.orders.")]
TheColumn = Annotated[str, typer.Argument(metavar="COLUMN", help="The column's name, exactly as it is.")]
NewColumn = Annotated[str, typer.Argument(metavar="COLUMN", help="The new column's name, exactly as it will be.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name, exactly as it will be.")]
Type = Annotated[str, option("--type TYPE", "Its type: bigint, varchar(20).")]
Default = Annotated[str | None, option("--default SQL", "Its default: 0, \"'new'\", now().")]
NotNull = Annotated[bool, option("--not-null", "It may not be NULL.")]
Comment = Annotated[str | None, option("--comment TEXT", "What it is for.")]
Unique = Annotated[bool, option("--unique", "No value twice.")]
References = Annotated[str | None, option("--references T(C)", "It points there: customers(id).")]
Using = Annotated[str | None, option("--using SQL", "How new values are computed: code::int.")]
Online = Annotated[bool, option("--online", "Use a shadow column whatever the table's size.")]
Save = Annotated[bool, option("--save", "Keep the values, so that rollback can restore.")]
SaveTo = Annotated[str | None, option("--save-to TABLE", "Keep them in this new table.")]
QueryFiles = Annotated[list[str] | None, option("--file FILE", "Recorded queries: a log or SQL file.")]
ForceDrop = Annotated[bool, option("--force", "Indexes and constraints may go too.", panel=RUN)]
ForceName = Annotated[bool, option("--force", "Also a name that is a reserved word.", panel=RUN)]
ForceUndo = Annotated[bool, option("--force", "Also what was built on it since.", panel=RUN)]
Execute = Annotated[bool, option("--execute", "Do it; without this it is only shown.", panel=RUN)]
Retries = Annotated[int | None, option("--retries N", "Tries after a lock timeout: 5.", min=0, max=100)]
Target = Annotated[str | None, typer.Argument(metavar="M-ID", help="The change; or --last.", show_default=False)]
Fill = Annotated[str | None, option("--fill SQL", "Value for rows whose own was not saved.")]
