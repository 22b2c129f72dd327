"""Texts that an attacker would put where a name, a type, a tenant, a connection or a file is asked for.

Each asks the server or the shell for something that leaves a trace: rows of ``canary`` change, a relation or a role
``pwned_by_sql`` or a file ``pwned_by_shell`` appears. ``traces`` looks for all of them.
"""

import json
from pathlib import Path

import psycopg

# Texts that would run, fetch or restyle something in a page that takes them for markup: stored cross-site scripting.
XSS = tuple(json.loads((Path(__file__).parent / "xss.json").read_text(encoding="utf-8")))
CANARY = """
CREATE TABLE canary (id int PRIMARY KEY);
INSERT INTO canary VALUES (1);
CREATE FUNCTION pwn() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN INSERT INTO canary VALUES (2); RETURN 1; END $$;
"""
SHELL = "touch pwned_by_shell"
COMMANDS = (
    "DROP TABLE canary",
    "SELECT pwn()",
    "CREATE TABLE pwned_by_sql()",
    "DELETE FROM canary",
    "UPDATE canary SET id = 3",
    f"COPY canary TO PROGRAM '{SHELL}'",
    "ALTER TABLE canary RENAME TO pwned_by_sql",
    "CREATE ROLE pwned_by_sql SUPERUSER",
    "DO $do$ BEGIN PERFORM pwn(); END $do$",
    "TRUNCATE canary",
)
BREAKOUTS = (
    "x; {}",
    "x'; {}; --",
    'x"; {}; --',
    "x$$; {}; --",
    "x*/ {}; /*",
    "x\n{};\n",
    "x\\'; {}; --",
    "x') ; {} ; --",
    'x" (id)); {}; --',
    'public"."orders"; {}; --',
    "x\u2019; {}; --",
    "COMMIT; {}",
)
ODD = (
    "",
    " ",
    "\t",
    "\n",
    "'",
    '"',
    '""',
    "''",
    "\\",
    "$1",
    "%s",
    "%(name)s",
    "%n%n%n%p",
    "{}",
    "{0.__class__.__mro__}",
    "{dsn}",
    "${HOME}",
    f"$({SHELL})",
    f"`{SHELL}`",
    f"| {SHELL}",
    f"; {SHELL}",
    f"\\! {SHELL}",
    "../../../../nowhere/passwd",
    "..\\..\\x",
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31mred",
    "\x9b31m",
    "[bold red]orders[/]",
    "[link=http://example.com]orders[/link]",
    "=cmd|'/C calc'!A0",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "a\rb",
    "a\u202eb",
    "a\u200bb",
    "orders\u0000",
    "\udcff\udcfe",
    "\U0001f4a9",
    "a" * 64,
    "a" * 1000,
    "ä" * 40,
    "орders",
    "order",
    "Select",
    "pg_catalog.pg_class",
    "pg_catalog.pg_authid.rolpassword",
    "information_schema.tables",
    "a.b.c.d",
    "....",
    "-1",
    "--",
    "--help-me",
    "-",
    "@/nowhere/hostname",
    "NULL",
    "true",
    "U&'\\0027'",
    "E'\\x27'",
    "!!python/object/apply:os.system ['" + SHELL + "']",
    "*",
    "?",
    "[a-z]+(" * 20,
    "(a+)+$",
    '{"a": 1}',
    "null",
    "~/x",
    "file:///nowhere/passwd",
    "http://127.0.0.1:1/x",
)
TYPES = (
    "int; DROP TABLE canary",
    "int) ; CREATE TABLE pwned_by_sql (a int",
    "int DEFAULT pwn()",
    "int USING pwn()",
    "int CHECK (pwn() > 0)",
    "int GENERATED ALWAYS AS (pwn()) STORED",
    'text COLLATE "C"; TRUNCATE canary',
    "numeric(1,2); DELETE FROM canary",
    "numeric(pwn())",
    "varchar(10); --",
    "int[]; DROP TABLE canary",
    "int, ADD COLUMN more int",
    "int REFERENCES canary",
    "int PRIMARY KEY, DROP COLUMN id",
    "(SELECT pwn())",
    "setof int",
    "record",
    "pg_catalog.int4; TRUNCATE canary",
    '"int; DROP TABLE canary"',
    "interval year to month; TRUNCATE canary",
)
TENANTS = (
    "1; DROP TABLE canary",
    "1 OR 1=1",
    "1) OR pwn() = 1 --",
    "-1",
    "99999999999999999999",
    "2147483648",
    "0x10",
    "1e3",
    "\u0661\u0662",
    "NaN",
    "1_000",
    "+7",
    " 7 ",
    "7\n",
    "NULL",
    "(SELECT pwn())",
    "7::text",
    "'7'",
)
CONNECTIONS = (
    "postgresql://u:p@127.0.0.1:1/x?options=-c%20log_statement%3Dall",
    "host=127.0.0.1 port=1 options='-c session_preload_libraries=x'",
    "host=127.0.0.1 port=1 service=x passfile=/dev/null",
    "host='127.0.0.1' port=1 dbname='x' sslkey='/nonexistent'",
    "postgresql://127.0.0.1:1/x;DROP TABLE canary",
    f"host='| {SHELL}' port=1",
    "host=$(id) port=1",
    "postgresql://%00@127.0.0.1:1/",
    "postgresql://[::1",
    "host=127.0.0.1 host=127.0.0.2 port=1",
    "port=1 host=127.0.0.1 unknown=1",
    "=",
    "host='",
)
CONTENTS = (
    f"!!python/object/apply:os.system ['{SHELL}']\n",
    f"tables: !!python/object/new:subprocess.Popen [['sh', '-c', '{SHELL}']]\n",
    "a: &a [*a]\n",
    "tables:\n- name: 'x; DROP TABLE canary'\n  fields: [{name: 'pwn()', type: 'int; DROP TABLE canary'}]\n",
    f"\\! {SHELL}\nSELECT 1;\n",
    f"\\copy canary to program '{SHELL}'\n",
    f"COPY canary TO PROGRAM '{SHELL}';\n",
    "SELECT pwn();\n",
    "SELECT * FROM canary WHERE id = pwn();\n",
    "WITH d AS (DELETE FROM canary RETURNING id) SELECT * FROM d;\n",
    "EXPLAIN ANALYZE DELETE FROM canary;\n",
    "DO $$ BEGIN PERFORM pwn(); END $$;\n",
    "COMMIT; DROP TABLE canary;\n",
    "PREPARE p AS SELECT pwn(); EXECUTE p;\n",
    "SET session_replication_role = replica; TRUNCATE canary;\n",
    "import os\nos.system('" + SHELL + "')\nTABLES = {}\n",
    '{"result": {"plan": "P-1", "recommendations": [{"ddl": "DROP TABLE canary"}]}}\n',
    '{"a": ' * 500 + "1" + "}" * 500,
    "\x00\x01\x02",
    "",
)


def payloads() -> list[str]:
    """Every text, by kind, each once."""
    kinds = (
        [breakout.replace("{}", COMMANDS[0]) for breakout in BREAKOUTS],
        broken_out(),
        ODD,
        TYPES,
        TENANTS,
        CONNECTIONS,
    )
    found: dict[str, None] = {}
    for kind in kinds:
        found.update(dict.fromkeys(kind))
    return list(found)


def broken_out() -> list[str]:
    """Each command behind each way out of a quoted text."""
    found = []
    for breakout in BREAKOUTS:
        found += [breakout.replace("{}", command) for command in COMMANDS]
    return found


def inside(document: object, payload: str, number: int) -> object:
    """The document with its ``number``-th text (counted round) replaced by the payload."""
    places = list(_texts(document))
    *path, last = places[number % len(places)]
    copy = json.loads(json.dumps(document))
    at = copy
    for step in path:
        at = at[step]
    at[last] = payload
    return copy


def _texts(value, path=()):
    if isinstance(value, str) and path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from _texts(item, (*path, key))


def traces(connection: psycopg.Connection, *places: Path) -> list[str]:
    """What an attack left behind: empty when none had its way. The connection commits each statement by itself."""
    if connection.execute("SELECT to_regclass('canary')").fetchone() == (None,):
        return ["canary is gone"]
    rows = connection.execute("SELECT array_agg(id) FROM canary").fetchone()
    made = connection.execute(
        "SELECT 'relation ' || relname FROM pg_class WHERE relname = 'pwned_by_sql'"
        " UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname = 'pwned_by_sql'"
    ).fetchall()
    found = [name for (name,) in made]
    if rows != ([1],):
        found.append(f"canary holds {rows}")
    for place in places:
        found += [str(path) for path in place.rglob("pwned_by_shell")]
    return found
