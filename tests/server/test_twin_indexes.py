"""Hypothetical indexes on the twin: every access method, sizes, heights, hiding, statistics of expressions."""

import psycopg
import pytest

from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.planner.twin.planner import open_twin
from tests.server.twinning import snapshot_of

CUSTOMERS, EVENTS = QualifiedName("sales", "customers"), QualifiedName("sales", "events")
ORDERS = QualifiedName("sales", "orders")


def index(table, *columns, **more):
    return IndexDefinition(table, tuple(c if isinstance(c, IndexKey) else IndexKey(c) for c in columns), **more)


def planned(twin, text, *indexes, hidden=(), **more):
    (answer,) = twin.plan([WhatIf(Plannable(text), frozenset(indexes), frozenset(hidden), **more)])
    assert answer.ok, answer.error
    return answer


METHODS = [
    (index(CUSTOMERS, "created"), "SELECT * FROM sales.customers WHERE created = '2023-02-01Z'"),
    (index(CUSTOMERS, "name", method="hash"), "SELECT * FROM sales.customers WHERE name = 'name 7'"),
    (index(EVENTS, "level", "kind", include=("at",)), "SELECT kind, at FROM sales.events WHERE level = 3 AND kind = 7"),
    (index(CUSTOMERS, "attributes", method="gin"), """SELECT * FROM sales.customers WHERE attributes @> '{"b": 5}'"""),
    (index(CUSTOMERS, "full_text", method="gin"), "SELECT * FROM sales.customers WHERE full_text @@ 'word5'::tsquery"),
    (index(CUSTOMERS, "full_text", method="gist"), "SELECT * FROM sales.customers WHERE full_text @@ 'word5'::tsquery"),
    (index(CUSTOMERS, "validity", method="spgist"), "SELECT * FROM sales.customers WHERE validity @> 77"),
    (index(CUSTOMERS, "id", method="brin"), "SELECT * FROM sales.customers WHERE id + 0 > 0 AND id BETWEEN 1 AND 90"),
    (index(EVENTS, "at", predicate="kind = 3"), "SELECT * FROM sales.events WHERE kind = 3 AND at = '2024-01-02'"),
    (
        index(CUSTOMERS, IndexKey(expression="upper(name)")),
        "SELECT * FROM sales.customers WHERE upper(name) = 'NAME 7'",
    ),
    (
        index(CUSTOMERS, IndexKey("created", descending=True)),
        "SELECT * FROM sales.customers ORDER BY created DESC LIMIT 3",
    ),
]


@pytest.mark.parametrize(("definition", "text"), METHODS, ids=[f"{d.method}-{n}" for n, (d, _) in enumerate(METHODS)])
def test_every_access_method_is_tried(twin, definition, text):
    hidden = {QualifiedName("sales", "customers_pkey"), QualifiedName("sales", "customers_validity")}
    before, after = planned(twin, text, hidden=hidden), planned(twin, text, definition, hidden=hidden)
    assert twin.refuses(definition) is None
    assert before.hypothetical == frozenset() and after.hypothetical == {definition}
    assert after.total_cost < before.total_cost
    assert twin.size(definition) > 0
    assert planned(twin, text, hidden=hidden) == before


def test_indexes_the_server_refuses_say_why(twin):
    assert "does not exist" in twin.refuses(index(CUSTOMERS, "nowhere"))
    assert "no default operator class" in twin.refuses(index(CUSTOMERS, "attributes", method="gist"))
    assert "IMMUTABLE" in twin.refuses(index(EVENTS, IndexKey(expression="now() - at")))
    (answer,) = twin.plan(
        [WhatIf(Plannable("SELECT * FROM sales.customers"), frozenset({index(CUSTOMERS, "nowhere")}))]
    )
    assert "does not exist" in answer.error and answer.total_cost != answer.total_cost


def test_existing_indexes_are_hidden_and_come_back(twin):
    text, key = "SELECT * FROM sales.customers WHERE id = 5", QualifiedName("sales", "customers_pkey")
    shown = planned(twin, text)
    assert shown.existing == {key}
    without = planned(twin, text, hidden={key})
    assert without.existing == frozenset() and without.total_cost > 10 * shown.total_cost
    assert planned(twin, text) == shown


def test_what_was_shown_for_another_statement_changes_nothing(twin):
    mine, other = index(CUSTOMERS, "created"), index(EVENTS, "level", "kind")
    customers, events = "SELECT * FROM sales.customers WHERE created = '2023-02-03Z'", "SELECT * FROM sales.events"
    alone = planned(twin, customers)
    assert planned(twin, f"{events} WHERE level = 4 AND kind = 6", other).hypothetical == {other}
    assert planned(twin, customers, mine).hypothetical == {mine}
    both = "SELECT * FROM sales.customers c, sales.events e WHERE c.created = '2023-02-05Z' AND e.level = c.id"
    assert planned(twin, both).hypothetical == frozenset()
    assert planned(twin, customers + " ").total_cost == alone.total_cost


def test_hiding_a_partitioned_index_hides_its_parts(twin):
    text = "SELECT * FROM sales.orders WHERE customer_id = 5"
    shown = planned(twin, text)
    assert shown.existing
    assert planned(twin, text, hidden={QualifiedName("sales", "orders_customer")}).total_cost > 5 * shown.total_cost


def test_an_index_on_a_partitioned_table_covers_its_partitions(twin):
    definition = index(ORDERS, "amount")
    text = "SELECT * FROM sales.orders WHERE amount = 77.5"
    answer = planned(twin, text, definition, keep_tree=True)
    assert answer.hypothetical == {definition}
    assert answer.total_cost < planned(twin, text).total_cost
    names = {n["Index Name"] for n in walk(answer.tree) if "Index Name" in n}
    assert len(names) == 3
    alone = planned(twin, "SELECT * FROM sales.orders_2023 WHERE amount = 77.5", definition)
    assert alone.hypothetical == {definition}


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)


def test_sizes_and_heights_reach_the_planner(twin):
    """A descent costs 50 × cpu_operator_cost for each level; more pages make a full index scan dearer."""
    definition = index(EVENTS, "id", "at")
    text = "SELECT id FROM sales.events WHERE id = 7"
    hidden = {QualifiedName("sales", "events_pkey")}
    costs = []
    for height in (0, 1, 4):
        twin.set_size(definition, 500, 50_000, height)
        costs.append(planned(twin, text, definition, hidden=hidden).total_cost)
    assert costs[1] - costs[0] == pytest.approx(50 * 0.0025, abs=0.011)
    assert costs[2] - costs[0] == pytest.approx(4 * 50 * 0.0025, abs=0.011)
    twin.set_size(definition, 40, 50_000, 1)
    count = "SELECT id FROM sales.events WHERE id > 49000"
    small = planned(twin, count, definition, hidden=hidden)
    twin.set_size(definition, 40_000, 50_000, 1)
    large = planned(twin, count, definition, hidden=hidden)
    assert twin.size(definition) == 40_000 * 8192
    assert large.total_cost > small.total_cost


@pytest.mark.parametrize("height", range(8))
def test_planted_trees_survive_the_planners_probe(twin, height):
    """A range beyond the histogram makes the planner look for the last key in the index."""
    definition = index(EVENTS, "at", "kind")
    twin.set_size(definition, 2000, 50_000, height)
    answer = planned(twin, "SELECT * FROM sales.events WHERE at > '2031-01-01'", definition)
    assert answer.hypothetical == {definition}


def test_expressions_get_the_statistics_of_their_column(twin, twin_source):
    text = "SELECT * FROM sales.customers WHERE upper(email) = 'USER5@EXAMPLE.ORG'"
    definition = index(CUSTOMERS, IndexKey(expression="upper(email)"))
    answer = planned(twin, text, definition)
    assert answer.rows == 1
    with psycopg.connect(twin_source, autocommit=True) as connection:
        connection.execute("CREATE INDEX really ON sales.customers (upper(email))")
        connection.execute("ANALYZE sales.customers")
        try:
            with open_session(twin_source) as session:
                real = session.explain(f"EXPLAIN (FORMAT JSON) {text}")["Total Cost"]
        finally:
            connection.execute("DROP INDEX sales.really")
    assert answer.total_cost == pytest.approx(real, rel=0.05)


def test_unknown_expressions_are_admitted(twin):
    definition = index(CUSTOMERS, IndexKey(expression="length(name || email)"))
    assert planned(twin, "SELECT * FROM sales.customers WHERE length(name || email) = 4", definition).rows == 100


def test_parameters_are_planned_generically_and_typed(twin):
    text = "SELECT * FROM sales.orders WHERE customer_id = $1 AND status = $2"
    answers = twin.plan([WhatIf(Plannable(text, mode, 2)) for mode in (PlanMode.GENERIC, PlanMode.PREPARED)])
    assert all(a.ok for a in answers) and answers[0].total_cost == answers[1].total_cost
    assert twin.parameter_types(text) == ("bigint", "sales.status")
    assert twin.parameter_types("SELECT 1") == ()
    for wrong in ("SELECT * FROM nowhere WHERE a = $1", "DROP TABLE sales.orders"):
        with pytest.raises(IndexPilotError):
            twin.parameter_types(wrong)


def test_nothing_but_planning_is_done(twin):
    for text in (
        "DROP TABLE sales.orders",
        "SELECT 1; DELETE FROM sales.orders",
        "EXPLAIN ANALYZE SELECT 1",
        "",
        "SELECT (",
    ):
        (answer,) = twin.plan([WhatIf(Plannable(text))])
        assert not answer.ok, text
    assert planned(twin, "SELECT * FROM sales.orders").ok


def test_questions_are_planned_once(twin):
    one, other = index(EVENTS, "kind", "at"), index(CUSTOMERS, "country")
    question = Plannable("SELECT * FROM sales.events WHERE kind = 9 AND level = 1 AND at > '2024-01-05'")
    calls, hits = twin.calls, twin.cache_hits
    asked = [WhatIf(question, frozenset(s)) for s in ({one}, {one}, {one, other}, {other}, set())]
    answers = twin.plan(asked)
    assert twin.calls - calls == 2 and twin.cache_hits - hits == 3
    assert answers[0] == answers[1] == answers[2] and answers[3] == answers[4]
    assert answers[0].tree is None and planned(twin, question.sql, one, keep_tree=True).tree is not None
    assert twin.calls - calls == 3
    twin.set_size(one, 7777, 50_000)
    twin.plan(asked)
    assert twin.calls - calls == 4


def test_workers_agree(twin_snapshot, twin_place, twin, monkeypatch):
    monkeypatch.setattr("indexpilot_cli.planner.twin.pool._PER_WORKER", 2)
    indexes = [
        index(EVENTS, "kind"),
        index(EVENTS, "level", "at"),
        index(EVENTS, "at", "level"),
        index(ORDERS, "amount"),
    ]
    texts = [f"SELECT * FROM sales.events WHERE kind = {n} AND level = 2 AND at > '2024-01-20'" for n in range(6)]
    texts += [f"SELECT * FROM sales.orders WHERE amount = {n}.5" for n in range(4)]
    questions = [WhatIf(Plannable(t), frozenset(indexes[:n])) for t in texts for n in range(5)]
    with open_twin(twin_snapshot, cache_dir=twin_place, workers=3) as many:
        assert many.plan(questions) == twin.plan(questions)
        assert len(many._pool.workers) == 3


def test_the_source_stays_as_it_is(twin_source, twin_snapshot):
    assert snapshot_of(twin_source).objects == twin_snapshot.objects
