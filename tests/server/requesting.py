"""What the tests at the level of the request share: two databases, every command's ``run``, and the log it writes.

The commands are imported here and nowhere else in those tests, so that moving one changes one line.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
import pytest

from indexpilot_cli.admin import analyze, discover, doctor, init, snapshot
from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.admin.discover import DiscoverRequest
from indexpilot_cli.admin.doctor import DoctorRequest
from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.admin.snapshot import SnapshotRequest
from indexpilot_cli.advise import recommend
from indexpilot_cli.advise.explain import explain
from indexpilot_cli.advise.values import ExplainRequest, RecommendRequest
from indexpilot_cli.apply import apply, kept_plan, rollback
from indexpilot_cli.apply.values import ApplyRequest, PlanRequest, RollbackRequest
from indexpilot_cli.core.command import Connection, PlannerRequest, Record, Silent, WorkloadRequest
from indexpilot_cli.settings.sections import CpuThrottleSettings, RateLimiterSettings, SafeguardSettings
from tests.servers import new_database, session_to
from tests.waiting import eventually

RUNS = {
    AnalyzeRequest: analyze.run,
    DiscoverRequest: discover.run,
    DoctorRequest: doctor.run,
    ExplainRequest: explain.run,
    InitRequest: init.run,
    PlanRequest: kept_plan.show_plan,
    RecommendRequest: recommend.run,
    SnapshotRequest: snapshot.run,
}
CHANGES = {ApplyRequest: apply.run, RollbackRequest: rollback.run}
CALM = SafeguardSettings(
    rate_limiter=RateLimiterSettings(enabled=False), cpu_throttle=CpuThrottleSettings(enabled=False)
)
OTHERS = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
RECORD = Record("tester", "1", "a test")
QUIET = Record(enabled=False)
NOWHERE = Connection("host=/nowhere/at/all")
TWIN, HYPOPG = PlannerRequest("twin", workers=1), PlannerRequest("hypopg", workers=1)

ANALYZED = """
CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL UNIQUE, city text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, status text NOT NULL,
    created_at timestamptz NOT NULL, place int4range, EXCLUDE USING gist (place WITH &&));
CREATE UNIQUE INDEX orders_moment ON orders (created_at);
CREATE INDEX orders_status ON orders (status);
CREATE SCHEMA sales;
CREATE TABLE sales.visits (day date NOT NULL, page int) PARTITION BY RANGE (day);
CREATE TABLE sales.visits_1 PARTITION OF sales.visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE sales.visits_2 PARTITION OF sales.visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE sales.remote (a int) SERVER elsewhere;
INSERT INTO customers SELECT i, 'user' || i || '@example.com', 'city' || i % 50 FROM generate_series(1, 2000) i;
INSERT INTO orders SELECT i, 1 + i % 2000, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END,
    timestamptz '2026-01-01Z' + i * interval '1 min' FROM generate_series(1, 20000) i;
INSERT INTO sales.visits SELECT date '2026-01-01' + i % 59, i FROM generate_series(1, 2000) i;
CREATE MATERIALIZED VIEW sales.cities AS SELECT city, count(*) AS customers FROM customers GROUP BY city;
"""
NEGLECTED = """
CREATE TABLE items (id int PRIMARY KEY, k int NOT NULL, v int NOT NULL);
INSERT INTO items SELECT i, i % 5000, i FROM generate_series(1, 10000) i;
CREATE TABLE raw_0 (a int);
INSERT INTO raw_0 SELECT generate_series(0, 3000);
"""
NEGLECT = ("ANALYZE items", "INSERT INTO items SELECT i, i % 5000, i FROM generate_series(10001, 15000) i")
LEFTOVERS = ("CREATE UNIQUE INDEX CONCURRENTLY items_k_once ON items (k)",
             "CREATE INDEX CONCURRENTLY raw_inverse ON raw_0 ((1 / a))")  # fmt: skip
BY_CUSTOMER = "SELECT id, status FROM orders WHERE customer_id = 4711"
BY_ID = "SELECT * FROM orders WHERE id = 77"


@dataclass(frozen=True)
class Place:
    """A database to ask about; ``planner`` is the one that answers soonest there."""

    dsn: str
    planner: PlannerRequest = TWIN

    @property
    def connection(self):
        return Connection(self.dsn)

    def ask(self, kind, *values, **more):
        """What the command of that request answers."""
        return ask(kind, *values, **{"connection": self.connection, "record": RECORD} | more)

    def sql(self, text, *values):
        with session_to(self.dsn) as connection:
            cursor = connection.execute(text, values or None)
            return cursor.fetchall() if cursor.description else []

    def alone(self):
        """Wait until other sessions have ended: what one counted may arrive only then, after a reset sent meanwhile."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            eventually(lambda: connection.execute(OTHERS).fetchone() == (0,))

    def log(self):
        """Type, state and details of every row of the mutation log, oldest first."""
        return self.sql("SELECT mutation_type, state, details_json FROM indexpilot.mutation_log ORDER BY id")

    def last(self):
        """Type, state and details of the newest row, without who asked."""
        kind, state, details = self.log()[-1]
        return kind, state, {k: v for k, v in details.items() if k not in ("actor", "command", "version")}

    def role(self, name):
        """The same database for a role that may log in and nothing else."""
        self.sql(f"DROP ROLE IF EXISTS {name}")
        self.sql(f"CREATE ROLE {name} LOGIN")
        return Place(psycopg.conninfo.make_conninfo(self.dsn, user=name), self.planner)


class Interrupting(Silent):
    """Ctrl-C when a stage of that name begins."""

    def __init__(self, word):
        self.word = word

    def stage(self, title, total=None):
        if self.word in title:
            raise KeyboardInterrupt


def ask(kind, *values, **more):
    return RUNS[kind](kind(*values, **more), Silent())


def change(place, kind, *targets, **more):
    """What a command that changes the database answers; it is confirmed, so nobody is asked."""
    facts = {"connection": place.connection, "targets": targets, "confirmed": True, "lock_timeout": 0.5, "retries": 1}
    return CHANGES[kind](kind(**facts | {"record": RECORD} | more), Silent(), confirm=_never)


def _never(_planned):
    raise AssertionError("nobody is to be asked")


def queries(*texts, **more):
    return WorkloadRequest(queries=texts, **more)


def checks(outcome, code):
    return [c for c in outcome.result.checks if c.code == code]


def with_hypopg(place):
    """The place, planned by HypoPG where the server has it: no twin has to be started for every question."""
    if not place.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'"):
        return place
    place.sql("CREATE EXTENSION hypopg")
    return replace(place, planner=HYPOPG)


@contextmanager
def filled(pg, *statements, fail=()):
    """A database with our tables and what the statements make; those of ``fail`` must, and leave something."""
    with new_database(pg) as dsn:
        place = with_hypopg(Place(dsn))
        for statement in statements:  # one by one: a transaction of all would count its rows after its ANALYZE
            place.alone()
            place.sql(statement)
        for statement in fail:
            with pytest.raises(psycopg.Error):
                place.sql(statement)
        place.ask(InitRequest, record=QUIET)
        yield place


@pytest.fixture(scope="session")
def analyzed_shop(pg):
    """A database in good order, for tests that only look; its statistics begin after the load, so rates are known."""
    with filled(pg, ANALYZED, "SELECT pg_stat_reset()", "ANALYZE") as place:
        yield place


@pytest.fixture(scope="session")
def neglected_shop(pg):
    """A database with old and missing statistics and two invalid indexes, for tests that only look."""
    with filled(pg, NEGLECTED, *NEGLECT, fail=LEFTOVERS) as place:
        yield place


@pytest.fixture(scope="session")
def bare(pg):
    """An empty database that never saw ``init``, for tests that only look."""
    with new_database(pg) as dsn:
        yield Place(dsn)


@pytest.fixture(scope="module")
def changing_shop(pg):
    """A database in good order that the tests of one file change and put back."""
    with filled(pg, ANALYZED, "ANALYZE") as place:
        yield place


@pytest.fixture
def own_places(tmp_path, twin_place, monkeypatch):
    """A state directory of the test's own and one cache of twins for all; gives the state directory."""
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_place))
    return state / "indexpilot"


@pytest.fixture(scope="session")
def shop_snapshot(analyzed_shop, tmp_path_factory):
    """A snapshot file of the shop that holds one query."""
    path = tmp_path_factory.mktemp("snapshots") / "shop.ipsnap"
    analyzed_shop.ask(SnapshotRequest, str(path), workload=queries(BY_CUSTOMER), record=QUIET)
    return str(path)
