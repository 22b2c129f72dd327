"""What a type change writes, from its text alone: USING, domains, and the casts that relabel on every server."""

from __future__ import annotations

import re

from indexpilot_cli.evolve.type_change import StoredType, Written, other_modifiers, other_type, stored_type

# Binary coercible (castmethod b in pg_cast), for where no server can be asked: the stored bytes stay.
# https://www.postgresql.org/docs/current/sql-createcast.html
_ALIKE = frozenset(
    {
        ("varchar", "text"),
        ("text", "varchar"),
        ("cidr", "inet"),
        ("int4", "oid"),
        ("oid", "int4"),
        ("xml", "text"),
        ("oid", "regclass"),
        ("regclass", "oid"),
        ("text", "citext"),
        ("varchar", "citext"),
        ("citext", "text"),
        ("citext", "varchar"),
    }
)


def written_by(
    old: str,
    new: str,
    using: str | None,
    column: str,
    *,
    base: str | None = None,
    timezone: str = "",
    domain: str | None = None,
) -> Written:
    """What a change from ``old`` to ``new`` writes anew.

    ``base`` is the type under the old one when that is a domain, ``domain`` the type under ``new`` when that is a
    domain without constraints.
    """
    before, after = stored_type(old), stored_type(new)
    if using is not None:
        given = _cast(using, column)
        if given is None:
            return Written.TABLE
        if given and stored_type(given) != after:
            first = written_by(old, given, None, column, base=base, timezone=timezone)
            second = written_by(given, new, None, column, timezone=timezone, domain=domain)
            return max(first, second, key=list(Written).index)
    if before.name != after.name:
        before = stored_type(base) if base is not None else before
        after = stored_type(domain) if domain is not None else after
    return _written(before, after, timezone)


def _written(before: StoredType, after: StoredType, timezone: str) -> Written:
    # The server does not look at the elements' modifier here: varchar(10)[] to varchar(50)[] rewrites, measured on 13
    # to 18.
    if before.array or after.array:
        return Written.NOTHING if before == after else Written.TABLE
    if before.name == after.name:
        return other_modifiers(before, after)[0]
    alike = (before.name, after.name) in _ALIKE
    return other_type(before, after, alike=alike, timezone=timezone)[0]


def _cast(using: str, column: str) -> str | None:
    """The type that USING casts the column to: empty for the bare column, None when it says anything else."""
    text = re.sub(r"\s+", " ", using).strip().lower().replace('"', "")
    name = re.escape(column.lower())
    if re.fullmatch(rf"\(*{name}\)*", text):
        return ""
    cast = re.fullmatch(rf"\(*{name}\)*\s*::\s*(?P<type>[^()]+(?:\([\d, ]+\))?[^()]*)", text)
    cast = cast or re.fullmatch(rf"cast\s*\(\s*{name} as (?P<type>.+)\)", text)
    return cast["type"].strip() if cast else None
