"""T11: what a command asks does not grow with tables and tenants; tests/benchmarks/tenants.py measures the seconds."""

import psycopg
import pytest

from indexpilot_cli.admin import schema_sync, tenant
from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.admin.init import run as init
from indexpilot_cli.core.command import Connection, Record, Silent
from tests.server.features.sending import texts_sent
from tests.servers import new_database

RECORD = Record("tester", "1", "a test")
SIZES = (3, 30)


@pytest.fixture(scope="module")
def dsns(pg):
    """A database of few tables and tenants, and one of many."""
    with new_database(pg) as few, new_database(pg) as many:
        for dsn, size in zip((few, many), SIZES, strict=True):
            with psycopg.connect(dsn, autocommit=True) as server:
                for number in range(size):
                    server.execute(f"CREATE TABLE t{number} (id int, tenant_id int, a text)")
                init(InitRequest(Connection(dsn), discover=True, record=RECORD), Silent())
                server.execute(
                    "INSERT INTO indexpilot.expression_profile (tenant_id, table_name, field_name)"
                    f" SELECT t, table_name, field_name FROM indexpilot.genome_catalog, generate_series(1, {size}) t"
                )
        yield few, many


def test_t11_questions_do_not_grow_with_tables_and_tenants(dsns, monkeypatch):
    asked = {
        "sync": lambda place: schema_sync.run(schema_sync.SchemaSyncRequest(place, record=RECORD), Silent()),
        "write": lambda place: schema_sync.run(schema_sync.SchemaSyncRequest(place, (), True, record=RECORD), Silent()),
        "show": lambda place: tenant.show_tenant(tenant.TenantShowRequest(place, 2, record=RECORD), Silent()),
        "list": lambda place: tenant.list_tenants(tenant.TenantListRequest(place, record=RECORD), Silent()),
    }
    for name, ask in asked.items():
        counts = []
        for dsn in dsns:
            with psycopg.connect(dsn, autocommit=True) as server:
                for table in ("t0", "t1"):
                    server.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS b int")
            with monkeypatch.context() as patched:
                sent = texts_sent(patched)
                ask(Connection(dsn))
            counts.append(len(sent))
        assert counts[0] == counts[1], name
