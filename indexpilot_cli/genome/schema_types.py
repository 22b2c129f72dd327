"""Column types as people write them, in the words PostgreSQL's ``format_type()`` answers with."""

from __future__ import annotations

import re

_ALIASES = {
    "int": "integer", "int4": "integer", "serial": "integer", "serial4": "integer",
    "int8": "bigint", "bigserial": "bigint", "serial8": "bigint",
    "int2": "smallint", "smallserial": "smallint", "serial2": "smallint",
    "float4": "real", "float8": "double precision", "float": "double precision",
    "bool": "boolean", "decimal": "numeric", "dec": "numeric",
    "varchar": "character varying", "char varying": "character varying", "char": "character", "bpchar": "bpchar",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    "time": "time without time zone", "timetz": "time with time zone",
}  # fmt: skip
_ELSEWHERE = {
    "datetime": "timestamptz", "datetime2": "timestamptz", "tinyint": "smallint", "mediumint": "integer",
    "nvarchar": "varchar", "nchar": "char", "varchar2": "varchar", "number": "numeric", "string": "text",
    "str": "text", "blob": "bytea", "longtext": "text", "mediumtext": "text", "double": "double precision",
    "binary": "bytea", "varbinary": "bytea", "clob": "text", "uniqueidentifier": "uuid", "dict": "jsonb",
    "list": "jsonb", "object": "jsonb",
}  # fmt: skip
_TYPE = re.compile(
    r"""(?P<name>
            (?:character|char|bit)\ varying | double\ precision
            | (?:"[^"]+"|[^\W\d][\w$]*) (?:\.(?:"[^"]+"|[^\W\d][\w$]*))?
        )
        \s*(?:\(\s*(?P<mods>-?\d+(?:\s*,\s*-?\d+)?)\s*\))?
        (?:\ ?(?P<zone>with|without)\ time\ zone)?
        \ ?(?P<array>(?:\[\d*\])+|array)?""",
    re.VERBOSE | re.IGNORECASE,
)
_MODIFIED = {
    **dict.fromkeys(("character varying", "character", "bit", "bit varying", "interval"), 1),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone"), 1),
    **dict.fromkeys(("time without time zone", "time with time zone", "double precision"), 1),
    "numeric": 2,
}
_PLAIN = frozenset(
    {"integer", "bigint", "smallint", "real", "boolean", "text", "date", "uuid", "json", "jsonb", "bytea"}
)


def canonical_type(text: str) -> str:
    """The type in PostgreSQL's own words: ``VARCHAR(200)`` becomes ``character varying(200)``.

    Names that are not built in are kept (they may be the host's own types); serial becomes its integer.
    Raises ValueError with a sentence for what cannot be a type.
    https://www.postgresql.org/docs/current/datatype.html
    """
    match = _TYPE.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"{text[:60]!r} is not a type")
    name = _name(match["name"], match["zone"])
    mods = [int(m) for m in match["mods"].split(",")] if match["mods"] else []
    return _with_modifiers(name, mods, text) + ("[]" if match["array"] else "")


def plain_name(text: str) -> str:
    """The type without modifiers and array brackets."""
    return re.sub(r"\(.*?\)|\[\]", "", text).strip()


def _name(written: str, zone: str | None) -> str:
    if '"' in written:
        return written
    name = written.lower()
    if name in _ELSEWHERE:
        raise ValueError(f"{written} is not a type of PostgreSQL: use {_ELSEWHERE[name]}")
    if zone is not None:
        if name not in ("timestamp", "time"):
            raise ValueError(f"{written} has no time zone")
        return f"{name} {zone.lower()} time zone"
    return _ALIASES.get(name, name)


def _with_modifiers(name: str, mods: list[int], text: str) -> str:
    if name == "character" and not mods:
        return "character(1)"
    if name == "bit" and not mods:
        return "bit(1)"
    if not mods:
        return name
    if name in _PLAIN or len(mods) > _MODIFIED.get(name, 2):
        raise ValueError(f"{text[:60]!r}: {name} takes {'no length' if name in _PLAIN else 'one number'}")
    if name in ("character varying", "character", "bit", "bit varying", "numeric") and mods[0] < 1:
        raise ValueError(f"{text[:60]!r}: a length is at least 1")
    if name == "double precision":
        return "real" if mods[0] <= 24 else name
    inside = f"{mods[0]},{mods[1] if len(mods) > 1 else 0}" if name == "numeric" else ",".join(map(str, mods))
    first, space, rest = name.partition(" with")
    return f"{first}({inside}){space}{rest}"
