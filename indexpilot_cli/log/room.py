"""IndexPilot's own schema as a place: its name, and the questions asked there."""

from __future__ import annotations

from indexpilot_cli.core.names import NAME_LIMIT
from indexpilot_cli.db.queries import SQL, Composed, Identifier, composed
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError

SCHEMA = "indexpilot"


def checked_schema(schema: str) -> str:
    """The schema name, when PostgreSQL can hold it as it is and it is not one of the server's own.

    Raises UsageError otherwise.
    """
    if not schema or "\0" in schema or len(schema.encode(errors="surrogatepass")) > NAME_LIMIT:
        raise UsageError(f"not a schema name: {schema[:80]!r}", hint="1 to 63 bytes", code="bad_schema_name")
    # CREATE SCHEMA refuses pg_ names itself (42939), and information_schema is there already.
    if schema.startswith("pg_") or schema == "information_schema":
        raise UsageError(f"schema {schema} belongs to the server", hint="choose another name", code="bad_schema_name")
    return schema


def compose_text(text: str, schema: str) -> Composed:
    """SQL text of ours with ``{schema}`` in its place, quoted; to be run without parameters."""
    return SQL(text).format(schema=Identifier(checked_schema(schema)))


def question(session: Session, name: str, schema: str) -> Composed:
    """The named question about our schema; to be asked with parameters, even none.

    A percent sign in the schema's name is doubled, because parameters give it a meaning even between quotes.
    """
    return composed(name, session.version, schema=Identifier(checked_schema(schema).replace("%", "%%")))
