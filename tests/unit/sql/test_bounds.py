"""What conditions let through of a column, as numbers."""

import math
from datetime import UTC, datetime

import pytest

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.sql.bounds import about_now, column_bounds, seconds_of
from indexpilot_cli.sql.parser import parse
from indexpilot_cli.workload.predicates.blocks import relation_uses

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AT = Column("at", 1, "timestamp with time zone", "timestamptz", "D")
N = Column("n", 2, "integer", "int4", "N")
CATALOG = Catalog(150000, "d", (Table(QualifiedName("public", "t"), "r", (AT, N), pages=1000, tuples=1e5),))


def bounds(condition, column=AT):
    use = relation_uses(parse(f"SELECT 1 FROM t WHERE {condition}"), CATALOG)[0]
    return column_bounds(use.atoms, column, NOW)


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("condition", "low", "high"),
    [
        ("at >= '2026-01-01' AND at < '2026-02-01'", day("2026-01-01"), day("2026-02-01")),
        ("at BETWEEN '2026-01-01' AND '2026-02-01 00:00+00'", day("2026-01-01"), day("2026-02-01")),
        ("at > now() - interval '7 days'", day("2026-02-22"), math.inf),
        ("at > current_timestamp - '36:00:00'::interval", day("2026-02-27T12:00"), math.inf),
        ("at < current_date - 1", -math.inf, day("2026-02-28")),
        ("'2026-01-01' = at", day("2026-01-01"), day("2026-01-01")),
    ],
)
def test_bounds_of_times(condition, low, high):
    assert bounds(condition) == (low, high)


@pytest.mark.parametrize(
    "condition", ["at > $1", "at > (SELECT max(at) FROM t)", "n = 1", "at > '2026-01-01' OR n = 1"]
)
def test_what_is_not_known_has_no_bounds(condition):
    assert bounds(condition) is None


def test_bounds_of_numbers():
    assert bounds("n BETWEEN 3 AND 7 AND n <= 5", N) == (3, 5)
    assert bounds("n > -4", N) == (-4, math.inf)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 day", 86400),
        ("2 hours 30 minutes", 9000),
        ("1 day 01:00:00", 90000),
        ("-1 days", -86400),
        ("1 fortnight", None),
    ],
)
def test_lengths_of_intervals(text, seconds):
    assert seconds_of(text) == seconds


def test_a_condition_that_moves_with_the_clock():
    def first(condition):
        (use,) = relation_uses(parse(f"SELECT 1 FROM t WHERE {condition}"), CATALOG)
        return use.atoms[0]

    assert about_now(first("at > now() - interval '7 days'")) and not about_now(first("at > '2026-01-01'"))
