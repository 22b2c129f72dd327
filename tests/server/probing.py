"""What the tests of probes share: one database with dirty data, migrations judged by their text, and the truth."""

from functools import lru_cache

import psycopg

from indexpilot_cli.core.observation import MigrationObservation
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.probes.ask import read_facts, run_probes
from indexpilot_cli.evolve.review.probes.probes import probes

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN percent AS integer;
CREATE DOMAIN checked_text AS text CHECK (length(VALUE) > 1);
CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE, name text NOT NULL DEFAULT 'x' CHECK (name <> ''));
CREATE TABLE children (
    id int PRIMARY KEY, parent_id int, email text, label varchar(20), amount numeric(10, 2), big bigint, word text,
    day text, share percent, feeling text, old mood, code char(6), flags bit(4), lower_bound int
);
CREATE TABLE kept (id int PRIMARY KEY, parent_id int REFERENCES parents (id));
CREATE TABLE followers (id int PRIMARY KEY, parent_id int REFERENCES parents (id) ON DELETE CASCADE);
CREATE TABLE nobody (id int, x int);
CREATE TABLE ranges (k int NOT NULL, v text) PARTITION BY RANGE (k);
CREATE TABLE ranges_1 PARTITION OF ranges FOR VALUES FROM (0) TO (10);
CREATE TABLE ranges_rest PARTITION OF ranges DEFAULT;
CREATE TABLE incoming (k int NOT NULL, v text);
CREATE TABLE stays (id int, during int4range);
CREATE FUNCTION boom(x anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
INSERT INTO parents SELECT g, 'p' || g, 'n' FROM generate_series(1, 20) g;
INSERT INTO children
SELECT g, CASE WHEN g % 10 = 0 THEN NULL ELSE g % 25 + 1 END, CASE WHEN g % 7 > 0 THEN 'u' || g % 50 || '@x.org' END,
       'label ' || g, g, CASE WHEN g = 5 THEN 5000000000 ELSE g END, CASE WHEN g = 77 THEN 'n/a' ELSE g::text END,
       CASE WHEN g = 40 THEN '2026-02-30' ELSE '2026-02-01' END, g, CASE WHEN g = 9 THEN 'meh' ELSE 'ok' END, NULL,
       'c' || g, B'1010', g
FROM generate_series(1, 100) g;
INSERT INTO kept VALUES (1, 1), (2, NULL);
INSERT INTO followers VALUES (1, 2), (2, 99999) ON CONFLICT DO NOTHING;
INSERT INTO ranges SELECT g, 'v' FROM generate_series(1, 30) g;
INSERT INTO incoming SELECT g, 'i' FROM generate_series(100, 120) g;
INSERT INTO stays VALUES (1, '[1,5)'), (1, '[4,8)'), (2, '[1,5)');
""".replace(", (2, 99999) ON CONFLICT DO NOTHING", "")


def migration(*statements):
    return read_migration("m.sql", ";\n".join(statements))


def rules(read):
    """The observation of a file that no clone ran."""
    return MigrationObservation(read.path, "rules")


def asked(dsn, read, observation=None):
    """The probes of a migration."""
    catalog, facts = known(dsn)
    return probes(read, observation or rules(read), catalog, facts=facts)


@lru_cache
def known(dsn):
    """Catalog and facts of a database that the tests leave as it is."""
    with open_session(dsn) as session:
        return read_catalog(session), read_facts(session)


def answers(dsn, read, observation=None, **limits):
    """The answers of the data."""
    made = asked(dsn, read, observation)
    with open_session(dsn) as session:
        return run_probes(session, made, **limits)


def truth(dsn, *statements):
    """(number, SQLSTATE) of the statement that really fails, None when all run; nothing stays."""
    with psycopg.connect(dsn) as connection:
        try:
            for number, statement in enumerate(statements, 1):
                try:
                    connection.execute(statement)
                except psycopg.Error as error:
                    return number, error.sqlstate
            return None
        finally:
            connection.rollback()


def said(found):
    """The first statement that the answers say fails."""
    return min((a.probe.statement for a in found if a.found), default=None)
