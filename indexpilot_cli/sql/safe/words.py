"""What expressions of strangers may be made of when they run on production: the whole list."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STRUCTURE = _words("""
    A_Const ColumnRef A_Expr BoolExpr NullTest BooleanTest CaseExpr CaseWhen CoalesceExpr MinMaxExpr TypeCast TypeName
    FuncCall SQLValueFunction A_ArrayExpr RowExpr List CollateClause A_Indirection A_Indices SubLink
""")
QUERY = _words("""
    SelectStmt ResTarget RangeVar RangeSubselect JoinExpr SortBy WindowDef CommonTableExpr WithClause Alias
""")
OPERATORS = _words("""
    = <> != < > <= >= + - * / % || ~ ~* !~ !~* ~~ !~~ ~~* !~~* -> ->> #> #>> @> <@ && ? ?| ?& & | # << >> BETWEEN
""") | {"NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"}
TYPES = _words("""
    bool boolean int2 int4 int8 smallint int integer bigint float4 float8 real numeric decimal text varchar bpchar char
    name date time timetz timestamp timestamptz interval uuid json jsonb bytea inet cidr macaddr macaddr8 bit varbit
    money oid regclass int4range int8range numrange daterange tsrange tstzrange point box tsvector tsquery
""")
PADDED = _words("bpchar char bit varbit")
SCALAR = _words("""
    lower upper initcap trim btrim ltrim rtrim replace substring substr left right length char_length character_length
    octet_length bit_length split_part position strpos starts_with reverse translate ascii md5 concat concat_ws
    regexp_replace regexp_match regexp_like regexp_substr round floor ceil ceiling abs trunc sign mod div power sqrt
    greatest least date_trunc date_part extract now transaction_timestamp statement_timestamp clock_timestamp
    to_char to_date to_timestamp to_number timezone age make_date make_interval make_timestamp justify_hours isfinite
    jsonb_typeof json_typeof jsonb_array_length json_array_length jsonb_extract_path jsonb_extract_path_text
    json_extract_path json_extract_path_text jsonb_exists jsonb_strip_nulls jsonb_build_object to_jsonb
    array_length cardinality array_position array_lower array_upper string_to_array array_to_string isempty lower_inc
    upper_inc lower_inf upper_inf int4range int8range numrange daterange tsrange tstzrange encode host masklen family
    network num_nonnulls num_nulls gen_random_uuid uuidv4 uuidv7 random overlaps similar_to_escape like_escape
    current_user session_user quote_ident hashtext
""")
AGGREGATE = _words("count min max sum avg bool_and bool_or every any_value")
WINDOW = _words("row_number rank dense_rank lag lead first_value last_value ntile")
GROWING = _words("concat concat_ws replace regexp_replace translate jsonb_build_object array_to_string")
# What a bare SELECT of a migration often calls, and which changes no row of a table.
QUIET = _words("""
    setval nextval currval lastval set_config current_setting pg_get_serial_sequence pg_sleep version pg_advisory_lock
    pg_advisory_xact_lock pg_try_advisory_lock pg_advisory_unlock pg_advisory_unlock_all coalesce txid_current
    pg_notify to_regclass pg_relation_size pg_total_relation_size
""")
