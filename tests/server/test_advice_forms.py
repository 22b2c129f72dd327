"""Forms of conditions that real workloads have: what is advised for each on a server, or why nothing is."""

import pytest

from indexpilot_cli.advise.values import RecommendRequest
from tests.server.requesting import QUIET, TWIN, Place, queries
from tests.servers import new_database

# table, what makes it, the statement asked
CASES = {
    "prod": (
        """CREATE TABLE prod (id serial PRIMARY KEY, kind text, meta jsonb, ref text);
        INSERT INTO prod (kind, meta, ref) SELECT CASE WHEN g = 7 THEN 'txt' ELSE 'num' END,
            jsonb_build_object('price', (g % 500)::text), CASE WHEN g = 7 THEN 'A-7' ELSE g::text END
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM prod WHERE kind = 'num' AND ref::bigint = 500",
    ),
    "bare_cast": (
        """CREATE TABLE bare_cast (id serial PRIMARY KEY, meta jsonb);
        INSERT INTO bare_cast (meta) SELECT jsonb_build_object('price', (g % 500)::text)
        FROM generate_series(1, 20000) g""",
        "SELECT * FROM bare_cast WHERE (meta->>'price')::int = 12",
    ),
}


@pytest.fixture(scope="module")
def advised(pg, twin_place):
    """What one ``recommend`` says of all cases: recommendations and rejections."""
    with new_database(pg) as dsn, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(twin_place))
        place = Place(dsn, TWIN)
        for script, _ in CASES.values():
            place.sql(script)
        place.sql("ANALYZE")
        asked = queries(*(text for _, text in CASES.values()))
        yield place.ask(RecommendRequest, workload=asked, planner=TWIN, record=QUIET, min_benefit=0.0001).result


def indexes(plan, table):
    return [r for r in plan.recommendations if r.definition.table.name == table]


def rejections(plan, table, reason):
    return [r for r in plan.rejections if r.reason == reason and r.subject.startswith(f"{table} (")]


def test_cast_that_can_fail_is_offered_with_the_guard_and_a_warning(advised):
    (offered,) = indexes(advised, "prod")
    assert offered.summary == "prod ((ref::bigint)) WHERE kind = 'num'"
    (risk,) = [r for r in offered.risks if r.code == "unwritable_values"]
    assert "such values can no longer be written" in risk.text


def test_cast_without_a_guard_is_rejected_with_the_reason(advised):
    assert indexes(advised, "bare_cast") == []
    (rejected,) = rejections(advised, "bare_cast", "can_fail")
    assert "a cast from text to int4 fails" in rejected.detail
