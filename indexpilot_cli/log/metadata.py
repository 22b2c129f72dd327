"""IndexPilot's own schema: its name, the questions asked there, making, upgrading and removing it.

Nothing outside that schema is touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain

from indexpilot_cli.core.names import NAME_LIMIT, quote_identifier, quote_literal
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.queries import SQL, Composed, Identifier, composed
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UsageError

SCHEMA = "indexpilot"
_PACKAGE = "indexpilot_cli.log"
_FILE = re.compile(r"(?P<version>\d{4})_\w+\.sql")
_TABLE = re.compile(r"^CREATE TABLE \{schema\}\.(\w+)", re.MULTILINE)
_TAG = "IndexPilot's own tables; made and removed by indexpilot"
# duplicate_table (of an index too), duplicate_object, duplicate_function
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TAKEN = frozenset({"42P07", "42710", "42723"})
_UNDEFINED_COLUMN = "42703"
_LOCK_WAIT = "10s"
_DONE = "INSERT INTO {schema}.schema_version (version) VALUES ({version})"


@dataclass(frozen=True, slots=True)
class MetadataMigration:
    """One step of the schema: its number and its statements, with ``{schema}`` still open."""

    version: int
    statements: tuple[str, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables the step makes."""
        return tuple(chain.from_iterable(_TABLE.findall(text) for text in self.statements))


@dataclass(frozen=True, slots=True)
class MetadataStatus:
    """What is there: whether the schema exists, the version it is at (None: not ours yet), the version we know."""

    schema: str
    schema_exists: bool
    version: int | None
    latest: int

    @property
    def current(self) -> bool:
        """Whether nothing is missing."""
        return self.version is not None and self.version >= self.latest


@cache
def migrations() -> tuple[MetadataMigration, ...]:
    """All steps in order."""
    found = [(m, e) for e in files(_PACKAGE).joinpath("migrations").iterdir() if (m := _FILE.fullmatch(e.name))]
    steps = (MetadataMigration(int(m["version"]), _statements(e.read_text(encoding="utf-8"))) for m, e in found)
    return tuple(sorted(steps, key=lambda step: step.version))


def latest_version() -> int:
    """The version after all steps."""
    return migrations()[-1].version


def status(session: Session, schema: str = SCHEMA) -> MetadataStatus:
    """What there is of the metadata schema; works in a read-only session and on a standby."""
    row = session.one("log/status", {"schema": checked_schema(schema)})
    version = session.value(question(session, "log/version", schema), {}) if row and row.has_versions else None
    return MetadataStatus(schema, bool(row and row.schema_exists), version, latest_version())


def is_ready(session: Session, schema: str = SCHEMA) -> bool:
    """Whether the metadata tables exist (at any version that has a mutation log)."""
    return status(session, schema).version is not None


def require(session: Session, schema: str = SCHEMA) -> None:
    """Nothing when the metadata tables exist; PrerequisiteError that names ``indexpilot init`` when not."""
    if is_ready(session, schema):
        return
    # On a standby nothing can be made, and what is made on the primary arrives by itself.
    standby = session.value("SELECT pg_is_in_recovery()")
    raise PrerequisiteError(
        f"IndexPilot's tables are not in this database (schema {quote_identifier(schema)})",
        detail="this server is a standby" if standby else None,
        hint="connect to the primary" if standby else "indexpilot init",
        code="not_initialised",
    )


@contextmanager
def of_this_version(what: str) -> Iterator[None]:
    """PrerequisiteError for a column of ours that is not there; ``what`` a version without it cannot do."""
    try:
        yield
    except IndexPilotError as error:
        if sqlstate(error) != _UNDEFINED_COLUMN:
            raise
        text = f"IndexPilot's tables are of an earlier version, which {what}"
        raise PrerequisiteError(text, hint="indexpilot init --upgrade", code="metadata_too_old") from error


def pending(found: MetadataStatus) -> tuple[MetadataMigration, ...]:
    """The steps still to do."""
    return tuple(step for step in migrations() if step.version > (found.version or 0))


def statements(found: MetadataStatus) -> tuple[str, ...]:
    """The exact SQL that ``migrate`` would run, each text one statement; empty when nothing is missing."""
    return tuple(_sql(found))


def migrate(session: Session, schema: str = SCHEMA) -> MetadataStatus:
    """Do the missing steps in one transaction, one runner at a time; gives the status from *before*.

    Raises PrerequisiteError without the right to create, RefusedError when another program's table has one of our
    names or another run does not finish within ten seconds.
    """
    with session.transaction():
        session.execute(f"SET LOCAL lock_timeout = {quote_literal(_LOCK_WAIT)}")
        # Two runs at once would both find no version and both create: the second waits here, then has nothing to do.
        # The lock ends with the transaction, so a runner that dies leaves none.
        session.rows("log/lock", {"key": f"indexpilot.metadata.{checked_schema(schema)}"})
        before = status(session, schema)
        refuse_newer(before)
        for text in statements(before):
            _run(session, text, schema)
    return before


def grants(role: str, schema: str = SCHEMA) -> tuple[str, ...]:
    """What lets the role read our tables, each text one statement: enough to look, not to change or to log.

    Writing is trust: ``rollback`` believes the log.
    """
    place, who = quote_identifier(checked_schema(schema)), quote_identifier(role)
    return (f"GRANT USAGE ON SCHEMA {place} TO {who}", f"GRANT SELECT ON ALL TABLES IN SCHEMA {place} TO {who}")


def later_grants(role: str, schema: str = SCHEMA) -> str:
    """What lets the role read the tables, too, that the same owner's next upgrade makes."""
    place = quote_identifier(checked_schema(schema))
    return f"ALTER DEFAULT PRIVILEGES IN SCHEMA {place} GRANT SELECT ON TABLES TO {quote_identifier(role)}"


def may_read(session: Session, role: str, schema: str = SCHEMA) -> bool:
    """Whether the role reads every table of ours already. Raises UsageError when there is no such role."""
    found = session.one("log/may_read", {"role": role, "schema": checked_schema(schema)})
    if found is None or found.is_there is None:
        raise UsageError(f"there is no role {quote_identifier(role)}", hint="psql -c '\\du' lists them", code="no_role")
    return bool(found.reads)


def uninstall_statements(schema: str = SCHEMA) -> tuple[str, ...]:
    """The exact SQL that ``uninstall`` runs, without dropping the schema itself."""
    text = files(_PACKAGE).joinpath("uninstall.sql").read_text(encoding="utf-8")
    return tuple(compose_text(part, schema).as_string(None) for part in _statements(text))


def uninstall(session: Session, schema: str = SCHEMA) -> bool:
    """Drop our tables and functions; the schema too when we made it and nothing else is left in it.

    Gives whether the schema is gone. Raises StatementError when something of the host depends on our tables.
    """
    with session.transaction():  # all or nothing: what the host has built on one of our tables keeps all of them
        for text in uninstall_statements(schema):
            session.execute(text)
        leave = session.one("log/schema_leftover", {"schema": schema, "tag": _TAG})
        if leave is None or not leave.ours or leave.occupied:
            return leave is None
        # Without CASCADE: what somebody has put into it since we looked makes the server refuse (2BP01).
        session.execute(f"DROP SCHEMA {quote_identifier(schema)}")
    return True


def _sql(found: MetadataStatus) -> Iterator[str]:
    name = quote_identifier(found.schema)
    steps = pending(found)
    if steps and not found.schema_exists:
        yield f"CREATE SCHEMA {name}"
        yield f"COMMENT ON SCHEMA {name} IS {quote_literal(_TAG)}"
    for step in steps:
        yield from (compose_text(text, found.schema).as_string(None) for text in step.statements)
        yield _DONE.format(schema=name, version=step.version)


def _run(session: Session, text: str, schema: str) -> None:
    try:
        session.execute(text)
    except IndexPilotError as error:
        if sqlstate(error) not in _TAKEN:
            raise
        raise RefusedError(
            f"schema {quote_identifier(schema)} already holds something with one of our names",
            detail=error.detail,
            hint="choose another schema with --schema",
            code="name_taken",
        ) from error


def refuse_newer(found: MetadataStatus) -> None:
    """PrerequisiteError where a later program has made or upgraded the tables."""
    if found.version is not None and found.version > found.latest:
        raise PrerequisiteError(
            f"the metadata is at version {found.version}, this program knows {found.latest}",
            hint="upgrade indexpilot",
            code="metadata_too_new",
        )


def _statements(text: str) -> tuple[str, ...]:
    """Statements stand apart by blank lines and end with a semicolon at the end of a line."""
    return tuple(part.strip().removesuffix(";") for part in text.split("\n\n") if part.strip())


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
