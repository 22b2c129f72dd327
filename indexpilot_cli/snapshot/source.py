"""What a command looks at: a server in a read-only session, or a snapshot file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from indexpilot_cli.core.catalog import Capabilities, Catalog, Server, Table
from indexpilot_cli.core.command import Connection, Progress, TableFilter
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.siblings import Siblings, siblings_of
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.db.session import Session
    from indexpilot_cli.snapshot.values import Snapshot


@dataclass(frozen=True, slots=True)
class Source:
    """A database as far as this command sees it. One of ``session`` and ``snapshot`` is set; offline none is.

    Where there are ``siblings``, the catalog has of schemas with the same tables only the one that stands for all.
    """

    catalog: Catalog
    server: Server | None
    connection: Connection
    capabilities: Capabilities | None = None
    session: Session | None = None
    snapshot: Snapshot | None = None
    siblings: Siblings | None = None

    @property
    def is_initialised(self) -> bool:
        """Whether IndexPilot's tables are there, as far as the role can see."""
        return self.capabilities is not None and self.capabilities.metadata_version is not None

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """What the role cannot be told."""
        return () if self.capabilities is None else hidden_metadata(self.capabilities, self.connection.metadata_schema)

    @property
    def is_offline(self) -> bool:
        """Whether there is no catalog at all: the statements are all that is known."""
        return self.session is None and self.snapshot is None

    @property
    def records_statements(self) -> bool:
        """Whether it has statements of its own to go by: a snapshot's workload, or pg_stat_statements."""
        if self.snapshot is not None:
            return self.snapshot.workload is not None and bool(self.snapshot.workload.statements)
        can = self.capabilities
        return can is not None and can.statements_readable and not can.statements_off


def hidden_metadata(can: Capabilities, schema: str) -> tuple[Warn, ...]:
    """That IndexPilot's tables are there and the role may not read them: what they forbid does not count then."""
    if not can.metadata_hidden:
        return ()
    from indexpilot_cli.log.metadata import grants

    text = f"{can.server.user} may not read what IndexPilot keeps there: fields and indexes that it rules out, what was"
    text += f" measured and taken back do not count; {'; '.join(grants(can.server.user, schema))}"
    return (Warn("metadata_hidden", schema, text),)


@dataclass(frozen=True, slots=True)
class SchemaGrouping:
    """From how many schemas with the same tables on (0: never) one stands for all; ``apart`` stand for themselves."""

    least: int = 0
    apart: frozenset[str] = frozenset()

    def of(self, catalog: Catalog) -> Siblings | None:
        """The groups of the catalog, None when there are none."""
        return siblings_of(catalog, self.least, self.apart) if self.least else None


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """Which database to look at: that of the ``snapshot`` file where there is one, else the server's.

    ``genome`` False leaves out what the genome catalog and the profiles of tenants forbid to index. ``grouping`` says
    when schemas with the same tables are looked at as one.
    """

    connection: Connection
    snapshot: str | None = None
    genome: bool = True
    grouping: SchemaGrouping = SchemaGrouping()


@contextmanager
def open_source(asked: SourceRequest, progress: Progress) -> Iterator[Source]:
    """The server or the snapshot, its catalog read, for the length of the block.

    Raises UnreachableError for a server, UsageError for a file that cannot be read.
    """
    progress.stage("looking at the database")
    if asked.snapshot is not None:
        yield _from_file(asked, asked.snapshot)
        return
    with open_reader(asked.connection) as session:
        yield _from_session(asked, session)


def offline_source(connection: Connection) -> Source:
    """What a command has to go by that needs the statements of a file and nothing else."""
    return Source(Catalog(0, "", ()), None, connection)


@contextmanager
def open_reader(connection: Connection) -> Iterator[Session]:
    """A read-only session with our timeouts."""
    # Imported where it is needed: a command that reads a file does not wait for psycopg.
    from indexpilot_cli.db.session import session_to

    with session_to(connection, statement_timeout_ms=connection.statement_timeout_ms) as session:
        yield session


@contextmanager
def open_metadata(connection: Connection, *, write: bool = False) -> Iterator[tuple[Session, Server]]:
    """A session where IndexPilot's tables are, read-only unless ``write``, and what server that is.

    Raises PrerequisiteError before ``init``.
    """
    from indexpilot_cli.db.capabilities import look
    from indexpilot_cli.log import metadata
    from indexpilot_cli.log.bookkeeping import writer

    schema = connection.metadata_schema
    with writer(connection) if write else open_reader(connection) as session:
        server = look(session, metadata_schema=schema).server
        metadata.require(session, schema)
        yield session, server


def _from_file(asked: SourceRequest, path: str) -> Source:
    from indexpilot_cli.snapshot.values import load, without_siblings

    snapshot = load(Path(path))
    siblings = asked.grouping.of(snapshot.catalog)
    if siblings is not None:
        snapshot = without_siblings(replace(snapshot, catalog=siblings.reduced(snapshot.catalog)), siblings)
    return Source(snapshot.catalog, snapshot.server, asked.connection, snapshot=snapshot, siblings=siblings)


def _from_session(asked: SourceRequest, session: Session) -> Source:
    from indexpilot_cli.db.capabilities import look
    from indexpilot_cli.db.catalog import read_catalog
    from indexpilot_cli.genome.table import obey_genome

    connection = asked.connection
    capabilities = look(session, metadata_schema=connection.metadata_schema)
    found: list[Siblings] = []

    def described(catalog: Catalog) -> tuple[Table, ...]:
        found.extend(filter(None, (asked.grouping.of(catalog),)))
        return found[0].reduced(catalog).tables if found else catalog.tables

    catalog = read_catalog(session, metadata_schema=connection.metadata_schema, with_statistics=described)
    siblings = found[0] if found else None
    catalog = catalog if siblings is None else siblings.reduced(catalog)
    if capabilities.metadata_version and asked.genome:
        catalog = obey_genome(session, catalog, connection.metadata_schema)
    return Source(catalog, capabilities.server, connection, capabilities, session=session, siblings=siblings)


def wanted_tables(catalog: Catalog, wanted: TableFilter) -> tuple[Table, ...]:
    """The tables the filter leaves, in catalog order. Raises UsageError with the nearest name for an unknown one."""
    check_schemas(wanted.schemas, {t.name.schema for t in catalog.tables})
    only = {_find(catalog, name).name for name in wanted.tables}
    without = {_find(catalog, name).name for name in wanted.exclude}
    return tuple(
        table
        for table in catalog.tables
        if (not only or table.name in only or table.parent in only)
        and table.name not in without
        and (not wanted.schemas or table.name.schema in wanted.schemas)
    )


def _find(catalog: Catalog, typed: str) -> Table:
    for table in catalog.tables:
        spellings = {table.name.name, f"{table.name.schema}.{table.name.name}", str(table.name), table.name.short}
        if typed in spellings and (typed != table.name.name or catalog.resolve(typed) in (None, table)):
            return table
    names = [t.name.short for t in catalog.tables]
    raise UsageError(f'no table "{typed}"', hint=_near(typed, names, "table"), code="unknown_table")


def check_schemas(wanted: Iterable[str], known: Set[str]) -> None:
    """Raises UsageError with the nearest name for a schema that is none of the known ones."""
    for schema in wanted:
        if schema not in known:
            hint = _near(schema, sorted(known), "schema")
            raise UsageError(f'no tables in schema "{schema}"', hint=hint, code="unknown_schema")


def _near(typed: str, names: list[str], what: str) -> str | None:
    close = difflib.get_close_matches(typed, names, n=1)
    return f"did you mean {what} {close[0]}?" if close else "indexpilot discover lists what is there"


def restrict(catalog: Catalog, tables: tuple[Table, ...]) -> Catalog:
    """The catalog with only these tables open to advice: columns of the others are not indexable."""
    kept = {t.name for t in tables}
    return replace(catalog, tables=tuple(t if t.name in kept else _closed(t) for t in catalog.tables))


def _closed(table: Table) -> Table:
    return replace(table, columns=tuple(replace(c, indexable=False) for c in table.columns))
