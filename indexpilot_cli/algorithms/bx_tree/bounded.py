"""The start of an interval bounded from both sides, where it is known how long intervals are.

An interval that holds t began at most the longest length before t: the paper enlarges its window by the largest speed
in the same way. A CHECK knows that length for sure; rows of a sample do not, so that intervals outside of what they
show are read beside, through a small index of their own: the same rows, whatever comes later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.algorithms.bx_tree.intervals import Held, held_moments, in_and
from indexpilot_cli.algorithms.cortex.band import (
    SampledNumbers,
    apart,
    asks_for,
    distance,
    exceptions,
    find_band,
    host_conditions,
    two_arms,
)
from indexpilot_cli.algorithms.rewriting import OtherForm, conjuncts_of, with_conditions
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.samples import Samples
from indexpilot_cli.methods.existing import covers
from indexpilot_cli.sql.parser import Node, deparse_expression, parse_expression

RULES = ("bounded_interval", "mostly_bounded_interval")
_DAYS_AND_TIME = re.compile(r"(?:(\d+) days? ?)?(?:(\d+):(\d\d):(\d\d))?")
_ONLY = "as long as moments that far before those asked for fit the type"


def bounded_forms(statement: Node, catalog: Catalog, samples: Samples) -> Iterator[OtherForm]:
    """Each interval that holds a moment with its start bounded below: by a CHECK, and by what rows show."""
    for held in held_moments(statement, catalog):
        found = (_by_check(statement, held, samples), _by_rows(statement, held, catalog, samples))
        for form in (f for f in found if f is not None):
            start = IndexDefinition(form.table, (IndexKey(held.low.column.name),))
            yield replace(form, wants=tuple(d for d in (start, *form.wants) if not _there(d, held.low.table)))


def _there(wanted: IndexDefinition, table: Table) -> bool:
    # A full index on the end would serve the second part, but not read only that.
    return any(covers(index.definition, wanted, partial_by_full=False) for index in table.indexes if index.valid)


def _by_check(statement: Node, held: Held, samples: Samples) -> OtherForm | None:
    low, high = held.low, held.high
    # A CHECK holds, too, where it is NULL: for rows without an end.
    checks = samples.checks(low.table.name) if not high.open_ended else ()
    known = [n for text in checks if (n := longest(text, low.column, high.column)) is not None]
    if not known:
        return None
    kind = low.column.base_type
    added = f"{low.name} >= ({low.moment})::{kind} - {distance(min(known), kind)}"
    fresh = with_conditions(statement, held.where, [*map(in_and, conjuncts_of(held.where)), added])
    why = "a CHECK says how long an interval is at most, so that its start has two bounds"
    return OtherForm(RULES[0], low.table.name, held.text, f"{held.text} AND {added}", why, _ONLY, fresh, ())


def longest(check: str, start: Column, end: Column) -> int | None:
    """Days of dates or seconds that the end is at most after the start, as the CHECK says; None where it does not.

    Differences only, or sums without days: days and months of a sum are longer or shorter by the calendar.
    """
    kind, first, last = start.base_type, quote_identifier(start.name), quote_identifier(end.name)
    found = []
    for condition in conjuncts_of(parse_expression(check)):
        plain = condition.kind == "A_Expr" and condition.enum("kind") == "AEXPR_OP"
        left, right = (condition.child("lexpr"), condition.child("rexpr")) if plain else (None, None)
        if left is None or right is None or condition.names("name")[-1:] not in (("<",), ("<=",)):
            continue
        if deparse_expression(left) == f"{last} - {first}":
            found.append(_length(right, kind, days=True))
        elif deparse_expression(left) == last and deparse_expression(right).startswith(f"{first} + "):
            found.append(_length(right.child("rexpr"), kind, days=False))
    return min((n for n in found if n is not None), default=None)


def _length(value: Node | None, kind: str, *, days: bool) -> int | None:
    if value is None or kind == "date":
        text = deparse_expression(value) if value is not None else ""
        return int(text) if text.isdecimal() else None
    constant = value.child("arg") if value.kind == "TypeCast" else None
    text = deparse_expression(constant).strip("'") if constant is not None else ""
    match = _DAYS_AND_TIME.fullmatch(text)
    if match is None or not text or (match[1] and not days):
        return None
    day, hour, minute, second = (int(part or 0) for part in match.groups())
    return ((day * 24 + hour) * 60 + minute) * 60 + second


def _by_rows(statement: Node, held: Held, catalog: Catalog, samples: Samples) -> OtherForm | None:
    low, high = held.low, held.high
    sample = samples.of(low.table.name)
    if sample is None or not {low.column.name, high.column.name} <= set(sample.columns):
        return None
    band = find_band(SampledNumbers(sample), high.column, low.column)
    if band is None:
        return None
    hosts = tuple(host_conditions(">", low.moment, band))
    form = two_arms(statement, held.query, hosts, band, catalog)
    spared = "a CHECK of that would spare the second part"
    why = f"{apart(band)} {exceptions(band)}: the start has two bounds; {spared}{asks_for(low.table, band)}"
    return replace(form, rule=RULES[1], why=why) if form is not None else None
