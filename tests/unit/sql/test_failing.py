"""Expressions that raise an error for some value, and those that give a result for every one."""

import pytest

from indexpilot_cli.sql.failing import can_fail
from tests.unit.advise.candidates.builders import catalog, column, table
from tests.unit.sql.test_volatility import each

T = table(
    "t",
    column("a", "int"),
    column("b", "bigint"),
    column("n", "numeric"),
    column("s", "text"),
    column("ts", "ts"),
    column("d", "date"),
    column("j", "jsonb"),
    column("tags", "texts"),
    column("flag", "bool"),
)
TOTAL = """lower(s); s || 'x'; coalesce(s, '') || s; date_trunc('day', ts); ts::date; d::timestamp; a::bigint
a::numeric; extract(year FROM ts); j ->> 'k'; j -> 'a' ->> 'b'; j #>> '{a,b}'; a::text; left(s, 4); n::text
s::varchar(3); to_tsvector('english', s); substring(s FROM 1 FOR 3); md5(s); b % 10; a / 10; n + n; a & 3
s ~ '^[0-9]+$'; CASE WHEN a > 1 THEN s ELSE lower(s) END; nullif(s, ''); jsonb_typeof(j -> 'a'); split_part(s, '@', 2)
flag::int; round(n, 2); tags[1]; date(ts); s COLLATE "C"; ts AT TIME ZONE 'UTC'; greatest(a, b); floor(n)
cardinality(tags); a IS NULL; a = ANY (ARRAY[1, 2]); s IN ('x', 'y'); mine(a); lower(j ->> 'k'); abs(n); s LIKE 'a%'
(home).zip; lower((home).zip)"""
FAILING = """s::bigint; (j ->> 'k')::int; s::uuid; s::jsonb; s::numeric; b::int; n::int; n::float8; (n / a); a / b
a % b; to_date(s, 'YYYY'); to_timestamp(s, 'YYYY'); to_number(s, '999'); a + 1; a * a; abs(a); n::numeric(5, 2)
sqrt(n); split_part(s, '@', a); substring(s FROM 1 FOR a); jsonb_array_length(j); yours(a); s ~ s; tsrange(ts, ts)
a::smallint; CASE WHEN s ~ '^[0-9]+$' THEN s::int END; lower(s)::int; CAST(s AS date); s::xml; ln(n); make_date(a, a, a)
10 / a; regexp_replace(s, s, ''); int4(s); j || j; a / -1; s::public.mood; ts - ts; -a; 2 ^ a; decode(s, 'hex'); chr(a)
d - d; (home).zip::int"""
CATALOG = catalog(T, functions={"mine": "i", "yours": "i"}, leakproof=frozenset({"mine"}))


@pytest.mark.parametrize("expression", each(TOTAL))
def test_a_total_expression_cannot_fail(expression):
    assert can_fail(expression, T, CATALOG) is None


@pytest.mark.parametrize("expression", each(FAILING))
def test_what_is_not_known_to_be_total_can_fail(expression):
    assert can_fail(expression, T, CATALOG) is not None


def test_the_reason_names_the_part_that_fails():
    assert can_fail("lower(s)::int", T, CATALOG) == "a cast from text to int4 fails for values that are no int4"
    assert can_fail("yours(a)", T, CATALOG) == "nothing says that yours gives a result for every value"
    assert can_fail("a / (", T, CATALOG) is not None


def test_what_has_no_column_is_the_same_for_all_rows():
    assert can_fail("d >= '2024-01-01'::date - '1 day'::interval", T, CATALOG) is None
