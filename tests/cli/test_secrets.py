"""What utility statements say is nowhere printed, written or logged; a redacted snapshot holds no value."""

import gzip
import json

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

SECRET = "pl4nted"  # in every utility statement; none of them may leave it anywhere
VALUE = "0wnvalue"  # in rows, literals and definitions; a redacted snapshot may not hold it

UTILITIES = """
ALTER ROLE ROLE_NAME PASSWORD 'pl4nted';
CREATE USER MAPPING FOR CURRENT_USER SERVER ROLE_NAME_s OPTIONS (user 'u', password 'pl4nted');
ALTER USER MAPPING FOR CURRENT_USER SERVER ROLE_NAME_s OPTIONS (SET password 'pl4nted');
CREATE SUBSCRIPTION ROLE_NAME_u CONNECTION 'host=nowhere password=pl4nted' PUBLICATION p WITH (connect = false);
ALTER SUBSCRIPTION ROLE_NAME_u CONNECTION 'host=nowhere password=pl4nted';
COMMENT ON TABLE customers IS 'pl4nted';
DO $$ BEGIN PERFORM 'pl4nted'; END $$;
SET application_name = 'pl4nted';
COPY (SELECT id FROM customers) TO PROGRAM 'cat > /dev/null # pl4nted';
PREPARE pl AS SELECT id FROM customers WHERE city = 'city1';
EXPLAIN SELECT * FROM customers WHERE email = 'pl4nted';
SECURITY LABEL ON TABLE customers IS 'pl4nted';
CREATE FUNCTION planted() RETURNS text LANGUAGE sql AS $$ SELECT 'pl4nted' $$;
ALTR ROLE nobody PASSWORD 'pl4nted';
CALL nobody('pl4nted', 'pl4nted');
SELECT 1; ALTER ROLE nobody PASSWORD 'pl4nted';
"""
SENT = slice(0, 11)  # those of them that a server can run
QUERIES = (
    "SELECT id, status FROM orders WHERE customer_id = 4711;\nSELECT count(*) FROM orders WHERE status = 'open';\n"
)

DEFINITIONS = """
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE TABLE held (id int, code int, t text DEFAULT '0wnvalue', n text CHECK (n <> '0wnvalue'), j jsonb, i inet,
    b bytea, a text[], d date, k text COLLATE "C", u uuid);
INSERT INTO held SELECT 1, 2, '0wnvalue', 'x', '{"a": "0wnvalue"}', '10.1.2.3', '0wnvalue', '{0wnvalue}',
    '1979-03-14', '0wnvalue', gen_random_uuid() FROM generate_series(1, 500);
CREATE INDEX held_t ON held (lower(t)) WHERE n = '0wnvalue';
CREATE INDEX held_v ON held ((t || '0wnvalue'));
COMMENT ON INDEX held_t IS '0wnvalue';
CREATE STATISTICS held_s (mcv) ON t, k FROM held;
CREATE VIEW held_view AS SELECT id, '0wnvalue' AS v FROM held WHERE t = '0wnvalue';
CREATE MATERIALIZED VIEW held_mat AS SELECT '0wnvalue'::text AS m;
CREATE FUNCTION held_f(x text DEFAULT '0wnvalue') RETURNS text LANGUAGE sql SET my.key = '0wnvalue'
    AS $$ SELECT '0wnvalue'::text $$;
CREATE FUNCTION held_i(x text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT x = '0wnvalue' $$;
CREATE FUNCTION held_t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; /* 0wnvalue */ END $$;
CREATE TRIGGER held_g BEFORE INSERT ON held FOR EACH ROW WHEN (NEW.t = '0wnvalue') EXECUTE FUNCTION held_t('0wnvalue');
CREATE AGGREGATE held_a(text) (SFUNC = textcat, STYPE = text, INITCOND = '0wnvalue');
CREATE DOMAIN held_d AS text DEFAULT '0wnvalue' CHECK (VALUE <> '0wnvalue');
CREATE TABLE held_p (k text) PARTITION BY LIST ((k || '0wnvalue'));
CREATE TABLE held_p1 PARTITION OF held_p FOR VALUES IN ('0wnvalue');
CREATE POLICY held_y ON held USING (t = '0wnvalue');
ALTER TABLE held ENABLE ROW LEVEL SECURITY;
CREATE RULE held_r AS ON INSERT TO held_view DO INSTEAD NOTIFY held, '0wnvalue';
CREATE TEXT SEARCH DICTIONARY held_x (TEMPLATE = simple, ACCEPT = false);
CREATE SERVER ROLE_NAME_s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '0wnvalue');
CREATE FOREIGN TABLE held_w (a int OPTIONS (column_name '0wnvalue')) SERVER ROLE_NAME_s OPTIONS (table_name '0wnvalue');
ALTER TABLE held ALTER COLUMN n SET DEFAULT '0wnvalue';
ANALYZE held;
"""
VALUES = (
    "SELECT * FROM held WHERE t = '0wnvalue' AND code = '0wnvalue'",
    "SELECT * FROM held WHERE t LIKE '%0wnvalue_%' OR j @> '{\"a\": \"0wnvalue\"}' OR i = '10.1.2.3'",
    "SELECT 1 FROM held WHERE d = '1979-03-14' AND status = '0wnvalue'",
    "SELEC '0wnvalue'",
)


@pytest.fixture
def planted(own_shop, connection, home):
    """The DSN of a shop in which all of them were run, with a file that holds them; what they made goes again."""
    role = "r_" + connection.info.dbname
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(role)))
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    for text in DEFINITIONS.replace("ROLE_NAME", role).split(";\n"):
        connection.execute(text)
    utilities = UTILITIES.replace("ROLE_NAME", role)
    (home / "w.sql").write_text(f"{QUERIES}{utilities}")
    (home / "w.log").write_text(
        "".join(
            f"2026-01-01 10:00:00 UTC [7] LOG:  duration: 3.5 ms  statement: {text}\n"
            for text in (QUERIES + utilities).split("\n")
            if text
        )
        + "pl4nted broken line\n"
    )
    line = {"timestamp": "2026-01-01 10:00:00 UTC", "pid": 7, "error_severity": "LOG", "message": "pl4nted"}
    (home / "w.json").write_text(json.dumps(line) + "\n{broken pl4nted\n")
    (home / "none.json").write_text("{broken pl4nted\n")
    for text in [*utilities.strip().split(";\n")[SENT], *QUERIES.split("\n")]:
        connection.execute(text)
    yield make_conninfo(own_shop, user=role)
    connection.execute(f"ALTER SUBSCRIPTION {role}_u DISABLE")
    connection.execute(f"ALTER SUBSCRIPTION {role}_u SET (slot_name = NONE)")
    connection.execute(f"DROP SUBSCRIPTION {role}_u")
    connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
    connection.execute(f"DROP USER MAPPING FOR CURRENT_USER SERVER {role}_s")
    connection.execute(f"DROP OWNED BY {role}")
    connection.execute(f"DROP ROLE {role}")


def found_in(place, word):
    """Where below a folder a word stands, packed files and names included."""
    hits = []
    for path in (p for p in place.rglob("*") if p.is_file() and p.stem not in ("w", "none")):
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        hits += [str(path)] if word.encode() in data else []
    return hits


def logged(connection, word):
    """Rows of our own tables that hold a word."""
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'indexpilot'::regnamespace AND relkind = 'r'"
    )
    hits = []
    for (name,) in tables.fetchall():
        rows = connection.execute(f"SELECT t::text FROM indexpilot.{name} t WHERE t::text LIKE '%{word}%'")
        hits += [(name, row[0][:300]) for row in rows.fetchall()]
    return hits


def test_no_command_tells_or_keeps_what_a_utility_statement_says(planted, connection, cli, home):
    place = ("-d", planted)
    assert cli("init", *place, "--yes").code == 0
    (home / "m.sql").write_text("ALTER TABLE orders ADD COLUMN x int;\n")
    # What is refused quotes its input least of all.
    refused = [("explain", *place, "--query", "ALTER ROLE nobody PASSWORD 'pl4nted'"), ("analyze", "none.json")]
    commands = [
        *(("analyze", *place, *more) for more in (("-v",), ("w.sql", "--json"), ("w.log", "w.json", "-v"))),
        ("analyze", *place, "w.sql", "-v", "--format", "markdown"),
        ("recommend", *place, "w.log", "--debug", "--output", "plan.json"),
        ("snapshot", "save", "a.ipsnap", *place, "-v"),
        ("snapshot", "save", "b.ipsnap", *place, "--file", "w.sql", "--json"),
        ("analyze", "--snapshot", "a.ipsnap", "-v"),
        *(("recommend", "--snapshot", "b.ipsnap", form) for form in ("--json", "-v")),
        *refused,
        ("plan", "show", *place, "-v"),
        ("schema-evolve", "check", "m.sql", *place, "--file", "w.sql", "-v"),
        ("doctor", *place, "-v"),
        ("apply", *place, "plan.json", "--yes", "--force", "--verify", "statistics"),
        ("history", *place, "--json"),
    ]
    told = [cli(*command) for command in commands]
    assert [(c, r.err) for c, r in zip(commands, told, strict=True) if r.code not in (0, 3) and c not in refused] == []
    assert [c for c, r in zip(commands, told, strict=True) if SECRET in r.out + r.err] == []
    assert found_in(home, SECRET) == []
    assert logged(connection, SECRET) == []


def test_a_redacted_snapshot_holds_no_value(planted, cli, home):
    (home / "v.sql").write_text(";\n".join(VALUES))
    saved = cli("snapshot", "save", "r.ipsnap", "-d", planted, "--redact", "--file", "v.sql", "--file", "w.sql")
    assert saved.code == 0, saved.err
    text = gzip.decompress((home / "r.ipsnap").read_bytes()).decode()
    for word in (VALUE, SECRET, "10.1.2.3", "1979-03-14"):
        at = text.find(word)
        assert at < 0, text[max(at - 300, 0) : at + 100]
    assert "held_t" in text and cli("recommend", "--snapshot", "r.ipsnap", "--json").code == 0
