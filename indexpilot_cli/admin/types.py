"""``types``: Python source for the rows of the tables, or how far a file is from it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from indexpilot_cli.core import files
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName, split_table
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome.typed_source import TypedTable, TypeStyle, python_source, read_typed, with_types
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_reader

_CODE = files.FileLimit(64 << 20, "unreadable_file")


@dataclass(frozen=True, slots=True)
class WantedTypes:
    """Which tables: those named (none: all) in these schemas (none: all), and our own where ``own``."""

    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    business: bool = True
    own: bool = True
    style: TypeStyle = TypeStyle.TYPEDDICT


@dataclass(frozen=True, slots=True)
class TypesRequest(CommandRequest):
    """``check`` is the file that should hold just that; None: the source is the result."""

    wanted: WantedTypes = field(default_factory=WantedTypes)
    check: str | None = None


@dataclass(frozen=True, slots=True)
class TypesResult:
    """Python source for the rows of tables."""

    style: TypeStyle
    tables: tuple[QualifiedName, ...]
    source: str
    checked: Annotated[str | None, "the file that was compared"] = None
    diff: Annotated[tuple[str, ...], "unified, from the file to the source"] = ()


def run(request: TypesRequest, progress: Progress) -> Outcome[TypesResult]:
    """The source, or a finding with exit code 1 when the file to check holds something else or is not there.

    Raises UsageError for a table or schema that is not there.
    """
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the types of the tables")
        with open_reader(request.connection) as session:
            server = look(session, metadata_schema=schema).server
            tables, source = typed_source(session, request.wanted, schema)
        diff = () if request.check is None else _difference(request.check, source)
        note.details(tables=len(tables), style=request.wanted.style.value, checked=request.check, drift=bool(diff))
    result = TypesResult(request.wanted.style, tables, source, request.check, diff)
    # 1 as diff(1) and every checker of sources does; what went wrong otherwise has codes of its own.
    status, code = ("findings", 1) if diff else ("ok", 0)
    return Outcome("types", result, status, code, server, note.warnings)


def typed_source(session: Session, wanted: WantedTypes, metadata_schema: str) -> tuple[tuple[QualifiedName, ...], str]:
    """The tables, and the source for them. Raises UsageError for a table or schema that is not there."""
    every = read_typed(session)
    chosen = [t for t in every if _is_chosen(t.name, wanted, metadata_schema)]
    if wanted.tables:
        named = {_find(every, typed) for typed in wanted.tables}
        chosen = [t for t in every if t.name in named]
    known = {t.name.schema for t in every}
    for name in wanted.schemas:
        if name not in known:
            raise UsageError(f'no tables in schema "{name}"', hint=_near(name, known), code="unknown_schema")
    source = python_source(with_types(session, chosen), wanted.style)
    return tuple(t.name for t in chosen), source


def _is_chosen(name: QualifiedName, wanted: WantedTypes, metadata_schema: str) -> bool:
    if name.schema == metadata_schema:
        return wanted.own
    return wanted.business and (not wanted.schemas or name.schema in wanted.schemas)


def _find(every: tuple[TypedTable, ...], typed: str) -> QualifiedName:
    schema, table = split_table(typed)
    found = [t.name for t in every if t.name.name == table and schema in (None, t.name.schema)]
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise UsageError(f"several schemas have a table {typed}", hint=f"one of {listed}", code="ambiguous_table")
    if not found:
        raise UsageError(f'no table "{typed}"', hint=_near(typed, {t.name.short for t in every}), code="unknown_table")
    return found[0]


def _near(typed: str, known: set[str]) -> str:
    close = difflib.get_close_matches(typed, sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else "indexpilot discover lists what is there"


def _difference(path: str, source: str) -> tuple[str, ...]:
    """Lines of a unified diff from the file to the source; a file that is not there has no lines."""
    # As if empty: before the file was ever made the check shows all that is to be generated, and is no error.
    there = files.read_text(path, _CODE) if Path(path).exists() else ""
    if there == source:
        return ()
    lines = difflib.unified_diff(there.splitlines(), source.splitlines(), path, "the database", lineterm="")
    return tuple(lines) or ("the lines are the same, their ends are not",)
