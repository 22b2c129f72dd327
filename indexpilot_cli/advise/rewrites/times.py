"""Rules for dates and moments."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from indexpilot_cli.advise.rewrites.condition import (
    FLIPPED,
    Answer,
    Condition,
    call_arguments,
    cast_to,
    is_column,
    number_value,
    string_value,
)
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.sql.parser import Node, deparse_expression

# There the last hour of a day comes twice, and its moments are not in one piece.
_ZONES = "where the clocks never go back over midnight"
# Without months and years, which are as long as the calendar says.
_FIXED_UNITS = {"hour": 3600, "minute": 60, "min": 60, "second": 1, "sec": 1, "day": 86400, "week": 604800}
_INTERVAL = re.compile(r"(\d+) ?(hour|minute|min|second|sec|day|week)s?")


def _seconds(node: Node) -> tuple[int, bool] | None:
    """Length of an interval constant without months, and whether days are in it."""
    text = string_value(node) if cast_to(node) == "interval" or cast_to(node) == "" else None
    parts = _INTERVAL.fullmatch(text.strip()) if text is not None else None
    if parts is None:
        return None
    return int(parts[1]) * _FIXED_UNITS[parts[2]], parts[2] in ("day", "week")


def moved_time(c: Condition, other: Node, how: str) -> tuple[str, str] | None:
    kind, value = c.column.base_type, _typed(c)
    if kind == "date":
        days = number_value(other)
        if how == "from":  # a date minus a date is a number of days
            whole = number_value(c.right) is not None and _is_day(other)
            return (f"{deparse_expression(other)} - {c.value}", "") if whole else None
        return (f"{value} {how} {days}", "") if days is not None and not days % 1 and value else None
    length = _seconds(c.right if how == "from" else other)
    if length is None:
        return None
    if how == "from":
        # The server gives the difference of two moments in days of 24 hours.
        moment = kind == "timestamptz" and _is_now(other)
        return (f"{deparse_expression(other)} - '{length[0]} seconds'::interval", "") if moment else None
    if value is None:
        return None
    only = "but for days on which the clocks change" if kind == "timestamptz" and length[1] else ""
    return f"{value} {how} {deparse_expression(other)}", only


def _is_now(node: Node) -> bool:
    named = node.kind == "FuncCall" and node.names("funcname")[-1] in ("now", "transaction_timestamp")
    return named or (node.kind == "SQLValueFunction" and node.enum("op") == "SVFOP_CURRENT_TIMESTAMP")


def _is_day(node: Node) -> bool:
    today = node.kind == "SQLValueFunction" and node.enum("op") == "SVFOP_CURRENT_DATE"
    return today or (cast_to(node) == "date" and string_value(node) is not None)


def _typed(c: Condition) -> str | None:
    """The value as one of the column's own type, where it surely is compared as such; None else."""
    kind = c.column.base_type
    if string_value(c.right) is not None and cast_to(c.right) in ("", kind):
        return f"{quote_literal(string_value(c.right) or '')}::{kind}"
    if c.right.kind == "ParamRef":
        return f"{c.value}::{kind}"
    if kind == "date":
        return c.value if _is_day(c.right) else None
    return c.value if kind == "timestamptz" and _is_now(c.right) else None


def of_day(c: Condition) -> Answer | None:
    """``ts::date = d``."""
    inner = c.left.child("arg") if c.left.kind == "TypeCast" and cast_to(c.left) == "date" else None
    call = call_arguments(c.left, "date")
    zone = _zone(call[0] if len(call) == 1 else inner, c)
    if zone is None or c.column.base_type not in ("timestamp", "timestamptz"):
        return None
    ends = c.right.children("items") if c.operator == "between" else (c.right,)
    days = [_day(end) for end in ends]
    if None in days:
        return None
    only, why = _when_equal(c, zone), f"it takes the day of {c.name} for every row"
    if c.operator == "between":
        first, behind = _at(days[0] or "", zone), _at(f"{days[1]} + 1", zone)
        return f"{c.name} >= {first} AND {c.name} < {behind}", why, only
    found = _period(c.name, c.operator, _at(days[0] or "", zone), _at(f"{days[0]} + 1", zone))
    return (found, why, only) if found is not None else None


def _zone(node: Node | None, c: Condition) -> str | None:
    """SQL text of the zone that the column is moved to ('' for the column itself); None for anything else."""
    if node is None or is_column(node):
        return "" if is_column(node) else None
    arguments = call_arguments(node, "timezone")
    if len(arguments) != 2 or not is_column(arguments[1]) or c.column.base_type != "timestamptz":
        return None
    known = string_value(arguments[0]) is not None or arguments[0].kind == "ParamRef"
    return deparse_expression(arguments[0]) if known else None


def _at(bound: str, zone: str) -> str:
    """A bound of the moved column as one of the column itself."""
    plain = _PLAIN_MOMENT.fullmatch(bound)
    if not zone:
        return bound
    return f"{plain[1] if plain is not None else f'({bound})'}::timestamp AT TIME ZONE {zone}"


_PLAIN_MOMENT = re.compile(r"('[^']*'|\$\d+)(::timestamp)?")


def _when_equal(c: Condition, zone: str) -> str:
    return "" if c.column.base_type != "timestamptz" or zone.strip("'").upper() in _FIXED_ZONES else _ZONES


_FIXED_ZONES = ("UTC", "GMT", "ETC/UTC")


def _day(node: Node) -> str | None:
    text = string_value(node)
    if text is not None and cast_to(node) in ("", "date"):
        return f"{quote_literal(text)}::date"
    if node.kind == "ParamRef" or (node.kind == "TypeCast" and cast_to(node) == "date"):
        return deparse_expression(node) if node.kind == "TypeCast" else f"{deparse_expression(node)}::date"
    return deparse_expression(node) if _is_day(node) else None


def _period(name: str, operator: str, start: str, end: str) -> str | None:
    """The condition on a moment whose period begins at ``start``."""
    forms = {
        "=": f"{name} >= {start} AND {name} < {end}",
        ">=": f"{name} >= {start}",
        ">": f"{name} >= {end}",
        "<": f"{name} < {start}",
        "<=": f"{name} < {end}",
    }
    return forms.get(operator)


_UNITS = ("minute", "hour", "day", "week", "month", "quarter", "year")
_STEPS = {"quarter": "3 months"}


def truncated(c: Condition) -> Answer | None:
    """``date_trunc('day', ts) = d``."""
    arguments = call_arguments(c.left, "date_trunc")
    unit = (string_value(arguments[0]) or "").lower() if len(arguments) == 2 else ""
    zone = _zone(arguments[1], c) if unit in _UNITS else None
    if zone is None or c.column.base_type not in ("timestamp", "timestamptz"):
        return None
    if c.column.base_type == "timestamptz" and unit in ("minute", "hour"):
        return None  # an hour that the clocks repeat begins twice
    kind = "timestamp" if zone else c.column.base_type
    text, step = string_value(c.right), f"'{_STEPS.get(unit, f'1 {unit}')}'::interval"
    why, only = f"it cuts {c.name} off for every row", _when_equal(c, zone)
    if c.right.kind == "ParamRef":
        start = f"{c.value}::{kind}"
        only = f"as long as {c.value} is the beginning of a {unit}" + (f", {only}" if only else "")
    elif text is not None and _begins(text, unit) and cast_to(c.right) in ("", "date", kind):
        start = f"{quote_literal(text)}::{kind}"
    else:
        return None
    found = _period(c.name, c.operator, _at(start, zone), _at(f"{start} + {step}", zone))
    return (found, why, only) if found is not None else None


def _begins(text: str, unit: str) -> bool:
    """Whether the moment is the first of its unit; no other is ever equal to a truncated one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    first = moment.replace(second=0, microsecond=0)
    if unit != "minute":
        first = first.replace(minute=0)
    if unit not in ("minute", "hour"):
        first = first.replace(hour=0)
    if unit == "week":
        first -= timedelta(days=first.weekday())
    if unit in ("month", "quarter", "year"):
        first = first.replace(day=1)
    if unit == "quarter":
        first = first.replace(month=(first.month - 1) // 3 * 3 + 1)
    # With an offset it is the session's zone that says whether something begins there.
    return moment.tzinfo is None and moment == (first.replace(month=1) if unit == "year" else first)


def of_year(c: Condition) -> Answer | None:
    """``extract(year FROM ts) = 2024``."""
    arguments = call_arguments(c.left, "extract", "date_part")
    year = number_value(c.right)
    # A date of Python, also of the year behind it, ends with 9999.
    asked = len(arguments) == 2 and (string_value(arguments[0]) or "").lower() == "year"
    zone = _zone(arguments[1], c) if asked else None
    if zone is None or year is None or year % 1 or not 1 < year < 9999:
        return None
    if c.column.base_type not in ("date", "timestamp", "timestamptz"):
        return None
    start, end = (date(int(y), 1, 1).isoformat() for y in (year, year + 1))
    found = _period(c.name, c.operator, _at(f"'{start}'", zone), _at(f"'{end}'", zone))
    return (found, f"it takes the year of {c.name} for every row", _when_equal(c, zone)) if found is not None else None


_WRITTEN = {"YYYY-MM-DD": ("", "1 day"), "YYYY-MM": ("-01", "1 month"), "YYYY": ("-01-01", "1 year")}


def written(c: Condition) -> Answer | None:
    """``to_char(ts, 'YYYY-MM') = '2024-01'``."""
    arguments = call_arguments(c.left, "to_char")
    rest, step = _WRITTEN.get(string_value(arguments[1]) or "", ("", "")) if len(arguments) == 2 else ("", "")
    text = string_value(c.right)
    zone = _zone(arguments[0], c) if step else None
    if zone is None or text is None or c.operator != "=":
        return None
    kind = "timestamp" if zone else c.column.base_type
    if kind not in ("date", "timestamp", "timestamptz") or not re.fullmatch(r"[\d-]+", text):
        return None
    if not _begins(text + rest, "day") or (text + rest).count("-") != 2 or len(text + rest) != len("2024-01-01"):
        return None
    start = f"{quote_literal(text + rest)}::{kind}"
    only = ", ".join(filter(None, ("as long as all are of our era", _when_equal(c, zone))))
    behind = _at(f"{start} + '{step}'::interval", zone)
    after = f"{c.name} >= {_at(start, zone)} AND {c.name} < {behind}"
    return after, f"it writes {c.name} as text for every row", only


def shifted(c: Condition) -> Answer | None:
    """``tz AT TIME ZONE 'UTC' >= v``: zones whose clocks never change keep the order, others but for those hours."""
    zone = _zone(c.left, c)
    text = string_value(c.right)
    if not zone or c.operator not in FLIPPED or (text is None and c.right.kind != "ParamRef"):
        return None
    if cast_to(c.right) not in ("", "timestamp", "date"):
        return None
    value = c.value if text is None else quote_literal(text)
    after = f"{c.name} {c.operator} {value}::timestamp AT TIME ZONE {zone}"
    only = _when_equal(c, zone) and "but for the hours that the clocks repeat or leave out"
    return after, f"it moves {c.name} to another zone for every row", only
