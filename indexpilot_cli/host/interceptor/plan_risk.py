"""From the plan of EXPLAIN to a safety score: no server, no clock, no settings but the limits given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TypeAlias

from indexpilot_cli.core.names import QualifiedName, split_table
from indexpilot_cli.db.plans import Node, relation_of, relations
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.interceptor.verdict import SafetyLevel, SafetyReason
from indexpilot_cli.settings.features import InterceptorSettings


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """What a statement may cost at most; None: no limit. The names are those of the settings."""

    max_cost: float | None = None
    max_rows: float | None = None
    max_seq_scan_rows: float | None = None
    max_nested_loop_rows: float | None = None


LIMIT_NAMES = tuple(limit.name for limit in fields(SafetyLimits))
_TABLE_LIMITS = re.compile(r"(?P<table>.+):\s*(?P<limits>\w+\s*=[^:]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SafetyRules:
    """The limits for all statements, those for statements that touch a table, and how a LIMIT is taken.

    A table's limit stands in the place of the general one; of those of several tables the smallest counts. Keys are
    table names with or without a schema.
    """

    general: SafetyLimits
    tables: Mapping[tuple[str | None, str], Mapping[str, float | None]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    warn_share: float = 0.5
    trust_limit: bool = True

    def limit(self, name: str, tables: Iterable[QualifiedName]) -> tuple[float | None, str]:
        """The limit of that name for a statement on these tables, and the table it comes from ('': from none)."""
        general: float | None = getattr(self.general, name)
        found = [self._of_table(name, table, general) for table in tables] or [(general, "")]
        return min(found, key=lambda one: (float("inf") if one[0] is None else one[0], one[1]))

    def _of_table(self, name: str, table: QualifiedName, general: float | None) -> tuple[float | None, str]:
        for key in ((table.schema, table.name), (None, table.name)):
            if name in self.tables.get(key, ()):
                return self.tables[key][name], str(table)
        return general, ""


def rules_of(settings: InterceptorSettings) -> SafetyRules:
    """The rules that settings say. Raises UsageError for a table's limits that cannot be read."""
    return SafetyRules(
        SafetyLimits(settings.max_cost, settings.max_rows, settings.max_seq_scan_rows, settings.max_nested_loop_rows),
        dict(map(_table_limits, settings.tables)),
        settings.warn_share,
        settings.trust_limit == "unfiltered",
    )


def _table_limits(entry: str) -> tuple[tuple[str | None, str], dict[str, float | None]]:
    match = _TABLE_LIMITS.fullmatch(entry.strip())
    if match is None:
        raise _bad_entry(entry, "write a table, a colon and limits: orders: max_cost=500")
    limits: dict[str, float | None] = {}
    for part in match["limits"].split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in LIMIT_NAMES:
            raise _bad_entry(entry, f"the limits are {', '.join(LIMIT_NAMES)}")
        limits[name] = _number(entry, value)
    return split_table(match["table"]), limits


def _number(entry: str, value: str) -> float | None:
    if value.lower() in ("none", "null"):
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise _bad_entry(entry, f"a limit is a number from 0 on, or none, not {value!r}")
    return number


def _bad_entry(entry: str, hint: str) -> UsageError:
    return UsageError(f"cannot read the limits of a table: {entry[:120]!r}", hint=hint, code="bad_limits")


_RANK = (SafetyLevel.SAFE, SafetyLevel.WARNING, SafetyLevel.UNSAFE)
Judgement: TypeAlias = tuple[float, SafetyLevel, tuple[SafetyReason, ...]]


@dataclass(frozen=True, slots=True)
class TableRows:
    """How many rows a table has, and the partitioned table it is a part of (itself where there is none)."""

    rows: float
    root: QualifiedName


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The numbers of a plan that are judged.

    ``cost`` is the planner's, with what lies below a LIMIT that is not believed in full; ``rows`` are given or changed;
    ``scans`` the rows of each table that are read one after the other, partitions with their whole; ``pairs`` those
    that the worst nested loop compares; ``tables`` all that is touched.
    """

    cost: float = 0.0
    rows: float = 0.0
    scans: Mapping[QualifiedName, float] = field(default_factory=lambda: MappingProxyType({}))
    pairs: float = 0.0
    tables: frozenset[QualifiedName] = frozenset()


def facts_of(plan: Node, sizes: Mapping[QualifiedName, TableRows], *, trust_limit: bool = True) -> PlanFacts:
    """The facts of a plan printed with VERBOSE; tables without a size count with the rows that the plan gives."""
    named = relations(plan)
    roots = {sizes[name].root for name in named if name in sizes}
    scans: dict[QualifiedName, float] = {}
    pairs = unspared = changed = 0.0
    for node in _judged(plan, trust_limit):
        children = node.get("Plans", ())
        if node["Node Type"] == "Seq Scan":
            table = relation_of(node)
            root = sizes[table].root if table in sizes else table
            scans[root] = scans.get(root, 0.0) + _rows_read(node, sizes)
        elif node["Node Type"] == "Nested Loop":
            pairs = max(pairs, _pairs(node, sizes))
        elif node["Node Type"] == "Limit" and not (trust_limit and _streams(children[0])):
            unspared += max(0.0, children[0]["Total Cost"] - node["Total Cost"])
        elif node["Node Type"] == "ModifyTable":
            # The node itself gives no rows without RETURNING; what it changes is what it is given.
            changed = max(changed, *(child["Plan Rows"] for child in children), 0.0)
    cost = float(plan["Total Cost"]) + unspared
    return PlanFacts(cost, max(float(plan["Plan Rows"]), changed), scans, pairs, named | roots)


def judge(facts: PlanFacts, rules: SafetyRules) -> Judgement:
    """Score, level and reasons. The worst share of a limit decides alone: the score is 1 / (1 + share).

    So a plan that is worse in some number and better in none never scores better, and is never of a better level.
    """
    found = sorted(_measured(facts, rules), key=lambda reason: -reason.ratio)
    worst = found[0].ratio if found else 0.0
    told = tuple(reason for reason in found if reason.ratio >= rules.warn_share and reason.ratio > 0)
    return 1 / (1 + worst), _level(worst, rules), told


def with_learned(judged: Judgement, learned: Sequence[SafetyReason], rules: SafetyRules, *, block: bool) -> Judgement:
    """The judgement with what was learned of the statement. Without ``block`` that is a warning at most."""
    score, level, reasons = judged
    worst = max((reason.ratio for reason in learned), default=0.0)
    own = _level(worst if block else min(worst, 1.0), rules)
    told = [reason for reason in learned if reason.ratio >= rules.warn_share]
    found = tuple(sorted((*reasons, *told), key=lambda reason: -reason.ratio))
    return min(score, 1 / (1 + (worst if block else min(worst, 1.0)))), max(level, own, key=_RANK.index), found


def _level(worst: float, rules: SafetyRules) -> SafetyLevel:
    return SafetyLevel.UNSAFE if worst > 1 else SafetyLevel.WARNING if worst >= rules.warn_share else SafetyLevel.SAFE


def _measured(facts: PlanFacts, rules: SafetyRules) -> Iterator[SafetyReason]:
    tables = sorted(facts.tables)
    whole = {"max_cost": facts.cost, "max_rows": facts.rows, "max_nested_loop_rows": facts.pairs}
    for name, value in whole.items():
        limit, source = rules.limit(name, tables)
        if limit is not None:
            yield SafetyReason(name, value, limit, source)
    for table, rows in facts.scans.items():
        limit, _ = rules.limit("max_seq_scan_rows", (table,))
        if limit is not None:
            yield SafetyReason("max_seq_scan_rows", rows, limit, str(table))


def _judged(plan: Node, trust_limit: bool) -> Iterator[Node]:
    """Every node but those below a LIMIT that is believed."""
    stack = [plan]
    while stack:
        node = stack.pop()
        yield node
        children = node.get("Plans", ())
        spared = node["Node Type"] == "Limit" and trust_limit and _streams(children[0])
        stack.extend(children[1:] if spared else children)


# What hands on each row it gets.
_PASSING = frozenset(("Result", "Subquery Scan", "LockRows", "Append", "Merge Append", "Gather", "Gather Merge"))
_READING = frozenset(("Seq Scan", "Index Scan", "Index Only Scan", "Tid Scan", "Tid Range Scan", "Values Scan"))
_LOOKUP = frozenset(("Index Scan", "Index Only Scan", "Tid Scan"))


def _streams(node: Node) -> bool:
    """Whether each row that is read is a row that is given, so that a LIMIT really ends the reading.

    With a filter the planner spreads the matching rows evenly over the table; where they are not, it reads all.
    https://www.postgresql.org/docs/current/using-explain.html (a LIMIT node's cost)
    """
    if "Filter" in node or "Join Filter" in node:
        return False
    children = node.get("Plans", ())
    if node["Node Type"] == "Nested Loop":
        inner = children[1]
        looked_up = inner["Node Type"] in _LOOKUP and "Index Cond" in inner and "Filter" not in inner
        return _streams(children[0]) and looked_up
    if node["Node Type"] in _PASSING:
        return bool(children) and all(map(_streams, children))
    return node["Node Type"] in _READING and not children


def _pairs(node: Node, sizes: Mapping[QualifiedName, TableRows]) -> float:
    outer, inner = node["Plans"][0], node["Plans"][1]
    # A table that is scanned anew for each outer row is read whole, however few of its rows match.
    read = _rows_read(inner, sizes) if inner["Node Type"] == "Seq Scan" else 0.0
    return max(1.0, float(outer["Plan Rows"])) * max(1.0, float(inner["Plan Rows"]), read)


def _rows_read(node: Node, sizes: Mapping[QualifiedName, TableRows]) -> float:
    size = sizes.get(relation_of(node))
    return max(float(node["Plan Rows"]), size.rows if size else 0.0)


def table_entries(limits: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Limits by table as entries of the setting ``tables``."""
    return [f"{table}: {', '.join(f'{name}={value}' for name, value in own.items())}" for table, own in limits.items()]
