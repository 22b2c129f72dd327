"""Types as they are written, and which change of them no value can refuse."""

import pytest

from indexpilot_cli.evolve.review.probes.needs import split_keys
from indexpilot_cli.evolve.review.probes.shape import fits, sized
from indexpilot_cli.evolve.review.probes.virtual import unbounded


@pytest.mark.parametrize(
    ("text", "name", "size"),
    [
        ("character varying(20)", "varchar", 20),
        ("pg_catalog.varchar(3)", "varchar", 3),
        ("varchar", "varchar", -1),
        ("char", "bpchar", 1),
        ("character(6)", "bpchar", 6),
        ("bpchar", "bpchar", -1),
        ("int8", "int8", -1),
        ("numeric(10, 2)", "numeric", 10),
        ("bit varying(8)", "varbit", 8),
        ("timestamptz", "timestamptz", -1),
        ("timestamp(3) with time zone", "timestamptz", 3),
        ("varchar(10)[]", "varchar(10)[]", -1),
        ("public.mood", "public.mood", -1),
    ],
)
def test_sized(text, name, size):
    assert sized(text) == (name, size)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("varchar(10)", "character varying(20)", True),
        ("varchar(10)", "varchar(9)", False),
        ("varchar(10)", "text", True),
        ("text", "varchar(10)", False),
        ("integer", "bigint", True),
        ("bigint", "integer", False),
        ("numeric(10,2)", "numeric(12,2)", True),
        ("numeric(10,2)", "numeric(12,4)", True),
        ("numeric(10,2)", "numeric(11,4)", False),
        ("numeric(10,2)", "numeric", True),
        ("numeric", "numeric(10,2)", False),
        ("text", "integer", False),
        ("timestamp", "timestamptz", True),
        ("timestamp(3)", "timestamp(3) without time zone", True),
        ("char(4)", "char(4)", True),
    ],
)
def test_fits(old, new, expected):
    assert fits(old, new) is expected


def test_lengths_are_taken_away():
    assert unbounded("character varying(20)") == "text" and unbounded("numeric(10,2)") == "numeric(10,2)"
    assert unbounded("bit(4)") == "varbit" and unbounded("text") == "text"


def test_keys_of_a_partitioned_table():
    assert split_keys('a, lower(b, c), "x,y"') == ("a", "lower(b, c)", '"x,y"')
