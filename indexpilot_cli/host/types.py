"""Python types for the rows of the tables, for hosts that want them checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from indexpilot_cli.admin.types import WantedTypes, typed_source
from indexpilot_cli.core import files
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome.typed_source import TypeStyle
from indexpilot_cli.host import place


def generate_all_types(
    output_file: Path | str | None = None, tables: Sequence[str] | None = None, *, style: str = "typeddict"
) -> str:
    """Source with a type for the rows of these tables (None: all, ours too), written to the file where one is named.

    ``style`` is typeddict, dataclass or pydantic. Equal schemas give equal text. Raises UsageError for a table that is
    not there.
    """
    return _generate("generate_all_types", WantedTypes(tuple(tables or ()), style=_style(style)), output_file)


def generate_types_for_table(table_name: str, schema_name: str = "public", *, style: str = "typeddict") -> str:
    """The same for one table."""
    table = QualifiedName(place.checked_name(schema_name, "schema"), place.checked_name(table_name, "table"))
    return _generate("generate_types_for_table", WantedTypes((_quoted(table),), style=_style(style)), None)


def generate_all_indexpilot_types(output_file: Path | str | None = None, *, style: str = "typeddict") -> str:
    """The same for IndexPilot's own tables."""
    return _generate("generate_all_indexpilot_types", WantedTypes(business=False, style=_style(style)), output_file)


def _generate(function: str, wanted: WantedTypes, output_file: Path | str | None) -> str:
    with place.logged(MutationType.DISCOVER, function) as note:
        with place.session() as session:
            tables, source = typed_source(session, wanted, place.metadata_schema())
        note.details(tables=len(tables))
        if output_file is not None:
            files.write(Path(output_file), source, keep_mode=True)
    return source


def _quoted(table: QualifiedName) -> str:
    # Always quoted: the names came apart, and a dot in one of them would split it.
    parts = ('"' + part.replace('"', '""') + '"' for part in (table.schema, table.name))
    return ".".join(parts)


def _style(word: str) -> TypeStyle:
    try:
        return TypeStyle(word)
    except ValueError:
        known = ", ".join(style.value for style in TypeStyle)
        raise UsageError(f"no style {word[:40]!r} of types", hint=f"one of {known}", code="bad_style") from None
