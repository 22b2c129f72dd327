"""Our own snapshots of the servers' counters: taken, kept in our tables, and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import repeat
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core.command import Connection, Progress
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.conninfo import read_conninfo, with_database
from indexpilot_cli.db.queries import Identifier, Jsonb, composed
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, UsageError
from indexpilot_cli.lifecycle.findings.bloat import LeafPages
from indexpilot_cli.lifecycle.usage import PRIMARY, IndexCount, UsageSnapshot
from indexpilot_cli.log.bookkeeping import is_writable, writer
from indexpilot_cli.log.learned import keep_calls
from indexpilot_cli.log.metadata import question
from indexpilot_cli.snapshot.source import open_reader

_KEEP = 400 * 86400  # seconds
_READ = 130  # snapshots: one a day for the time most people ask about, on a few servers


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a server: its counters and what identifies it. ``standbys`` counts those connected to it."""

    snapshot: UsageSnapshot
    cluster: str
    database: int
    started: datetime
    in_recovery: bool
    standbys: int


def look(session: Session, metadata_schema: str, place: str = PRIMARY) -> Look:
    """The counters of all indexes of the session's database."""
    server = session.one("lifecycle/server")
    assert server is not None
    rows = session.rows("lifecycle/usage", {"metadata_schema": metadata_schema})
    counts = {row.oid: IndexCount(row.scans, row.pages or 0, row.last_scan, row.made) for row in rows}
    since = server.counters_since
    found = UsageSnapshot(place, server.now, since, server.commits, MappingProxyType(counts))
    return Look(found, server.cluster, server.database, server.started, server.in_recovery, server.standbys)


def with_rebuilt(one: Look, pages: Mapping[int, int]) -> Look:
    """The look with the pages that its indexes would have after REINDEX, by oid."""
    counts = {oid: replace(c, rebuilt=pages.get(oid, 0)) for oid, c in one.snapshot.counts.items()}
    return replace(one, snapshot=replace(one.snapshot, counts=MappingProxyType(counts)))


def look_at_standby(connection: Connection, dsn: str, primary: Look, database: str) -> Look:
    """The counters of a standby. Raises UsageError unless it is one of this cluster, UnreachableError."""
    given = read_conninfo(dsn)
    if given == {"dbname": dsn}:  # a bare word, which libpq would look for on the primary
        text, hint = f"--standby: {dsn} is the name of a database, not of a server", f"write --standby host={dsn}"
        raise UsageError(text, hint=hint, code="not_a_standby")
    whole = dsn if given.get("dbname") else with_database(dsn, database)
    name = ":".join(str(given[part]) for part in ("host", "port") if given.get(part)) or "standby"
    there = Connection(whole, None, connection.connect_timeout, connection.metadata_schema)
    with open_reader(there) as session:
        found = look(session, connection.metadata_schema, name)
    if not found.in_recovery:
        raise UsageError(f"--standby: {name} is not a standby", code="not_a_standby")
    if (found.cluster, found.database) != (primary.cluster, primary.database):
        hint = "give the standby's connection string with the same database"
        raise UsageError(
            f"--standby: {name} is a standby of another cluster or database", hint=hint, code="not_a_standby"
        )
    return found


def keep(connection: Connection, looks: Sequence[Look]) -> tuple[bool, Warn | None]:
    """Store the looks in our tables, where there are some and we may; whether they are, and why it failed."""
    schema = connection.metadata_schema
    try:
        with writer(connection) as session:
            if not is_writable(session, schema):
                return False, None
            for one in looks:
                session.execute(question(session, "lifecycle/snapshot_add", schema), _packed(one))
            session.execute(question(session, "lifecycle/snapshot_prune", schema), {"keep": _KEEP})
            keep_calls(session, looks[0].cluster, looks[0].database, schema=schema)
    except IndexPilotError as error:
        return False, Warn("not_recorded", "counter_snapshots", f"the counters could not be kept: {error.message}")
    return True, None


def earlier(session: Session, schema: str, cluster: str) -> tuple[UsageSnapshot, ...]:
    """The snapshots of this database that were kept, newest first."""
    rows = session.rows(question(session, "lifecycle/snapshots", schema), {"cluster": cluster, "limit": _READ})
    return tuple(map(_unpacked, rows))


def _packed(one: Look) -> dict[str, Any]:
    found = one.snapshot
    counts = found.counts
    counters = {
        "place": found.place,
        "cluster": one.cluster,
        "database": one.database,
        "commits": found.commits,
        "oids": list(counts),
        "scans": [c.scans for c in counts.values()],
        "pages": [c.pages for c in counts.values()],
        "rebuilt": [c.rebuilt for c in counts.values()],
    }
    return {
        "taken_at": found.taken_at,
        "counters_since": found.counters_since,
        "started": one.started,
        "counters": Jsonb(counters),
    }


def _unpacked(row: Row) -> UsageSnapshot:
    kept: Mapping[str, Any] = row.counters
    # Snapshots of earlier versions know less.
    lists = (kept["oids"], kept["scans"], *(kept.get(name) or repeat(0) for name in ("pages", "rebuilt")))
    counts = {
        oid: IndexCount(scans, pages, rebuilt=rebuilt) for oid, scans, pages, rebuilt in zip(*lists, strict=False)
    }
    return UsageSnapshot(kept["place"], row.taken_at, row.counters_since, kept["commits"], MappingProxyType(counts))


def leaf_pages(session: Session, oids: Sequence[int], progress: Progress) -> Mapping[int, LeafPages]:
    """What the pages of the B-trees hold, where pgstattuple is installed and we may use it; each is read as a whole.

    https://www.postgresql.org/docs/current/pgstattuple.html
    """
    schema = session.value("lifecycle/pgstattuple") if oids else None
    if schema is None:
        return {}
    query = composed("lifecycle/leaf_pages", session.version, pgstatindex=Identifier(schema, "pgstatindex"))
    found: dict[int, LeafPages] = {}
    for oid in oids:
        progress.advance()
        with suppress(IndexPilotError):  # dropped or locked meanwhile, or too large for the time a question may take
            row = session.one(query, {"index": oid})
            if row is not None:
                found[oid] = LeafPages(row.leaves, row.above, row.density)
    return found
