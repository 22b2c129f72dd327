"""A column read through an indexed one, with the rest beside: the same rows, whatever the type, NULLs and extremes."""

import random

import pytest

from indexpilot_cli.algorithms.cortex.band import KINDS, Band, band_forms, within
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.sql.parser import deparse, parse
from tests.server.requesting import filled

VALUES = {
    "int2": "{}::int2",
    "int4": "{}::int4",
    "int8": "{}::int8",
    "numeric": "{}::numeric / 2",
    "date": "date '2026-03-01' + {}",
    "timestamp": "timestamp '2026-03-08 00:00' + {} * interval '20 minutes'",
    "timestamptz": "timestamptz '2026-03-08 06:00Z' + {} * interval '20 minutes'",
}
LIMITS = {"int2": (-32768, 32767), "int4": (-(2**31), 2**31 - 1), "int8": (-(2**63), 2**63 - 1)}
BANDS = {"timestamp": (-1200, 4800), "timestamptz": (-1200, 4800)}
CONDITIONS = (
    "{t} = {a}",
    "{a} <= {t} AND {t} < {b}",
    "{t} BETWEEN {a} AND {b} AND id > 3",
    "{t} > {b}",
    "{h} < {b} AND {a} > {t}",
)


def extremes(kind):
    if kind in LIMITS:
        return [f"'{n}'" for n in LIMITS[kind]]
    return ["'infinity'", "'-infinity'"] if kind != "numeric" else ["'NaN'", "1e30"]


def table(kind):
    some = ", ".join(f"({text})::{kind}" for text in [*extremes(kind), "NULL"])
    value = VALUES[kind].format("n")
    return f"""CREATE TABLE "To {kind}" (id serial, "Host" {kind}, target {kind});
INSERT INTO "To {kind}" ("Host", target) SELECT a.v, b.v
FROM (SELECT {value} AS v FROM generate_series(0, 11) n UNION ALL SELECT unnest(ARRAY[{some}])) a,
     (SELECT {value} AS v FROM generate_series(0, 11) n UNION ALL SELECT unnest(ARRAY[{some}])) b;
"""


@pytest.fixture(scope="module")
def hosted(pg):
    with filled(pg, *"".join(map(table, KINDS)).split(";\n")) as found:
        yield found


def checked(session, kind, constants):
    """Run both forms for so many constants; gives how many rows they had, which are the same."""
    catalog = read_catalog(session)
    of = catalog.table(QualifiedName("public", f"To {kind}"))
    band = Band(of.column("target"), of.column("Host"), *BANDS.get(kind, (-1, 4)), 0.01, 0.02, 0.1)
    chance = random.Random(kind)
    met = 0
    for turn in range(constants):
        low = chance.randrange(-3, 13)
        a, b = (f"({VALUES[kind].format(n)})" for n in (low, low + chance.randrange(4)))
        texts = {n: f"'{session.value(f'SELECT ({n})::{kind}::text')}'" for n in (a, b)}
        alias = ("", "x.")[turn % 2]
        names = {"t": f"{alias}target", "h": f'{alias}"Host"', "a": texts[a], "b": texts[b]}
        condition = CONDITIONS[turn % len(CONDITIONS)].format(**names)
        text = f'SELECT id FROM "To {kind}" {alias[:-1]} WHERE {condition} ORDER BY 1'
        statement = parse(text).node
        (form,) = band_forms(statement, catalog, [band])
        rows = session.rows(deparse(statement))
        assert session.rows(deparse(form.statement)) == rows, form.after
        met += len(rows)
    session.execute("BEGIN READ WRITE")  # building the partial index must not fail for any value
    session.execute(create_index(form.index, "beside", concurrently=False))
    session.execute("ROLLBACK")
    return met


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_arms_hold_the_same_rows(hosted, kind):
    with open_session(hosted.dsn) as session:
        session.execute("SET TIME ZONE 'America/New_York'")
        assert checked(session, kind, 10) > 0


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT id FROM "To int4" WHERE target = $1 FOR UPDATE',
        'SELECT id FROM ONLY "To int4" WHERE target = $1',
        'SELECT id, ctid FROM "To int4" WHERE target = $1',
        'SELECT id FROM "To int4" WHERE target = $1 OR id = 3',
        'SELECT id FROM "To int4" WHERE target = 5.5',
        'SELECT a.id FROM "To int4" a JOIN "To int4" b ON a.id = b.id WHERE a.target = $1',
        'DELETE FROM "To int4" WHERE target = $1',
        'SELECT id FROM "To int4" WHERE target = "Host" + 1',
    ],
)
def test_other_statements_are_left_alone(hosted, statement):
    with open_session(hosted.dsn) as session:
        catalog = read_catalog(session)
    of = catalog.table(QualifiedName("public", "To int4"))
    band = Band(of.column("target"), of.column("Host"), -1, 4, 0.01, 0.02, 0.1)
    assert not list(band_forms(parse(statement).node, catalog, [band])) and "BETWEEN" in within(band)
