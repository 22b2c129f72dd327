"""Every operation and the way back leave the dump as it was, whatever hangs on the column.

One table per combination of default, NOT NULL, index, constraint, comment and privilege; a thinned-out product here,
all of it with INDEXPILOT_EVOLVE_MATRIX=full.
"""

import itertools
import os

import psycopg
import pytest

from tests.server.evolving_change import assert_same, prepare

DEFAULTS = ("", "DEFAULT 7", "DEFAULT (random() * 10)::int", "serial", "GENERATED ALWAYS AS IDENTITY (START 100)")
NOT_NULL = ("", "NOT NULL")
INDEXES = (
    "",
    "CREATE INDEX {t}_idx ON public.{t} (x DESC NULLS LAST) INCLUDE (a) WITH (fillfactor = 70);"
    "ALTER TABLE public.{t} CLUSTER ON {t}_idx",
    "CREATE UNIQUE INDEX {t}_idx ON public.{t} (a, x)",
    "CREATE INDEX {t}_idx ON public.{t} ((x + 1), a) WHERE x > 3;"
    "COMMENT ON INDEX public.{t}_idx IS 'it''s'; ALTER INDEX public.{t}_idx ALTER COLUMN 1 SET STATISTICS 50",
)
CONSTRAINTS = (
    "",
    "ALTER TABLE public.{t} ADD CONSTRAINT {t}_two CHECK (x > a OR x < 1000000) NOT VALID",
    "ALTER TABLE public.{t} ADD CONSTRAINT {t}_u UNIQUE (x, id) INCLUDE (a) DEFERRABLE INITIALLY DEFERRED;"
    "COMMENT ON CONSTRAINT {t}_u ON public.{t} IS 'pair'",
    "ALTER TABLE public.{t} ADD CONSTRAINT {t}_fk FOREIGN KEY (x) REFERENCES public.target ON DELETE CASCADE NOT VALID;"
    "CREATE STATISTICS public.{t}_st (dependencies) ON a, x FROM public.{t};"
    "COMMENT ON STATISTICS public.{t}_st IS 'st'",
)
COMMENTS = ("", "COMMENT ON COLUMN public.{t}.x IS E'it''s\\na \\\\ comment'")
PRIVILEGES = (
    "",
    "GRANT SELECT (x), UPDATE (x) ON public.{t} TO evolve_reader WITH GRANT OPTION;"
    "GRANT INSERT (x) ON public.{t} TO PUBLIC",
)
EXTRAS = ("", "ALTER TABLE public.{t} ALTER x SET STATISTICS 321, ALTER x SET (n_distinct = -0.5)")
ALL = tuple(itertools.product(DEFAULTS, NOT_NULL, INDEXES, CONSTRAINTS, COMMENTS, PRIVILEGES))
CHOSEN = ALL if os.environ.get("INDEXPILOT_EVOLVE_MATRIX") == "full" else ALL[:: len(ALL) // 7]


def tables():
    for number, (default, not_null, *rest) in enumerate(CHOSEN):
        name = f"t{number}"
        column = f"serial {not_null}" if default == "serial" else f"int {default} {not_null}"
        yield name, column, [*rest, EXTRAS[number % 2]]


@pytest.fixture
def ground(pg, initialised):
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        if not admin.execute("SELECT FROM pg_roles WHERE rolname = 'evolve_reader'").fetchall():
            admin.execute("CREATE ROLE evolve_reader")
    found = prepare(initialised)
    found.script("CREATE TABLE public.target (id int PRIMARY KEY)")
    for name, column, more in tables():
        found.script(f"CREATE TABLE public.{name} (id int PRIMARY KEY, a int, x {column})")
        found.script(
            f"INSERT INTO public.{name} (id, a) SELECT 1, 1 WHERE {'NOT NULL' not in column or 'DEF' in column}"
        )
        for text in more:
            if text:
                found.script(text.format(t=name))
    return found


def test_drop_of_the_last_column(ground):
    before, data = ground.dump(), contents(ground)
    for name, _column, _more in tables():
        outcome = ground.change("drop_column", name, "x", force=True, save=True)
        assert outcome.result.outcome == "done", outcome.result
        outcome = ground.rollback(f"M-{outcome.result.id}")
        assert outcome.result.outcome == "done", outcome.result
    assert_same(ground.dump(), before)
    assert contents(ground) == data


@pytest.mark.parametrize(
    ("kind", "more"), [("rename_column", {"new_name": "other"}), ("alter_type", {"type": "bigint"})]
)
def test_rename_and_type(ground, kind, more):
    before, data = ground.dump(), contents(ground)
    for name, _column, _more in tables():
        outcome = ground.change(kind, name, "x", **more)
        assert outcome.result.outcome == "done", outcome.result
    changed = ground.dump()
    for name, _column, _more in tables():
        outcome = ground.rollback(str(newest(ground, name)))
        assert outcome.result.outcome == "done", outcome.result
    assert changed != before
    assert_same(ground.dump(), before)
    assert contents(ground) == data


def newest(ground, table):
    ((number,),) = ground.sql("SELECT max(id) FROM indexpilot.mutation_log WHERE table_name = %s", table)
    return f"M-{number}"


ADDED = [
    {"default": d, "not_null": n, "comment": c, "unique": u, "references": r, "small_bytes": s}
    for d, n, c, u, r, s in (
        (None, False, None, True, "target", 0),
        ("7", True, "a comment", False, None, 0),
        ("7", True, None, False, None, 10**9),
        ("(random() * 1e9)::int", True, "b", True, None, 0),
        ("(random() * 1e9)::int", False, None, True, None, 10**9),
        (None, False, "c", False, "public.target (id) ON DELETE SET NULL", 10**9),
    )
]


def test_add(ground):
    before = ground.dump()
    for name, _column, _more in itertools.islice(tables(), 2):
        for number, more in enumerate(ADDED):
            outcome = ground.change("add_column", name, f"New {number}", type="int", **more)
            assert outcome.result.outcome == "done", outcome.result
        for _ in ADDED:
            assert ground.rollback().result.outcome == "done"
    assert_same(ground.dump(), before)


def contents(ground):
    return [ground.sql(f"SELECT * FROM public.{name} ORDER BY id") for name, _column, _more in tables()]
