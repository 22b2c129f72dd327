"""What the tests of apply and rollback share: a database, a table that takes a moment to index, plans for it."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from indexpilot_cli.apply import apply, rollback
from indexpilot_cli.apply.build import perform
from indexpilot_cli.apply.steps import task_of
from indexpilot_cli.apply.values import ApplyRequest, RollbackRequest
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.ddl import create_index, drop_index, index_name, summary
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Bound, Plan, Recommendation, schema_digest
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.execute.build import columns_fingerprint
from indexpilot_cli.execute.context import RunLimits, open_context
from indexpilot_cli.execute.signals import Stop
from indexpilot_cli.log import metadata, plans
from indexpilot_cli.settings.sections import CpuThrottleSettings, RateLimiterSettings, SafeguardSettings
from tests.servers import session_to

ORDERS = QualifiedName("public", "orders")
CALM = SafeguardSettings(
    rate_limiter=RateLimiterSettings(enabled=False), cpu_throttle=CpuThrottleSettings(enabled=False)
)
SCHEMA = """
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, note text,
                     created_at timestamptz NOT NULL)
"""
ROWS = """
INSERT INTO orders
SELECT i, i * 7919 %% 10007, CASE WHEN i %% 50 = 0 THEN 'open' ELSE 'done' END, md5(i::text),
       timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second'
FROM generate_series(1, %d) AS i
"""


def fill(dsn, rows=100_000):
    """The metadata tables and an ``orders`` table of so many rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute(ROWS % rows)
        connection.execute("VACUUM ANALYZE orders")
    with open_session(dsn, read_only=False, statement_timeout_ms=60_000, lock_timeout_ms=None) as session:
        metadata.migrate(session)


def sql(dsn, text, values=None):
    """The rows that the statement gives; it commits by itself."""
    with session_to(dsn) as connection:
        cursor = connection.execute(text, values)
        return cursor.fetchall() if cursor.description else []


def definition(*columns, table=ORDERS, **more):
    keys = tuple(c if isinstance(c, IndexKey) else IndexKey(c) for c in columns)
    return IndexDefinition(table, keys, **more)


def recommendation(index, name=None, size_bytes=1_000_000):
    name = name or index_name(index)
    return Recommendation(
        id=index.id,
        definition=index,
        name=name,
        ddl=create_index(index, name),
        undo=drop_index(QualifiedName(index.table.schema, name)),
        summary=summary(index),
        kind="equality",
        size_bytes=size_bytes,
        size_method="test",
        benefit=0.5,
        reduction=0.9,
        write_cost=0.01,
    )


def keep_plan(dsn, *definitions, names=()):
    """A stored plan for the definitions; gives it."""
    given = [*names, *[None] * len(definitions)]
    found = tuple(recommendation(d, n) for d, n in zip(definitions, given, strict=False))
    with open_session(dsn, read_only=False, statement_timeout_ms=30_000) as session:
        catalog = read_catalog(session)
        plan = Plan(
            id=f"P-{uuid.uuid4().hex[:6]}",
            created_at=datetime.now(UTC),
            server=None,
            estimator="test",
            templates=1,
            statements=1,
            candidates=len(found),
            cost_before=100.0,
            cost_after=50.0,
            unit="ms",
            recommendations=found,
            rejections=(),
            bound=Bound(50.0, None, None),
            schema_digest=schema_digest(catalog, {d.table for d in definitions}),
        )
        plans.store(session, plan)
    return plan


def request(dsn, *targets, **more):
    facts = {"lock_timeout": 0.5, "retries": 1, "confirmed": True, "safeguards": CALM} | more
    return ApplyRequest(connection=Connection(dsn), targets=targets, record=Record("tester", "1", "apply"), **facts)


def refuse(_planned):
    raise AssertionError("nobody is to be asked")


def run_apply(dsn, *targets, **more):
    return apply.run(request(dsn, *targets, **more), Silent(), refuse)


def run_rollback(dsn, *targets, confirm=None, **more):
    facts = {"lock_timeout": 0.5, "retries": 1, "confirmed": confirm is None} | more
    asked = RollbackRequest(
        connection=Connection(dsn), targets=targets, record=Record("tester", "1", "rollback"), **facts
    )
    return rollback.run(asked, Silent(), confirm or refuse)


@dataclass(frozen=True)
class World:
    """What the catalog and the log say: indexes of the user's schemas, and the rows of the intent log."""

    indexes: dict
    log: list

    @property
    def invalid(self):
        return [name for name, valid in self.indexes.items() if not valid]

    def states(self, index=None):
        return [row.state for row in self.log if index is None or row.index_name == index]


def look(dsn):
    with psycopg.connect(dsn, autocommit=True, row_factory=psycopg.rows.namedtuple_row) as connection:
        indexes = connection.execute(
            "SELECT c.relname, i.indisvalid AND i.indisready AND i.indislive AS fine FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'indexpilot') AND NOT i.indisprimary"
        ).fetchall()
        log = connection.execute("SELECT * FROM indexpilot.mutation_log WHERE op_id IS NOT NULL ORDER BY id").fetchall()
    return World({r.relname: r.fine for r in indexes}, log)


def outcomes(outcome):
    return [m.outcome for m in outcome.result.mutations]


def operation(dsn, index):
    """The operation that builds the index, as apply would make it."""
    with open_session(dsn) as session:
        catalog = read_catalog(session)
        prints = {t.name: columns_fingerprint(session, t.oid) for t in catalog.tables}
    return task_of(recommendation(index), "P-000000", catalog, prints).head


def build_one(dsn, wanted, **limits):
    """The operation performed without guards; gives what it came to."""
    with open_context(
        Connection(dsn),
        Record("tester", "1", "apply"),
        Silent(),
        Stop(),
        RunLimits(**{"lock": 0.5, "retries": 0} | limits),
    ) as ctx:
        return perform(ctx, wanted, {})
