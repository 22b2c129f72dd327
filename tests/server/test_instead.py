"""What a review says to run instead is SQL that runs, or a command that the program's own parser takes."""

import re
from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.findings import findings
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.registry import RULES
from tests.benchmarks.migrations_corpus import split
from tests.cli.test_commands_offered import parse
from tests.servers import new_database
from tests.unit.evolve.rules_shop import CATALOG, seen

SHOP = """
CREATE DOMAIN email AS text;
CREATE TABLE people (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, ref varchar(20), buyer int NOT NULL, at timestamp, amount numeric(10,2),
    note text, mail email, CONSTRAINT orders_buyer_fkey FOREIGN KEY (buyer) REFERENCES people (id));
CREATE INDEX orders_ref_idx ON orders (ref);
CREATE INDEX orders_buyer_at ON orders (buyer, at);
CREATE INDEX orders_note_part ON orders (amount) WHERE note IS NOT NULL;
CREATE INDEX orders_bad ON orders (note);
CREATE TABLE small (id int NOT NULL);
CREATE TABLE events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE INDEX events_at ON events (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE later (id int, at timestamptz NOT NULL);
CREATE INDEX later_at ON later (at);
CREATE MATERIALIZED VIEW totals AS SELECT id FROM people;
CREATE UNIQUE INDEX totals_id ON totals (id);
INSERT INTO people SELECT n, 'p' FROM generate_series(1, 20) n;
INSERT INTO orders SELECT n, 'r' || n, n, now(), n, 'n', 'm' FROM generate_series(1, 20) n;
"""
# Statements of every kind that has a safer form, beside the examples of the rules.
MORE = """
CREATE UNIQUE INDEX IF NOT EXISTS i ON orders (ref); CREATE INDEX ON orders (lower(note)) WHERE amount > 0;
CREATE INDEX i ON events (id); DROP INDEX orders_ref_idx; REINDEX TABLE orders; REFRESH MATERIALIZED VIEW totals;
ALTER TABLE orders ADD CHECK (amount > 0), ADD CONSTRAINT k UNIQUE (ref); ALTER TABLE orders ALTER note SET NOT NULL;
ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES people ON DELETE CASCADE; ALTER TABLE people ADD UNIQUE (name, id);
ALTER TABLE orders ADD CONSTRAINT k UNIQUE (ref) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE orders ADD c uuid NOT NULL DEFAULT gen_random_uuid() CHECK (c IS NOT NULL);
ALTER TABLE orders ADD c int CHECK (c > 0) REFERENCES people; ALTER TABLE orders ADD c text UNIQUE;
ALTER TABLE events DETACH PARTITION events_1; ALTER TABLE events ADD c uuid DEFAULT gen_random_uuid();
ALTER TABLE events ATTACH PARTITION later FOR VALUES FROM ('2027-01-01') TO (MAXVALUE);
ALTER TABLE orders ALTER id TYPE bigint; ALTER TABLE orders ALTER note TYPE int USING length(note);
ALTER TABLE orders ALTER ref TYPE varchar(40), ALTER note TYPE varchar(9); ALTER DOMAIN email ADD CHECK (VALUE <> '');
ALTER TABLE orders ADD COLUMN kind text NOT NULL; ALTER TABLE orders ADD CONSTRAINT nn NOT NULL note;
BEGIN; CREATE INDEX i ON orders (at); COMMIT; ALTER TABLE orders DROP COLUMN note; ALTER TABLE orders RENAME ref TO r;
"""
ODD = {"orders": 'Or "ders', "people": "peo;ple", "ref": "Re f", "note": "no'te", "events": "select"}
ODD |= {"later": "é-later", "events_1": "Events 1", "amount": "%s", "at": "AT"}
_WORD = re.compile(r"(?<![\w'-])(?:" + "|".join(sorted(ODD, key=len, reverse=True)) + r")\b(?!')")


def odd_text(text):
    return _WORD.sub(lambda m: quote_identifier(ODD[m.group()]), text)


def odd_name(name):
    return QualifiedName(name.schema, ODD.get(name.name, name.name)) if name else None


def odd_table(table):
    columns = tuple(replace(c, name=ODD.get(c.name, c.name)) for c in table.columns)
    key = table.partition_key.replace("at", '"AT"') if table.partition_key else None
    return replace(
        table, name=odd_name(table.name), columns=columns, parent=odd_name(table.parent), partition_key=key, indexes=()
    )


ODD_CATALOG = replace(CATALOG, tables=tuple(map(odd_table, CATALOG.tables)), foreign_keys=())


def offered(text, catalog):
    """Each safer form of a text's statements: (statements before it, the form)."""
    migration, observation, verdicts = seen(text, catalog)
    review = Review(migration, observation, verdicts, catalog=catalog)
    for found in findings(review, ignore=()):
        if found.instead:
            yield [s.sql for s in migration.statements if s.number < found.statement], found.instead
    for case in review.cases:
        before = [s.sql for s in migration.statements if s.number < case.written.number]
        # What errors and the data make a rule speak of is not seen by rules: its form is asked for.
        for rule in RULES.values():
            if (rule.fails or rule.probes) and rule.id != "F21":
                yield from ((before, form) for a in case.actions if (form := rule.safer_text(a, case)))


KINDS = [f"{text};" for text in split(MORE)]
KINDS.append("BEGIN; CREATE INDEX i ON orders (at); ALTER TABLE orders ADD CHECK (amount > 0); COMMIT;")
EXAMPLES = [rule.example.replace("CONCURRENTLY orders_ref_idx", "CONCURRENTLY fresh") for rule in RULES.values()]


@pytest.fixture(scope="module")
def shop(pg):
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def failure(connection, schema, before, form):
    """Run the form where its statement stood; SQLSTATE and message of the error, if any."""
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; RESET ALL")
    connection.execute(schema)
    outside = form.startswith(("-- outside", "-- in a file"))
    try:
        for statement in before:
            connection.execute(statement)
        if outside and connection.info.transaction_status:
            connection.execute("COMMIT")
        for statement in split(form):
            connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate, str(error)
    finally:
        connection.execute("ROLLBACK")
    return None


@pytest.mark.parametrize("odd", [False, True])
def test_every_safer_form_runs(shop, odd):
    catalog, schema, written = (ODD_CATALOG, odd_text(SHOP), odd_text) if odd else (CATALOG, SHOP, str)
    catalog = replace(catalog, version=shop.info.server_version)
    asked, wrong = set(), []
    for text in map(written, KINDS if odd else [*EXAMPLES, *KINDS]):
        try:
            read_migration("m", text)
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append((text, str(error)))
            continue
        for before, form in offered(text, catalog):
            if (tuple(before), form) in asked:
                continue
            asked.add((tuple(before), form))
            commands = re.findall(r"^-- (indexpilot .*)$", form, re.M)
            for command in commands:
                parse(command)
            error = None if commands else failure(shop, schema, before, form)
            # What fails for the reason that the statement itself fails for is not the form's fault.
            same = error and failure(shop, schema, [], text)
            if error and (same is None or same[0] != error[0]):
                wrong.append((text, form, error[1]))
    assert len(asked) > 30
    assert not wrong, "\n\n".join("\n".join(map(str, w)) for w in wrong)


def test_every_rule_with_a_safer_form_shows_it_for_its_example():
    silent = []
    for rule in RULES.values():
        if rule.steps is None and rule.safer is None:
            continue
        migration, observation, verdicts = seen(rule.example)
        cases = Review(migration, observation, verdicts, catalog=CATALOG).cases
        if not any(rule.safer_text(a, case) for case in cases for a in case.actions):
            silent.append(rule.id)
    assert silent == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_examples_are_sql(rule):
    for text in (rule.example, rule.safe_example):
        assert read_migration("m", text).statements
