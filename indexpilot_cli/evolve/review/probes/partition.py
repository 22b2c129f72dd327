"""A partition comes into a partitioned table: are its rows, and those of the default partition, in their place?

https://www.postgresql.org/docs/current/ddl-partitioning.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeKind, Question, probe
from indexpilot_cli.evolve.review.probes.shape import row_where
from indexpilot_cli.evolve.review.probes.virtual import VirtualTable
from indexpilot_cli.evolve.review.probes.virtual_tables import Tables
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.safe.values import Bound

_KEY = re.compile(r"\s*(RANGE|LIST|HASH)\s*\((.*)\)\s*", re.I | re.S)


def partition_questions(action: Action, tables: Tables, number: int) -> Iterator[Probe]:
    """Rows outside the bound in the partition to be, and rows inside it that another (the default) holds."""
    if action.kind not in (Act.ATTACH_PARTITION, Act.CREATE_PARTITION):
        return
    bound = tables.safe.bound(action.sql)
    target = tables.resolve(*bound.parent) if bound else None
    parent = tables.get(target) if target else None
    if bound is None or parent is None or parent.origin is None:
        return
    inside = None if bound.default else _inside(bound, parent, tables)
    name = tables.resolve(*bound.child)
    child = tables.get(name) if name and action.kind is Act.ATTACH_PARTITION else None
    if child is not None and not child.empty:
        words = f"rows of {child.name.short} do not belong into the partition"
        body = row_where(f"({inside}) IS NOT TRUE") if inside else None
        why = "" if inside else "the bound of a default partition is what all others leave"
        yield probe(child, number, Question(ProbeKind.PARTITION, "23514", words, body, why_not=why))
    if inside and not bound.modulus:
        words = f"the default partition of {parent.name.short} has rows that belong into the new one"
        yield probe(parent, number, Question(ProbeKind.PARTITION, "23514", words, row_where(inside)))


def _inside(bound: Bound, parent: VirtualTable, tables: Tables) -> str | None:
    """The condition (over ``ip_t``) that is true for rows of the partition; None when it cannot be written."""
    real = tables.catalog.table(parent.origin) if parent.origin else None
    match = _KEY.fullmatch(real.partition_key or "") if real else None
    keys = split_keys(match[2]) if match else ()
    vetted = [tables.expression(key, parent) for key in keys]
    constants = [*bound.values, *(t for t in (*bound.lower, *bound.upper) if t is not None)]
    if not keys or any(v is None for v in vetted) or any(tables.expression(c) is None for c in constants):
        return None
    texts = [f"({v.sql})" for v in vetted if v is not None]
    if bound.modulus:
        table = f"{quote_literal(str(parent.origin))}::regclass"
        return f"satisfies_hash_partition({table}, {bound.modulus}, {bound.remainder}, {', '.join(texts)})"
    if bound.lower:
        return _range(texts, bound)
    parts = [f"{texts[0]} IN ({', '.join(bound.values)})"] if bound.values else []
    return " OR ".join(parts + ([f"{texts[0]} IS NULL"] if bound.null else []))


def _range(keys: Sequence[str], bound: Bound) -> str | None:
    """Row comparison up to the first MINVALUE or MAXVALUE, which closes or opens what follows."""
    conditions = [f"{key} IS NOT NULL" for key in keys]
    for limits, operator in ((bound.lower, ">="), (bound.upper, "<")):
        fixed = [limit for limit in limits if limit is not None]
        if len(fixed) != len(limits) and (fixed or len(limits) > 1):
            return None
        if fixed:
            conditions.append(f"({', '.join(keys)}) {operator} ({', '.join(fixed)})")
    return " AND ".join(conditions)


def split_keys(text: str) -> tuple[str, ...]:
    """The keys of a list, split at the commas outside of parentheses and quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    return (*parts, text[start:].strip())
