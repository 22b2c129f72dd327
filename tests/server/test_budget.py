"""A storage budget against the indexes really built."""

import psycopg
import pytest

from indexpilot_cli.advise import recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, Silent, WorkloadRequest
from tests.benchmarks import generated
from tests.benchmarks.tpch_database import heap_bytes
from tests.server.requesting import QUIET, TWIN

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("own_places")]
SCALE = 0.06
SIZES = "SELECT sum(pg_relation_size(indexrelid))::bigint FROM pg_index"


def test_what_a_budget_allows_fits_it_when_built(database):
    generated.make("helpdesk", database, SCALE)
    budget = heap_bytes(database) // 10
    texts = tuple(c.sql for c in generated.statements("helpdesk", SCALE, variants=1)[::2] if not c.write)
    request = RecommendRequest(
        Connection(database),
        workload=WorkloadRequest(queries=texts),
        planner=TWIN,
        budget_bytes=budget,
        min_benefit=0.0,
        record=QUIET,
    )
    plan = recommend.run(request, Silent()).result
    with psycopg.connect(database, autocommit=True) as server:
        (before,) = server.execute(SIZES).fetchone()
        for recommendation in plan.recommendations:
            server.execute(recommendation.ddl.replace("CONCURRENTLY ", ""))
        (after,) = server.execute(SIZES).fetchone()
    assert 0.5 * budget < after - before <= budget
    assert abs(plan.size_bytes / (after - before) - 1) <= 0.1
    assert any("count against the budget" in note for note in plan.notes)
