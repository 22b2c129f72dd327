"""The genome catalog and the expression profiles follow a change, in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.evolve.change.values import ColumnChangeKind, SchemaChange
from indexpilot_cli.genome import profiles
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import FieldKey, GenomeField, ProfileRow


def known(session: Session, table: QualifiedName, column: str, schema: str) -> dict[str, object]:
    """What our tables say of the column now, as JSON; empty when they do not know it."""
    key = FieldKey(table, column)
    fields = [f for f in genome.fields(session, table.name, table.schema, schema=schema) if f.key == key]
    rows = [row for row in profiles.all_rows(session, schema=schema) if row.key == key]
    if not fields:
        return {}
    return {"field": to_json(fields[0]), "profiles": [to_json(row) for row in rows]}


def follow(session: Session, change: SchemaChange, schema: str) -> None:
    """Bring our tables in step with the change that this transaction makes."""
    key = FieldKey(change.table, change.column)
    match change.kind:
        case ColumnChangeKind.RENAME:
            genome.rename(session, key, FieldKey(change.table, str(change.new_name)), schema=schema)
        case ColumnChangeKind.DROP:
            genome.remove(session, (key,), schema=schema)
        case _:
            _refresh(session, key, schema)


def unfollow(session: Session, change: SchemaChange, before: Mapping[str, Any], schema: str) -> None:
    """Bring our tables in step with the way back; ``before`` is what ``known`` gave."""
    key = FieldKey(change.table, change.column)
    match change.kind:
        case ColumnChangeKind.RENAME:
            genome.rename(session, FieldKey(change.table, str(change.new_name)), key, schema=schema)
        case ColumnChangeKind.ADD:
            genome.remove(session, (key,), schema=schema)
        case ColumnChangeKind.TYPE:
            _refresh(session, key, schema)
        case ColumnChangeKind.DROP:
            _bring_back(session, before, schema)


def _refresh(session: Session, key: FieldKey, schema: str) -> None:
    """A field as the database has it now; only of a table that the catalog knows."""
    # A column alone of a table that nobody discovered would look like all of the table.
    if not genome.fields(session, key.table.name, key.table.schema, schema=schema):
        return
    found = [d for d in genome.discover(session, schemas=[key.table.schema], schema=schema) if d.field.key == key]
    for item in found:
        # By name the field is known already where only its type changed.
        field = item.field
        if not genome.add(session, (field,), schema=schema):
            values = {"type": field.type, "required": field.required, "indexable": field.indexable}
            genome.update(session, key, **values, schema=schema)  # type: ignore[arg-type]
    genome.save_identities(session, found, schema=schema)


def _bring_back(session: Session, before: Mapping[str, Any], schema: str) -> None:
    if not before.get("field"):
        return
    genome.add(session, (from_json(GenomeField, before["field"]),), schema=schema)
    for data in before.get("profiles", ()):
        row = from_json(ProfileRow, data)
        profiles.set_enabled(session, row.tenant_id, row.key, row.enabled, schema=schema)
