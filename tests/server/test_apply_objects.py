"""Kinds of tables and of roles: built where it can be, refused where it cannot, never half of it."""

import uuid

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from indexpilot_cli.core.index import IndexKey
from indexpilot_cli.core.names import QualifiedName
from tests.server import applying
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback
from tests.server.test_apply_faults import SNAPSHOT, WAITING, Moment, holding

pytestmark = pytest.mark.rows(20_000)


@pytest.fixture
def role(shop):
    """An ordinary role that may log in; gone afterwards."""
    name = f"r_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute(f"GRANT ALL ON SCHEMA public TO {name}")
        connection.execute(f"GRANT ALL ON SCHEMA indexpilot TO {name}")
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA indexpilot TO {name}")
        connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA indexpilot TO {name}")
        yield name
        connection.execute(f"DROP OWNED BY {name} CASCADE")
        connection.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE MATERIALIZED VIEW public.thing AS SELECT i AS a FROM generate_series(1, 1000) AS i",
        "CREATE UNLOGGED TABLE public.thing AS SELECT i AS a FROM generate_series(1, 1000) AS i",
        "CREATE TABLE public.thing () INHERITS (public.base)",
    ],
)
def test_other_kinds_of_tables(shop, statement):
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.base (a int)")
        connection.execute(statement)
    plan = keep_plan(shop, definition("a", table=QualifiedName("public", "thing")))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    assert outcomes(run_rollback(shop, plan.id)) == ["done"]
    assert look(shop).indexes == {}


def test_a_view_is_refused(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("CREATE VIEW public.thing AS SELECT 1 AS a")
    plan = keep_plan(shop, definition("a", table=QualifiedName("public", "thing")))
    with pytest.raises(Exception, match="not there"):
        run_apply(shop, plan.id)


def test_an_ordinary_role_builds_on_its_own_table(shop, role):
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE public.orders OWNER TO {role}")
    plan = keep_plan(shop, definition(IndexKey(expression="lower(note)")), definition("customer_id"))
    mine = make_conninfo(shop, user=role)
    done = run_apply(mine, plan.id)
    assert (done.exit_code, outcomes(done), done.warnings) == (0, ["done", "done"], ())
    with psycopg.connect(shop) as connection:
        analyzed = connection.execute("SELECT count(*) FROM pg_stats WHERE tablename LIKE 'orders_lower%'").fetchone()
    assert analyzed[0] == 1
    assert outcomes(run_rollback(mine, plan.id)) == ["done", "done"]
    assert look(shop).indexes == {}


def test_f19_a_table_of_somebody_else_is_refused(shop, role):
    plan = keep_plan(shop, definition("customer_id"))
    mine = make_conninfo(shop, user=role)
    done = run_apply(mine, plan.id)
    assert done.exit_code == 6
    assert "privileges" in {v.guard for v in done.result.verdicts if not v.allowed}
    assert (look(shop).indexes, look(shop).log) == ({}, [])
    run_apply(shop, plan.id)
    refused = run_rollback(mine, plan.id)
    assert (refused.exit_code, outcomes(refused)) == (7, ["failed"])
    assert look(shop).states()[-1] == "FAILED_CLEAN"
    assert list(look(shop).indexes.values()) == [True]


def test_a_build_without_privilege_leaves_nothing(shop, role):
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute(f"GRANT SELECT ON public.orders TO {role}")
    wanted = applying.operation(shop, definition("customer_id"))
    built = applying.build_one(make_conninfo(shop, user=role), wanted)
    assert (built.report.outcome, built.report.error_code) == ("failed", "privilege_missing")
    assert (look(shop).indexes, look(shop).log[-1].sqlstate) == ({}, "42501")


def test_the_hard_end_of_a_window_cancels(shop):
    wanted = applying.operation(shop, definition("note", "status"))
    with holding(shop, *SNAPSHOT):
        built = applying.build_one(shop, wanted, end=Moment(shop, WAITING))
    assert (built.report.outcome, built.report.error_code) == ("failed", "deadline")
    assert (look(shop).indexes, look(shop).states()[-1]) == ({}, "FAILED_CLEAN")


def test_a_table_replaced_between_look_and_build(shop):
    wanted = applying.operation(shop, definition("customer_id"))
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("ALTER TABLE public.orders RENAME TO old_orders")
        connection.execute("CREATE TABLE public.orders (LIKE public.old_orders)")
    with pytest.raises(Exception, match="changed since the plan"):
        applying.build_one(shop, wanted)
    assert (look(shop).indexes, look(shop).log) == ({}, [])
