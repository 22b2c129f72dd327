"""Spellings, templates, placeholders, kinds of values; lists of allowed and denied statements."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.interceptor.patterns import read_pattern
from indexpilot_cli.host.interceptor.statement_text import StatementUse, exactly, kind_of_value, read_text


def one(sql, with_params=False):
    (found,) = read_text(sql, with_params)
    return found


SPELLINGS = [
    "SELECT a, b FROM t WHERE x = 'It''s' AND \"Y\" IN (1, 2)",
    "select a,b from t where x='It''s' and \"Y\" in(1,2)",
    "SELECT a , b -- c\nFROM/* d /* e */ */t WHERE x = 'It''s' AND \"Y\" IN ( 1,2 );",
]


WAYS = [
    """SELECT pg_sleep('dab') FROM "T" WHERE "user" = E'a\\\\b'""",
    """select "pg_sleep"($x$dab$x$) from "T" where "user" = 'a\\b'""",
    """select U&"pg\\005fsleep"(E'd\\x61b') from U&"T" where U&"!0075ser" uescape '!' = E'a\\x5cb'""",
    """select U&"pg!005fsleep" UESCAPE '!' (U&'d!0061b' UESCAPE '!') from "T" where "user" = $$a\\b$$""",
    """select pg_sleep('d'\n'ab') from "T" where "user" = U&'a\\005cb'""",
]


@pytest.mark.parametrize("text", WAYS)
def test_names_and_texts_are_the_same_however_they_are_written(text):
    assert one(text).normal == one(WAYS[0]).normal
    assert read_pattern("select pg_sleep(*").fits(one(text), too_long=False)


def test_spellings_of_one_statement_are_one():
    assert len({one(text).digest for text in SPELLINGS}) == 1
    assert one(SPELLINGS[0]).template == 'select a, b from t where x = ? and "Y" in(?)'


@pytest.mark.parametrize("other", ["x = 'it''s'", '"y" = 1', "x = ' It''s'", "x = 'It''s' --'"])
def test_what_means_something_else_is_another(other):
    assert one(f"SELECT 1 FROM t WHERE {other}").digest != one("SELECT 1 FROM t WHERE x = 'It''s' AND true").digest


def test_templates_are_equal_for_all_values_and_lengths_of_lists():
    texts = (
        "SELECT * FROM t WHERE a = 1 AND b IN (1)",
        "select * from t where a = $1 and b in ('x', 'y', 'z')",
        "select * from t where a = E'\\n' and b in (1.5, 2)",
    )
    assert len({one(text).template_id for text in texts}) == 1
    assert one("INSERT INTO t VALUES (1, 2), (3, 4)").template == "insert into t values(?)"
    assert one("SELECT 1 WHERE a IN ($1::int, $2::int) AND b IN (1, 2::text)").template == (
        "select ? where a in(?::int) and b in(?, ?::text)"
    )
    assert one("INSERT INTO t VALUES ($1::int, 'a'), ($2::int, 'b')").template == "insert into t values(?::int, ?)"


@pytest.mark.parametrize(
    ("sql", "expected", "wanted"),
    [
        ("a = %s AND b = %s", "a = %(p0)s AND b = %(p1)s", (0, 1)),
        ("a = %(x)s OR b = %(y)s OR c = %(x)s", "a = %(p0)s OR b = %(p1)s OR c = %(p0)s", ("x", "y")),
        ("a LIKE 'x%%' AND b = %s", "a LIKE 'x%%' AND b = %(p0)s", (0,)),
        ("a LIKE '%s%' AND b = $2", "a LIKE '%%s%%' AND b = %(p0)s", (1,)),
        ("a = $2 AND b = $1 AND c = $2", "a = %(p0)s AND b = %(p1)s AND c = %(p0)s", (1, 0)),
        ("é = 'ü' AND b = %b", "é = 'ü' AND b = %(p0)s", (0,)),
        ("a LIKE '50%%' AND b = '$1'", "a LIKE '50%' AND b = '$1'", ()),
    ],
)
def test_placeholders_become_numbers(sql, expected, wanted):
    found = one(f"SELECT 1 FROM t WHERE {sql}", True)
    assert found.sql == f"SELECT 1 FROM t WHERE {expected}"
    assert found.wanted == wanted


def test_each_statement_of_a_text_has_its_own_parameters():
    first, second = read_text("SELECT %s; SELECT %s, %s;", True)
    assert (first.sql.strip(), first.wanted) == ("SELECT %(p0)s", (0,))
    assert (second.sql.strip(), second.wanted) == ("SELECT %(p0)s, %(p1)s", (1, 2))


@pytest.mark.parametrize(
    ("sql", "use"),
    [
        ("VALUES (1)", StatementUse.PLANNED),
        ("EXPLAIN ANALYZE SELECT 1", StatementUse.PLANNED),
        ("CREATE TABLE t AS SELECT 1", StatementUse.PLANNED),
        ("CREATE TABLE t AS EXECUTE x", StatementUse.HIDDEN),
        ("CALL work()", StatementUse.HIDDEN),
        ("SET a.b = 1", StatementUse.WITHOUT_PLAN),
        ("BEGIN", StatementUse.WITHOUT_PLAN),
        ("SELECT something NEW", StatementUse.PLANNED),
        ("SELECT FROM FROM", StatementUse.PLANNED),
        ("nonsense", StatementUse.HIDDEN),
    ],
)
def test_what_can_be_planned(sql, use):
    assert one(sql).use is use


@given(st.text(max_size=60) | st.sampled_from("'\"$%;/*-").flatmap(lambda c: st.text(c, max_size=6)), st.booleans())
def test_no_text_gets_past_the_reader_with_another_error(sql, with_params):
    try:
        found = read_text(sql, with_params)
    except ValueError:
        return
    assert all(statement.digest and statement.normal for statement in found)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (1000, 1001, True),
        (1000, 100_000, False),
        (1, 2, False),
        (5000, -5000, False),
        (None, 0, False),
        (True, 1, False),
        ("open", "done", False),
        ("a.person@example.org", "b.person@example.org", True),
        ("abcdefghijklmno", "%bcdefghijklmno", False),
        ([1000, 2], [1001], False),
        ([1000], [1001], True),
        ([None], [1], False),
        (Decimal("1000.5"), Decimal("1001"), True),
        (float("nan"), float("inf"), False),
        (date(2001, 1, 1), date(2001, 1, 2), True),
        (date(2001, 1, 1), date(2999, 1, 1), False),
        (datetime(2001, 1, 1), datetime(2001, 1, 2, tzinfo=UTC), True),
        ({"a": 1}, {"b": 2}, True),
        (b"abc", b"abd", True),
        (Colour.RED, Colour.RED, True),
    ],
)
def test_kinds_of_values(one, other, alike):
    assert (kind_of_value(one) == kind_of_value(other)) == alike
    hash(kind_of_value(one))
    assert one is other or exactly(one) != exactly(other)


@pytest.mark.parametrize(
    ("pattern", "sql", "fits"),
    [
        ("SELECT * FROM t", "select a, b from T", True),
        ("select count(*) from t", "SELECT count( * ) FROM t", True),
        ("select * from t", "select * from t, secrets", False),
        ("select * from t where id = ?", "select a from t where id = 77", True),
        ("select * from t where id = 1", "select a from t where id = 77", False),
        ("select * from t where id in (%s, %s)", "select a from t where id in (7, 8, 9)", True),
        ("select * from t where id = %(id)s", "select a from t where id = 7", True),
        ("select * from t where id = $1", "select a from t where id = $1", True),
        ("delete *", "DELETE /* x */ FROM t", True),
        ("*secrets*", "select 1 from secrets", True),
        ("*secrets*", "select 1 from t", False),
        ("a*a", "a", False),
        ("re:select .* from t", "SELECT   1  FROM t", True),
        ("re:select .* from t", "SELECT 1 FROM t WHERE true", False),
        (r"re:select [*] from (t|u)", "SELECT * FROM u", True),
    ],
)
def test_patterns(pattern, sql, fits):
    assert read_pattern(pattern).fits(one(sql), too_long=False) == fits


def test_a_statement_too_long_for_a_regex_is_compared_by_its_template():
    pattern = read_pattern("re:select .* from secrets.*")
    values = one(f"SELECT 1 FROM secrets WHERE id IN ({', '.join(map(str, range(2000)))})")
    assert pattern.fits(values, too_long=False)
    columns = one(f"SELECT {', '.join(f'c{n}' for n in range(2000))} FROM t")
    assert pattern.fits(columns, too_long=True)
    assert not pattern.fits(columns, too_long=False)
    assert not read_pattern("select * from secrets").fits(columns, too_long=True)


@pytest.mark.parametrize(
    "pattern", ["", "  ", "re:", "re:(a+)+", "re:(a|b)*", "re:.*.*.*", r"re:(a)\1", "re:[", "re:" + "x" * 301, "'open"]
)
def test_patterns_that_cannot_be_used_are_refused(pattern):
    with pytest.raises(UsageError):
        read_pattern(pattern)
