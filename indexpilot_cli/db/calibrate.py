"""What index entries and builds cost on a server, measured in a schema of its own that goes again.

Single rows are written by functions inside the server, whose time and WAL EXPLAIN (ANALYZE, WAL) tells: the way to us
is not in it. Each is measured several times and the least counts, which other work on the server disturbs least and
which has no images of whole pages in it. https://www.postgresql.org/docs/current/sql-explain.html
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from statistics import median
from typing import Any

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.db import locks
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.queries import SQL, Composable, Composed, Identifier, Literal, composed
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError
from indexpilot_cli.methods.rates import SHIPPED, Calibration, EntryClass, EntryRate, WriteRates

TAG = "indexpilot calibrate: made for measuring, may be dropped"
_PLAIN, _INDEXED = "plain", "indexed"
_TABLES = (_PLAIN, _INDEXED)
_TURNS = 12
_PART = 100  # of the table is written in a turn
_READS, _PAGES = 4, 2000  # pages logged in a turn
_ENTRY_BYTES = {  # of a B-tree's entry: header and aligned key
    EntryClass.APPEND: 16,
    EntryClass.FEW: 16,
    EntryClass.RANDOM: 16,
    EntryClass.UUID: 24,
    EntryClass.TEXT: 32,
}
_KEYS = {
    EntryClass.APPEND: "btree (serial)",
    EntryClass.FEW: "btree (few)",
    EntryClass.RANDOM: "btree (scattered)",
    EntryClass.UUID: "btree (token)",
    EntryClass.TEXT: "btree (mail)",
    EntryClass.HASH: "hash (mail)",
    EntryClass.BRIN: "brin (at)",
    EntryClass.GIN: "gin (tags)",
    EntryClass.GIN_AT_ONCE: "gin (tags) WITH (fastupdate = off)",
    EntryClass.GIST: "gist (spot)",
}
_USAGE = re.compile(r"([\d.]+) s user, ([\d.]+) s system, [\d.]+ s elapsed")


def refuse_elsewhere(session: Session) -> None:
    """Nothing where a schema can be made. Raises PrerequisiteError on a standby, and without right or PL/pgSQL;
    RefusedError through a pooler.
    """
    locks.refuse_pooled(session)
    facts = session.one("calibrate/refusal")
    assert facts is not None
    if facts.in_recovery or facts.read_only:
        why = "a standby" if facts.in_recovery else f"read-only for {facts.role}"
        hint = "connect to the primary" if facts.in_recovery else None
        raise PrerequisiteError(f"the server is {why}: nothing can be written there", hint=hint, code="read_only")
    if not facts.may_create:
        sql = (
            f"GRANT CREATE ON DATABASE {Identifier(facts.database).as_string()} TO {Identifier(facts.role).as_string()}"
        )
        raise PrerequisiteError(f"{facts.role} may make no schema here", hint=f"{sql};", code="privileges")
    if not facts.has_plpgsql:
        raise PrerequisiteError("the language plpgsql is not here", hint="CREATE EXTENSION plpgsql;", code="no_plpgsql")


def swept(session: Session) -> int:
    """Drop what runs that were killed have left, and give how many; those of runs that live are locked."""
    gone = 0
    for schema in session.rows("calibrate/scratch", {"tag": TAG}):
        # The lock goes with its session, so of a run that was killed it is free.
        if locks.try_lock(session, schema.oid):
            session.execute(_drop(schema.name))
            gone += 1
    return gone


def _drop(name: str) -> Composed:
    return SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(name))


@contextmanager
def scratch(session: Session) -> Iterator[str]:
    """A schema that nobody else uses, gone behind the block whatever happens; its name."""
    name = f"indexpilot_scratch_{token_hex(4)}"
    with session.transaction():
        session.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
        session.execute(SQL("COMMENT ON SCHEMA {} IS {}").format(Identifier(name), Literal(TAG)))
        oid = session.value("SELECT oid::bigint FROM pg_catalog.pg_namespace WHERE nspname = %(name)s", {"name": name})
        locks.try_lock(session, oid)
    try:
        yield name
    finally:
        _dropped(session, name)


def _dropped(session: Session, name: str) -> None:
    """Gone, by a new connection where this one broke; what a lost server keeps, the next run sweeps."""
    with suppress(IndexPilotError):
        if session.closed:
            session.reconnect()
        session.execute("SET statement_timeout = 0")
        session.execute(_drop(name))


@dataclass(frozen=True, slots=True)
class _Cost:
    """Microseconds and WAL bytes of a row."""

    us: float
    wal: float


def _counts_cpu(session: Session) -> bool:
    """Whether the server tells the processor time of each statement, which other work there does not lengthen.

    It does so to superusers, in a message of its log that the client gets too; the log itself is spared them.
    https://www.postgresql.org/docs/current/runtime-config-statistics.html#GUC-LOG-STATEMENT-STATS
    """
    try:
        with session.transaction():
            for setting in ("log_min_messages = panic", "client_min_messages = log", "log_statement_stats = on"):
                session.execute(f"SET {setting}")
    except StatementError:
        return False
    return True


class Measurement:
    """One run in a scratch schema of ``rows`` rows; ``left`` gives the seconds that may still be used."""

    def __init__(self, session: Session, schema: str, rows: int, left: Callable[[], float]):
        self._session = session
        self._schema = Identifier(schema)
        self._rows = rows
        self._part = _part(rows)
        self._left = left
        self._counts_cpu = _counts_cpu(session)

    def run(self, told: Callable[[EntryClass], None]) -> WriteRates:
        """The rates, of as many classes as the time allows. Raises PrerequisiteError when it allowed none."""
        row_us = self._filled()
        image_us, scan_us = self._logged(), self._read()
        reading = scan_us * self._pages / self._rows
        entries: list[EntryRate] = []
        not_hot_us = None
        for kind in _KEYS:
            if self._left() <= 0:
                break
            told(kind)
            build_us = self._built(kind) - reading
            entries.append(_rate(kind, self._inserted(kind), build_us))
            if kind is EntryClass.FEW:
                not_hot_us = self._compared("update_few").us
            self._session.execute(SQL("DROP INDEX {}.measured").format(self._schema))
        if not entries:
            raise PrerequisiteError("the time was over before anything was measured", hint="--seconds", code="no_time")
        return _rates(entries, row_us, not_hot_us, image_us, scan_us)

    # -- the tables

    def _filled(self) -> float:
        """Make tables and functions; microseconds of a row of the INSERT that fills one."""
        self._session.execute(self._text("calibrate/logged_function"))
        times = []
        for table in _TABLES:
            name = {"table": Identifier(table)}
            self._session.execute(self._text("calibrate/table", **name))
            self._session.execute(
                self._text("calibrate/insert_function", **name, function=Identifier(f"insert_{table}"))
            )
            self._session.execute(
                self._text("calibrate/update_function", **name, function=Identifier(f"update_few_{table}"))
            )
            times.append(self._explained(self._text("calibrate/fill", **name, rows=Literal(self._rows)), self._rows).us)
            key = SQL("ALTER TABLE {}.{} ADD PRIMARY KEY (id)")
            self._session.execute(key.format(self._schema, Identifier(table)))
            self._vacuum(table)
        return min(times)

    @property
    def _pages(self) -> int:
        size = SQL("SELECT pg_catalog.pg_relation_size({}::regclass)")
        return int(self._session.value(size.format(self._relation(_INDEXED)))) // BLOCK

    def _relation(self, name: str) -> Literal:
        return Literal(f"{self._schema.as_string()}.{name}")

    def _vacuum(self, table: str) -> None:
        self._session.execute(SQL("VACUUM (ANALYZE) {}.{}").format(self._schema, Identifier(table)))

    # -- what is measured

    def _built(self, kind: EntryClass) -> float:
        """Microseconds per row of a build, without helpers."""
        create = SQL("CREATE INDEX measured ON {}.{} USING ").format(self._schema, Identifier(_INDEXED))
        create += SQL(_KEYS[kind])
        with self._session.transaction():
            self._session.execute("SET LOCAL max_parallel_maintenance_workers = 0")
            return self._spent(lambda: self._session.execute(create)) / self._rows

    def _inserted(self, kind: EntryClass) -> _Cost:
        """An entry that a statement inserts, and its share of what was put off; none of the rows stays."""
        cost = self._compared("insert", self._rows)
        if kind is EntryClass.GIN:
            # https://www.postgresql.org/docs/current/gin.html#GIN-FAST-UPDATE
            flush = SQL("SELECT pg_catalog.gin_clean_pending_list({}::regclass)").format(self._relation("measured"))
            flushed = self._explained(flush, (1 + _TURNS) * self._part)
            cost = _Cost(cost.us + flushed.us, cost.wal + flushed.wal)
        for table in _TABLES:
            delete = SQL("DELETE FROM {}.{} WHERE id > {}")
            self._session.execute(delete.format(self._schema, Identifier(table), Literal(self._rows)))
            self._vacuum(table)
        return cost

    def _compared(self, function: str, behind: int = 0) -> _Cost:
        """What a row costs more where the index is: by turns, so that both have the same share of what else goes on."""
        costs: dict[str, list[_Cost]] = {table: [] for table in _TABLES}
        for turn in range(1 + _TURNS):
            for table in _TABLES:
                first = Literal(behind + 1 + turn * self._part)
                counts = SQL(", ").join((first, Literal(self._part), Literal(self._rows)))
                call = SQL("SELECT {}.{}({})").format(self._schema, Identifier(f"{function}_{table}"), counts)
                costs[table].append(self._explained(call, self._part))
        # The first turn also writes the images of whole pages that a checkpoint asks for.
        pairs = list(zip(*(costs[table][1:] for table in _TABLES), strict=True))
        # Medians: what else runs falls on one turn of a pair as often as on the other.
        us, wal = (median(difference) for difference in zip(*map(_more, pairs), strict=True))
        return _Cost(us, wal)

    def _logged(self) -> float:
        """Microseconds that a page written to the WAL takes."""
        text = SQL("SELECT {}.log_pages({})").format(self._schema, Literal(_PAGES))
        return min(self._explained(text, _PAGES).us for _ in range(_READS))

    def _read(self) -> float:
        """Microseconds of a page that is read as a build reads it."""
        text = SQL("SELECT pg_catalog.count(token) FROM {}.{}").format(self._schema, Identifier(_INDEXED))
        with self._session.transaction():
            self._session.execute("SET LOCAL max_parallel_workers_per_gather = 0")
            return min(self._explained(text, self._pages).us for _ in range(_READS))

    def _explained(self, text: Composed, count: int) -> _Cost:
        explain = (SQL("EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) ") + text).as_string()
        found: list[Mapping[str, Any]] = []
        us = self._spent(lambda: found.append(self._session.explain_whole(explain)))
        whole = found[0]
        us = us if self._counts_cpu else whole["Execution Time"] * 1000
        return _Cost(us / count, whole["Plan"]["WAL Bytes"] / count)

    def _spent(self, work: Callable[[], object]) -> float:
        """Microseconds of one statement: of the processor where the server tells, else by our clock."""
        self._session.drain_notices()
        begun = time.monotonic()
        work()
        passed = time.monotonic() - begun
        told = [m for notice in self._session.drain_notices() if (m := _USAGE.search(notice.detail))]
        return 1e6 * (float(told[-1][1]) + float(told[-1][2]) if told else passed)

    def _text(self, name: str, **parts: Composable) -> Composed:
        return composed(name, self._session.version, schema=self._schema, **parts)


def _more(pair: tuple[_Cost, _Cost]) -> tuple[float, float]:
    plain, indexed = pair
    return indexed.us - plain.us, indexed.wal - plain.wal


def _rate(kind: EntryClass, cost: _Cost, build_us: float) -> EntryRate:
    """The clock is only so exact: what costs next to nothing costs no less."""
    return EntryRate(kind, max(cost.us, 0.05), max(0.0, cost.wal - _ENTRY_BYTES.get(kind, 0)), max(build_us, 0.01))


def _rates(
    entries: Sequence[EntryRate], row_us: float, cold_us: float | None, image_us: float, scan_us: float
) -> WriteRates:
    """All rates; what is not measured itself goes at the pace of what is."""
    known = WriteRates(tuple(entries))
    pace = known.pace
    # An update that is not HOT writes an entry of the primary key and one of the index measured.
    written = sum(known.of(kind).us for kind in (EntryClass.RANDOM, EntryClass.FEW))
    return WriteRates(
        tuple(entries),
        statement_us=SHIPPED.statement_us * pace,
        row_us=row_us,
        update_us=SHIPPED.update_us * pace,
        delete_us=SHIPPED.delete_us * pace,
        not_hot_us=SHIPPED.not_hot_us * pace if cold_us is None else max(cold_us - written, 0.05),
        foreign_key_us=SHIPPED.foreign_key_us * pace,
        page_image_us=image_us,
        scan_us=scan_us,
    )


def expected_wal(rows: int) -> int:
    """Bytes of WAL that a run with so many rows writes, about: 100,000 gave 305 MB."""
    return 2250 * rows + len(_KEYS) * len(_TABLES) * (1 + _TURNS) * _part(rows) * 310


def _part(rows: int) -> int:
    """Rows of a turn."""
    return max(100, rows // _PART)


def measure(session: Session, rows: int, seconds: float, told: Callable[[EntryClass], None]) -> Calibration:
    """What writes and builds cost on this server, in a scratch schema that is gone afterwards.

    After ``seconds`` no further class is begun, and the server stops a statement that takes twice as long.
    """
    begun = time.monotonic()
    session.execute(SQL("SET statement_timeout = {}").format(Literal(math.ceil(2000 * seconds))))
    settings = tuple(row.setting for row in session.rows("calibrate/settings"))
    with scratch(session) as schema:
        rates = Measurement(session, schema, rows, lambda: seconds - (time.monotonic() - begun)).run(told)
    return Calibration(datetime.now(UTC), session.version, settings, rows, rates)
