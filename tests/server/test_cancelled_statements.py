"""Statements of a log that a timeout ended: the server tells how long they ran at least, and they get advice."""

import psycopg
import pytest

from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Silent, WorkloadRequest
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.workload.collect import collect
from tests.server.requesting import BY_CUSTOMER, BY_ID, QUIET, Place
from tests.servers import new_database

pytestmark = pytest.mark.usefixtures("own_places")

CANCELLED = (
    "2026-01-01 10:00:09 UTC [2] ERROR:  canceling statement due to statement timeout\n"
    f"2026-01-01 10:00:09 UTC [2] STATEMENT:  {BY_CUSTOMER}\n"
)
FINISHED = "".join(
    f"2026-01-01 10:00:01 UTC [1] LOG:  duration: 900 ms  statement: {BY_ID.replace('77', str(n))}\n" for n in range(9)
)


@pytest.fixture
def log_file(tmp_path):
    path = tmp_path / "server.log"
    path.write_text(FINISHED + CANCELLED)
    return WorkloadRequest(files=(str(path),))


@pytest.mark.parametrize(
    ("configured", "seconds"),
    [
        (["ALTER DATABASE {} SET statement_timeout = '90s'"], 90),
        (["ALTER DATABASE {} SET statement_timeout = '90s'", "ALTER ROLE {role} SET statement_timeout = '1min'"], 60),
        (["ALTER ROLE {role} IN DATABASE {} SET statement_timeout = 2500"], 2.5),
        (["ALTER DATABASE {} SET statement_timeout = 0"], None),
    ],
)
def test_the_least_timeout_configured_is_the_least_time(pg, log_file, configured, seconds):
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        name = connection.info.dbname
        role = f"{name}_app"
        connection.execute(f'CREATE ROLE "{role}"')
        try:
            for statement in configured:
                connection.execute(statement.format(f'"{name}"', role=f'"{role}"'))
            with open_source(SourceRequest(Place(dsn).connection), Silent()) as source:
                (workload,) = collect(source, log_file)
        finally:
            connection.execute(f'DROP ROLE "{role}"')
    (cancelled,) = [s for s in workload.statements if s.cancelled]
    assert cancelled.total_ms == (None if seconds is None else seconds * 1000)


def test_they_are_marked_and_get_an_index(analyzed_shop, log_file):
    outcome = analyzed_shop.ask(AnalyzeRequest, workload=log_file, record=QUIET)
    marked = {
        t.text.split("WHERE ")[1].split(" ")[0]: (t.calls, t.cancelled, t.total_ms) for t in outcome.result.templates
    }
    assert marked == {"id": (9, 0, 8100), "customer_id": (1, 1, 900)}
    assert "1 cancelled statement has no time" in outcome.warnings[1].message
    advice = analyzed_shop.ask(RecommendRequest, workload=log_file, planner=analyzed_shop.planner, record=QUIET).result
    assert [r.definition.keys[0].column for r in advice.recommendations] == ["customer_id"]
