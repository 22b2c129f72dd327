"""Each rewrite is true for the same rows as the condition it replaces: both forms run over generated rows."""

import psycopg
import pytest

from tests.unit.advise.test_rewrites import (
    ANTI_JOINS,
    BOUND,
    DISTANCES,
    FORMS,
    OVERLAPS,
    UNIONS,
    joined,
    of_order,
    read,
    united,
)

pytestmark = pytest.mark.server
ROWS = """
SET timezone = 'Europe/Berlin';
CREATE EXTENSION citext;
CREATE TABLE t (i int, b bigint, n numeric, s text, ts timestamp, tz timestamptz, d date, u uuid, a text[], j jsonb,
                c citext, r tsrange, te timestamp);
CREATE TABLE u (i int, e text);
INSERT INTO u SELECT i, e FROM unnest(ARRAY[5, 5, 7, 70, NULL]) i, unnest(ARRAY['x', 'y', NULL]) e;
INSERT INTO t (c) SELECT unnest(ARRAY['', 'a', 'abc', 'ABC', 'aBcd', 'xb', 'B', NULL]::citext[]);
INSERT INTO t (r) SELECT tsrange(a, b, '[)')
FROM unnest(ARRAY['2023-12-01', '2024-01-01', '2024-01-15', '2024-02-01', '2024-02-02', '-infinity', NULL]
            ::timestamp[]) a,
     unnest(ARRAY['2024-01-01', '2024-01-20', '2024-02-01', '2024-03-01', 'infinity', localtimestamp, NULL]
            ::timestamp[]) b
WHERE a <= b IS NOT FALSE UNION ALL VALUES (tsrange('2024-01-01', '2024-01-01', '[]')), ('empty'), (NULL),
  (tsrange('2024-01-15', '2024-01-16', '(]')), (tsrange(localtimestamp - interval '1 day', '2999-01-01'));
INSERT INTO t (i, b, n) SELECT i, b, n
FROM unnest(ARRAY[-2147483000, -2, -1, 0, 1, 3, 4, 5, 6, 7, 10, 70, 77, 489, 490, 491, 2147483000, NULL]) i,
     unnest(ARRAY[-9223372036854775808, -78, -77, -1, 0, 6, 7, 8, 76, 77, 78, 9223372036854775807, NULL]) b,
     unnest(ARRAY['NaN', 'Infinity', 0.5, 1, 9.4999, 9.5, -3, NULL]::numeric[]) n;
INSERT INTO t (s) SELECT unnest(ARRAY['', 'a', 'ab', 'abc', 'abcd', 'a_c', 'axc', 'a_cd', 'ABC', '%', ' abc', NULL]);
INSERT INTO t (a) VALUES (NULL), ('{}'), ('{a}'), ('{a,b}'), ('{NULL}'), ('{b,NULL}'), ('{{a,b},{c,d}}');
INSERT INTO t (j)
SELECT unnest(ARRAY['{"a": 1}', '{"a": 2, "b": 1}', '{"b": null}', '[{"a": 1}]', '"b"', 'null', NULL]::jsonb[]);
INSERT INTO t (u) VALUES (NULL), ('6f1ed002-ab15-4b5c-bd5a-e3a1c5a9f1c5'), (gen_random_uuid());
-- Around the beginnings of days, months and years, the days the clocks change in Berlin, and now.
INSERT INTO t (i, ts, tz, d)
SELECT i, base + off, (base + off)::timestamptz, (base + off)::date
FROM unnest(ARRAY['2023-12-31', '2024-01-01', '2024-01-08', '2024-01-31', '2024-02-01', '2024-02-29', '2024-03-01',
                  '2024-03-31', '2024-04-01', '2024-10-27', '2025-01-01', '-infinity', 'infinity', 'today']
            ::timestamp[]) base,
     unnest(ARRAY['0', '1 us', '-1 us', '5 hours', '6 hours', '2.5 hours', '12 hours', '-1 day', '-7 days', '30 days']
            ::interval[]) off,
     unnest(ARRAY[4, 5, NULL]) i;
INSERT INTO t (tz, ts, d) SELECT now() + off, now() + off, (now() + off)::date
FROM unnest(ARRAY['-90 minutes', '-90.1 minutes', '-7 days', '-7 days 1 us', '7 days', '-30 days']::interval[]) off;
"""
CONDITIONS = [(condition, hint) for condition, _, _ in FORMS for hint in read(condition)]
CONDITIONS += [
    (text, hint)
    for condition, _, _, vectors in BOUND
    for hint in read(condition)
    for values in vectors
    for text in [(condition, values)]
]


def _filled(text, values):
    for number, value in reversed(list(enumerate(values, 1))):
        text = text.replace(f"${number}", value)
    return text


@pytest.fixture(scope="module")
def rows(pg):
    from tests.servers import new_database

    with new_database(pg) as dsn, psycopg.connect(dsn) as connection:
        connection.execute(ROWS)  # one transaction: now() is the same for all
        yield connection


@pytest.mark.parametrize(("asked", "hint"), CONDITIONS)
def test_both_forms_are_true_for_the_same_rows(rows, asked, hint):
    condition, values = asked if isinstance(asked, tuple) else (asked, ())
    before, after = _filled(condition, values), _filled(hint.after, values)
    different, found = _compared(rows, before, after)
    assert different == 0 and (found > 0 or "NULL" in values)


# Where the old form raises an error, the query never gave rows: a sum that overflows, a difference of infinities.
SCOPES = ("true", "i > 0 IS NOT FALSE", "abs(i) < 1000 IS NOT FALSE", "isfinite(ts) IS NOT FALSE")


def _compared(rows, before, after):
    """How many rows only one form holds for, and how many the new one."""
    differing = f"count(*) FILTER (WHERE (({before}) IS TRUE) <> (({after}) IS TRUE))"
    for scope in SCOPES:
        try:
            with rows.transaction():
                among = f"(SELECT * FROM t WHERE {scope} OFFSET 0) t"
                return rows.execute(f"SELECT {differing}, count(*) FILTER (WHERE {after}) FROM {among}").fetchone()
        except psycopg.DataError:
            continue
    raise AssertionError(f"{before} fails for ordinary rows")


@pytest.mark.parametrize("text", [text for text, _ in DISTANCES])
def test_both_forms_give_the_same_rows_nearest_first(rows, text):
    """Over points apart enough that no rounding decides; where a coordinate is NULL both come last."""
    ((_, after),) = of_order(text)
    with rows.transaction(force_rollback=True):
        rows.execute("DELETE FROM t")
        rows.execute("INSERT INTO t (i, b, n) SELECT i * 7, i * 13 % 101, i * 11 % 97 FROM generate_series(1, 100) i")
        rows.execute("INSERT INTO t (i) SELECT generate_series(1, 3)")
        before, new = (rows.execute(_filled(form, ["40"])).fetchall() for form in (text, after))
    assert [row[0] for row in before] == [row[0] for row in new] and len(new) >= 3


@pytest.mark.parametrize("text", UNIONS)
def test_both_forms_give_the_same_rows_as_often(rows, text):
    ((_, after),) = united(text)
    before, new = (sorted(map(str, rows.execute(form).fetchall())) for form in (text, after))
    assert before == new and before


@pytest.mark.parametrize("text", ANTI_JOINS)
def test_an_anti_join_gives_the_same_rows_where_nothing_is_null(rows, text):
    ((_, after),) = joined(text)
    with rows.transaction(force_rollback=True):
        rows.execute("DELETE FROM t WHERE i IS NULL; DELETE FROM u WHERE i IS NULL")
        rows.execute("INSERT INTO t (i, b, s) VALUES (5, 7, 'x'), (9, 7, NULL), (11, 7, 'y')")
        before, new = (sorted(rows.execute(form).fetchall()) for form in (text, after))
    assert before == new and before


@pytest.mark.parametrize("condition", OVERLAPS)
def test_overlaps_with_comparisons_is_true_for_the_same_intervals(rows, condition):
    (hint,) = read(condition)
    with rows.transaction(force_rollback=True):
        rows.execute("DELETE FROM t")
        rows.execute(
            """INSERT INTO t (ts, te) SELECT s, e
               FROM generate_series(timestamp '2023-12-25', '2024-02-10', '12 hours') s,
                    generate_series(timestamp '2023-12-25', '2024-02-10', '1 day') e WHERE s <= e"""
        )
        assert _compared(rows, condition, hint.after)[0] == 0 < _compared(rows, condition, hint.after)[1]
