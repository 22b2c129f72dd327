"""Columns that a dump says unusual things of: each is dropped and comes back, and changes its type and back."""

import pytest

from tests.server.evolving_change import assert_same, prepare

SETUP = """
CREATE DOMAIN public.word AS varchar(20) COLLATE "C" DEFAULT 'dw' CHECK (VALUE <> '');
CREATE TYPE public."My Mood" AS ENUM ('ok', 'it''s');
CREATE SEQUENCE public.shared;
CREATE TABLE public.parent (k int PRIMARY KEY, u int UNIQUE);
"""
ODD = {
    "collated": 'text COLLATE "C"',
    "stored": "text STORAGE_LATER",
    "domain": "public.word NOT NULL DEFAULT 'x'",
    "enum": "public.\"My Mood\"[] DEFAULT ARRAY['it''s']::public.\"My Mood\"[]",
    "shared": "bigint DEFAULT nextval('public.shared')",
    "excluded": "int",
    "key": "int",
    "computed": "text GENERATED ALWAYS AS (id || 'x') STORED",
    "precise": "numeric(7,3) DEFAULT 1.5",
    "when": "timestamp(3) with time zone DEFAULT now()",
    "child": "int REFERENCES public.parent (u) ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE",
    "bits": "bit varying(9)",
}
MORE = """
ALTER TABLE public."T stored" ALTER "Col" SET STORAGE EXTERNAL;
ALTER TABLE public."T excluded" ADD CONSTRAINT "No two" EXCLUDE USING btree ("Col" WITH =) WITH (fillfactor = 60)
    WHERE ("Col" > 5) DEFERRABLE;
ALTER TABLE public."T key" DROP CONSTRAINT "T key_pkey";
ALTER TABLE public."T key" ADD CONSTRAINT "The key" PRIMARY KEY ("Col", id) WITH (fillfactor = 80);
COMMENT ON INDEX public."The key" IS 'index'; COMMENT ON CONSTRAINT "The key" ON public."T key" IS 'constraint';
CREATE UNIQUE INDEX "Identity of it" ON public."T domain" ("Col");
ALTER TABLE public."T domain" REPLICA IDENTITY USING INDEX "Identity of it";
"""


@pytest.fixture
def ground(initialised):
    found = prepare(initialised)
    found.script(SETUP)
    for name, kind in ODD.items():
        column = kind.replace("STORAGE_LATER", "")
        found.script(f'CREATE TABLE public."T {name}" (id int PRIMARY KEY, "Col" {column})')
    found.script(MORE)
    return found


def test_dropped_and_back(ground):
    before = ground.dump()
    for name in ODD:
        done = ground.change("drop_column", f'public."T {name}"', "Col", force=True)
        assert done.result.outcome == "done", (name, done.result.error)
        back = ground.rollback()
        assert back.result.outcome == "done", (name, back.result.error)
    assert_same(ground.dump(), before)


def test_another_type_and_back(ground):
    before = ground.dump()
    for name in set(ODD) - {"computed", "child", "shared"}:
        kind = "bigint" if name in ("excluded", "key") else "text"
        done = ground.change("alter_type", f'public."T {name}"', "Col", type=kind, using=f'"Col"::{kind}')
        assert done.result.outcome == "done", (name, done.result.error)
        back = ground.rollback()
        assert back.result.outcome == "done", (name, back.result.error)
    assert_same(ground.dump(), before)
