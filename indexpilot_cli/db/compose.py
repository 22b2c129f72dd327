"""SQL text built in code, as a type of its own: an f-string is no query.

The one place where other packages get psycopg's composed text and its adapter for JSON.
https://www.psycopg.org/psycopg3/docs/api/sql.html
"""

from __future__ import annotations

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from psycopg.types.json import Jsonb

from indexpilot_cli.db import queries

__all__ = ["SQL", "Composable", "Composed", "Identifier", "Jsonb", "Literal", "composed"]


def composed(name: str, version: int, **parts: Composable) -> Composed:
    """The named question for a server version, with the parts in the places of its braces."""
    return SQL(queries.get(name, version)).format(**parts)
