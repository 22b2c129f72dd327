"""What a type change does to stored values, by the manual and by measurement on 13 to 18."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_ALIASES = {
    "character varying": "varchar",
    "character": "bpchar",
    "char": "bpchar",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "decimal": "numeric",
    "bool": "boolean",
    "float8": "double precision",
    "float4": "real",
    "bit varying": "varbit",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time with time zone": "timetz",
    "time without time zone": "time",
    "serial": "integer",
    "bigserial": "bigint",
}
_UTC = frozenset(("utc", "etc/utc", "gmt", "etc/gmt", "zulu", "uct", "universal", "greenwich"))
# Binary coercible (castmethod b in pg_cast): the stored bytes stay.
# https://www.postgresql.org/docs/current/sql-createcast.html
_ALIKE = frozenset(
    {
        ("varchar", "text"),
        ("text", "varchar"),
        ("cidr", "inet"),
        ("integer", "oid"),
        ("oid", "integer"),
        ("xml", "text"),
        ("oid", "regclass"),
        ("regclass", "oid"),
    }
)
# The same bytes, ordered by another operator class: the table stays, its indexes are built again.
_CITEXT = frozenset({("text", "citext"), ("varchar", "citext"), ("citext", "text"), ("citext", "varchar")})
_CLOCKS = frozenset(("timestamp", "timestamptz", "time", "timetz", "interval"))
_TYPE = re.compile(r"\A(?P<head>[^(\[]+)(?:\((?P<mods>[^)]*)\))?(?P<rest>[^\[]*)(?P<array>(?:\[\d*\])*)\Z")


class Change(StrEnum):
    """What has to be written."""

    NOTHING = "nothing"
    INDEXES = "indexes"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type in parts: its name as we call it, its modifiers, whether it is an array."""

    name: str
    modifiers: tuple[int, ...] = ()
    array: bool = False


def kind(text: str) -> Kind:
    """The parts of a type as written or as ``format_type`` gives it."""
    plain = " ".join(text.replace('"', "").lower().split()).removeprefix("pg_catalog.")
    match = _TYPE.match(plain)
    if match is None:
        return Kind(plain)
    name = f"{match['head'].strip()} {match['rest'].strip()}".strip()
    digits = [part.strip() for part in (match["mods"] or "").split(",")]
    modifiers = tuple(int(d) for d in digits if d.lstrip("-").isdigit())
    if name in ("char", "character") and not modifiers:
        modifiers = (1,)
    return Kind(_ALIASES.get(name, name), modifiers, bool(match["array"]))


def change(
    old: str,
    new: str,
    using: str | None,
    column: str,
    *,
    base: str | None = None,
    timezone: str = "",
    plain: bool = False,
) -> Change:
    """What a change from ``old`` to ``new`` writes anew.

    ``base`` is the type under the old one when that is a domain; ``plain`` says that ``new`` is a domain without
    constraints over the old type.
    """
    before, after = kind(old), kind(new)
    if using is not None:
        given = _cast(using, column)
        if given is None:
            return Change.TABLE
        if given and kind(given) != after:
            first = change(old, given, None, column, base=base, timezone=timezone)
            return max(first, change(given, new, None, column, timezone=timezone), key=list(Change).index)
    if base is not None and kind(base).name == after.name and before.name != after.name:
        before = Kind(after.name, kind(base).modifiers, kind(base).array)
    if plain:
        return Change.NOTHING
    # The server does not look at the elements' modifier here: varchar(10)[] to varchar(50)[] rewrites, measured on 13
    # to 18.
    if before.array or after.array:
        return Change.NOTHING if before == after else Change.TABLE
    if before.name == after.name:
        return Change.NOTHING if _fits(before, after) else Change.TABLE
    return _across(before, after, timezone)


def _across(before: Kind, after: Kind, timezone: str) -> Change:
    pair = (before.name, after.name)
    if pair in _ALIKE and not after.modifiers:
        return Change.NOTHING
    if pair in _CITEXT and not after.modifiers:
        return Change.INDEXES
    # In UTC both have the same bytes; the index needs the operator class of the other type.
    if set(pair) == {"timestamp", "timestamptz"} and timezone.lower() in _UTC:
        return Change.INDEXES
    return Change.TABLE


def _fits(before: Kind, after: Kind) -> bool:
    """Whether every value of the old modifiers is one of the new ones as it stands."""
    old, new = before.modifiers, after.modifiers
    if old == new:
        return True
    # char(n) is stored with its blanks and bit(n) has exactly n bits: another length is another value.
    if after.name == "bpchar" or after.name == "bit":
        return False
    if not new:
        return True
    if after.name == "numeric":
        # Another scale means rounding, and so other values; the precision alone may grow.
        scale = (*old, 0)[1] if old else None
        return scale == (*new, 0)[1] and new[0] >= old[0]
    if after.name in _CLOCKS:
        # Microseconds are all that is stored: six digits are no limit.
        return (bool(old) and new[0] >= old[0]) or new[0] >= 6
    return bool(old) and new[0] >= old[0]


def _cast(using: str, column: str) -> str | None:
    """The type that USING casts the column to: empty for the bare column, None when it says anything else."""
    text = re.sub(r"\s+", " ", using).strip().lower().replace('"', "")
    name = re.escape(column.lower())
    if re.fullmatch(rf"\(*{name}\)*", text):
        return ""
    cast = re.fullmatch(rf"\(*{name}\)*\s*::\s*(?P<type>[^()]+(?:\([\d, ]+\))?[^()]*)", text)
    cast = cast or re.fullmatch(rf"cast\s*\(\s*{name} as (?P<type>.+)\)", text)
    return cast["type"].strip() if cast else None
