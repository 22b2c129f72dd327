"""What a type change does to stored values: one answer for what is read offline and what the catalog says.

ATColumnChangeRequiresRewrite() and CheckIndexCompatible() of the server decide: the table stays when the conversion
is no more than a relabelling, an index stays when its operator class stays too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.sql.normal import type_name

_ALIASES = {"bit varying": "varbit", "serial": "int4", "bigserial": "int8"}
_UTC = frozenset({"utc", "etc/utc", "gmt", "etc/gmt", "zulu", "etc/zulu", "uct", "etc/uct", "universal", "greenwich"})
_CLOCKS = frozenset({"timestamp", "timestamptz", "time", "timetz", "interval"})
RELABELLED = "both types store values alike"
_FINEST = 6  # microseconds are all that clock types store: six digits are no limit
# Each of these is stored as other types are, but has an operator class of its own: indexes are built again.
_OWN_ORDER = frozenset({"citext", "int4", "bit", "varbit"})
_TYPE = re.compile(r"\A(?P<head>[^(\[]+)(?:\((?P<mods>[^)]*)\))?(?P<rest>[^\[]*)(?P<array>(?:\[\d*\])*)\Z")


class Written(StrEnum):
    """What has to be written anew, from nothing to everything."""

    NOTHING = "nothing"
    INDEXES = "indexes"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class StoredType:
    """A type in parts: its name in the catalog, its modifiers, whether it is an array."""

    name: str
    modifiers: tuple[int, ...] = ()
    array: bool = False


def stored_type(text: str) -> StoredType:
    """The parts of a type as written or as ``format_type`` gives it."""
    if text.strip().removeprefix("pg_catalog.") == '"char"':
        return StoredType("char")  # the catalog's one-byte type: only the quotes tell it from character(1)
    plain = " ".join(text.replace('"', "").lower().split()).removeprefix("pg_catalog.")
    match = _TYPE.match(plain)
    if match is None:
        return StoredType(plain)
    name = f"{match['head'].strip()} {match['rest'].strip()}".strip()
    digits = [part.strip() for part in (match["mods"] or "").split(",")]
    modifiers = tuple(int(d) for d in digits if d.lstrip("-").isdigit())
    if name in ("char", "character", "bit") and not modifiers:
        modifiers = (1,)
    return StoredType(_ALIASES.get(name) or type_name(name), modifiers, bool(match["array"]))


def other_modifiers(old: StoredType, new: StoredType) -> tuple[Written, str]:
    """What is written, and why, when the type stays and its modifiers change."""
    if old.modifiers == new.modifiers:
        return Written.NOTHING, "the values stay as they are"
    if old.array or new.array:
        return Written.TABLE, "the elements of arrays are converted one by one"
    # char(n) is stored with its blanks and bit(n) has exactly n bits: another length is another value.
    if not new.modifiers:
        padded = new.name in ("bpchar", "bit")
        return (Written.TABLE, "padding changes") if padded else (Written.NOTHING, "the limit goes")
    if new.name in ("varchar", "varbit"):
        wider = bool(old.modifiers) and new.modifiers[0] >= old.modifiers[0]
        return (Written.NOTHING, "the limit grows") if wider else (Written.TABLE, "every value's length is checked")
    if new.name == "numeric":
        return _numeric(old.modifiers, new.modifiers)
    if new.name in _CLOCKS:
        finer = new.modifiers[0] >= min(old.modifiers[0] if old.modifiers else _FINEST, _FINEST)
        return (Written.NOTHING, "the precision grows") if finer else (Written.TABLE, "every value is rounded")
    return Written.TABLE, "the modifier changes"


def _numeric(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[Written, str]:
    if not old:
        return Written.TABLE, "every value's size is checked"
    (precision, scale), (wanted, wanted_scale) = (*old, 0)[:2], (*new, 0)[:2]
    # A numeric value is stored with its own scale: another one changes each value, more precision changes none.
    if scale == wanted_scale and wanted >= precision:
        return Written.NOTHING, "the precision grows at the same scale"
    return Written.TABLE, "every value is rounded or checked"


def other_type(old: StoredType, new: StoredType, *, alike: bool, timezone: str) -> tuple[Written, str]:
    """What is written, and why, when another type comes. ``alike``: pg_cast relabels (castmethod b), no function."""
    # Since 12 the server knows that both are the same number in UTC; the operator classes differ, hence the indexes.
    if {old.name, new.name} == {"timestamp", "timestamptz"}:
        rounds = bool(new.modifiers) and new.modifiers[0] < _FINEST
        if timezone.lower() in _UTC and not rounds:
            return Written.INDEXES, "no value changes in UTC, but its indexes are built again"
        return Written.TABLE, f"every value is shifted by the time zone {timezone}"
    # Binary coercible: no function is called for a value. A length still is one, and bpchar pads.
    # https://www.postgresql.org/docs/current/catalog-pg-cast.html
    if not alike or new.modifiers or new.name == "bpchar":
        return Written.TABLE, ""
    if _OWN_ORDER & {old.name, new.name}:
        return Written.INDEXES, "the order of values changes: its indexes are built again"
    return Written.NOTHING, RELABELLED
