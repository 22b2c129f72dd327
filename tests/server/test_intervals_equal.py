"""An interval as a range, or with two bounds of its start, holds the same moments as its two conditions: bounds, NULLs,
infinities, changing clocks.
"""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from indexpilot_cli.algorithms.bx_tree.bounded import bounded_forms, longest
from indexpilot_cli.algorithms.bx_tree.intervals import interval_forms
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import NoSamples, PageSample, SampledPage
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.sql.parser import deparse, parse
from tests.server.requesting import filled

ZONE = "America/New_York"  # in 2026 clocks go forward on 8 March and back on 1 November
KINDS = {
    "timestamptz": "timestamptz '2026-03-08 06:00Z' + n * interval '20 minutes'",
    "timestamp": "timestamp '2026-11-01 00:00' + n * interval '20 minutes'",
    "date": "date '2026-02-25' + n",
}
LONGEST = {"timestamptz": "interval '80 minutes'", "timestamp": "interval '80 minutes'", "date": "4"}
SPECIAL = ("'infinity'", "'-infinity'", "NULL")


def _table(kind):
    value = KINDS[kind]
    some = ", ".join(f"{text}::{kind}" for text in SPECIAL)
    return f"""CREATE TABLE "Valid {kind}" (id serial, "From" {kind}, until {kind});
INSERT INTO "Valid {kind}" ("From", until) SELECT a.v, b.v
FROM (SELECT {value} AS v FROM generate_series(0, 10, 2) n UNION ALL SELECT unnest(ARRAY[{some}])) a,
     (SELECT {value} AS v FROM generate_series(0, 10, 2) n UNION ALL SELECT unnest(ARRAY[{some}])) b;
CREATE TABLE "Kept {kind}" (id serial, "From" {kind}, until {kind}, CHECK (until - "From" <= {LONGEST[kind]}));
INSERT INTO "Kept {kind}" ("From", until) SELECT "From", until FROM "Valid {kind}"
WHERE "From" IS NULL OR until IS NULL
   OR CASE WHEN isfinite("From") AND isfinite(until) THEN until - "From" <= {LONGEST[kind]} END;
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


def same_rows(session, kind, table, forms_of, conditions=CONDITIONS):
    """Each form of each condition holds the rows of the condition for all moments; gives the last form."""
    session.execute(f"SET TIME ZONE '{ZONE}'")
    catalog = read_catalog(session)
    moments = [row.v for row in session.rows(f"SELECT ({KINDS[kind]})::text AS v FROM generate_series(-2, 12, 2) n")]
    for condition in conditions:
        name = f'"{table} {kind}"' + (" AS v" if "v." in condition else "")
        text = f"SELECT id FROM {name} WHERE {condition} ORDER BY 1"
        met = 0
        for moment in (*(f"'{m}'" for m in moments), *(f"{s}::{kind}" for s in SPECIAL)):
            statement = parse(text.replace("{}", moment))
            (form,) = forms_of(statement.node, catalog)
            rows = session.rows(deparse(statement.node))
            assert session.rows(deparse(form.statement)) == rows, form.after
            met += len(rows)
        assert met > 0
    return form


@pytest.mark.parametrize("kind", KINDS)
def test_a_range_holds_the_same_moments(intervals, kind):
    with open_session(intervals.dsn) as session:
        form = same_rows(session, kind, "Valid", interval_forms)
        # Building it must not fail for the rows there are, and it is immutable.
        with session.transaction(rollback=True):
            session.execute("SET LOCAL transaction_read_only = off")
            session.execute(f'CREATE INDEX ON "Valid {kind}" USING gist (({form.index.keys[0].expression}))')


class Seen(NoSamples):
    """Rows of other intervals than the table's: 0 to two hours (days) long."""

    def of(self, table):
        first = date(2026, 3, 1) if table.name.endswith("date") else datetime(2026, 3, 1, tzinfo=UTC)
        step = timedelta(1) if table.name.endswith("date") else timedelta(hours=1)
        rows = [(first + n * step, first + (n + n % 3) * step) for n in range(1200)]
        return PageSample(table, ("From", "until"), (SampledPage(1, 0, tuple(rows)),), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_with_two_bounds_holds_the_same_moments(intervals, kind):
    def seen(statement, catalog):
        return bounded_forms(statement, catalog, Seen())

    def kept(statement, catalog):
        return bounded_forms(statement, catalog, PageSamples(session, catalog, {}))

    with open_session(intervals.dsn) as session:
        form = same_rows(session, kind, "Valid", seen)
        assert form.rule == "mostly_bounded_interval" and len(form.wants) == 2
        with session.transaction(rollback=True):
            session.execute("SET LOCAL transaction_read_only = off")
            session.execute(create_index(form.index, "beside", concurrently=False))
        form = same_rows(session, kind, "Kept", kept, [c for c in CONDITIONS if "IS NULL" not in c])
        assert form.rule == "bounded_interval" and [d.columns for d in form.wants] == [("From",)]


@pytest.mark.parametrize(
    ("check", "known"),
    [
        ("((until - \"From\") <= '1 day 02:00:00'::interval)", 93600),
        ('((until > "From") AND (until < ("From" + \'02:00:00\'::interval)))', 7200),
        ("(until <= (\"From\" + '1 day'::interval))", None),  # longer or shorter where clocks change
        ("((until - \"From\") <= '1 mon'::interval)", None),
        ("((\"From\" - until) <= '02:00:00'::interval)", None),
        ("(until >= (\"From\" + '02:00:00'::interval))", None),
        ("((until <= (\"From\" + '02:00:00'::interval)) OR (id > 3))", None),
    ],
)
def test_what_a_check_says_of_the_longest_interval(intervals, check, known):
    with open_session(intervals.dsn) as session:
        of = read_catalog(session).table(QualifiedName("public", "Valid timestamptz"))
    assert longest(check, of.column("From"), of.column("until")) == known


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
