"""Fills the simulated CRM by COPY, one connection a table: so the rows of a table lie in the same order every time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat

from indexpilot_cli.core.command import Connection, Progress, Record
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.db.session import open_session
from indexpilot_cli.genome import schema_file, sync
from indexpilot_cli.genome.fields import FieldKey
from indexpilot_cli.genome.profiles import initialize_tenant, switch_field
from indexpilot_cli.log import metadata
from indexpilot_cli.simulate import crm
from indexpilot_cli.simulate.connections import ReplayConnections, named_steps
from indexpilot_cli.simulate.scenarios import TenantShare, persona_of

_GREETING = ("SET maintenance_work_mem = '256MB'",)
_CONTACTS = QualifiedName("public", "contacts")
Lines = Mapping[str, Iterator[str]]


@dataclass(frozen=True, slots=True)
class FreeIds:
    """The first ids of a tenant, a contact and an organization that nothing has."""

    tenant: int = 1
    contact: int = 1
    organization: int = 1


class SeedingStopped(Exception):
    """The rows are no longer wanted."""


def seed(dsn: str, tenants: tuple[TenantShare, ...], number: int, progress: Progress) -> int:
    """Make and fill the four tables of an empty database, with keys, references and statistics; gives the rows.

    ``number`` is the seed. Raises IndexPilotError when the server refuses or goes away.
    """
    lines = _lines(tenants, number)
    rows = len(tenants) + sum(t.organizations + t.contacts + t.interactions for t in tenants)
    with ReplayConnections(dsn, len(lines), _GREETING) as pool:
        _do(pool, "tables", "still")
        progress.stage("seeding the tables", rows)
        _Copying(lines).run(pool, progress)
        progress.stage("building keys and gathering statistics")
        _do(pool, "keys", "references", "serials")
    # A new connection: the counters of those that copied would arrive after ANALYZE and make its statistics look old.
    with Replay(dsn) as member:
        for statement in named_steps("crm")["vacuum"].statements:
            member.run(statement)
    return rows


def seed_tenant(dsn: str, tenant: TenantShare, number: int) -> int:
    """Add one tenant and its rows, in a transaction, to tables that are made when they are missing; gives the rows."""
    steps = named_steps("crm")
    with Replay(dsn) as member:
        with member.transaction():
            for statement in steps["tables"].statements:
                member.run(statement)
            if not member.rows("SELECT 1 FROM pg_constraint WHERE conrelid = 'contacts'::regclass AND contype = 'p'"):
                for statement in steps["keys"].statements + steps["references"].statements:
                    member.run(statement)
            copied = sum(member.copy(crm.COPIES[table], rows) for table, rows in _lines((tenant,), number).items())
            for statement in steps["serials"].statements:
                member.run(statement)
        for statement in steps["vacuum"].statements:
            member.run(statement)
    return copied


def free_ids(dsn: str) -> FreeIds:
    """The ids that come next in the tables, which may be missing."""
    with Replay(dsn) as member:
        if not member.rows("SELECT to_regclass('interactions') AS found")[0]["found"]:
            return FreeIds()
        return FreeIds(**member.rows(named_steps("crm")["free"].statements[0])[0])


def seeded_tenant(dsn: str, tenant: int) -> TenantShare | None:
    """A tenant of the tables with what it has, without queries; None when it is not there."""
    with Replay(dsn) as member:
        if not member.rows("SELECT to_regclass('interactions') AS found")[0]["found"]:
            return None
        rows = member.rows(named_steps("crm")["tenant"].statements[0], [str(tenant)])
    if not rows:
        return None
    facts = dict(rows[0])
    return TenantShare(tenant, persona_of(facts.pop("name").split()[0]), queries=0, **facts)


def describe(connection: Connection, tenants: tuple[TenantShare, ...], record: Record) -> None:
    """Our tables, the genome catalog of the CRM, and a profile for every tenant, as its persona uses the fields."""
    with open_session(connection.conninfo, read_only=False, statement_timeout_ms=None) as session:
        metadata.migrate(session)
        sync.bootstrap(session, schema_file.genome_fields(schema_file.load_schema(schema_file.CRM)))
        with session.transaction():
            for tenant in tenants:
                initialize_tenant(session, tenant.id, known=True, by=record)
                for field in tenant.persona.enabled:
                    switch_field(session, tenant.id, FieldKey(_CONTACTS, field), True, by=record)


def _do(pool: ReplayConnections, *names: str) -> None:
    steps = named_steps("crm")
    statements = chain.from_iterable(steps[name].statements for name in names)
    pool.submit(lambda member: member.script(statements)).result()


def _lines(tenants: tuple[TenantShare, ...], number: int) -> dict[str, Iterator[str]]:
    """Of each table the lines of all tenants, in the order in which foreign keys want them."""
    of_each = {
        "organizations": crm.organization_rows,
        "contacts": crm.contact_rows,
        "interactions": crm.interaction_rows,
    }
    found = {"tenants": crm.tenant_rows(tenants)}
    for table, rows in of_each.items():
        found[table] = chain.from_iterable(map(rows, tenants, repeat(number)))
    return found


class _Copying:
    """Copies every table on a connection of its own and counts what went out."""

    def __init__(self, lines: Lines):
        self._lines = lines
        self._sent = dict.fromkeys(lines, 0)
        self._stop = threading.Event()

    def run(self, pool: ReplayConnections, progress: Progress) -> None:
        try:
            running = [pool.submit(partial(self._copy, table=table)) for table in self._lines]
            pool.watch(running, lambda: sum(self._sent.values()), progress)
        finally:
            # A cancelled COPY is told so at its end only: the rows must end by themselves.
            self._stop.set()

    def _copy(self, member: Replay, table: str) -> None:
        member.copy(crm.COPIES[table], self._counted(table))

    def _counted(self, table: str) -> Iterator[str]:
        for line in self._lines[table]:
            if self._stop.is_set():
                raise SeedingStopped
            self._sent[table] += 1
            yield line
