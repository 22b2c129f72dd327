"""``recommend`` drops and replaces: by which evidence, as which steps, and what is left when they are carried out."""

from datetime import timedelta
from functools import partial

import pytest

from indexpilot_cli.advise import recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.index import DropChoice
from indexpilot_cli.lifecycle.spare import SpareRequest
from indexpilot_cli.lifecycle.values import LifecycleRequest
from tests.server.applying import outcomes, run_apply, run_rollback
from tests.server.requesting import TWIN, filled, queries

pytestmark = pytest.mark.usefixtures("own_places")
LINES = '"Shop 2"."Order lines"'
SEED = f"""
CREATE SCHEMA "Shop 2";
CREATE TABLE {LINES} (id bigserial PRIMARY KEY, "Order" int NOT NULL, sku text NOT NULL, note text, made timestamptz);
INSERT INTO {LINES} ("Order", sku, note, made) SELECT i % 3000, 'sku' || i % 500, repeat(md5(i::text), 3),
    timestamptz '2026-01-01Z' + i * interval '30 s' FROM generate_series(1, 30000) i;
CREATE INDEX "by order" ON {LINES} ("Order");
CREATE INDEX "by sku" ON {LINES} (sku);
CREATE INDEX "by sku and note" ON {LINES} (sku, note);
CREATE INDEX "by lower" ON {LINES} (lower(sku));
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT g FROM generate_series(0, 2000) g;
CREATE TABLE visits (id bigserial PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE,
    at timestamptz NOT NULL, page text NOT NULL, place text);
INSERT INTO visits (customer, at, page, place)
    SELECT g % 2000, now() - g * interval '1 min', 'p' || g % 50, md5(g::text) FROM generate_series(1, 30000) g;
CREATE INDEX visits_customer ON visits (customer);
CREATE INDEX visits_place ON visits (place);
CREATE UNIQUE INDEX visits_identity ON visits (page, id);
ALTER TABLE visits REPLICA IDENTITY USING INDEX visits_identity;
CREATE TABLE parts (id int, word bigint, day date) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO parts SELECT g, g % 2000, date '2026-01-01' + g % 59 FROM generate_series(1, 30000) g;
CREATE INDEX parts_word ON parts (word);
CREATE INDEX parts_word_again ON parts (word);
"""
STATEMENTS = (
    f'SELECT * FROM {LINES} WHERE "Order" = 7 ORDER BY made DESC LIMIT 5',
    f'SELECT * FROM {LINES} WHERE "Order" = 7',
    f"SELECT sku, count(*) FROM {LINES} GROUP BY sku",
    f"SELECT * FROM {LINES} WHERE lower(sku) = 'sku7' ORDER BY made DESC LIMIT 3",
    "SELECT * FROM parts WHERE word = 5",
    "SELECT * FROM visits WHERE customer = 5 ORDER BY at DESC LIMIT 3",
    "DELETE FROM customers WHERE id = 5",
    "INSERT INTO visits (customer, at, page) VALUES (5, now(), 'p')",
)
SHAPE = """
SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisreplident FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'Shop 2') ORDER BY 1
"""


@pytest.fixture(scope="module")
def place(pg):
    with filled(pg, SEED, "VACUUM ANALYZE") as found:
        yield found


def advised(place, *texts, drops=DropChoice.PROVEN, min_age=timedelta(days=30), max_slower=0.1, **more):
    facts = {"planner": TWIN, "workload": queries(*(texts or STATEMENTS)), "record": Record("tester", "1", "recommend")}
    request = RecommendRequest(Connection(place.dsn), max_slower=max_slower, **facts | more)
    looked = LifecycleRequest(request.connection, min_age=min_age, record=request.record)
    return recommend.run(request, Silent(), partial(SpareRequest(looked, drops))).result


def gone(plan):
    """By index what the plan does with it: dropped, or the columns of what takes its place."""
    found = {r.name: "drop" for r in plan.recommendations if r.action == "drop"}
    for r in plan.recommendations:
        found |= {old.name: ", ".join(k.text for k in r.definition.keys) for old in r.replaces}
    return found


REPLACED = {"by order": "Order, made", "by lower": "(lower(sku)), made", "visits_customer": "customer, at"}


def test_what_another_does_the_work_of_goes_and_what_nobody_was_seen_to_need_stays(place):
    plan = advised(place)
    # "by sku" is read whole by one statement, which the wider one would make dearer than a tenth.
    assert gone(plan) == REPLACED | {"parts_word_again": "drop"}
    assert "by sku" in {r.name.name for r in plan.redundant}
    assert any("were not watched for 30 d yet" in note for note in plan.notes)
    assert plan.freed_bytes > 0
    without = advised(place, drops=DropChoice.NONE)
    assert gone(without) == {}
    assert (plan.write_cost < without.write_cost, plan.size_bytes <= without.size_bytes) == (True, True)
    assert plan.cost_after <= without.cost_after * 1.001


def test_applied_and_taken_back(place):
    before = place.sql(SHAPE)
    plan = advised(place, min_age=timedelta(0))
    assert gone(plan) == REPLACED | {"parts_word_again": "drop", "visits_place": "drop"}
    done = run_apply(place.dsn, plan.id)
    assert (done.exit_code, set(outcomes(done))) == (0, {"done"}), done.result.mutations
    assert {row[0] for row in before} - {row[0] for row in place.sql(SHAPE)} >= set(gone(plan))
    assert gone(advised(place, min_age=timedelta(0))) == {}
    undone = run_rollback(place.dsn, plan.id)
    assert (undone.exit_code, set(outcomes(undone))) == (0, {"done"}), undone.result.mutations
    assert place.sql(SHAPE) == before


def test_a_drop_that_makes_a_statement_dearer_than_the_limit_is_not_offered(place):
    text = f"SELECT sku, count(*) FROM {LINES} GROUP BY sku"
    assert "by sku" not in gone(advised(place, text, max_slower=0.01))
    assert gone(advised(place, f"SELECT * FROM {LINES} WHERE sku = 'sku7'"))["by sku"] == "drop"
