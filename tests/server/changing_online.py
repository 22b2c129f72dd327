"""A running write load with a ledger, and the online change of a type as a process that can be killed."""

import contextlib
import multiprocessing
import os
import random
import signal
import threading
import time
from dataclasses import asdict, dataclass, field

import psycopg

from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.evolve.change.online import online as online_change
from indexpilot_cli.evolve.change.online.texts import OnlineRequest, Pace
from indexpilot_cli.execute.context import RunLimits, open_context
from indexpilot_cli.execute.signals import Stop
from indexpilot_cli.log import metadata
from tests.waiting import LIMIT

TABLE = QualifiedName("public", "accounts")
COLUMNS = {
    "id": ("bigint", None),
    "v": ("bigint", None),
    "code": ("integer", "code::integer"),
    "note": ("character varying(20)", None),
}
WRITERS = 4


def fill(dsn, rows):
    """The table the load writes to, a copy of it as it was, and the metadata tables."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.accounts (id integer PRIMARY KEY, v integer NOT NULL DEFAULT 0 CHECK (v >= 0),"
            " code text NOT NULL, note varchar(60), touched timestamptz)"
        )
        connection.execute(
            "INSERT INTO public.accounts SELECT i, i % 1000, (i * 7)::text, 'note ' || i % 97, now()"
            f" FROM generate_series(1, {int(rows)}) AS i"
        )
        connection.execute("CREATE INDEX accounts_v ON public.accounts (v)")
        connection.execute("CREATE INDEX accounts_code ON public.accounts (code, v)")
        connection.execute("CREATE TABLE public.accounts_before AS TABLE public.accounts")
        connection.execute("VACUUM ANALYZE public.accounts")
    migrated(dsn)


def migrated(dsn):
    """The metadata tables."""
    with open_session(dsn, read_only=False, statement_timeout_ms=60_000, lock_timeout_ms=None) as session:
        metadata.migrate(session)


@dataclass
class Writer:
    """One session of the application. ``ledger`` holds what each row it has written must be, None for deleted."""

    dsn: str
    number: int
    rows: int
    pause: float
    stop: threading.Event
    ledger: dict = field(default_factory=dict)
    times: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def run(self):
        chance = random.Random(self.number)
        with psycopg.connect(self.dsn, autocommit=True, prepare_threshold=None) as connection:
            while not self.stop.is_set():
                self._act(connection, chance)
                time.sleep(self.pause)

    def _act(self, connection, chance):
        """One statement, or three in a transaction; the ledger follows what was committed."""
        if chance.random() < 0.05:
            done = {}
            try:
                with connection.transaction():
                    for _ in range(3):
                        self._statement(connection, chance, done)
            except psycopg.Error as error:
                self.errors.append(repr(error))
                return
            self.ledger |= done
            return
        done = {}
        try:
            self._statement(connection, chance, done)
        except psycopg.Error as error:
            self.errors.append(repr(error))
        else:
            self.ledger |= done

    def _statement(self, connection, chance, done):
        kind = chance.choices(("update", "insert", "delete", "other", "read"), (40, 20, 10, 15, 15))[0]
        key = self._own(chance)
        value = (chance.randrange(100_000), str(chance.randrange(10**8)), f"n{chance.randrange(10**6)}")
        sql, parameters, after = self._work(kind, key, value, chance)
        began = time.monotonic()
        cursor = connection.execute(sql, parameters)
        self.times.append((began, time.monotonic() - began, kind))
        if kind in ("insert", "delete") or (cursor.rowcount == 1 and after is not None):
            done[key if kind != "insert" else parameters["id"]] = after

    def _work(self, kind, key, value, chance):
        v, code, note = value
        row = {"id": key, "v": v, "code": code, "note": note}
        if kind == "insert":
            row["id"] = 100_000_000 + self.number * 10_000_000 + len(self.times)
            return (
                "INSERT INTO public.accounts (id, v, code, note) VALUES (%(id)s, %(v)s, %(code)s, %(note)s)",
                row,
                value,
            )
        if kind == "update":
            sql = "UPDATE public.accounts SET v = %(v)s, code = %(code)s, note = %(note)s WHERE id = %(id)s"
            return sql, row, value
        if kind == "delete":
            return "DELETE FROM public.accounts WHERE id = %(id)s", row, None
        if kind == "other":
            return "UPDATE public.accounts SET touched = now() WHERE id = %(id)s", row, None
        return "SELECT id, note FROM public.accounts WHERE v = %(v)s LIMIT 20", {"v": chance.randrange(1000)}, None

    def _own(self, chance):
        return chance.randrange(1, self.rows // WRITERS) * WRITERS + self.number


class Load:
    """Writers in threads for the length of the block."""

    def __init__(self, dsn, rows, pause=0.002):
        self.stop = threading.Event()
        self.writers = [Writer(dsn, n, rows, pause, self.stop) for n in range(WRITERS)]
        self.threads = [threading.Thread(target=w.run, daemon=True) for w in self.writers]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(LIMIT)
            assert not thread.is_alive()

    @property
    def errors(self):
        return [error for w in self.writers for error in w.errors]

    def times(self, start, end):
        """Seconds each statement that began in the time took, by kind."""
        found = {}
        for writer in self.writers:
            for began, seconds, kind in list(writer.times):
                if start <= began < end:
                    found.setdefault(kind, []).append(seconds)
        return found

    def ledger(self):
        return {key: value for w in self.writers for key, value in w.ledger.items()}


def differences(dsn, ledger):
    """Rows of the table that are not what the ledger and the copy say, and how many rows were compared."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE ledger (id integer, alive boolean, v text, code text, note text)")
        with connection.cursor().copy("COPY ledger FROM STDIN") as copy:
            for key, value in ledger.items():
                copy.write_row((key, value is not None, *((None,) * 3 if value is None else map(str, value))))
        connection.execute(
            "CREATE TEMP TABLE wanted AS"
            " SELECT id, v, code, note FROM ledger WHERE alive"
            " UNION ALL SELECT id, v::text, code, note FROM public.accounts_before b"
            " WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.id = b.id)"
        )
        wrong = connection.execute(
            "SELECT id, w, a FROM (SELECT id, v, code, note FROM wanted) AS w"
            " FULL JOIN (SELECT id, v::text, code::text, note::text FROM public.accounts) AS a USING (id)"
            " WHERE (w.v, w.code, w.note) IS DISTINCT FROM (a.v, a.code, a.note) LIMIT 20"
        ).fetchall()
        return wrong, connection.execute("SELECT count(*) FROM wanted").fetchone()[0]


def type_of(dsn, column):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'public.accounts'::regclass AND attname = %s AND NOT attisdropped",
            (column,),
        ).fetchone()[0]


# -- the change as a process


@dataclass(frozen=True)
class Order:
    """What the process does: ``work`` is run, rollback or finish; it kills itself ``after`` seconds in a ``stage``."""

    dsn: str
    column: str
    work: str = "run"
    stage: str = ""
    after: float = 0.0
    batch_ms: float = 60.0
    rest: float = 0.5


def run_process(order):
    """Exit code (negative: the signal) and the report as a dict (None when it was killed)."""
    # Forked from a process that has our modules and no thread: importing them takes longer than most changes.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    report, told = processes.Pipe(duplex=False)
    child = processes.Process(target=_process, args=(order, told))
    child.start()
    told.close()
    with contextlib.suppress(EOFError):
        done = report.recv()
    child.join()
    return child.exitcode, done if child.exitcode == 0 else None


def _process(order, told):
    try:
        told.send(asdict(carry_out(order)))
    except IndexPilotError as error:
        told.send({"outcome": "refused", "error": f"{error.message} | {error.detail}", "error_code": error.code})


class _Suicidal(Silent):
    def __init__(self, order):
        self._order = order

    def stage(self, title, total=None):
        if self._order.stage and title.startswith(self._order.stage):
            if not self._order.after:
                os.kill(os.getpid(), signal.SIGKILL)
            threading.Timer(self._order.after, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()


def carry_out(order):
    """The work of the order in this process; gives the report."""
    pace = Pace(batch_ms=order.batch_ms, rest=order.rest)
    with open_context(
        Connection(order.dsn), Record("tester", "1", "alter-type"), _Suicidal(order), Stop(), RunLimits()
    ) as ctx:
        if order.work == "rollback":
            return online_change.rollback_online(ctx, TABLE, order.column, pace)
        if order.work == "finish":
            return online_change.finish_online(ctx, TABLE, order.column, pace)
        wanted, using = COLUMNS[order.column]
        return online_change.run_online(ctx, OnlineRequest(TABLE, order.column, wanted, using, pace=pace))
