"""The twin plans as its source does: every kind of object, value and statistics we know of."""

from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli.admin.doctor_checks import fidelity_checks
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import ObservedStatement, Plannable, SourceKind, Workload
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.planner.twin.fidelity import measure
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.snapshot.redact import redact
from indexpilot_cli.snapshot.values import load, save
from tests.server.twinning import statements


def test_every_plan_is_the_same_and_no_cost_differs(twin, twin_source, twin_snapshot):
    with open_session(twin_source) as session:
        found = measure(twin, session, statements())
    assert twin.name.startswith("twin/") and twin.version.split(".")[0] == str(twin_snapshot.major)
    assert (found.compared, found.identical, found.not_compared) == (len(statements()), len(statements()), 0)
    assert found.max_error < 0.007, found.differences
    assert found.guessed == (QualifiedName("sales", "never_analyzed"),)
    (check,) = fidelity_checks(found)
    assert (check.state, check.code, check.fix) == ("warning", "twin_guesses", "ANALYZE sales.never_analyzed;")


def test_nothing_was_left_out(twin):
    assert [str(item) for item in twin.not_modelled] == []
    assert twin.notes == ()


def test_differences_are_listed(twin, twin_source):
    with psycopg.connect(twin_source, autocommit=True) as connection:
        connection.execute("CREATE INDEX late ON sales.orders_2023 (amount)")
        try:
            with open_session(twin_source) as session:
                asked = ("late", Plannable("SELECT * FROM sales.orders_2023 WHERE amount = 3.5"))
                found = measure(twin, session, [asked, ("none", Plannable("SELECT * FROM nothing"))])
        finally:
            connection.execute("DROP INDEX sales.late")
    assert (found.compared, found.identical, found.not_compared) == (1, 0, 1)
    assert [d.template for d in found.differences] == ["late"] and found.max_error > 0.1


def test_the_file_makes_the_same_twin(twin_snapshot, twin_place, tmp_path, twin):
    save(twin_snapshot, tmp_path / "file")
    with open_twin(load(tmp_path / "file"), cache_dir=twin_place, workers=1) as other:
        questions = [WhatIf(statement) for _, statement in statements()]
        assert other.plan(questions) == twin.plan(questions)


def test_a_redacted_twin_estimates_alike(twin_snapshot, twin_place, twin):
    """Ranges, equality and joins; not what looks inside a value."""
    asked = [
        "SELECT * FROM sales.customers WHERE id < 5000",
        "SELECT * FROM sales.customers WHERE country = 'DE'",
        "SELECT * FROM sales.customers WHERE created BETWEEN '2023-02-01' AND '2023-03-01'",
        "SELECT * FROM sales.orders WHERE ordered >= '2024-03-01' AND status = 'new'",
        "SELECT * FROM sales.orders_2023 WHERE amount > 900.5",
        "SELECT * FROM sales.customers WHERE tags @> ARRAY['t3']",
        "SELECT * FROM sales.orders o JOIN sales.customers c ON c.id = o.customer_id WHERE o.customer_id = 77",
        "SELECT * FROM sales.events WHERE kind = 7 AND level = 3",
    ]
    workload = Workload(SourceKind.SQL, tuple(ObservedStatement(text) for text in asked))
    hidden = redact(replace(twin_snapshot, workload=workload))
    assert not any(name in str(hidden.statistics) for name in ("example.org", "name 15", "'t3'"))
    with open_twin(hidden, cache_dir=twin_place, workers=1) as other:
        before = twin.plan([WhatIf(Plannable(text)) for text in asked])
        after = other.plan([WhatIf(Plannable(s.text)) for s in hidden.workload.statements])
    for text, one, two in zip(asked, before, after, strict=True):
        assert one.shape == two.shape, text
        assert two.rows == pytest.approx(one.rows, rel=0.25, abs=3), text


def test_size_alone_decides_and_files_may_have_many_segments(twin_snapshot, twin_place):
    """Three segments of a table: the planner sees them all, and building an index on it reads none of them."""
    events = QualifiedName("sales", "events")
    pages = 3 * 131072 + 17
    sizes = tuple(
        replace(s, pages=pages, pages_at_analyze=pages, tuples=4e7) if s.name == events else s
        for s in twin_snapshot.sizes
    )
    large = replace(twin_snapshot, sizes=sizes)
    with open_twin(large, cache_dir=twin_place, workers=1) as other:
        everything = Plannable("SELECT * FROM sales.events")
        one = Plannable("SELECT * FROM sales.events WHERE level = 5 AND at = '2024-01-01 00:05'")
        index = IndexDefinition(events, (IndexKey("at"), IndexKey("level")))
        (scan,) = other.plan([WhatIf(everything)])
        (found,) = other.plan([WhatIf(one, frozenset({index}))])
        (again,) = other.plan([WhatIf(everything)])
    assert scan.total_cost == pytest.approx(pages + 4e7 * 0.01)
    assert again == scan
    assert found.hypothetical == {index} and found.total_cost < 100


def test_a_scratch_server_plans_the_same(pg, twin_snapshot, twin_place, twin, twin_source):
    """Without access to its files: the server itself writes them."""
    questions = [WhatIf(statement) for _, statement in statements()]
    index = IndexDefinition(QualifiedName("sales", "events"), (IndexKey("kind"), IndexKey("at")))
    asked = WhatIf(Plannable("SELECT * FROM sales.events WHERE kind = 3 AND at = '2024-01-03'"), frozenset({index}))
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        before = admin.execute("SELECT datname FROM pg_database").fetchall()
        with open_twin(twin_snapshot, cache_dir=twin_place, scratch_dsn=pg.dsn) as other:
            assert other.plan(questions) == twin.plan(questions)
            assert other.plan([asked]) == twin.plan([asked])
            assert other.plan([asked])[0].hypothetical == {index}
            assert "less exact" in other.notes[-1] and other.not_modelled == ()
        assert admin.execute("SELECT datname FROM pg_database").fetchall() == before
        admin.execute("DROP ROLE indexpilot_planner")
    with pytest.raises(PrerequisiteError, match="TB"):
        huge = tuple(replace(s, pages=10**8) for s in twin_snapshot.sizes)
        open_twin(replace(twin_snapshot, sizes=huge), cache_dir=twin_place, scratch_dsn=pg.dsn)
