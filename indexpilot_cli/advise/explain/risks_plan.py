"""Doubts read off a plan tree: where its cost rests on a row count that may be wrong.

Every doubt comes with a factor: how many times more rows than estimated it takes until the plan costs as much
as the one without the index. Planner cost is not time, but a plan that stands a tenfold error of its riskiest
estimate seldom disappoints. Leis et al., "How Good Are Query Optimizers, Really?", PVLDB 9(3), 2015, find
errors of that size common from two joins on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Node: TypeAlias = Mapping[str, Any]

ENOUGH = 10.0  # a margin that needs no mention when only one condition is estimated
ENOUGH_UNSURE = 100.0  # and when several are, or a join's size
FEW_LOOPS = 10.0
_PASSES_ROWS_ON = frozenset({"Limit", "Subquery Scan", "LockRows", "Result", "Nested Loop", "Append", "Merge Append"})
_INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan"})


@dataclass(frozen=True, slots=True)
class Loop:
    """An index probed once per row of another input: estimated probes, and the error that makes it a bad deal."""

    relation: str
    probes: float
    factor: float


@dataclass(frozen=True, slots=True)
class EarlyEnd:
    """A LIMIT that hopes to find its rows early in an ordered scan of ``relation`` which filters."""

    relation: str
    limit: float
    factor: float


def nodes(tree: Node) -> Iterator[Node]:
    """Every node, parents first."""
    yield tree
    for child in tree.get("Plans", ()):
        yield from nodes(child)


def risky_loops(tree: Node, before: float) -> tuple[Loop, ...]:
    """Nested loops around index scans whose gain a plausible error of the outer row count would eat.

    ``before`` is the statement's cost without the indexes.
    """
    found = []
    for node in nodes(tree):
        if node["Node Type"] != "Nested Loop" or len(node.get("Plans", ())) < 2:
            continue
        outer, inner = node["Plans"][0], node["Plans"][1]
        scan = next((n for n in nodes(inner) if n["Node Type"] in _INDEX_SCANS), None)
        probes = float(outer["Plan Rows"])
        if scan is None or probes < FEW_LOOPS:
            continue
        factor = _factor(before, float(tree["Total Cost"]), probes * float(inner["Total Cost"]))
        if factor < (ENOUGH_UNSURE if _unsure(outer) else ENOUGH):
            found.append(Loop(str(scan.get("Relation Name", "")), probes, factor))
    return tuple(found)


def _factor(before: float, after: float, part: float) -> float:
    """By how much ``part`` of the cost may grow until the plan costs ``before``."""
    part = min(part, after)
    return max(1.0, (before - (after - part)) / part) if part > 0 else float("inf")


def _unsure(node: Node) -> bool:
    """Whether the row count of this input multiplies several estimates."""
    conditions = 0
    for part in nodes(node):
        if part["Node Type"] in ("Nested Loop", "Hash Join", "Merge Join"):
            return True
        texts = (str(part.get(key, "")) for key in ("Filter", "Index Cond"))
        conditions += sum(1 + text.count(" AND ") for text in texts if text)
    return conditions > 1


def early_ends(tree: Node, before: float) -> tuple[EarlyEnd, ...]:
    """LIMITs over an ordered index scan that discards rows: cheap only if matching rows are spread evenly."""
    found = []
    for node in nodes(tree):
        scan = _streamed(node) if node["Node Type"] == "Limit" else None
        if scan is not None:
            after = float(tree["Total Cost"])
            found.append(
                EarlyEnd(str(scan.get("Relation Name", "")), float(node["Plan Rows"]), _factor(before, after, after))
            )
    return tuple(found)


def _streamed(limit: Node) -> Node | None:
    """The filtering index scan that rows come from, when nothing between it and the LIMIT reads to the end."""
    node = limit
    while node["Node Type"] in _PASSES_ROWS_ON and node.get("Plans"):
        node = node["Plans"][0]
    return node if node["Node Type"] in _INDEX_SCANS and "Filter" in node else None
