"""A state machine over everything that changes indexes and their log: apply, rollback, doctor, deaths, foreign DDL.

After every command that came to its end the log must say what the catalog has, and nothing else.
"""

import contextlib
import uuid
from dataclasses import dataclass

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from indexpilot_cli.admin import doctor
from indexpilot_cli.core.codec import from_json
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import IndexPilotError, UsageError
from indexpilot_cli.execute import build, watch
from indexpilot_cli.log import intents, metadata
from tests.server.applying import definition, keep_plan, run_apply, run_rollback

SCHEMA = """
CREATE TABLE public.plain (k int, v int, s text);
INSERT INTO public.plain SELECT i, i, 'x' FROM generate_series(1, 50) i;
CREATE SCHEMA aside;
CREATE TABLE public.parts (k int, v int, s text) PARTITION BY RANGE (k);
CREATE TABLE public.parts_a PARTITION OF public.parts FOR VALUES FROM (0) TO (10);
CREATE TABLE public.parts_b PARTITION OF public.parts FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (v);
CREATE TABLE public.parts_b1 PARTITION OF public.parts_b FOR VALUES FROM (0) TO (100);
CREATE TABLE public.parts_b2 PARTITION OF public.parts_b DEFAULT;
INSERT INTO public.parts SELECT i % 20, i, 'x' FROM generate_series(1, 200) i;
"""
PLAIN, PARTS = QualifiedName("public", "plain"), QualifiedName("public", "parts")
DEFINITIONS = (
    definition("k", table=PLAIN),
    definition("v", "s", table=PLAIN),
    definition("v", table=PARTS),
    definition("k", "s", table=PARTS),
)
INDEXES = """
SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, i.indrelid::int8 AS relid,
       t.relname AS table_name, i.indisvalid AND i.indisready AND i.indislive AS fine,
       obj_description(c.oid, 'pg_class') AS comment, p.inhparent::int8 AS parent, pg_get_indexdef(c.oid) AS ddl,
       EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indrelid) AS partition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid LEFT JOIN pg_inherits p ON p.inhrelid = c.oid
WHERE n.nspname IN ('public', 'aside') ORDER BY c.relname
"""
LOG = """
SELECT DISTINCT ON (op_id) op_id::text, id, state, min(id) OVER (PARTITION BY op_id) AS first,
       schema_name, index_name, table_name, relid::int8 AS relid,
       definition_sql, details_json AS details
FROM indexpilot.mutation_log WHERE op_id IS NOT NULL AND index_name IS NOT NULL ORDER BY op_id, id DESC
"""
TABLES = """
SELECT c.oid::regclass::text AS name FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND {} AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
STANDING = {"VALID", "VERIFIED", "KEPT"}


class Killed(BaseException):
    """The process dies here."""


class Faults:
    """Counts the moments at which the outside can tell how far we are, and does the harm at the chosen one."""

    HARMS = ("fail", "die before", "die after", "half done", "lose the server")

    def __init__(self):
        self.left, self.harm, self.dsn = None, None, None
        self._append, self._run, self._comment = intents.append, watch._Watcher.run, build.comment_on
        self._begin = watch._Watcher.__init__

    def __enter__(self):
        def append(session, event, **more):
            harm = self.now(("die before", "die after"))
            self.die_if(harm, "die before")
            written = self._append(session, event, **more)
            self.die_if(harm, "die after")
            return written

        def comment(session, index, text):
            self.die_if(self.now(("die before",)), "die before")
            self._comment(session, index, text)

        def watched(watcher, ctx, session, work, given):
            harm = watcher.harm = self.now(self.HARMS)
            self.die_if(harm, "die before")
            if harm == "lose the server":
                execute(self.dsn, "SELECT pg_terminate_backend(%s)", session.backend_pid)
            if harm == "half done" and self.half(work):
                raise Killed
            if harm == "fail":
                work = "SELECT 1 / 0"
            self._begin(watcher, ctx, session, work, given)

        def run(watcher):
            ended = self._run(watcher)
            self.die_if(watcher.harm, "die after")
            return ended

        intents.append, watch._Watcher.run, build.comment_on = append, run, comment
        watch._Watcher.__init__ = watched
        return self

    def __exit__(self, *_):
        intents.append, watch._Watcher.run, build.comment_on = self._append, self._run, self._comment
        watch._Watcher.__init__ = self._begin

    def half(self, statement):
        """What a cancelled CREATE or DROP CONCURRENTLY leaves; whether the statement is one that leaves something."""
        name = None
        if statement.startswith("CREATE INDEX CONCURRENTLY "):
            execute(self.dsn, statement)
            name = statement.split()[3]
        elif statement.startswith("DROP INDEX CONCURRENTLY "):
            name = statement.split()[3]
        if name is not None and "." not in name:
            name = f"public.{name}"
        if name is not None:
            mark_invalid(self.dsn, name)
        return name is not None

    def now(self, possible):
        if self.left is None or self.harm not in possible:
            return None
        self.left -= 1
        if self.left >= 0:
            return None
        self.left = None
        return self.harm

    def die_if(self, harm, wanted):
        if harm == wanted:
            raise Killed


def execute(dsn, statement, *values):
    with psycopg.connect(dsn, autocommit=True, row_factory=psycopg.rows.namedtuple_row) as connection:
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def mark_invalid(dsn, name):
    execute(dsn, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", name)


def named(row):
    return f'{row.schema}."{row.name}"'


@dataclass(frozen=True)
class Place:
    """What the machine works on, set by the test."""

    admin: str
    template: str
    dsn_of: object


HARM = st.one_of(st.none(), st.tuples(st.sampled_from(Faults.HARMS), st.integers(0, 14)))


class LogModel(RuleBasedStateMachine):
    """``place`` is set by the test; ``steps`` counts."""

    place: Place
    steps = 0

    def __init__(self):
        super().__init__()
        self.name = f"m_{uuid.uuid4().hex[:12]}"
        execute(self.place.admin, f"CREATE DATABASE {self.name} TEMPLATE {self.place.template}")
        self.dsn = self.place.dsn_of(self.name)
        self.plans, self.made, self.faults = {}, 0, Faults()

    def teardown(self):
        execute(self.place.admin, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    @initialize()
    def plan(self):
        for number, wanted in enumerate(DEFINITIONS):
            self.plans[number] = keep_plan(self.dsn, wanted)

    # -- what we do

    @rule(number=st.integers(0, len(DEFINITIONS) - 1))
    def apply_in_peace(self, number):
        self.apply(number, None)

    @rule(number=st.integers(0, len(DEFINITIONS) - 1), harm=HARM)
    def apply(self, number, harm):
        before = {row.oid for row in self.indexes()}
        done = self.command(lambda: run_apply(self.dsn, self.plans[number].id, force=True), harm)
        if done is None:
            return
        new = [row.name for row in self.indexes() if row.oid not in before and "_ip_" in row.name]
        assert not (done.exit_code == 6 and new), (done.result.mutations, new)
        told = [m.outcome for m in done.result.mutations]
        assert (done.exit_code == 0) == (set(told) <= {"done", "already_done"}), (done.exit_code, told)
        if done.exit_code == 0:
            self.there(DEFINITIONS[number])

    @rule(harm=HARM)
    def rollback_last(self, harm):
        self.command(lambda: run_rollback(self.dsn, last=True), harm)

    @rule(number=st.integers(0, len(DEFINITIONS) - 1), harm=HARM)
    def rollback_plan(self, number, harm):
        self.command(lambda: run_rollback(self.dsn, self.plans[number].id), harm)

    @rule(pick=st.integers(0, 30), harm=HARM)
    def rollback_one(self, pick, harm):
        rows = self.log()
        if rows:
            self.command(lambda: run_rollback(self.dsn, f"M-{rows[pick % len(rows)].id}"), harm)

    @rule(harm=HARM)
    def doctor(self, harm):
        asked = doctor.DoctorRequest(Connection(self.dsn), record=Record("tester", "1", "doctor"), reconcile=True)
        self.command(lambda: doctor.settle(asked, Silent()), harm)

    # -- what others do

    @rule()
    def add_partition(self):
        low = self.next_low()
        self.foreign(
            f"CREATE TABLE public.more_{low} PARTITION OF public.parts FOR VALUES FROM ({low}) TO ({low + 10})"
        )

    @rule()
    def attach_partition(self):
        low = self.next_low()
        self.foreign(f"CREATE TABLE public.more_{low} (k int, v int, s text)")
        self.attach(f"public.more_{low}", low)

    @rule(pick=st.integers(0, 9))
    def detach_partition(self, pick):
        name = self.one(pick, self.tables("i.inhparent = to_regclass('public.parts')"))
        if name:
            self.foreign(f"ALTER TABLE public.parts DETACH PARTITION {name}")

    @rule(pick=st.integers(0, 9))
    def attach_again(self, pick):
        """A partition that was detached, with whatever indexes it has."""
        name = self.one(pick, self.tables("i.inhrelid IS NULL AND c.relname ~ '^(more|parts_)'"))
        if name:
            self.foreign(f"DELETE FROM {name}")
            self.attach(name, self.next_low())

    @rule(pick=st.integers(0, 9))
    def drop_partition(self, pick):
        name = self.one(pick, self.tables("i.inhrelid IS NOT NULL"))
        if name:
            self.foreign(f"DROP TABLE {name}")

    @rule(pick=st.integers(0, 20))
    def rename_index(self, pick):
        row = self.index(pick)
        if row:
            self.foreign(f'ALTER INDEX {named(row)} RENAME TO "By hand {self.next_low()}"')

    @rule(pick=st.integers(0, 20))
    def drop_index(self, pick):
        row = self.index(pick, lambda row: row.parent is None)
        if row:
            self.foreign(f"DROP INDEX {named(row)}")

    @rule(pick=st.integers(0, 20), concurrently=st.booleans())
    def reindex(self, pick, concurrently):
        row = self.index(pick, lambda row: row.kind == "i")
        if row:
            self.foreign(f"REINDEX INDEX {'CONCURRENTLY' if concurrently else ''} {named(row)}")

    @rule(pick=st.integers(0, 20))
    def leave_a_remnant(self, pick):
        """As a REINDEX CONCURRENTLY leaves it that was cancelled while it built."""
        row = self.index(pick, lambda row: row.kind == "i" and "_cc" not in row.name)
        if row:
            name = f"{row.name[:50]}_ccnew"
            method = row.ddl[row.ddl.index(" ON ") :]
            if self.foreign(f'CREATE INDEX "{name}"{method}'):
                mark_invalid(self.dsn, f'{row.schema}."{name}"')

    @rule(number=st.integers(0, len(DEFINITIONS) - 1), same=st.booleans())
    def take_the_name(self, number, same):
        wanted = self.plans[number].recommendations[0]
        keys = ", ".join(key.text for key in wanted.definition.keys) if same else "s"
        self.foreign(f"CREATE INDEX {wanted.name} ON {wanted.definition.table} ({keys})")

    @rule(table=st.sampled_from(["plain", "parts", "parts_a", "parts_b", "parts_b1"]))
    def rename_table_and_back(self, table):
        """Also the way back, for a plan has nothing to do where its table is not."""
        there = self.foreign(f"ALTER TABLE public.{table} RENAME TO {table}_away")
        if not there:
            self.foreign(f"ALTER TABLE public.{table}_away RENAME TO {table}")

    # -- what must be true

    def command(self, work, harm):
        """The outcome, checked; None when it died or was refused."""
        type(self).steps += 1
        self.faults.dsn = self.dsn
        with self.faults:
            self.faults.harm, self.faults.left = harm or (None, None)
            try:
                done = work()
            except Killed:
                return None
            except UsageError:
                return None
            except IndexPilotError as error:
                assert error.code in ALLOWED, (error.code, error)
                return None
            finally:
                self.faults.left = None
        if getattr(done, "exit_code", 0) == 8:  # what happened is not known, and is said so
            return None
        self.check()
        return done

    def check(self):
        catalog = {row.oid: row for row in self.indexes()}
        log = self.log()
        owners = {}
        for row in log:
            self.row_is_true(row, catalog)
            if row.details["kind"] == "create_index" and row.state in STANDING | {"STARTED", "UNKNOWN"}:
                owners.setdefault(row.details.get("oid"), []).append(row)
        assert all(len(rows) == 1 for rows in owners.values()), owners
        for row in catalog.values():
            ours = (row.comment or "").startswith("indexpilot:")
            assert not ours or row.oid in owners, ("no row", row)

    def row_is_true(self, row, catalog):
        kind, found = row.details["kind"], catalog.get(row.details.get("oid"))
        if row.state in STANDING and kind == "drop_index":
            assert found is None, ("dropped and there", row, found)
        elif row.state in STANDING:
            assert found is not None and found.fine, ("stands and is not there", row, found)
            assert (found.schema, found.name, found.table_name, found.relid) == (
                row.schema_name, row.index_name, row.table_name, row.relid), (row, found)  # fmt: skip
            if kind == "attach_index":
                parent = catalog.get(found.parent)
                told = from_json(QualifiedName, row.details["parent"])
                assert parent is not None and (parent.schema, parent.name) == (told.schema, told.name), (
                    row,
                    found,
                    parent,
                )
        elif row.state in {"INTENT", "STARTED", "UNKNOWN", "FAILED_LEFTOVER"}:
            whole = kind == "create_index" and found is not None and found.kind == "I" and not found.fine
            assert whole, ("open", row, found)

    def there(self, wanted):
        keys = "(" + ", ".join(key.text for key in wanted.keys) + ")"
        fine = [
            row for row in self.indexes() if row.table_name == wanted.table.name and row.ddl.endswith(keys) and row.fine
        ]
        assert fine, ("told as built and not there", wanted)

    # -- tools

    def log(self):
        return sorted(execute(self.dsn, LOG), key=lambda row: row.first)

    def indexes(self):
        return execute(self.dsn, INDEXES)

    def index(self, pick, wanted=lambda _: True):
        rows = [row for row in self.indexes() if wanted(row)]
        return rows[pick % len(rows)] if rows else None

    def tables(self, condition):
        return execute(self.dsn, TABLES.format(condition))

    def one(self, pick, rows):
        return rows[pick % len(rows)].name if rows else None

    def next_low(self):
        """The lower bound of a partition that there is not yet."""
        self.made += 10
        return 1000 + self.made

    def attach(self, name, low):
        self.foreign(f"ALTER TABLE public.parts ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({low + 10})")

    def foreign(self, statement):
        type(self).steps += 1
        try:
            execute(self.dsn, statement)
        except psycopg.Error:
            return False
        return True


ALLOWED = {"stale_plan", "table_missing", "name_taken", "locked", "not_indexable", "connection_lost"}


@contextlib.contextmanager
def prepared(admin, dsn_of):
    """A template of the machine's databases."""
    template = f"t_{uuid.uuid4().hex[:12]}"
    execute(admin, f"CREATE DATABASE {template}")
    dsn = dsn_of(template)
    execute(dsn, SCHEMA)
    with open_session(dsn, read_only=False, statement_timeout_ms=60_000, lock_timeout_ms=None) as session:
        metadata.migrate(session)
    try:
        yield Place(admin, template, dsn_of)
    finally:
        execute(admin, f"DROP DATABASE {template} WITH (FORCE)")
