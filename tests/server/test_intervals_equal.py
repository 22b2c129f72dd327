"""An interval as a range holds the same moments as its two conditions: bounds, NULLs, infinities, changing clocks."""

from itertools import product

import pytest

from indexpilot_cli.algorithms.bx_tree.intervals import interval_forms
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.sql.parser import deparse, parse
from tests.server.requesting import filled

ZONE = "America/New_York"  # in 2026 clocks go forward on 8 March and back on 1 November
KINDS = {
    "timestamptz": "timestamptz '2026-03-08 06:00Z' + n * interval '20 minutes'",
    "timestamp": "timestamp '2026-11-01 00:00' + n * interval '20 minutes'",
    "date": "date '2026-02-25' + n",
}
SPECIAL = ("'infinity'", "'-infinity'", "NULL")


def _table(kind):
    value = KINDS[kind]
    some = ", ".join(f"{text}::{kind}" for text in SPECIAL)
    return f"""CREATE TABLE "Valid {kind}" (id serial, "From" {kind}, until {kind});
INSERT INTO "Valid {kind}" ("From", until) SELECT a.v, b.v
FROM (SELECT {value} AS v FROM generate_series(0, 10, 2) n UNION ALL SELECT unnest(ARRAY[{some}])) a,
     (SELECT {value} AS v FROM generate_series(0, 10, 2) n UNION ALL SELECT unnest(ARRAY[{some}])) b;
"""


TABLES = "".join(map(_table, KINDS))
CONDITIONS = [
    f'{alias}"From" {low} {{}} AND {end}'
    for alias, low in product(("", "v."), ("<", "<="))
    for end in (
        f"{alias}until > {{}}",
        f"{{}} <= {alias}until",
        f"({alias}until IS NULL OR {alias}until >= {{}})",
        f"({{}} < {alias}until OR {alias}until IS NULL) AND {alias}id > 3",
    )
] + ['{} BETWEEN "From" AND until']


@pytest.fixture(scope="module")
def intervals(pg):
    with filled(pg, *TABLES.split(";\n")) as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_a_range_holds_the_same_moments(intervals, kind):
    with open_session(intervals.dsn) as session:
        session.execute(f"SET TIME ZONE '{ZONE}'")
        catalog = read_catalog(session)
        moments = [
            row.v for row in session.rows(f"SELECT ({KINDS[kind]})::text AS v FROM generate_series(-2, 12, 2) n")
        ]
        for condition in CONDITIONS:
            name = f'"Valid {kind}"' + (" AS v" if "v." in condition else "")
            text = f"SELECT id FROM {name} WHERE {condition} ORDER BY 1"
            met = 0
            for moment in (*(f"'{m}'" for m in moments), *(f"{s}::{kind}" for s in SPECIAL)):
                statement = parse(text.replace("{}", moment))
                forms = list(interval_forms(statement.node, catalog))
                assert len(forms) == 1, statement
                rows = session.rows(deparse(statement.node))
                assert session.rows(deparse(forms[0].statement)) == rows
                met += len(rows)
            assert met > 0
            # Building it must not fail for the rows there are, and it is immutable.
        with session.transaction(rollback=True):
            session.execute("SET LOCAL transaction_read_only = off")
            session.execute(f'CREATE INDEX ON "Valid {kind}" USING gist (({forms[0].index.keys[0].expression}))')


@pytest.mark.parametrize(
    "condition",
    [
        'NOT ("From" <= $1 AND until >= $1)',
        '"From" <= $1 AND until >= $2',
        '"From" <= $1 OR until >= $1',
        '"From" <= $1 AND "From" >= $1',
        '"From" <= id AND until >= id',
        '"From" <= localtimestamp AND until >= localtimestamp',
        '("From" IS NULL OR "From" <= $1) AND until >= $1',
    ],
)
def test_other_conditions_are_left_alone(intervals, condition):
    with open_session(intervals.dsn) as session:
        catalog = read_catalog(session)
    statement = parse(f'SELECT id FROM "Valid timestamptz" WHERE {condition}')
    assert not list(interval_forms(statement.node, catalog))
