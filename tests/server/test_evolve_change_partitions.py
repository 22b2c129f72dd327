"""Partitioned and inherited tables: the partitions follow, and come back with their own indexes and attributes."""

import pytest

from tests.server.evolving_change import assert_same, prepare

TABLE = """
CREATE TABLE public.log (id int, at int, kind text NOT NULL DEFAULT 'k', x int) PARTITION BY RANGE (at);
CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES FROM (0) TO (100);
CREATE TABLE public.log_2 PARTITION OF public.log FOR VALUES FROM (100) TO (300) PARTITION BY RANGE (id);
CREATE TABLE public.log_2a PARTITION OF public.log_2 DEFAULT;
INSERT INTO public.log SELECT i, i, 'k' || i, i FROM generate_series(1, 250) i;
ALTER TABLE public.log ADD PRIMARY KEY (id, at);
ALTER TABLE public.log ADD CONSTRAINT log_x_u UNIQUE (id, at, x);
CREATE INDEX log_x_idx ON public.log (x);
CREATE INDEX log_1_own ON public.log_1 (x, kind) WHERE x > 5;
ALTER INDEX public.log_1_x_idx RENAME TO another_name;
ALTER TABLE public.log ADD CONSTRAINT x_small CHECK (x < 100000);
ALTER TABLE public.log_1 ADD CONSTRAINT x_own CHECK (x > 0);
ALTER TABLE public.log_1 ALTER x SET DEFAULT 5, ALTER x SET STATISTICS 77;
COMMENT ON COLUMN public.log_2.x IS 'of two';
CREATE STATISTICS public.log_st ON x, kind FROM public.log_1;
CREATE TABLE public.parent (id int PRIMARY KEY, y int); CREATE TABLE public.child (z int) INHERITS (public.parent);
CREATE INDEX child_y ON public.child (y);
"""


@pytest.fixture
def ground(initialised):
    found = prepare(initialised)
    found.script(TABLE)
    return found


def test_a_dropped_column_comes_back_everywhere(ground):
    before, data = ground.dump(), ground.sql("SELECT * FROM public.log ORDER BY id")
    found = {o.name for o in ground.preview("drop_column", "log", "x").result.change.impact.of("disappears")}
    assert found == {"log_x_idx", "log_x_u", "x_small", "log_1_own of log_1", "x_own of log_1", "log_st of log_1"}
    done = ground.change("drop_column", "log", "x", save=True, force=True)
    assert done.result.outcome == "done", done.result
    back = ground.rollback()
    assert back.result.outcome == "done", back.result
    assert_same(ground.dump(), before)
    assert ground.sql("SELECT * FROM public.log ORDER BY id") == data


def test_the_other_operations(ground):
    before = ground.dump()
    more = {"type": "int", "default": "(random() * 9)::int", "not_null": True, "small_bytes": 0}
    done = ground.change("add_column", "log", "y", **more)
    assert done.result.outcome == "done", done.result
    assert sum(s.title.startswith("fill") for s in done.result.steps) == 2
    assert ground.sql("SELECT count(y) FROM public.log") == [(250,)]
    ground.rollback()
    ground.change("rename_column", "log", "x", new_name="xx")
    assert ground.sql("SELECT count(xx) FROM public.log_2a") == [(151,)]
    ground.rollback()
    ground.change("alter_type", "log", "x", type="bigint")
    assert ground.columns("public.log_2a")["x"] == "bigint"
    ground.rollback()
    ground.change("drop_column", "parent", "y", force=True)
    assert "y" not in ground.columns("public.child")
    ground.rollback()
    ground.sql("ALTER TABLE public.child DROP COLUMN z")
    after = ground.dump()
    assert before.count("CREATE INDEX") == after.count("CREATE INDEX")
