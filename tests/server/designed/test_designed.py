"""Designed workloads: the expected index is recommended, the trap is refused with its reason, and the planner of
the real server uses the index once it is really built."""

import json
from pathlib import Path

import psycopg
import pytest

from indexpilot_cli.advise import recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, Record, Silent, WorkloadRequest
from tests.server.designed.cases import CASES
from tests.servers import new_database

SCHEMA = Path(__file__).with_name("schema.sql")
FORBIDDEN = ("public", "customers", "name")


@pytest.fixture(scope="module")
def designed(pg, tmp_path_factory):
    """The database of all designed tables, with IndexPilot's own tables and one field that must not be indexed."""
    from indexpilot_cli.admin import init
    from indexpilot_cli.admin.init import InitRequest

    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            if admin.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'").fetchone():
                admin.execute("CREATE EXTENSION pg_trgm")
            # Foreign keys are looked up row by row, which would be a third of all the time that filling takes.
            admin.execute("SET session_replication_role = replica")
            admin.execute(SCHEMA.read_text().replace("VACUUM (ANALYZE);", ""))
            admin.execute("RESET session_replication_role")
            admin.execute("VACUUM (ANALYZE)")
            init.run(InitRequest(Connection(dsn), discover=True), Silent())
            admin.execute(
                "UPDATE indexpilot.genome_catalog SET is_indexable = false"
                " WHERE (schema_name, table_name, field_name) = (%s, %s, %s)",
                FORBIDDEN,
            )
        yield dsn


@pytest.fixture(autouse=True)
def own_directories(tmp_path_factory, twin_place, monkeypatch):
    place = tmp_path_factory.getbasetemp() / "indexpilot"
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_place))
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))


def plan_for(dsn, case, tmp_path):
    file = tmp_path / "workload.sql"
    file.write_text(";\n".join(case.statements) + ";\n")
    request = RecommendRequest(
        Connection(dsn), workload=WorkloadRequest(files=(str(file),)), record=Record(enabled=False)
    )
    return recommend.run(request, Silent()).result


def names_of(tree):
    yield tree.get("Index Name")
    for child in tree.get("Plans", ()):
        yield from names_of(child)


def explain(admin, statement):
    row = admin.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchone()[0]
    return (json.loads(row) if isinstance(row, str) else row)[0]["Plan"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_designed_workload(case, designed, tmp_path):
    if "gin_trgm_ops" in str(case.expect) and not has_trigrams(designed):
        pytest.skip("pg_trgm is not on this server; the refusal is tested where it is missing")
    plan = plan_for(designed, case, tmp_path)
    summaries = [r.summary for r in plan.recommendations]
    refused = [(r.reason, f"{r.subject} {r.detail}") for r in plan.rejections]
    for alternatives in case.expect:
        assert any(text in s for s in summaries for text in alternatives), (summaries, refused)
    for reason, text in case.refuse:
        assert any(r == reason and text in detail for r, detail in refused), (summaries, refused)
    for text in case.never:
        assert not any(text in s for s in summaries), summaries
    really_used(designed, plan, case)


def really_used(dsn, plan, case):
    """Build what is recommended for real: the server's own planner must use it for each marked statement."""
    if not case.uses:
        return
    with psycopg.connect(dsn, autocommit=True) as admin:
        try:
            for recommendation in plan.recommendations:
                admin.execute(recommendation.ddl)
                # Only an expression has statistics of its own; other ones of the table would make another twin of it.
                if any(key.expression for key in recommendation.definition.keys):
                    admin.execute(f"ANALYZE {recommendation.definition.table}")
            built = {r.name for r in plan.recommendations}
            for position in case.uses if built else ():
                used = set(names_of(explain(admin, case.statements[position])))
                assert used & built, (built, explain(admin, case.statements[position]))
        finally:
            for recommendation in plan.recommendations:
                admin.execute(
                    recommendation.undo.replace("DROP INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY IF EXISTS")
                )


def has_trigrams(dsn):
    with psycopg.connect(dsn) as conn:
        return conn.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'").fetchone() is not None
