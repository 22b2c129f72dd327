"""What ALTER TABLE does to stored values, and forms of it that keep nobody waiting, as text.

ATColumnChangeRequiresRewrite() and CheckIndexCompatible() of the server decide: the table stays when the conversion
is no more than a relabelling, an index stays when its operator class stays too. What a change of a column costs follows
from it by rule, where no server of the same version can be asked. Measured on PostgreSQL 13 to 18. In the forms
``alter`` is ``ALTER TABLE t``; names and columns come as SQL text, quoted where that is needed.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from indexpilot_cli.core.ddl import Select, Update
from indexpilot_cli.core.names import quote_identifier, quote_literal
from indexpilot_cli.evolve.change.values import Classified, TypeWork
from indexpilot_cli.evolve.relation import TypeChange, TypeFacts
from indexpilot_cli.sql.normal import type_name

_ALIASES = {"bit varying": "varbit", "serial": "int4", "bigserial": "int8"}
# Zones that are UTC and always were: only for those the server knows that no value changes.
_UTC_PLACES = ("utc", "uct", "gmt", "zulu", "universal", "greenwich", "gmt0", "gmt+0", "gmt-0")
_UTC = frozenset((*_UTC_PLACES, *(f"etc/{name}" for name in _UTC_PLACES), "utc0", "<+00>+00", "<+00>-00", "0"))
_AT_ZONE = re.compile(r"(?P<column>.+) AT TIME ZONE '(?P<zone>[^']+)'|timezone\('(?P<named>[^']+)', (?P<of>.+)\)")
SETTING = "SET LOCAL "
_ZONED = frozenset({"timestamptz", "timetz", "_timestamptz", "_timetz"})
_CLOCKS = frozenset({"timestamp", "timestamptz", "time", "timetz", "interval"})
RELABELLED = "both types store values alike"
_IN_UTC = "no value changes in UTC, but its indexes are built again"
_UNCHANGED = {_IN_UTC: "no value changes in UTC"}
_FINEST = 6  # microseconds are all that clock types store: six digits are no limit
# Each of these is stored as other types are, but has an operator class of its own: indexes are built again.
_OWN_ORDER = frozenset({"citext", "bpchar", "int4", "bit", "varbit"})
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
    if not new.modifiers and old.array == new.array:
        return Written.NOTHING, "the limit goes"
    if old.array or new.array:
        return Written.TABLE, "the elements of arrays are converted one by one"
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
        if is_utc(timezone) and not rounds:
            return Written.INDEXES, _IN_UTC
        return Written.TABLE, f"every value is shifted by the time zone {timezone}"
    # Binary coercible: no function is called for a value. A length still is one.
    # https://www.postgresql.org/docs/current/catalog-pg-cast.html
    if not alike or new.modifiers:
        return Written.TABLE, ""
    if _OWN_ORDER & {old.name, new.name}:
        return Written.INDEXES, "the order of values changes: its indexes are built again"
    return Written.NOTHING, RELABELLED


def by_rules(change: TypeChange) -> Classified:
    """The rule table's answer; where no rule knows better, a rewrite."""
    written, reason = _values(change)
    if written is Written.TABLE:
        return Classified(TypeWork.REWRITE, reason)
    built = [a for a in change.table.mentioning(change.column.name) if a.kind == "index" or a.index is not None]
    checks = [a for a in change.table.mentioning(change.column.name) if a.type == "c"]
    computed = [a for a in built if a.computed]
    # The server cannot tell whether an expression over the new type gives the same, so it builds such an index again.
    if computed:
        return Classified(
            TypeWork.REBUILD, f"{computed[0].name.name} has an expression or predicate: it is built again"
        )
    if built and written is Written.INDEXES:
        return Classified(TypeWork.REBUILD, reason)
    # Not a rewrite, but rows are read under ACCESS EXCLUSIVE all the same.
    if checks:
        return Classified(TypeWork.VERIFY, f"every row is checked against {checks[0].name.name} again")
    return Classified(TypeWork.INSTANT, reason if written is Written.NOTHING else _UNCHANGED.get(reason, RELABELLED))


def is_plain(using: str | None, column: str, new: TypeFacts) -> bool:
    """Whether USING says nothing else than the conversion that happens anyway."""
    if using is None:
        return True
    said = (using, quote_identifier(column), new.text)
    text, name, kind = (re.sub(r"[\s()]+", "", part).lower() for part in said)
    return text in (name, f"{name}::{kind}", f"cast{name}as{kind}")


def assignable(change: TypeChange) -> bool:
    """Whether the server converts the values without a USING clause: find_coercion_pathway() for an assignment."""
    if change.old.stored_oid == change.new.stored_oid:
        return True
    return change.context in ("a", "i") or change.new.category == "S"


def _values(change: TypeChange) -> tuple[Written, str]:
    old, new = change.old, change.new
    if not is_plain(change.using, change.column.name, new):
        return Written.TABLE, "USING computes every value anew"
    # The domain's CHECK is part of the conversion, which makes it a computation for each row.
    if new.constrained:
        return Written.TABLE, f"{new.text} checks every value"
    before, after = _stored(old), _stored(new)
    if old.kind == "d":
        # What comes out of a domain has no modifier for the server: any limit is checked.
        before = replace(before, modifiers=())
    if before.name == after.name:
        written, reason = other_modifiers(before, after)
    else:
        written, reason = other_type(before, after, alike=change.castable == "b", timezone=change.timezone)
    if written is Written.NOTHING and "d" in (old.kind, new.kind):
        # Going into or out of a domain that checks nothing is no computation.
        reason = "a domain without constraints" if new.kind == "d" else "the domain's own base type"
    return written, reason or f"{old.text} and {new.text} store values differently"


def _stored(facts: TypeFacts) -> StoredType:
    """The catalog's name, which no schema or spelling disguises; the modifiers that ``char`` and ``bit`` leave out.

    A domain's values are stored as those of the type below it.
    """
    array = facts.category == "A"
    if facts.base is not None:
        return StoredType(facts.base, facts.base_modifiers, array)
    return StoredType(facts.name, facts.modifiers or stored_type(facts.text).modifiers, array)


def is_utc(timezone: str) -> bool:
    """Whether the zone is UTC and always was, by the names that people give it."""
    return timezone.lower() in _UTC


def zone_of(using: str, change: TypeChange) -> str | None:
    """The zone of a USING that is ``column AT TIME ZONE 'UTC'`` between the two timestamps.

    In a session of that zone the plain change gives the same values, and there the server writes nothing; as it stands
    it would compute each value. None for any other expression or zone.
    """
    plain = using.removesuffix(f"::{change.new.text}")
    found = _AT_ZONE.fullmatch(plain.removeprefix("(").removesuffix(")") if plain != using else plain)
    if found is None or {_stored(change.old).name, _stored(change.new).name} != {"timestamp", "timestamptz"}:
        return None
    zone = found["zone"] or found["named"]
    same = (found["column"] or found["of"]) == quote_identifier(change.column.name)
    return zone if same and is_utc(zone) else None


def in_zone(change: TypeChange) -> tuple[str, ...]:
    """What makes a conversion mean the same in every session: its TimeZone, for the transaction. Often nothing."""
    if not _ZONED & {_stored(change.old).name, _stored(change.new).name}:
        return ()
    return (f"{SETTING}TimeZone = {quote_literal(change.timezone)}",)


NOT_NULL_NOT_VALID = 180000  # from then on NOT NULL is a constraint with a name, and can be NOT VALID


def add_column(alter: str, column: str, type_: str, default: str | None = None, *, not_null: bool = False) -> str:
    """ADD COLUMN: brief, unless the default is volatile."""
    # ACCESS EXCLUSIVE in any case; a domain that checks has the rows written anew as a volatile default has.
    words = [f"{alter} ADD COLUMN {column} {type_}"]
    words += [f"DEFAULT {default}"] if default is not None else []
    words += ["NOT NULL"] if not_null else []
    return " ".join(words)


def set_default(alter: str, column: str, default: str) -> str:
    """The default of rows to come: no row that exists is touched."""
    return f"{alter} ALTER COLUMN {column} SET DEFAULT {default}"


_TID_RANGES = 140000  # a range of row addresses is read as a range from 14 on
_BATCH = 64  # pages
_OFFSETS = 291  # most rows on a page of 8 kB


def fill_default(table: str, column: str, version: int) -> str:
    """A DO block that gives the rows from before a default their value, some pages at a time; outside a transaction.

    Rows that others write meanwhile have the default, or are moved by their UPDATE: the last statement finds those.
    """
    pages = f"ctid >= format('(%s,0)', ip_page)::tid AND ctid < format('(%s,0)', ip_page + {_BATCH})::tid"
    if 0 < version < _TID_RANGES:
        numbers = f"generate_series(0, {_BATCH - 1}) ip_p, generate_series(1, {_OFFSETS}) ip_o"
        places = Select("format('(%s,%s)', ip_page + ip_p, ip_o)::tid", numbers)
        pages = f"ctid = ANY (ARRAY({places}))"
    size = f"pg_relation_size({quote_literal(table)}) / current_setting('block_size')::int"
    empty, target, value = f"{column} IS NULL", f"ONLY {table}", f"{column} = DEFAULT"
    lines = (
        "DO $fill$",
        "DECLARE",
        "  ip_page bigint := 0;",
        f"  ip_pages bigint := {size};",
        "BEGIN",
        "  WHILE ip_page < ip_pages LOOP",
        f"    {Update(target, value, f'WHERE {empty} AND {pages}')};",
        "    COMMIT;",
        f"    ip_page := ip_page + {_BATCH};",
        "  END LOOP;",
        f"  {Update(target, value, f'WHERE {empty}')};",
        "END $fill$",
    )
    return "\n".join(lines)


def promise_not_null(alter: str, column: str, name: str, version: int) -> str:
    """NOT NULL that holds for new rows: under ACCESS EXCLUSIVE, but without a scan. Before 18 a CHECK stands for it."""
    promise = f"NOT NULL {column}" if version >= NOT_NULL_NOT_VALID else f"CHECK ({column} IS NOT NULL)"
    return f"{alter} ADD CONSTRAINT {name} {promise} NOT VALID"


def prove(alter: str, name: str) -> str:
    """VALIDATE CONSTRAINT reads every row under SHARE UPDATE EXCLUSIVE: readers and writers go on."""
    return f"{alter} VALIDATE CONSTRAINT {name}"


def take_over_not_null(alter: str, column: str, name: str, version: int) -> tuple[str, ...]:
    """What is left after the proof: SET NOT NULL believes the valid CHECK, which then goes. Nothing from 18 on."""
    # From 18 on the constraint that was validated is NOT NULL itself: no CHECK has to be removed.
    if version >= NOT_NULL_NOT_VALID:
        return ()
    return (f"{alter} ALTER COLUMN {column} SET NOT NULL", f"{alter} DROP CONSTRAINT {name}")


def build_unique(name: str, table: str, columns: str) -> str:
    """The index of a unique constraint, built beside the writers; it must run outside a transaction."""
    return f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns})"


def attach_unique(alter: str, name: str, kind: str = "UNIQUE", index: str = "") -> str:
    """A constraint that takes an index (of its own name, else the server renames it): ACCESS EXCLUSIVE for a moment."""
    return f"{alter} ADD CONSTRAINT {name} {kind} USING INDEX {index or name}"
