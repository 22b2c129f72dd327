"""Type changes and defaults by rule: the facts were measured on servers 13 to 18."""

import pytest

from indexpilot_cli.evolve.review.offline.columns import volatile
from indexpilot_cli.evolve.review.offline.types import Change, change, kind


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("character varying(20)", "varchar(50)"),
        ("character varying(20)", "text"),
        ("character varying(20)", "varchar"),
        ("text", "varchar"),
        ("numeric(10,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric"),
        ("timestamp(3) without time zone", "timestamp"),
        ("interval(3)", "interval"),
        ("bit varying(10)", "varbit(20)"),
        ("cidr", "inet"),
        ("integer", "oid"),
        ("integer", "int4"),
        ("timestamp with time zone", "timestamptz"),
        ("character(5)", "char(5)"),
    ],
)
def test_nothing_is_written(old, new):
    assert change(old, new, None, "c") is Change.NOTHING


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("integer", "bigint"),
        ("character varying(20)", "varchar(10)"),
        ("text", "varchar(10)"),
        ("character(5)", "text"),
        ("character(5)", "char(6)"),
        ("numeric(10,2)", "numeric(10,3)"),
        ("numeric(10,2)", "numeric(8,2)"),
        ("numeric", "numeric(10,2)"),
        ("timestamp without time zone", "timestamp(0)"),
        ("timestamp without time zone", "timestamptz"),
        ("character varying(10)[]", "varchar(50)[]"),
        ("character varying[]", "text[]"),
        ("mood", "text"),
        ("bit(3)", "bit(4)"),
    ],
)
def test_the_table_is_written_anew(old, new):
    assert change(old, new, None, "c") is Change.TABLE


@pytest.mark.parametrize(
    ("using", "expected"),
    [
        ("c", Change.NOTHING),
        ("c::text", Change.NOTHING),
        ("CAST(c AS text)", Change.NOTHING),
        ("lower(c)", Change.TABLE),
        ("c || ''", Change.TABLE),
    ],
)
def test_using_counts_when_it_says_more(using, expected):
    assert change("character varying(20)", "text", using, "c") is expected


def test_a_zone_of_utc_spares_the_table():
    assert change("timestamp without time zone", "timestamptz", None, "c", timezone="UTC") is Change.INDEXES
    assert change("timestamp without time zone", "timestamptz", None, "c", timezone="Europe/Oslo") is Change.TABLE


def test_citext_orders_differently():
    assert change("text", "citext", None, "c") is Change.INDEXES


def test_domains():
    assert change("email", "text", None, "c", base="text") is Change.NOTHING
    assert change("text", "plain", None, "c", plain=True) is Change.NOTHING
    assert change("text", "strict", None, "c") is Change.TABLE


def test_a_type_in_parts():
    assert kind("timestamp(3) with time zone").name == "timestamptz"
    assert kind("timestamp(3) with time zone").modifiers == (3,)
    assert kind("character varying(20)").name == "varchar"
    assert kind('"My Type"').name == "my type"
    assert kind("numeric(10, 2)[]").array


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "(3 * 4)",
        "CURRENT_DATE",
        "CURRENT_USER",
        "upper('x')",
        "now() AT TIME ZONE 'UTC'",
        "'random()'",
        "'{}'::jsonb",
    ],
)
def test_steady_defaults(text):
    assert not volatile(text, {})


@pytest.mark.parametrize(
    "text",
    ["random()", "gen_random_uuid()", "clock_timestamp()", "nextval('s')", "uuidv7()", "own()", "md5(random()::text)"],
)
def test_volatile_defaults(text):
    assert volatile(text, {})


def test_functions_that_are_known():
    assert not volatile("own()", {"own": "s"})
    assert volatile("app.own()", {"app.own": "v"})
