"""Expressions PostgreSQL would refuse in an index."""

import pytest

from indexpilot_cli.sql.volatility import result_type, unsafe
from tests.unit.advise.candidates.builders import catalog, column, table

T = table(
    "t",
    column("a", "int"),
    column("s", "text"),
    column("ts", "ts"),
    column("tz", "tstz"),
    column("d", "date"),
    column("j", "jsonb"),
    column("tags", "texts"),
    column("r", "tsrange"),
)
FUNCTIONS = {"mine": "i", "yours": "s", "public.wild": "v"}

FINE = """lower(s); s || 'x'; date_trunc('day', ts); date_trunc('day', tz AT TIME ZONE 'UTC'); ts::date; d::timestamp
extract(year FROM ts); extract(epoch FROM d); j ->> 'k'; (j ->> 'k')::int; (j ->> 'k')::uuid; a::text; left(s, 4)
to_tsvector('english', s); coalesce(s, ''); mine(a); a + 1; substring(s FROM 1 FOR 3); md5(s); age(ts, ts)
(tz AT TIME ZONE 'UTC')::date; CASE WHEN a > 1 THEN s ELSE lower(s) END; unknown_function(a); to_timestamp(a)"""
BAD = """date_trunc('day', tz); tz::date; tz::text; ts::timestamptz; d::timestamptz; extract(hour FROM tz); age(ts)
to_char(ts, 'YYYY'); to_date(s, 'YYYY'); s::timestamp; s::date; (j ->> 'at')::timestamptz; to_tsvector(s); now()
concat(s, a); yours(a); public.wild(a); date_part('day', tz); d::text; tags::text; CURRENT_TIMESTAMP; unaccent(s)
lower(tz::text); tz + interval '1 day'; to_json(s); current_date"""


def each(text):
    return [part.strip() for line in text.splitlines() for part in line.split(";")]


@pytest.mark.parametrize("expression", each(FINE))
def test_immutable(expression):
    assert unsafe(expression, T, catalog(T, functions=FUNCTIONS)) is None


@pytest.mark.parametrize("expression", each(BAD))
def test_not_immutable(expression):
    found = unsafe(expression, T, catalog(T, functions=FUNCTIONS))
    assert found is not None
    assert found.why and not found.sentence.endswith(".")


def test_alternative_is_named():
    assert "AT TIME ZONE 'UTC'" in unsafe("date_trunc('day', tz)", T, catalog(T)).sentence
    assert "to_tsvector('english'" in unsafe("to_tsvector(s)", T, catalog(T)).sentence


@pytest.mark.parametrize(
    ("expression", "kind"),
    [("lower(s)", "text"), ("tz AT TIME ZONE 'UTC'", "timestamp"), ("(j ->> 'k')::int", "int4"), ("j -> 'k'", "jsonb"),
     ("length(s)", "int4"), ("nobody(s)", None), ("upper(r)", "timestamp")],
)  # fmt: skip
def test_types(expression, kind):
    assert result_type(expression, T) == kind
