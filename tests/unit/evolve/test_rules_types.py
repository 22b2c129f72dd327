"""Type changes and defaults by rule: the facts were measured on servers 13 to 18."""

import pytest

from indexpilot_cli.evolve.alter_table import Written, stored_type
from indexpilot_cli.evolve.review.offline.columns import volatile, written_by


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
        ("bit(1)", "bit"),
        ("oid", "regclass"),
        ("integer", "int4"),
        ("timestamp with time zone", "timestamptz"),
        ("character(5)", "char(5)"),
    ],
)
def test_nothing_is_written(old, new):
    assert written_by(old, new, None, "c") is Written.NOTHING


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
        ("timestamp without time zone[]", "timestamptz[]"),
        ("mood", "text"),
        ("bit(3)", "bit(4)"),
    ],
)
def test_the_table_is_written_anew(old, new):
    assert written_by(old, new, None, "c") is Written.TABLE


@pytest.mark.parametrize(
    ("using", "expected"),
    [
        ("c", Written.NOTHING),
        ("c::text", Written.NOTHING),
        ("CAST(c AS text)", Written.NOTHING),
        ("lower(c)", Written.TABLE),
        ("c || ''", Written.TABLE),
    ],
)
def test_using_counts_when_it_says_more(using, expected):
    assert written_by("character varying(20)", "text", using, "c") is expected


def test_a_zone_of_utc_spares_the_table():
    assert written_by("timestamp without time zone", "timestamptz", None, "c", timezone="UTC") is Written.INDEXES
    assert written_by("timestamp without time zone", "timestamptz", None, "c", timezone="Europe/Oslo") is Written.TABLE


def test_domains():
    assert written_by("email", "text", None, "c", base="text") is Written.NOTHING
    assert written_by("text", "plain", None, "c", domain="text") is Written.NOTHING
    assert written_by("text", "strict", None, "c") is Written.TABLE
    assert written_by("integer", "plain", None, "c", domain="text") is Written.TABLE
    assert written_by("text", "short", None, "c", domain="varchar(20)") is Written.TABLE
    assert written_by("short", "text", None, "c", base="varchar") is Written.NOTHING


@pytest.mark.parametrize(("old", "new"), [("integer", "oid"), ("oid", "integer"), ("text", "citext")])
def test_another_operator_class_builds_the_indexes_again(old, new):
    assert written_by(old, new, None, "c") is Written.INDEXES


@pytest.mark.parametrize(
    ("new", "expected"),
    [("timestamptz(6)", Written.INDEXES), ("timestamptz(3)", Written.TABLE)],
)
def test_a_zone_of_utc_does_not_spare_what_is_rounded(new, expected):
    assert written_by("timestamp without time zone", new, None, "c", timezone="UTC") is expected


def test_a_type_in_parts():
    assert stored_type("timestamp(3) with time zone").name == "timestamptz"
    assert stored_type("timestamp(3) with time zone").modifiers == (3,)
    assert stored_type("character varying(20)").name == "varchar"
    assert stored_type('"My Type"').name == "my type"
    assert stored_type('"char"') != stored_type("char")
    assert stored_type("numeric(10, 2)[]").array


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
        "$$random()$$",
        "E'it\\'s random()'",
        "coalesce(current_setting('a.b', true), 'none')::varchar(10)",
        "extract(year FROM now())",
        "SELECT upper('x') WHERE 1 IN (1, 2);",
    ],
)
def test_steady_defaults(text):
    assert not volatile(text, {})


@pytest.mark.parametrize(
    "text",
    [
        "random()",
        "gen_random_uuid()",
        "clock_timestamp()",
        "nextval('s')",
        "uuidv7()",
        "own()",
        "md5(random()::text)",
        "SELECT random();",
        "SELECT 1; SELECT 2",
    ],
)
def test_volatile_defaults(text):
    assert volatile(text, {})


def test_functions_that_are_known():
    assert not volatile("own()", {"own": "s"})
    assert volatile("app.own()", {"app.own": "v"})
