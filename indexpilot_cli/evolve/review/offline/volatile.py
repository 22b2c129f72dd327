"""Whether a default gives every row a value of its own: then a new column rewrites the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

_CALL = re.compile(r'(?P<name>(?:[a-z_][\w$]*\s*\.\s*|"[^"]+"\s*\.\s*)?(?:[a-z_][\w$]*|"[^"]+"))\s*\(', re.IGNORECASE)
_STRING = re.compile(r"'(?:[^']|'')*'")
_VOLATILE_TEXT = """
    random gen_random_uuid uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7 clock_timestamp timeofday
    nextval setval currval lastval gen_random_bytes random_normal pg_sleep txid_current_if_assigned gen_salt
    pg_advisory_lock pg_notify setseed array_sample array_shuffle gen_ulid ulid nanoid
"""
_VOLATILE = frozenset(_VOLATILE_TEXT.split())
_STEADY_TEXT = """
    now current_timestamp current_date current_time localtime localtimestamp transaction_timestamp statement_timestamp
    current_user session_user current_setting current_schema current_database version upper lower initcap length
    coalesce nullif greatest least concat concat_ws format md5 sha256 encode decode replace substr substring left right
    trim btrim ltrim rtrim lpad rpad repeat reverse split_part to_char to_date to_timestamp to_number date_trunc
    date_part extract age make_date make_time make_timestamp make_timestamptz make_interval timezone interval
    array string_to_array array_to_string array_fill jsonb_build_object jsonb_build_array json_build_object
    json_build_array to_json to_jsonb jsonb json row cast abs ceil ceiling floor round trunc sqrt power mod sign
    int4range int8range numrange tsrange tstzrange daterange point box varchar char numeric decimal time timestamp bit
    timestamptz text inet_client_addr inet_server_addr pg_backend_pid hashtext exists case when then else and or not in
    txid_current pg_current_xact_id bool_or unnest to_tsvector to_tsquery plainto_tsquery st_makepoint st_setsrid
"""
_STEADY = frozenset(_STEADY_TEXT.split())


def volatile(expression: str, functions: Mapping[str, str]) -> bool:
    """Whether the expression may give another value for each row.

    ``functions`` maps names to i, s or v as the catalog and the file itself know them; a function that nobody knows
    counts as volatile, as the server takes an unmarked one.
    """
    text = _STRING.sub("''", expression)
    return any(_is_volatile(match["name"], functions) for match in _CALL.finditer(text))


def _is_volatile(called: str, functions: Mapping[str, str]) -> bool:
    full = re.sub(r"\s+", "", called).replace('"', "")
    name = full.rpartition(".")[2]
    if name.lower() in _VOLATILE:
        return True
    known = functions.get(full) or functions.get(name)
    if known is not None:
        return known == "v"
    return name.lower() not in _STEADY and not full.lower().startswith("pg_catalog.")
