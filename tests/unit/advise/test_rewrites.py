"""Conditions that no index serves, and the form of each that one can."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.rewrites.find import sargable
from indexpilot_cli.sql.parser import deparse, parse
from tests.unit.advise.candidates.builders import catalog, column, table

T = table(
    "t",
    *(column(name, kind) for name, kind in (("i", "int"), ("b", "bigint"), ("n", "numeric"), ("s", "text"))),
    *(column(name, kind) for name, kind in (("ts", "ts"), ("tz", "tstz"), ("d", "date"), ("u", "uuid"))),
    column("a", "texts"),
    column("j", "jsonb"),
    column("c", "citext"),
    column("r", "tsrange"),
    column("te", "ts"),
)
ID = "6f1ed002-ab15-4b5c-bd5a-e3a1c5a9f1c5"
# The condition, its rule and the form to write. The server test runs both over generated rows.
FORMS = [
    ("i + 10 = 500", "arithmetic", "i = 490"),
    ("10 + i > 500", "arithmetic", "i > 490"),
    ("i - 2147483000 > -5", "arithmetic", "i > 2147482995"),
    ("500 - i <= 10", "arithmetic", "i >= 490"),
    ("77 = i + 7", "arithmetic", "i = 70"),
    ("n + 0.5 < 10", "arithmetic", "n < 9.5"),
    ("d + 7 > '2024-01-01'", "arithmetic", "d > '2024-01-01'::date - 7"),
    ("d - 7 >= current_date", "arithmetic", "d >= current_date + 7"),
    ("'2024-03-01'::date - d > 30", "arithmetic", "d < '2024-03-01'::date - 30"),
    ("ts - interval '36 hours' > '2024-01-01'", "arithmetic", "ts > '2024-01-01'::timestamp + '36 hours'::interval"),
    ("tz + interval '90 minutes' < now()", "arithmetic", "tz < now() - '90 minutes'::interval"),
    ("now() - tz < interval '7 days'", "arithmetic", "tz > now() - '604800 seconds'::interval"),
    ("b = 77.0", "numeric_value", "b = 77"),
    ("b > 77.5", "numeric_value", "b > 77"),
    ("b < 77.5", "numeric_value", "b < 78"),
    ("b >= -77.5", "numeric_value", "b >= -77"),
    ("i <= -0.5", "numeric_value", "i <= -1"),
    ("i = 5::float8", "numeric_value", "i = 5"),
    ("b IN (77.0, 78, 3.5)", "numeric_value", "b IN (77, 78)"),
    ("ts::date = '2024-01-01'", "day_of", "ts >= '2024-01-01'::date AND ts < '2024-01-01'::date + 1"),
    ("ts::date > '2024-01-01'", "day_of", "ts >= '2024-01-01'::date + 1"),
    ("ts::date <= '2024-01-01'", "day_of", "ts < '2024-01-01'::date + 1"),
    ("date(tz) = '2024-01-01'", "day_of", "tz >= '2024-01-01'::date AND tz < '2024-01-01'::date + 1"),
    ("ts::date BETWEEN '2024-01-01' AND '2024-01-31'", "day_of",
     "ts >= '2024-01-01'::date AND ts < '2024-01-31'::date + 1"),
    ("date_trunc('month', ts) = '2024-02-01'", "date_trunc",
     "ts >= '2024-02-01'::timestamp AND ts < '2024-02-01'::timestamp + '1 month'::interval"),
    ("date_trunc('hour', ts) > '2024-01-01 05:00'", "date_trunc",
     "ts >= '2024-01-01 05:00'::timestamp + '1 hour'::interval"),
    ("date_trunc('week', ts) < '2024-01-01'", "date_trunc", "ts < '2024-01-01'::timestamp"),
    ("date_trunc('quarter', tz) <= '2024-01-01'", "date_trunc",
     "tz < '2024-01-01'::timestamptz + '3 months'::interval"),
    ("to_char(ts, 'YYYY-MM-DD') = '2024-01-31'", "written_date",
     "ts >= '2024-01-31'::timestamp AND ts < '2024-01-31'::timestamp + '1 day'::interval"),
    ("to_char(tz, 'YYYY-MM') = '2024-02'", "written_date",
     "tz >= '2024-02-01'::timestamptz AND tz < '2024-02-01'::timestamptz + '1 month'::interval"),
    ("to_char(d, 'YYYY') = '2024'", "written_date",
     "d >= '2024-01-01'::date AND d < '2024-01-01'::date + '1 year'::interval"),
    ("strpos(s, 'a_c') > 0", "contained", "s LIKE E'%a\\\\_c%'"),
    ("position('b' IN lower(s)) >= 1", "contained", "lower(s) LIKE '%b%'"),
    ("jsonb_path_exists(j, '$.a')", "function", "j @? '$.a'"),
    ("jsonb_path_match(j, '$.a == 1')", "function", "j @@ '$.a == 1'"),
    ("jsonb_exists(j, 'b')", "function", "j ? 'b'"),
    ("extract(year FROM ts) = 2024", "year_of", "ts >= '2024-01-01' AND ts < '2025-01-01'"),
    ("date_part('year', d) >= 2024", "year_of", "d >= '2024-01-01'"),
    ("extract(year FROM tz) < 2024", "year_of", "tz < '2024-01-01'"),
    ("tz AT TIME ZONE 'UTC' >= '2024-01-01'", "time_zone", "tz >= '2024-01-01'::timestamp AT TIME ZONE 'UTC'"),
    ("s || '' = 'abc'", "concatenation", "s = 'abc'"),
    ("'' || s LIKE 'ab%'", "concatenation", "s LIKE 'ab%'"),
    ("left(s, 3) = 'a_c'", "prefix", "s LIKE E'a\\\\_c%'"),
    ("substring(s FROM 1 FOR 2) = 'ab'", "prefix", "s LIKE 'ab%'"),
    ("s LIKE '%bc'", "suffix", "reverse(s) LIKE 'cb%'"),
    ("i::text = '77'", "as_text", "i = 77"),
    ("b::text IN ('77', '-1')", "as_text", "b IN (77, -1)"),
    (f"u::text = '{ID}'", "as_text", f"u = '{ID}'::uuid"),
    ("coalesce(i, 0) > 5", "coalesce", "i > 5"),
    ("coalesce(i, 9) > 5", "coalesce", "(i > 5 OR i IS NULL)"),
    ("coalesce(s, '') = 'abc'", "coalesce", "s = 'abc'"),
    ("coalesce(s, '') = ''", "coalesce", "(s = '' OR s IS NULL)"),
    ("i IS NOT DISTINCT FROM 5", "not_distinct", "i = 5"),
    ("'abc' IS NOT DISTINCT FROM s", "not_distinct", "s = 'abc'"),
    ("'b' = ANY (a)", "any_of_column", "a @> ARRAY['b']::text[]"),
    ("(tz AT TIME ZONE 'Europe/Rome')::date = '2024-01-01'", "day_of",
     "tz >= ('2024-01-01'::date)::timestamp AT TIME ZONE 'Europe/Rome'"
     " AND tz < ('2024-01-01'::date + 1)::timestamp AT TIME ZONE 'Europe/Rome'"),
    ("date(tz AT TIME ZONE 'UTC') BETWEEN '2024-01-01' AND '2024-01-31'", "day_of",
     "tz >= ('2024-01-01'::date)::timestamp AT TIME ZONE 'UTC'"
     " AND tz < ('2024-01-31'::date + 1)::timestamp AT TIME ZONE 'UTC'"),
    ("date_trunc('month', tz AT TIME ZONE 'Asia/Tokyo') = '2024-02-01'", "date_trunc",
     "tz >= '2024-02-01'::timestamp AT TIME ZONE 'Asia/Tokyo'"
     " AND tz < ('2024-02-01'::timestamp + '1 month'::interval)::timestamp AT TIME ZONE 'Asia/Tokyo'"),
    ("to_char(tz AT TIME ZONE 'UTC', 'YYYY-MM-DD') = '2024-01-31'", "written_date",
     "tz >= '2024-01-31'::timestamp AT TIME ZONE 'UTC'"
     " AND tz < ('2024-01-31'::timestamp + '1 day'::interval)::timestamp AT TIME ZONE 'UTC'"),
    ("extract(year FROM tz AT TIME ZONE 'UTC') = 2024", "year_of",
     "tz >= '2024-01-01'::timestamp AT TIME ZONE 'UTC' AND tz < '2025-01-01'::timestamp AT TIME ZONE 'UTC'"),
    ("tz AT TIME ZONE 'Europe/Rome' > '2024-01-01'", "time_zone",
     "tz > '2024-01-01'::timestamp AT TIME ZONE 'Europe/Rome'"),
    ("EXISTS (SELECT FROM unnest(a) x WHERE x = 'b')", "unnested", "a @> ARRAY['b']::text[]"),
    ("EXISTS (SELECT 1 FROM unnest(t.a) AS u(v) WHERE u.v IN ('a', 'x'))", "unnested",
     "t.a && ARRAY['a', 'x']::text[]"),
    ("'b' IN (SELECT unnest(a))", "unnested", "a @> ARRAY['b']::text[]"),
    ("c LIKE 'aB%'", "citext_pattern", "c::text ILIKE 'aB%'"),
    ("c ~~* '%B%'", "citext_pattern", "c::text ILIKE '%B%'"),
    ("c ~ '^A.c'", "citext_pattern", "c::text ~* '^A.c'"),
    ("lower(r) < '2024-02-01' AND upper(r) > '2024-01-01'", "range_ends",
     "r && tsrange('2024-01-01', '2024-02-01', '[]') AND lower(r) < '2024-02-01' AND upper(r) > '2024-01-01'"),
    ("'2024-01-01' < upper(r) AND '2024-01-01' > lower(r)", "range_ends",
     "r && tsrange('2024-01-01', '2024-01-01', '[]') AND lower(r) < '2024-01-01' AND upper(r) > '2024-01-01'"),
    ("lower(r) < now() AND upper(r) > now()", "range_ends",
     "r && tsrange(now()::timestamp, now()::timestamp, '[]') AND lower(r) < now() AND upper(r) > now()"),
    ("i < 5 OR (i = 5 AND b < 7)", "keyset", "(i, b) < (5, 7)"),
    ("i > 5 OR (b >= 7 AND 5 = i)", "keyset", "(i, b) >= (5, 7)"),
    ("i < 5 OR (i = 5 AND b < 7) OR (i = 5 AND b = 7 AND n < 1)", "keyset", "(i, b, n) < (5, 7, 1)"),
]  # fmt: skip
# With parameters, the values that keep what the hint asks for.
BOUND = [
    ("i + $1 = $2", "i = $2 - $1", "sum fits", [("3", "10"), ("-5", "0")]),
    ("b = $1::numeric", "b = $1::int8", "$1 is a whole number", [("77",), ("-1",)]),
    ("ts::date >= $1", "ts >= $1::date", "", [("'2024-01-01'",)]),
    ("date_trunc('day', ts) = $1", "ts >= $1::timestamp AND ts < $1::timestamp + '1 day'::interval",
     "$1 is the beginning of a day", [("'2024-01-01'",)]),
    ("ts < $1 OR (ts = $2 AND i < $3)", "(ts, i) < ($2, $3)", "$1 is the same as $2",
     [("'2024-01-01'", "'2024-01-01'", "5")]),
    ("i IS NOT DISTINCT FROM $1", "i = $1", "$1 is not NULL", [("5",)]),
    ("$1 = ANY (a)", "a @> ARRAY[$1]::text[]", "", [("'b'",), ("NULL",)]),
    ("(tz AT TIME ZONE $1)::date = $2",
     "tz >= ($2::date)::timestamp AT TIME ZONE $1 AND tz < ($2::date + 1)::timestamp AT TIME ZONE $1",
     "clocks never go back", [("'UTC'", "'2024-01-01'")]),
    ("EXISTS (SELECT FROM unnest(a) x WHERE x = $1)", "a @> ARRAY[$1]::text[]", "", [("'b'",), ("NULL",)]),
    ("lower(r) <= $1 AND upper(r) > $2", "r && tsrange($2, $1, '[]') AND lower(r) <= $1 AND upper(r) > $2",
     "$2 is not after $1 and every range holds its own beginning", [("'2024-02-01'", "'2024-01-01'")]),
    ("i::text = $1", "i = $1::int4", "as the server writes it", [("'77'",)]),
]  # fmt: skip
KEPT = """i + b = 5; NOT (i + 10 = 500); lower(s) = 'x'; date_trunc('month', ts) = '2024-02-02'; b = 77.5; i * 2 = 10
date_trunc('hour', tz) = '2024-01-01 05:00'; tz + interval '1 month' < now(); coalesce(n, i) = 5; s || 'x' = 'ax'
left(s, 3) = 'ab'; i::text = '007'; u::text = 'X'; i < 5 OR (i = 6 AND b < 7); i < 5 OR (i = 5 AND b > 7); i = 500
i < 5 OR b < 7; ts < $1 OR (ts = '2024-01-01' AND i < 5); n = 5::float8; ts AT TIME ZONE 'Europe/Rome' > '2024-01-01'
ts::date = now(); b = 9007199254740993::float8; s = 'x'; i > (SELECT max(b) FROM t) + 1.5; n + $1 = $2; 5 + ts = 7
i IS NOT DISTINCT FROM NULL; i IS DISTINCT FROM 5; i IS NOT DISTINCT FROM b; i = ANY ('{5,7}')
'b' <> ANY (a); s = ANY (a); s LIKE 'a%'; c = 'a'; lower(r) < '2024-01-01'; 'b' NOT IN (SELECT unnest(a))
EXISTS (SELECT count(*) FROM unnest(a) x WHERE x = 'b'); EXISTS (SELECT FROM unnest(a) x WHERE x = 'b' LIMIT 0)
EXISTS (SELECT FROM unnest(a) x WHERE x > 'b'); EXISTS (SELECT FROM unnest(a) x WHERE x = s)
lower(r) < '2024-02-01' AND upper(r) >= '2024-01-01'; (ts, tz) OVERLAPS (now(), interval '1 day')"""


def read(condition, relation="t"):
    statement = parse(f"SELECT * FROM {relation} WHERE {condition}")
    return [hint for hint, _ in sargable(statement.node, catalog(T))]


@pytest.mark.parametrize(("condition", "rule", "after"), FORMS)
def test_the_form_to_write(condition, rule, after):
    (found,) = read(condition)
    assert (found.rule, found.after, found.table.name) == (rule, after, "t")
    zoned = "clocks" in found.only
    dated = rule in ("day_of", "date_trunc", "year_of", "written_date", "time_zone")
    assert zoned == (dated and "tz" in condition and "UTC" not in condition)
    assert zoned or not found.only or rule in ("function", "written_date")


@pytest.mark.parametrize(("condition", "after", "only", "_values"), BOUND)
def test_a_form_that_hangs_on_a_parameter_says_so(condition, after, only, _values):
    (found,) = read(condition)
    assert found.after == after and only in found.only


@pytest.mark.parametrize("condition", [c.strip() for line in KEPT.split("\n") for c in line.split(";")])
def test_what_is_not_the_same_for_all_values_is_left_alone(condition):
    assert read(condition) == []


def test_days_in_a_zone_with_summer_time_are_told():
    (found,) = read("tz + interval '30 days' < now()")
    assert found.only == "but for days on which the clocks change"


def test_the_statement_is_rewritten_where_the_condition_stands_and_nowhere_else():
    text = "SELECT i + 10 = 500 FROM t AS x JOIN t AS y ON x.i + 1 = 7 WHERE y.s = 'a' AND y.i + 10 = 500"
    found = sargable(parse(text).node, catalog(T))
    assert [(h.before, h.after) for h, _ in found] == [("(y.i + 10) = 500", "y.i = 490"), ("(x.i + 1) = 7", "x.i = 6")]
    written = deparse(found[0][1])
    assert written.endswith("WHERE y.s = 'a' AND y.i = 490") and written.startswith("SELECT (i + 10) = 500")


DISTANCES = [
    ("SELECT i, sqrt((i - 3.5)^2 + power(b - $1, 2)) AS far FROM t ORDER BY far, i LIMIT 10",
     "point(i, b) <-> point(3.5, $1)"),
    ("SELECT i FROM t ORDER BY (i - 1) * (i - 1) + (7 - t.b)^2 LIMIT 3", "point(i, t.b) <-> point(1, 7)"),
    ("SELECT i, pow(i - 1, 2) + pow(n - 2, 2) FROM t ORDER BY 2 LIMIT 3", "point(i, n) <-> point(1, 2)"),
]  # fmt: skip
NO_DISTANCES = """SELECT i FROM t ORDER BY sqrt((i - 1)^2 + (b - 2)^2); SELECT i FROM t ORDER BY (i - 1)^2 + b LIMIT 3
SELECT i FROM t ORDER BY (i - 1)^2 + (b - 2)^2 DESC LIMIT 3; SELECT i FROM t ORDER BY (i - b)^2 + (b - 2)^2 LIMIT 3
SELECT i FROM t ORDER BY i, (i - 1)^2 + (b - 2)^2 LIMIT 3; SELECT i FROM t ORDER BY (i - 1)^3 + (b - 2)^2 LIMIT 3
SELECT i FROM t ORDER BY (i + 1)^2 + (b - 2)^2 LIMIT 3; SELECT i FROM t ORDER BY (d - 1)^2 + (b - 2)^2 LIMIT 3"""


def of_order(text):
    return [(hint, deparse(made)) for hint, made in sargable(parse(text).node, catalog(T)) if hint.rule == "distance"]


@pytest.mark.parametrize(("text", "after"), DISTANCES)
def test_a_computed_distance_is_one_of_points(text, after):
    ((hint, statement),) = of_order(text)
    assert hint.after == f"ORDER BY {after}" and hint.after in statement and hint.only


@pytest.mark.parametrize("text", NO_DISTANCES.replace("\n", ";").split(";"))
def test_what_gives_another_order_stays(text):
    assert of_order(text) == []


U = table("u", column("i", "int"), column("e", "text"))
UNIONS = [
    "SELECT t.i, t.s FROM t JOIN u ON u.i = t.i WHERE u.e = 'x' OR t.b = 7",
    "SELECT t.i, u.e FROM t LEFT JOIN u ON u.i = t.i WHERE (t.b = 7 OR u.e = 'x' OR t.b = 8) AND t.i > 0 "
    "ORDER BY t.i DESC",
    "SELECT DISTINCT t.b FROM t, u WHERE t.i = u.i AND (t.b = 7 OR u.e = 'x')",
    "SELECT count(*) FROM t JOIN u USING (i) WHERE t.b IS NULL OR u.e = 'x'",
    "SELECT x.i, count(*) FROM t x WHERE x.b = 7 OR EXISTS (SELECT 1 FROM u WHERE u.i = x.i AND e = 'x') GROUP BY x.i",
    "SELECT max(i) FROM t WHERE b = 7 OR i IN (SELECT i FROM u WHERE e = 'x')",
    "SELECT i FROM u WHERE i IN (SELECT x.i FROM t x WHERE x.b = 7 OR EXISTS (SELECT 1 FROM u y WHERE y.i = x.i))",
]
NO_UNIONS = """SELECT * FROM t WHERE i = 5 OR b = 6; SELECT * FROM t WHERE $1 IS NULL OR i IN (SELECT i FROM u)
SELECT t.i FROM t JOIN u ON u.i = t.i WHERE u.e = 'x' OR t.b = 7 FOR UPDATE
SELECT t FROM t WHERE i = 5 OR EXISTS (TABLE u)
SELECT max(t.i) FROM t JOIN u ON u.i = t.i WHERE u.e = 'x' OR t.b = 7
SELECT ctid FROM t WHERE i = 5 OR EXISTS (TABLE u)
SELECT t.s FROM t JOIN u ON u.i = t.i WHERE u.e = 'x' OR t.b = 7 ORDER BY t.i
SELECT * FROM t WHERE i = 5 OR b IN (SELECT i FROM u WHERE random() < 0.5)"""


def united(text):
    return [(hint, deparse(made)) for hint, made in sargable(parse(text).node, catalog(T, U)) if hint.rule == "union"]


@pytest.mark.parametrize("text", UNIONS)
def test_an_or_of_several_tables_is_a_union_of_its_sides(text):
    ((hint, made),) = united(text)
    assert hint.only == "" and hint.others == (U.name,) and made.count("UNION") == 1
    assert "IS NOT TRUE" in made.partition("UNION")[2]


@pytest.mark.parametrize("text", NO_UNIONS.replace("\n", ";").split(";"))
def test_an_or_that_a_union_would_change_stays(text):
    assert united(text) == []


ANTI_JOINS = [
    "SELECT i FROM t WHERE i NOT IN (SELECT u.i FROM u WHERE e = 'x' OR e = 'y')",
    "SELECT x.i FROM t x WHERE x.b = 7 AND x.i <> ALL (SELECT DISTINCT y.i FROM u y WHERE y.i IS NOT NULL)",
    "SELECT t.i FROM t JOIN u ON u.i = t.i WHERE NOT t.i IN (SELECT z.i FROM t x, u z WHERE x.s = z.e AND z.i > 5)",
]
NO_ANTI_JOINS = """SELECT i FROM u WHERE i NOT IN (SELECT i FROM u); SELECT * FROM t WHERE i NOT IN (5, 6)
SELECT t.i FROM t LEFT JOIN u ON u.i = t.b WHERE u.i NOT IN (SELECT x.i FROM t x)
SELECT i FROM t WHERE i NOT IN (SELECT max(i) FROM u); SELECT i FROM t WHERE i NOT IN (SELECT i FROM u LIMIT 5)
SELECT i FROM t WHERE i IN (SELECT i FROM u); SELECT i FROM t WHERE s NOT IN (SELECT s FROM u)
SELECT i FROM t WHERE (i, s) NOT IN (SELECT i, e FROM u); SELECT i FROM t WHERE abs(i) NOT IN (SELECT i FROM u)
SELECT i FROM t WHERE i NOT IN (SELECT i FROM u GROUP BY i); SELECT i FROM t WHERE i > ALL (SELECT i FROM u)
WITH u AS (SELECT 5 AS i) SELECT i FROM t WHERE i NOT IN (SELECT i FROM u)"""


def joined(text):
    return [(hint, deparse(made)) for hint, made in sargable(parse(text).node, catalog(T, U)) if hint.rule == "not_in"]


@pytest.mark.parametrize("text", ANTI_JOINS)
def test_not_in_is_an_anti_join_where_nothing_is_null(text):
    ((hint, made),) = joined(text)
    assert hint.only.startswith("as long as ") and hint.only.endswith(".i are never NULL") and hint.table == U.name
    assert "NOT EXISTS (SELECT 1 FROM" in made and " IN " not in made and "ALL" not in made
    sure = catalog(*(replace(one, columns=tuple(replace(c, not_null=True) for c in one.columns)) for one in (T, U)))
    assert [h.only for h, _ in sargable(parse(text).node, sure) if h.rule == "not_in"] == [""]


@pytest.mark.parametrize("text", NO_ANTI_JOINS.replace("\n", ";").split(";"))
def test_not_in_that_a_join_would_change_stays(text):
    assert joined(text) == []


OVERLAPS = ["(ts, te) OVERLAPS ('2024-01-01', '2024-02-01')", "('2024-01-08', '2024-01-08') OVERLAPS (ts, te)"]


@pytest.mark.parametrize("condition", OVERLAPS)
def test_overlaps_is_told_with_two_comparisons_beside_it(condition):
    (found,) = read(condition)
    assert found.after.startswith("ts <= '2024-0") and found.after.endswith(found.before)
    assert found.only == "as long as neither ts nor te is NULL and ts is not after te in any row"
