"""Names against the genome catalog, from a cache: what the catalog does not have is not a name.

Without a catalog the check is permissive: every plain identifier passes. Names are quoted wherever they reach
SQL, so this protects statistics from rubbish, not the database from injection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from indexpilot_cli.core.names import NAME_LIMIT
from indexpilot_cli.db.session import Session
from indexpilot_cli.genome import table as genome
from indexpilot_cli.host import place
from indexpilot_cli.host.place import TtlCache

_PLAIN = re.compile(r"[^\W\d][\w$ -]*")
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Names:
    """Fields by table; a table stands under its name and under ``schema.name``."""

    fields: Mapping[str, frozenset[str]]

    def has_table(self, table: str) -> bool:
        """Whether it is a table of the catalog, or could be one when the catalog is empty."""
        return table in self.fields if self.fields else all(map(is_plain, table.split(".", 1)))

    def has_field(self, table: str, field: str) -> bool:
        """Whether it is a field of the table, or could be one when the catalog is empty."""
        if not self.fields:
            return self.has_table(table) and is_plain(field)
        return field in self.fields.get(table, ())


_cache: TtlCache[str, Names] = TtlCache(_SECONDS, 4)
place.on_schema_change(_cache.clear)


def is_plain(name: str) -> bool:
    """Whether the text looks like an identifier: letters of any script, digits, ``_ $ -`` and spaces, 63 bytes."""
    return _PLAIN.fullmatch(name) is not None and len(name.encode(errors="surrogatepass")) <= NAME_LIMIT


def validate_table_name(table: str) -> bool:
    """Whether the genome catalog has the table (``orders`` or ``sales.orders``)."""
    return known_names().has_table(table)


def validate_field_name(table: str, field: str) -> bool:
    """Whether the genome catalog has the field in that table."""
    return known_names().has_field(table, field)


def known_names(session: Session | None = None) -> Names:
    """The catalog's names, at most a minute old; read with the given session when it must be read."""
    schema = place.metadata_schema()
    # A second connection for a caller that holds one could wait in vain in a pool whose threads all do the same.
    if session is not None:
        return _cache.get(schema, lambda: _read(session, schema))
    return _cache.get(schema, _read_on_its_own)


def _read_on_its_own() -> Names:
    with place.session() as session:
        return _read(session, place.metadata_schema())


def _read(session: Session, schema: str) -> Names:
    tables: dict[str, set[str]] = {}
    for field in genome.fields(session, schema=schema):
        for title in (field.table.name, f"{field.table.schema}.{field.table.name}"):
            tables.setdefault(title, set()).add(field.name)
    return Names({title: frozenset(names) for title, names in tables.items()})
