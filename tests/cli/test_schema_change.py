"""The operations of schema-evolve through a real process: forms, codes, questions, next steps."""

import shlex

import psycopg
import pytest

from tests.cli.process import run

TABLE = """
CREATE TABLE public.items (id int PRIMARY KEY, "order" text, price int);
INSERT INTO public.items SELECT i, 'o' || i, i FROM generate_series(1, 50) i;
CREATE INDEX items_price_idx ON public.items (price);
"""


@pytest.fixture
def ground(connection, database, home, cache):
    connection.execute(TABLE)

    def cli(*arguments):
        more = arguments[-1] if isinstance(arguments[-1], dict) else {}
        words = [a for a in arguments if isinstance(a, str)]
        return run(home, "schema-evolve", *words, "-d", database, XDG_CACHE_HOME=cache, **more)

    assert run(home, "init", "--db-only", "--yes", "-d", database).code == 0
    return cli


def columns(connection):
    return [
        r[0]
        for r in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'public.items'::regclass"
            " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ).fetchall()
    ]


def test_shown_done_and_taken_back(ground, connection):
    shown = ground("add-column", "public.items", "New One", "--type", "int", "--default", "3", "--not-null", "--json")
    value = shown.json("schema_evolve_change")
    assert (shown.code, value["status"], value["result"]["outcome"]) == (0, "findings", "planned")
    assert 'ADD COLUMN "New One" int DEFAULT 3 NOT NULL' in value["result"]["steps"][0]["statements"][0]
    assert len(columns(connection)) == 3
    program, *next_words = shlex.split(value["next"][0])
    assert program == "indexpilot"
    done = ground(*next_words[1:], "--yes", "--json")
    value = done.json("schema_evolve_change")
    assert (done.code, value["result"]["outcome"]) == (0, "done")
    assert columns(connection)[-1] == "New One"
    assert [(line.split()[2], line.split()[-1]) for line in value["next"]] == [
        ("rollback", value["result"]["mutation"])
    ]
    back = ground("rollback", value["result"]["mutation"], "--json")
    assert back.json("schema_evolve_rollback")["result"]["outcome"] == "planned"
    back = ground("rollback", "--last", "--execute", "--yes", "--json")
    assert back.json("schema_evolve_rollback")["result"]["outcome"] == "done"
    assert len(columns(connection)) == 3
    again = ground("rollback", value["result"]["mutation"], "--execute", "--yes", "--json")
    assert again.json("schema_evolve_rollback")["status"] == "skipped"


def test_codes(ground, connection):
    drop = ("drop-column", "public.items", "price")
    assert ground(*drop, "--exit-code").code == 3
    refused = ground(*drop, "--execute", "--yes", "--json")
    assert (refused.code, refused.json("error")["error"]["code"]) == (6, "takes_along")
    assert ground(*drop, "--execute").code == 2  # nobody to ask
    assert ground("drop-column", "public.items", "prize").code == 2
    assert "did you mean price?" in ground("drop-column", "public.items", "prize").err
    assert ground("rollback").code == 2
    assert ground("rollback", "M-99999").code == 2
    assert ground("finish", "public.items", "price").code == 6
    off = ground(*drop, "--json", {"INDEXPILOT_OPERATIONAL_SCHEMA_EVOLUTION_ENABLED": "false"})
    assert (off.code, off.json("error")["error"]["code"]) == (6, "disabled")
    connection.execute("CREATE VIEW public.v AS SELECT price FROM public.items")
    blocked = ground(*drop, "--json")
    value = blocked.json("schema_evolve_change")
    assert (blocked.code, value["status"], value["result"]["outcome"]) == (6, "refused", "refused")
    with psycopg.connect(connection.info.dsn) as reader:
        reader.execute("SELECT count(*) FROM public.items")
        busy = ground(
            "rename-column",
            "public.items",
            "order",
            "position",
            "--execute",
            "--yes",
            "--lock-timeout",
            "200ms",
            "--retries",
            "0",
            "--json",
        )
    value = busy.json("schema_evolve_change")
    assert (busy.code, value["result"]["error"]["code"]) == (7, "lock_timeout")


def test_forms_for_people(ground):
    shown = ground("drop-column", "public.items", "price")
    for text in ("drop-column items.price", "items_price_idx", "disappears", "DATA LOSS", "--force is needed"):
        assert text in shown.out, shown.out
    sql = ground("alter-type", "public.items", "price", "--type", "bigint", "--format", "sql")
    assert "ALTER TABLE public.items ALTER COLUMN price TYPE bigint;" in sql.out
    markdown = ground("rename-column", "public.items", "order", "place", "--format", "markdown")
    assert "rename order to place" in markdown.out
