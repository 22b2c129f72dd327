"""Setting up: our tables, the genome catalog from a demo, a file, or the database itself, and keeping it in step.

The three ways in give ``success, tables_count, fields_count, error`` and do not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.genome import schema_file
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import FieldKey, discover
from indexpilot_cli.genome.schema_check import SchemaDefinition
from indexpilot_cli.genome.schema_file import CRM
from indexpilot_cli.genome.sync import Bootstrapped, bootstrap, discover_and_bootstrap, sync
from indexpilot_cli.host import place
from indexpilot_cli.log import metadata

Result = dict[str, Any]
SchemaSource = Path | str | Mapping[str, Any] | SchemaDefinition


def create_metadata_tables() -> Result:
    """Make or upgrade our own tables, nothing else; ``created`` lists the new ones. Running it again makes none."""
    return _told("create_metadata_tables", _create)


def drop_metadata_tables() -> Result:
    """Remove our tables with all they hold; ``schema_dropped`` says whether the schema went too.

    The schema stays when the host made it or keeps something in it.
    """

    def drop() -> Result:
        # DROP TABLE wants ACCESS EXCLUSIVE on tables that other processes of the host may be writing statistics to.
        with place.session(lock_timeout_ms=10_000) as session:
            gone = metadata.uninstall(session, place.metadata_schema())
        return {"schema_dropped": gone, "tables_count": 0, "fields_count": 0}

    return _told("drop_metadata_tables", drop)


def bootstrap_genome_catalog() -> Result:
    """Fill the genome catalog with the four tables of a small CRM; ``new_fields`` is 0 the second time."""
    return _told("bootstrap_genome_catalog", lambda: _counted(_from_schema(CRM)))


def bootstrap_genome_catalog_from_schema(schema: SchemaSource) -> Result:
    """Fill the genome catalog from a schema file (.yaml, .json, .py) or an object of the same shape."""
    return _told("bootstrap_genome_catalog_from_schema", lambda: _counted(_from_schema(schema)))


def init_schema_from_config(config: SchemaSource) -> Result:
    """Our tables, and the genome catalog from a schema file: the way for hosts that describe their schema."""

    def both() -> Result:
        # Read first: a file with mistakes must not leave tables of ours behind.
        _definition(config)
        return _create() | _counted(_from_schema(config))

    return _told("init_schema_from_config", both)


def discover_and_bootstrap_schema(
    schema_name: str | None = "public", exclude_tables: Collection[str] | None = None
) -> Result:
    """Our tables, and the genome catalog from what the database has; ``schema_name`` None: every schema."""

    def both() -> Result:
        made = _create()
        with place.session() as session:
            counts = discover_and_bootstrap(
                session,
                schemas=None if schema_name is None else [schema_name],
                exclude=exclude_tables or (),
                schema=place.metadata_schema(),
            )
        return made | _counted(counts)

    return _told("discover_and_bootstrap_schema", both)


def discover_schema_from_database(
    schema_name: str | None = "public", exclude_tables: Collection[str] | None = None
) -> dict[str, Any]:
    """What the database has, in the shape of a schema file; writes nothing. Raises IndexPilotError."""
    with place.logged(MutationType.DISCOVER, "discover_schema_from_database"), place.session() as session:
        found = discover(
            session,
            schemas=None if schema_name is None else [schema_name],
            exclude=exclude_tables or (),
            schema=place.metadata_schema(),
        )
    tables: dict[QualifiedName, list[dict[str, Any]]] = {}
    for field in (d.field for d in found):
        tables.setdefault(field.table, []).append(
            {
                "name": field.name,
                "type": field.type,
                "required": field.required,
                "indexable": field.indexable,
                "feature_group": field.group,
            }
        )
    return {"tables": [{"name": n.name, "schema": n.schema, "fields": fields} for n, fields in tables.items()]}


def load_schema(source: Path | str | Mapping[str, Any]) -> SchemaDefinition:
    """The schema of a file or object. Raises SchemaFileError with every mistake and its line."""
    return schema_file.load_schema(source)


def validate_schema(source: Path | str | Mapping[str, Any]) -> list[str]:
    """Every mistake of a schema file as ``line N: ...``; empty when there is none."""
    return [str(problem) for problem in schema_file.validate_schema(source)]


def detect_and_sync_schema_changes(schema_name: str | None = "public", auto_update: bool = True) -> Result:
    """Compare database and genome catalog; with ``auto_update`` the catalog follows, without it nothing is written.

    ``changes`` has ``kind, table, field, before, after``; ``applied`` says whether the catalog was changed.
    """

    def compare() -> Result:
        with place.session() as session:
            metadata.require(session, place.metadata_schema())
            synced = sync(
                session,
                schemas=None if schema_name is None else [schema_name],
                apply=auto_update,
                schema=place.metadata_schema(),
                by=place.record_of("detect_and_sync_schema_changes"),
            )
            known = genome.fields(session, schema_name=schema_name, schema=place.metadata_schema())
        changes = [
            {"kind": c.kind.value, "table": str(c.table), "field": c.field, "before": c.before, "after": c.after}
            for c in synced.changes
        ]
        return {
            "tables_count": len({f.table for f in known}),
            "fields_count": len(known),
            "changes": changes,
            "applied": synced.applied,
        }

    kind = MutationType.SCHEMA_SYNC if auto_update else MutationType.DISCOVER
    return _told("detect_and_sync_schema_changes", compare, kind)


def get_genome_fields(table_name: str | None = None) -> list[dict[str, Any]]:
    """Rows of the genome catalog, all or of one table (``orders`` or ``sales.orders``); unknown tables have none."""
    schema_name, name = place.checked_table(table_name)
    with place.session() as session:
        return [
            row._asdict() for row in genome.stamped_fields(session, name, schema_name, schema=place.metadata_schema())
        ]


def set_feature_group(table_name: str, field_name: str, group: str, schema_name: str = "public") -> bool:
    """Put a field into a feature group; False when the catalog does not have it."""
    table = QualifiedName(place.checked_name(schema_name, "schema"), place.checked_name(table_name, "table"))
    key = FieldKey(table, place.checked_name(field_name, "field"))
    with place.logged(MutationType.SYSTEM_CONFIG_CHANGE, "set_feature_group", group=group) as note:
        note.table(table.name, table.schema, key.field)
        with place.session() as session:
            return genome.update(session, key, group=group, schema=place.metadata_schema())


def _create() -> Result:
    # The workers of a host start together: all but one wait here for an advisory lock, no longer than this.
    with place.session(lock_timeout_ms=10_000) as session:
        before = metadata.migrate(session, place.metadata_schema())
    created = list(chain.from_iterable(step.tables for step in metadata.pending(before)))
    return {"created": created, "tables_count": 0, "fields_count": 0}


def _definition(source: SchemaSource) -> SchemaDefinition:
    return source if isinstance(source, SchemaDefinition) else schema_file.load_schema(source)


def _from_schema(source: SchemaSource) -> Bootstrapped:
    fields = schema_file.genome_fields(_definition(source))
    with place.session() as session:
        metadata.require(session, place.metadata_schema())
        return bootstrap(session, fields, schema=place.metadata_schema())


def _counted(counts: Bootstrapped) -> Result:
    return {
        "tables_count": counts.tables_count,
        "fields_count": counts.fields_count,
        "new_fields": counts.new_fields,
    }


def _told(function: str, work: Callable[[], Result], kind: MutationType = MutationType.SYSTEM_CONFIG_CHANGE) -> Result:
    """The result with ``success`` and ``error``; our errors become text, because hosts call this while starting.

    The log has a row of it, but for a comparison that found nothing and is made at every start: those are counted.
    ``skipped`` says why nothing was done when a switch is off; that is no failure.
    """
    try:
        off = place.skipped()
        if off is not None:
            return {"success": True, "error": None, "skipped": off, "tables_count": 0, "fields_count": 0}
        with place.logged(kind, function) as note:
            result = work()
            note.idle = "no_changes" if result.get("changes") == [] else None
            # What follows a change is logged in its transaction.
            note.elsewhere = bool(result.get("applied"))
            note.details(**{name: value for name, value in result.items() if value and name != "changes"})
    except IndexPilotError as error:
        return {"success": False, "tables_count": 0, "fields_count": 0, "error": error.text}
    finally:
        # Also after a failure, which may have come half way.
        place.schema_changed()
    return {"success": True, "error": None} | result
