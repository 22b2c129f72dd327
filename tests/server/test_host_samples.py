"""Sample applications and the three ways of integration, run as their users would, and what they left behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import indexpilot_cli
from indexpilot_cli import host
from tests import hosts

SAMPLES = Path(hosts.__file__).parent
PACKAGE = Path(indexpilot_cli.__file__).parent
ROWS = """
SELECT table_name, field_name, query_type, count(*)::int, count(DISTINCT tenant_id)::int, min(tenant_id), max(tenant_id)
FROM indexpilot.query_stats GROUP BY 1, 2, 3 ORDER BY 1, 2 NULLS LAST, 3
"""
# Its ending processes wait as long as a busy machine needs for their last rows to be written.
PATIENTLY = (
    "import runpy, sys; from indexpilot_cli.host import stats; stats._PATIENCE = 120.0;"
    "del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def run(script, *arguments, **environment):
    """What the script printed; it runs as in another project, from its own folder."""
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", PATIENTLY, script.name, *arguments],
        cwd=script.parent,
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def recorded(connection):
    """By table, field and kind of query: how many rows of how many tenants, the least and the greatest of them."""
    found = {}
    for table, field, kind, number, *tenants in connection.execute(ROWS).fetchall():
        found[table, field, kind] = (number, *tenants)
    return found


def no_tenants(connection):
    return connection.execute("SELECT to_regclass('tenants')").fetchone() == (None,)


def test_fastapi_with_sqlalchemy_in_forked_workers(database, connection):
    run(SAMPLES / "fastapi_shop.py", database)
    # Five visitors of each worker send every statement once.
    assert recorded(connection) == dict.fromkeys(
        [
            ("customers", "email", "equal"),
            ("customers", "email", "like"),
            ("customers", "id", "equal"),  # read again after the commit
            ("customers", "id", "join"),
            ("customers", None, "insert"),
            ("orders", "customer_id", "join"),
            ("orders", "id", "equal"),
            ("orders", "id", "order"),
            ("orders", "status", "update"),
        ],
        (10, 2, 1, 2),
    )
    assert no_tenants(connection)


def test_django_in_forked_workers(database, connection):
    run(SAMPLES / "django_shop" / "serve.py", SHOP_CONNINFO=database)
    often = (10, 2, 1, 2)
    assert recorded(connection) == {
        ("shop_author", "id", "join"): often,
        ("shop_author", "name", "equal"): (20, 2, 1, 2),  # to see whether it is there, and by the books' join
        ("shop_author", None, "insert"): often,
        ("shop_book", "author_id", "join"): often,
        ("shop_book", "id", "equal"): (2, 2, 1, 2),  # a list of one, once in the loop of each worker
        ("shop_book", "id", "in"): often,
        ("shop_book", "price", "range"): often,
        ("shop_book", "published", "null"): often,
        ("shop_book", "published", "order"): often,
        ("shop_book", "title", "update"): (12, 2, 1, 2),
        ("shop_book", None, "insert"): often,
    }
    assert no_tenants(connection)


def test_psycopg_on_asyncio_with_a_worker(database, connection):
    run(SAMPLES / "asyncio_shop.py", database)
    every = (40, 40, 1, 120)  # one tenant a task: 1 to 20, in the worker 101 to 120
    assert recorded(connection) == {
        ("tickets", "account_id", "equal"): every,
        ("tickets", "id", "equal"): every,
        ("tickets", "opened", "order"): every,
        ("tickets", "state", "equal"): (41, 41, 1, 999),
        ("tickets", None, "delete"): every,
        ("tickets", None, "insert"): every,
    }
    assert no_tenants(connection)


@pytest.fixture
def project(tmp_path):
    """A folder of another project that has our package's folder."""
    shutil.copytree(PACKAGE, tmp_path / "indexpilot_cli", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SAMPLES / "integration" / "copied.py", tmp_path)
    return tmp_path


def test_t1_copied_into_a_project(project, database, connection):
    assert run(project / "copied.py", database) == ["4 [('email', 100), ('phone', 50)]"]
    assert no_tenants(connection)


def test_t2_described_by_a_schema_file(database, connection):
    assert run(SAMPLES / "integration" / "from_schema.py", database) == ["2 7 ['id', 'account_id', 'email']"]
    assert no_tenants(connection)


def test_t3_discovered(database, connection):
    printed = run(SAMPLES / "integration" / "discovered.py", database)
    assert printed == [
        "1 4 [('column_added', 'quantity')]",
        "[('Order Lines', 'Select', 'equal'), ('Order Lines', 'quantity', 'range')]",
    ]
    assert no_tenants(connection)


def test_t5_result_keys(database, connection):
    connection.execute("CREATE TABLE public.t (a int, b text)")
    described = {"tables": [{"name": "t", "fields": [{"name": "a", "type": "int"}]}]}
    host.init_connection_pool(database, 1, 2)
    try:
        results = [
            host.init_schema_from_config(described),
            host.discover_and_bootstrap_schema(),
            host.bootstrap_genome_catalog_from_schema(described),
            host.detect_and_sync_schema_changes(),
            host.init_schema_from_config({"tables": [{"name": "t"}]}),
            host.init_schema_from_config("no such file.yaml"),
            host.init_schema_from_config(None),  # as of an environment variable that is not set
        ]
    finally:
        host.close_connection_pool()
    results.append(host.discover_and_bootstrap_schema())  # without a pool
    assert all(result.keys() >= {"success", "tables_count", "fields_count", "error"} for result in results)
    counts = [(r["success"], r["tables_count"], r["fields_count"]) for r in results]
    assert counts == [(True, 1, 1), (True, 1, 2), (True, 1, 1), (True, 1, 2)] + [(False, 0, 0)] * 4
    assert [r["error"] for r in results[:4]] == [None] * 4 and all(r["error"] for r in results[4:])
