"""Each operation on a real server: carried out, in the log, and taken back without a trace."""

import pytest

from tests.server.evolving_change import assert_same, prepare

TABLE = """
CREATE TABLE public.orders
    (id bigint PRIMARY KEY, customer_id int NOT NULL, status varchar(10) DEFAULT 'new', note text);
INSERT INTO public.orders SELECT i, i % 10, 'open', 'n' || i FROM generate_series(1, 500) i;
"""


@pytest.fixture
def ground(initialised):
    found = prepare(initialised)
    found.script(TABLE)
    return found


def test_add_and_back(ground):
    before = ground.dump()
    outcome = ground.change("add_column", "orders", "tier", type="int", default="1", not_null=True, comment="a 'b'")
    assert (outcome.result.outcome, outcome.exit_code) == ("done", 0)
    assert ground.sql("SELECT DISTINCT tier FROM public.orders") == [(1,)]
    assert ground.dump() != before
    assert ground.rollback(f"M-{outcome.result.id}").result.outcome == "done"
    assert_same(ground.dump(), before)
    assert [(r[0], r[1]) for r in ground.log()] == [
        ("ADD_COLUMN", "PLANNED"),
        ("ADD_COLUMN", "DONE"),
        ("ADD_COLUMN", "REVERTED"),
    ]
    assert ground.rollback(f"M-{outcome.result.id}").result.outcome == "already_done"


def test_rename_and_back(ground):
    before = ground.dump()
    outcome = ground.change("rename_column", "orders", "note", new_name="remark")
    assert list(ground.columns("public.orders"))[-1] == "remark"
    ground.rollback()
    assert_same(ground.dump(), before)
    assert outcome.result.change.atomic


def test_drop_of_the_last_column_and_back_with_its_data(ground):
    before = ground.dump()
    data = ground.sql("SELECT * FROM public.orders ORDER BY id")
    outcome = ground.change("drop_column", "orders", "note", save=True)
    assert "note" not in ground.columns("public.orders")
    assert outcome.result.undo.loss == ""
    ground.rollback()
    assert_same(ground.dump(), before)
    assert ground.sql("SELECT * FROM public.orders ORDER BY id") == data


def test_type_and_back(ground):
    ground.script(
        "CREATE INDEX ON public.orders (status) WHERE status = 'open';"
        "ALTER TABLE public.orders ADD CHECK (status <> '')"
    )
    before = ground.dump()
    ground.change("alter_type", "orders", "status", type="text")
    assert ground.columns("public.orders")["status"] == "text"
    ground.rollback()
    assert_same(ground.dump(), before)


def test_online_not_null(ground):
    before = ground.dump()
    outcome = ground.change(
        "add_column",
        "orders",
        "token",
        type="uuid",
        default="gen_random_uuid()",
        not_null=True,
        unique=True,
        small_bytes=0,
        batch_pages=2,
    )
    assert outcome.result.outcome == "done", outcome.result
    assert len(outcome.result.steps) > 4
    assert ground.sql("SELECT count(DISTINCT token) FROM public.orders") == [(500,)]
    ground.rollback()
    assert_same(ground.dump(), before)
