"""Query statistics: logged by the host query by query, written in batches, read as figures."""

from __future__ import annotations

import atexit
import logging
import math
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import NAME_LIMIT
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.pool import open_after_fork
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError, IndexPilotError
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.table import TenantRegistry
from indexpilot_cli.host import place, statements
from indexpilot_cli.host.buffer import BufferStats, PendingStats, StatBuffer, checked
from indexpilot_cli.host.place import TtlCache
from indexpilot_cli.host.statements import ObservedText, PendingStatement, RecordedStatements
from indexpilot_cli.workload import query_stats
from indexpilot_cli.workload.query_stats import QueryStat

# Short, because nothing is lost by giving up: the buffer keeps the batch and writes it at its next interval.
_WRITE_MS = 5_000
_LOCK_MS = 1_000
_PATIENCE = 5.0  # seconds an ending process waits for its last rows
_LONGEST_HOURS = 876_000.0  # a hundred years: intervals of the server end, and none has recorded longer
_registries: TtlCache[str, TenantRegistry | None] = TtlCache(60.0, 4)
place.on_schema_change(_registries.clear)


def log_query_stat(
    tenant_id: int | None,
    table_name: str,
    field_name: str | None,
    query_type: str,
    duration_ms: float,
    skip_validation: bool = False,
) -> bool:
    """Note one query of the host; never raises nor asks the database. False when the row is bad or the buffer full.

    Nor is a row taken while ``bypass.features.stats_collection`` is off; what waits is left out at the moment of
    writing when the system is switched off then (``disable_system``, in whatever process).

    A thread of ours writes the rows at 100, after 5 seconds and at exit. Without ``skip_validation`` a row is left out
    at that moment when the genome catalog does not know its table and field, or the host's ``tenants`` not its tenant.
    A forked worker has a buffer, a thread and connections of its own.
    """
    if not place.collects():
        return False
    stat = checked(tenant_id, table_name, field_name, query_type, duration_ms, time.time())
    if stat is None:
        _buffer.reject()
        return False
    return _buffer.add(PendingStats(stat, not skip_validation))


def note_statement(observed: ObservedText, tenant_id: object, duration_ms: float) -> None:
    """Note a statement that ran; what it touches is found out when it is written."""
    _buffer.add(PendingStatement(observed, tenant_id, duration_ms, time.time()))


def get_recorded_statements() -> RecordedStatements:
    """What became of the statements that the hooks saw (``get_query_log_stats`` counts the rows)."""
    return statements.counts.frozen()


def set_query_stat_wait(seconds: float) -> None:
    """Let ``log_query_stat`` wait up to so many seconds for room when its buffer is full.

    With 0, the default, no call waits and rows are dropped. A row whose wait was in vain is dropped, too, and counted;
    after that no call waits until a write succeeds again, so a database that is gone for good costs each thread one
    wait. A thread that runs an event loop never waits. Raises ValueError when it is negative or no number.
    """
    if not 0 <= seconds < math.inf:
        raise ValueError(f"the wait must be zero or more seconds, not {seconds}")
    _buffer.wait = seconds


def flush_query_stats(seconds: float = 10.0) -> bool:
    """Write what waits now; False when that did not succeed in time."""
    return _buffer.flush(seconds)


def get_query_log_stats() -> BufferStats:
    """How many rows were logged, written, rejected, dropped, and how many wait."""
    return _buffer.stats()


def get_query_stats(
    hours: float | None = 24, table_name: str | None = None, field_name: str | None = None
) -> list[dict[str, Any]]:
    """count, avg_ms, p95_ms and p99_ms per tenant, table, field and type over the last hours (None: all time).

    Raises ValueError for hours that are negative or no number.
    """
    within = _hours(hours)
    with place.session() as session:
        groups = query_stats.figures(session, within, table_name, field_name, schema=place.metadata_schema())
    return [asdict(group) for group in groups]


def get_field_usage_stats(hours: float | None = 24) -> list[dict[str, Any]]:
    """total_queries, tenant_count, avg_ms, total_ms per field, most used first; ``hours`` as in ``get_query_stats``."""
    within = _hours(hours)
    with place.session() as session:
        found = query_stats.usage(session, within, schema=place.metadata_schema())
    return [asdict(usage) for usage in found]


def _hours(hours: float | None) -> float | None:
    if hours is None or hours > _LONGEST_HOURS:
        return None
    if not hours >= 0:
        raise ValueError(f"hours must be zero or more, not {hours}")
    return hours


def get_table_size_info(table_name: str) -> dict[str, Any] | None:
    """row_count (estimated), table_bytes, index_bytes, total_bytes and overhead of a table; None: no such table.

    No row is read: the figures are the catalog's and the file system's.
    """
    schema_name, name = place.checked_table(table_name)
    with place.session() as session:
        size = query_stats.table_size(session, name or "", schema_name)
    if size is None:
        return None
    return {
        "schema_name": size.name.schema,
        "table_name": size.name.name,
        "row_count": size.row_count,
        "table_bytes": size.table_bytes,
        "index_bytes": size.index_bytes,
        "total_bytes": size.table_bytes + size.index_bytes,
        "overhead": size.overhead,
    }


def prune_query_stats(keep_days: float) -> int:
    """Delete statistics older than that; gives how many rows. By batches, and whole parts where it is partitioned."""
    from indexpilot_cli.lifecycle.query_stats import prune

    schema = place.metadata_schema()
    with place.logged(MutationType.BULK_UPDATE, "prune_query_stats", keep_days=keep_days) as note:
        note.table("query_stats", schema)
        gone = prune(place.session, keep_days, schema)
        note.details(deleted=gone)
        note.idle = None if gone else "nothing_to_do"
    return gone


def _write(pending: Sequence[PendingStats | PendingStatement]) -> tuple[int, int]:
    """Write the good rows of a batch; gives how many they and the others are.

    Raises IndexPilotError when the batch must be tried again.
    """
    schema = place.metadata_schema()
    # Before a connection is borrowed: to understand statements takes longer than to write them.
    made = statements.rows_of([row for row in pending if isinstance(row, PendingStatement)])
    rows = [row for row in pending if isinstance(row, PendingStats)] + made.rows
    written = 0
    if rows:
        with place.session(statement_timeout_ms=_WRITE_MS, lock_timeout_ms=_LOCK_MS) as session:
            if place.is_running(session):
                written = _insert(session, _known(session, rows, schema), schema)
    made.count()
    return written, len(rows) - written + made.rejected


def _insert(session: Session, stats: Sequence[QueryStat], schema: str) -> int:
    """Write what the server takes; where it refuses a row, the halves around it are written, down to the row itself."""
    try:
        # A savepoint: after an error in it the pool's transaction does not refuse what follows (25P02).
        with session.transaction():
            return query_stats.insert(session, stats, schema=schema)
    except IndexPilotError as error:
        if not _about_a_row(error):
            raise
    middle = len(stats) // 2
    return sum(_insert(session, half, schema) for half in (stats[:middle], stats[middle:])) if middle else 0


def _about_a_row(error: IndexPilotError) -> bool:
    # A bad value, a violated constraint, a trigger that raises: the batch would fail for that row again and again.
    # https://www.postgresql.org/docs/current/errcodes-appendix.html
    return (sqlstate(error) or "").startswith(("22", "23", "P0"))


def _known(session: Session, rows: Sequence[PendingStats], schema: str) -> list[QueryStat]:
    if not any(row.check for row in rows):
        return [row.stat for row in rows]
    names = known_names(session)
    asked = frozenset(r.stat.tenant_id for r in rows if r.check and r.stat.tenant_id is not None)
    tenants = _known_tenants(session, asked, schema)
    return [
        row.stat
        for row in rows
        if not row.check
        or (
            names.has_table(row.stat.table_name)
            and (row.stat.field_name is None or names.has_field(row.stat.table_name, row.stat.field_name))
            and (tenants is None or row.stat.tenant_id is None or row.stat.tenant_id in tenants)
        )
    ]


def _known_tenants(session: Session, tenants: frozenset[int], schema: str) -> frozenset[int] | None:
    """Those of the tenants the host knows; None when it keeps no list we can read."""
    registry = _registries.get(schema, lambda: genome.find_registry(session))
    if registry is None:
        return None
    try:
        # The host's table may be one we cannot read (42501): the savepoint keeps that from ending the batch.
        with session.transaction():
            return genome.known_tenants(session, registry, tenants)
    except AnsweredError:
        return None


def _write_at_end_of_worker() -> None:
    """Workers that multiprocessing forks end without the functions of atexit, but with the finalisers of its own."""
    if "multiprocessing.process" in sys.modules:
        from multiprocessing import process, util

        if process.parent_process() is not None:
            util.Finalize(None, _at_exit, exitpriority=0)


def _new_buffer(wait: float = 0.0) -> StatBuffer[PendingStats | PendingStatement]:
    # The pool is opened when the thread begins: from Python 3.12 on an ending process cannot start a pool's threads.
    return StatBuffer(_write, wait=wait, on_start=_write_at_end_of_worker, prepare=open_after_fork)


_buffer = _new_buffer()


def _after_fork() -> None:
    """The child has no writing thread; its rows begin anew, the parent keeps its own."""
    global _buffer
    # Nor can the old one be used: another thread of the parent may have held its lock at the fork.
    _buffer = _new_buffer(_buffer.wait)


def _at_exit() -> None:
    # A server that refused the latest batch is not waited for as long as one that may be slow.
    if not _buffer.close(_PATIENCE if _buffer.is_healthy else _PATIENCE / 5):
        reason = _buffer.stats().last_error or "the database did not answer in time"
        logging.getLogger(__name__).warning("the last query statistics were not written: %s", reason)


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)


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
