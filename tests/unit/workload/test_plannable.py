from dataclasses import replace

import pytest

from indexpilot_cli.core.workload import ObservedStatement, PlanMode, SourceKind, Workload
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.plannable import scenarios
from tests.unit.workload.shop import CATALOG

MODERN = replace(CATALOG, version=160000)


def made(*statements, catalog=CATALOG, types=None):
    observed = tuple(ObservedStatement(s) if isinstance(s, str) else s for s in statements)
    template = fold((Workload(SourceKind.SQL, observed),), catalog).templates[0]
    found = scenarios(template, catalog, lambda _: types)
    assert sum(s.share for s in found) == pytest.approx(1.0)
    return found


def texts(found):
    return [s.statement.sql for s in found]


def test_real_statements_come_first_with_their_shares():
    found = made(
        ObservedStatement("SELECT * FROM orders WHERE status = 'open'", 3),
        ObservedStatement("SELECT * FROM orders WHERE status = 'x'", 1),
    )
    assert texts(found) == ["SELECT * FROM orders WHERE status = 'open'", "SELECT * FROM orders WHERE status = 'x'"]
    assert [(s.share, s.label, s.statement.mode) for s in found] == [
        (0.75, "sample", PlanMode.LITERAL),
        (0.25, "sample", PlanMode.LITERAL),
    ]


def test_no_more_than_four():
    assert len(made(*(f"SELECT * FROM orders WHERE id = {i}" for i in range(30)))) == 4


def test_one_statement_stands_as_it_is_written():
    found = made("SELECT * FROM orders WHERE id = 1 ;")
    assert [(s.statement.sql, s.label) for s in found] == [("SELECT * FROM orders WHERE id = 1", "as_written")]


def test_bound_parameters_become_literals():
    found = made(ObservedStatement("SELECT * FROM orders WHERE id = $1 AND note LIKE $2", parameters=("5", "it's %")))
    assert texts(found) == ["SELECT * FROM orders WHERE id = '5' AND note LIKE 'it''s %'"]


def test_null_parameters_are_no_sample():
    found = made(ObservedStatement("SELECT * FROM orders WHERE id = $1", parameters=(None,)))
    assert [s.label for s in found] == ["generic"]
    assert "NULL" not in texts(found)[0]


def test_values_come_from_statistics_with_their_frequencies():
    found = made("SELECT * FROM orders WHERE status = $1")
    assert [(s.label, round(s.share, 2), s.statement.sql[-6:]) for s in found] == [
        ("common", 0.6, "'open'"),
        ("typical", 0.1, " = 'c'"),
        ("rare", 0.3, "'done'"),
    ]
    assert {s.statement.mode for s in found} == {PlanMode.LITERAL}


@pytest.mark.parametrize(
    ("condition", "typical", "newest"),
    [
        ("placed >= $1", "placed >= '2024-01-16'", "placed >= '2024-01-29'"),
        ("placed < $1", "placed < '2024-01-16'", "placed < '2024-01-03'"),
        (
            "placed BETWEEN $1 AND $2",
            "placed BETWEEN '2024-01-15' AND '2024-01-17'",
            "placed BETWEEN '2024-01-29' AND '2024-01-31'",
        ),
        (
            "placed >= $1 AND placed < $2",
            "placed >= '2024-01-15' AND placed < '2024-01-17'",
            "placed >= '2024-01-29' AND placed < '2024-01-31'",
        ),
        ("placed >= $1::timestamp", "placed >= '2024-01-16'::timestamp", "placed >= '2024-01-29'::timestamp"),
    ],
)
def test_ranges_have_a_typical_and_a_newest_end(condition, typical, newest):
    found = made(f"SELECT 1 FROM orders WHERE {condition}")
    assert [(s.label, s.share) for s in found] == [("typical", 0.5), ("newest", 0.5)]
    assert [t.removeprefix("SELECT 1 FROM orders WHERE ") for t in texts(found)] == [typical, newest]


def test_arrays_and_lists_take_several_values():
    assert '= ANY(\'{"open","done"}\')' in texts(made("SELECT * FROM orders WHERE status = ANY ($1)"))[0]
    assert "IN ('open', 'done')" in texts(made("SELECT * FROM orders WHERE status IN ($1, $2)"))[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM orders o, LATERAL (SELECT id FROM orders i WHERE i.id = o.id LIMIT $1) x LIMIT $2", "10) x LIMIT 1000"),
        ("FROM orders WHERE id = (SELECT max(id) FROM orders LIMIT $1 OFFSET $2)", "LIMIT 1 OFFSET 0)"),
        ("FROM orders WHERE id = ANY (ARRAY(SELECT id FROM orders LIMIT $1))", "LIMIT 10))"),
        ("FROM orders WHERE id IN (SELECT id FROM orders LIMIT $1)", "LIMIT 1000)"),
        ("FROM (SELECT id FROM orders LIMIT $1) x", "LIMIT 1000) x"),
    ],
)
def test_an_unknown_limit_for_each_row_of_another_query_is_a_small_one(before, after):
    assert texts(made(f"SELECT 1 {before}"))[0].endswith(after)


def test_unknown_parameters_stay_and_are_renumbered():
    found = made("SELECT * FROM orders WHERE note = $1 AND status = $2 AND id = $3 LIMIT $4")
    assert texts(found)[0] == "SELECT * FROM orders WHERE note = $1 AND status = 'open' AND id = $2 LIMIT 1000"
    assert {(s.statement.mode, s.statement.parameters) for s in found} == {(PlanMode.PREPARED, 2)}


def test_known_types_are_written_down():
    found = made("SELECT * FROM orders WHERE status = $1 AND id = $2", types=("text", "integer"))
    assert texts(found)[0].endswith("status = 'open' AND id = $1::int")


@pytest.mark.parametrize(("catalog", "mode"), [(CATALOG, PlanMode.PREPARED), (MODERN, PlanMode.GENERIC)])
def test_generic_when_there_is_nothing_to_go_by(catalog, mode):
    found = made("SELECT * FROM orders WHERE id = $1 OFFSET $2", catalog=catalog)
    assert [(s.label, s.statement.mode, s.statement.parameters) for s in found] == [("generic", mode, 1)]
    assert texts(found) == ["SELECT * FROM orders WHERE id = $1 OFFSET 0"]


def test_writes_keep_their_own_statement():
    found = made("UPDATE orders SET note = $1 WHERE status = $2")
    assert texts(found)[0] == "UPDATE orders SET note = $1 WHERE status = 'open'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("placed > date $1", "placed > $1::date"),
        ("placed > now() - interval $1", "placed > (now() - $1::interval)"),
        ("extract($1 FROM placed) = $2", "pg_catalog.date_part($1, placed) = $2"),
        ("placed > $1 - $2", "placed > ($1::timestamp - $2::interval)"),
        ("total > $1 * $2", "total > ($1::numeric * $2::numeric)"),
        ("due > current_date - $1", "due > (current_date - $1::int)"),
        ("id = ANY (ARRAY[$1, $2])", "id = ANY(ARRAY[$1, $2]::int[])"),
        ("id IN ($1 /*, ... */)", "id IN ($1)"),
    ],
)
def test_repairs(text, expected):
    bare = replace(CATALOG, tables=tuple(_without_statistics(t) for t in CATALOG.tables))
    assert texts(made(f"SELECT 1 FROM orders WHERE {text}", catalog=bare)) == [f"SELECT 1 FROM orders WHERE {expected}"]


def _without_statistics(table):
    return replace(table, columns=tuple(replace(c, statistics=None) for c in table.columns))


def test_group_by_gives_the_output_column_its_unit_back():
    found = made("SELECT date_trunc($1, placed), sum(total) FROM orders GROUP BY date_trunc('month', placed)")
    assert texts(found)[0].startswith("SELECT date_trunc('month', placed), sum(total)")
