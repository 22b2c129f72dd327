"""Drops priced on the twin: what the planner then uses is what it uses after the real drop."""

import psycopg
import pytest

from indexpilot_cli.core.command import WorkloadRequest
from tests.server.requesting import TWIN, filled, queries
from tests.server.test_lifecycle import look, offered, short

pytestmark = pytest.mark.usefixtures("own_places")
SEED = """
CREATE TABLE owners (id int PRIMARY KEY, name text);
CREATE TABLE acts (id int PRIMARY KEY, owner int REFERENCES owners ON DELETE CASCADE, kind int, day date, note text,
    place int);
INSERT INTO owners SELECT g, 'o' || g FROM generate_series(1, 2000) g;
INSERT INTO acts SELECT g, 1 + g % 2000, g % 7, date '2020-01-01' + g % 1500, md5(g::text), g % 5000
    FROM generate_series(1, 40000) g;
CREATE INDEX acts_owner ON acts (owner);
CREATE INDEX acts_owner_day ON acts (owner, day);
CREATE INDEX acts_day ON acts (day);
CREATE INDEX acts_note ON acts (note);
CREATE INDEX acts_place ON acts (place);
CREATE INDEX acts_place_hash ON acts USING hash (place);
CREATE INDEX acts_kind ON acts (kind);
CREATE TABLE logs (day date NOT NULL, n int) PARTITION BY RANGE (day);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO logs SELECT date '2026-01-01' + g % 59, g FROM generate_series(1, 20000) g;
CREATE INDEX logs_n ON logs (n);
"""
STATEMENTS = (
    "SELECT * FROM acts WHERE owner = 7 AND kind = 1",
    "SELECT count(*) FROM acts WHERE day BETWEEN '2021-01-01' AND '2021-01-03'",
    "SELECT id FROM acts WHERE place = 11",
    "SELECT n FROM logs WHERE n = 17",
    "DELETE FROM owners WHERE id = 3",
)


@pytest.fixture(scope="module")
def acts(pg):
    with filled(pg, SEED, "VACUUM ANALYZE") as place:
        yield place


@pytest.fixture(scope="module")
def found(acts, twin_place):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(twin_place))
        return look(acts, workload=queries(*STATEMENTS), planner=TWIN).result.findings


def test_what_a_recorded_statement_needs_is_reported_with_its_factor(found):
    told = {short(f): f for f in found if f.action == "report" and f.slower}
    assert {"acts_day", "logs_n"} <= told.keys()
    assert all(f.slower[0].factor > 2 and f.ddl is None for f in told.values())
    assert told["acts_day"].slower[0].instead == "Index Only Scan using acts_owner_day on acts"


def test_one_of_two_that_stand_in_for_one_another_stays(found):
    assert sum(name in offered(found) for name in ("acts_place", "acts_place_hash")) == 1


def test_what_nobody_needs_is_offered(found):
    assert offered(found).items() >= {"acts_owner": "redundant", "acts_note": "unused", "acts_kind": "unused"}.items()
    assert all(f.evidence[-1].code == "priced" for f in found if f.action == "drop")


def test_after_the_real_drops_the_plans_are_those_that_were_predicted(found, acts):
    """Costs of all statements after all offered drops, as the server has them then, within the limit."""
    with psycopg.connect(acts.dsn) as connection:
        before = [_cost(connection, statement) for statement in STATEMENTS]
        for finding in found:
            if finding.action == "drop":
                connection.execute(finding.ddl.replace(" CONCURRENTLY", ""))
        after = [_cost(connection, statement) for statement in STATEMENTS]
        connection.rollback()
    assert all(now <= then * 1.1 for then, now in zip(before, after, strict=True))


def _cost(connection, statement):
    return connection.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchone()[0][0]["Plan"]["Total Cost"]


def test_without_statements_a_drop_says_that_it_was_not_priced(acts):
    plain = look(acts, workload=WorkloadRequest(queries=())).result.findings
    assert {r.code for f in plain if f.action == "drop" for r in f.evidence} >= {"not_priced"}
