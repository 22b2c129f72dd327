"""Taken back, before or after the swap, the schema is to the letter what it was, and so are the values."""

import itertools
import os
import random

import pytest

from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.evolve.change.online import online as online_change
from indexpilot_cli.evolve.change.online.texts import OnlineRequest, Pace
from indexpilot_cli.execute.context import RunLimits, open_context
from indexpilot_cli.execute.signals import Stop
from tests.server.changing_online import migrated
from tests.server.evolving_change import Ground, dump
from tests.servers import new_database

ITEMS = QualifiedName("public", "items")
CALM = Pace(rest=0.0, tries=6)
ROWS = 300
MATRIX = "INDEXPILOT_TEST_MATRIX"  # set: all combinations instead of some

# What a column can have: statements for the column v of public.items.
DRESS = {
    "default": ("ALTER TABLE public.items ALTER v SET DEFAULT 7",),
    "not null": ("ALTER TABLE public.items ALTER v SET NOT NULL",),
    "index": (
        "CREATE INDEX items_v ON public.items (v)",
        "CREATE INDEX items_part ON public.items (note, (v + 1) DESC) INCLUDE (id) WITH (fillfactor = 80) WHERE v > 3",
        "ALTER INDEX public.items_part ALTER COLUMN 2 SET STATISTICS 77",
        "CREATE UNIQUE INDEX items_uni ON public.items (v, id)",
        "COMMENT ON INDEX public.items_v IS 'of v'",
        "CREATE STATISTICS public.items_st (dependencies) ON v, id FROM public.items",
        "COMMENT ON STATISTICS public.items_st IS 'together'",
    ),
    "constraint": (
        "ALTER TABLE public.items ADD CONSTRAINT v_low CHECK (v < 100000 AND id > 0)",
        "ALTER TABLE public.items ADD CONSTRAINT v_late CHECK (v <> 5) NOT VALID",
        "ALTER TABLE public.items ADD CONSTRAINT v_u UNIQUE (id, v) DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE public.items ADD CONSTRAINT v_f FOREIGN KEY (v) REFERENCES public.kinds ON DELETE CASCADE",
        "COMMENT ON CONSTRAINT v_low ON public.items IS 'not too much'",
        "COMMENT ON CONSTRAINT v_u ON public.items IS 'once'",
        "COMMENT ON CONSTRAINT v_f ON public.items IS 'a kind'",
    ),
    "comment": (
        "COMMENT ON COLUMN public.items.v IS 'it''s the \"value\"'",
        "ALTER TABLE public.items ALTER v SET STATISTICS 250",
        "ALTER TABLE public.items ALTER v SET (n_distinct = 42)",
    ),
    "privilege": (
        "GRANT SELECT (v), UPDATE (v) ON public.items TO pg_monitor WITH GRANT OPTION",
        "GRANT INSERT (v) ON public.items TO PUBLIC",
    ),
}
EVERY = tuple(itertools.chain.from_iterable(itertools.combinations(DRESS, n) for n in range(len(DRESS) + 1)))
COMBINATIONS = EVERY if os.environ.get(MATRIX) else (EVERY[0], *random.Random(3).sample(EVERY[1:-1], 6), EVERY[-1])


@pytest.fixture(scope="module")
def ground(pg):
    with new_database(pg) as dsn:
        migrated(dsn)
        yield Ground(dsn)


def items(ground, *dress, type_name="integer", value="i % 50"):
    ground.script(
        "DROP TABLE IF EXISTS public.items, public.kinds CASCADE;"
        "CREATE TABLE public.kinds (id bigint PRIMARY KEY);"
        "INSERT INTO public.kinds SELECT generate_series(0, 999);"
        f"CREATE TABLE public.items (id integer PRIMARY KEY, v {type_name}, note text);"
        f"INSERT INTO public.items SELECT i, {value}, 'n' || i FROM generate_series(1, {ROWS}) AS i"
        f" WHERE ({value})::text <> '5'"
    )
    for name in dress:
        ground.script(";".join(DRESS[name]))


def ctx(ground, stop=None):
    return open_context(
        Connection(ground.dsn), Record("tester", "1", "alter-type"), Silent(), stop or Stop(), RunLimits()
    )


def run(ground, type_name="bigint", **more):
    with ctx(ground) as opened:
        facts = {"pace": CALM} | more
        return online_change.run_online(opened, OnlineRequest(ITEMS, "v", type_name, **facts))


def rollback(ground):
    with ctx(ground) as opened:
        return online_change.rollback_online(opened, ITEMS, "v", CALM)


def finish(ground):
    with ctx(ground) as opened:
        return online_change.finish_online(opened, ITEMS, "v", CALM)


def values(ground):
    return ground.sql("SELECT id, v::text FROM public.items ORDER BY id")


class StopsAt(Silent):
    """Asks to stop when a stage begins."""

    def __init__(self, stop, title):
        self._stop, self._title = stop, title

    def stage(self, title, total=None):
        if title.startswith(self._title):
            self._stop.request()


def stopped(ground, title, type_name="bigint"):
    stop = Stop()
    with open_context(
        Connection(ground.dsn), Record("tester", "1", "x"), StopsAt(stop, title), stop, RunLimits()
    ) as opened:
        return online_change.run_online(opened, OnlineRequest(ITEMS, "v", type_name, pace=CALM))


@pytest.mark.parametrize("dress", COMBINATIONS, ids="+".join)
def test_taken_back_after_the_swap_the_schema_is_what_it_was(ground, dress):
    items(ground, *dress)
    before, held = dump(ground.dsn), values(ground)
    assert run(ground).outcome == "done"
    assert ground.sql("SELECT pg_typeof(v)::text FROM public.items LIMIT 1") == [("bigint",)]
    assert rollback(ground).outcome == "reverted"
    assert dump(ground.dsn) == before
    assert values(ground) == held


@pytest.mark.parametrize("title", ["filling", "building items_part", "validating v_f", "validating NOT", "ANALYZE"])
def test_taken_back_before_the_swap_the_schema_is_what_it_was(ground, title):
    items(ground, *DRESS)
    before, held = dump(ground.dsn), values(ground)
    assert stopped(ground, title).outcome == "interrupted"
    assert dump(ground.dsn) != before
    assert rollback(ground).outcome == "reverted"
    assert dump(ground.dsn) == before and values(ground) == held


def test_finished_it_is_what_a_plain_alter_type_makes_but_for_the_order_of_columns(ground):
    items(ground, *DRESS)
    run(ground)
    assert finish(ground).outcome == "finished"
    ours = dump(ground.dsn)
    items(ground, *DRESS)
    ground.script("ALTER TABLE public.items ALTER v TYPE bigint")
    ground.script("ALTER INDEX public.items_part ALTER COLUMN 2 SET STATISTICS 77")  # the plain form forgets it
    assert sorted(line.rstrip(",") for line in ours.splitlines()) == sorted(
        line.rstrip(",") for line in dump(ground.dsn).splitlines()
    )


def test_what_the_new_type_cannot_hold_comes_back_all_the_same(ground):
    items(ground, type_name="text", value="lpad((i * 3)::text, 8, '0')")
    held = values(ground)
    assert run(ground, "integer", using="v::integer").outcome == "done"
    assert values(ground)[0] == (1, "3")
    ground.script("UPDATE public.items SET v = 77 WHERE id = 1; INSERT INTO public.items VALUES (9999, NULL, 'x', 12)")
    assert rollback(ground).outcome == "reverted"
    now = dict(values(ground))
    assert now.pop(1) == "77" and now.pop(9999) == "12"
    assert now == dict(held[1:])


def test_a_rollback_that_would_lose_something_is_refused_and_leaves_the_change(ground):
    items(ground)
    run(ground)
    before = dump(ground.dsn)
    ground.script("UPDATE public.items SET v = 5000000000 WHERE id = 7")
    with pytest.raises(RefusedError, match="does not fit integer") as caught:
        rollback(ground)
    assert caught.value.code == "loses_data" and dump(ground.dsn) == before
    ground.script("UPDATE public.items SET v = 5000000001 WHERE id = 7")  # no trigger is left behind


def test_a_rollback_that_would_cut_a_value_is_refused(ground):
    items(ground, type_name="varchar(10)", value="'a' || i")
    run(ground, "text")
    ground.script("UPDATE public.items SET v = 'much longer than ten' WHERE id = 7")
    with pytest.raises(RefusedError) as caught:
        rollback(ground)
    assert caught.value.code == "loses_data"
    ground.script("UPDATE public.items SET v = 'even longer than that was' WHERE id = 7")


def test_after_the_old_column_is_gone_there_is_no_way_back(ground):
    items(ground)
    run(ground)
    assert finish(ground).outcome == "finished"
    with pytest.raises(RefusedError) as caught:
        rollback(ground)
    assert caught.value.code == "nothing_open"
