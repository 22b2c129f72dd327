"""The versions of our indexes: a row for each definition that was built, numbered within its lineage.

A lineage is what one index became: builds of the same name on the same table, what stands in the place of another one,
and older versions that were built again. A version is never rewritten; going back adds one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from indexpilot_cli.core.mutation import Event
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.log.metadata import SCHEMA, of_this_version, question


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One definition that an index had. ``definition_sql`` is the server's own text of it.

    ``op_id`` is the operation that built it, None for an index that was there before and that one of ours replaced;
    ``mutation`` the number behind ``M-``. ``current``: it stands, by the log.
    """

    lineage: int
    version: int
    table: QualifiedName
    index: QualifiedName
    definition_sql: str
    op_id: str | None
    current: bool
    created_at: datetime
    mutation: int | None = None
    recommendation: str | None = None


def add_version(session: Session, event: Event, *, anew: bool = False, schema: str = SCHEMA) -> None:
    """Keep the definition as the newest version of its lineage, unless it is the current one of that name.

    ``anew``: the same definition was built again, which is a version too.
    """
    replaced = _names(event.details.get("replaces"))
    values = {
        "schema_name": event.index.schema,
        "table_name": event.table.name,
        "index_name": event.index.name,
        "definition_sql": event.definition_sql,
        "undo_sql": event.undo_sql,
        "op_id": event.op_id,
        "lineage": event.details.get("lineage"),
        "names": [*replaced, event.index.name],
        "is_part": "part_of" in event.details,
        "anew": anew,
    }
    if replaced:
        # What it replaces need not be ours, and rollback must be able to go back to it all the same.
        found = {"relid": event.relid, "names": list(replaced)}
        session.execute(question(session, "log/version_found", schema), found)
    session.execute(question(session, "log/version_add", schema), values)


def retire_version(session: Session, index: QualifiedName, *, schema: str = SCHEMA) -> None:
    """No version of the index's name is current any more: it was dropped."""
    names = {"schema_name": index.schema, "index_name": index.name}
    session.execute(question(session, "log/version_retire", schema), names)


def read_versions(
    session: Session,
    *,
    index: tuple[str | None, str] | None = None,
    op_ids: Sequence[str] | None = None,
    table: tuple[str | None, str] | None = None,
    schema: str = SCHEMA,
) -> tuple[IndexVersion, ...]:
    """Whole lineages, the newest first, each from its newest version down; all of them, or those that the index (its
    schema may be None) or one of the operations belongs to, of one table. Raises PrerequisiteError before an upgrade.
    """
    by_name, of_table = index or (None, None), table or (None, None)
    values: Mapping[str, Any] = {
        "index_schema": by_name[0],
        "index": by_name[1],
        "ids": None if op_ids is None else list(op_ids),
        "table_schema": of_table[0],
        "table": of_table[1],
    }
    with of_this_version("does not know lineages"):
        return tuple(map(_version, session.rows(question(session, "log/versions", schema), values)))


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list | tuple) else ()


def _version(row: Row) -> IndexVersion:
    return filled(
        IndexVersion,
        row,
        table=QualifiedName(row.schema_name, row.table_name),
        index=QualifiedName(row.schema_name, row.index_name),
        current=row.is_current,
        mutation=row.number,
    )
