"""How a plan runs, where its price rests on a guess: loops around index scans, early ends, rows read by index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Node: TypeAlias = Mapping[str, Any]

ENOUGH = 10.0  # a margin that needs no mention when only one condition is estimated
ENOUGH_UNSURE = 100.0  # and when several are, or a join's size
ENOUGH_JOINED = 100_000.0  # at the most, after several joins
FEW_LOOPS = 10.0
# Rows fetched by index from pages in memory take up to three times what the planner says against rows of a scan:
# measured on TPC-H, where statements of 0.5 and 0.9 of the cost took 1.9 and 1.7 of the time.
DEARER = 3.0
_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
_FETCHES = frozenset({"Index Scan", "Index Only Scan", "Bitmap Heap Scan"})
_KEPT = frozenset({"Materialize", "Hash", "Sort"})
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


@dataclass(frozen=True, slots=True)
class IndexReads:
    """Rows that a plan fetches from tables one by one through indexes, new or old, and their part of its cost."""

    rows: float
    cost: float


def index_reads(tree: Node) -> IndexReads:
    """What the planner prices least surely: rows found by index, once or in every turn of a nested loop."""
    rows, cost = 0.0, 0.0
    for node, loops in _repeated(tree, 1.0):
        once = node["Node Type"] == "Index Only Scan" and loops <= 1.0
        if node["Node Type"] in _FETCHES and not once:
            rows += loops * float(node["Plan Rows"])
            cost += loops * float(node["Total Cost"])
    return IndexReads(rows, cost)


def _repeated(node: Node, loops: float) -> Iterator[tuple[Node, float]]:
    """Every node with how often it runs; what is kept from the first run counts once."""
    yield node, loops
    children = node.get("Plans", ())
    inner = loops * max(1.0, float(children[0]["Plan Rows"])) if children else loops
    for place, child in enumerate(children):
        turns = inner if place and node["Node Type"] == "Nested Loop" else loops
        yield from _repeated(child, 1.0 if child["Node Type"] in _KEPT else turns)


def risky_loops(tree: Node, before: float) -> tuple[Loop, ...]:
    """Nested loops around index scans whose gain a plausible error of the outer row count would eat.

    ``before`` is the statement's cost without the indexes. An outer input that joins is estimated ten times worse
    for every join (Leis et al., PVLDB 9(3), 2015), and then few estimated rows are no comfort.
    """
    found = []
    for node in nodes(tree):
        if node["Node Type"] != "Nested Loop" or len(node.get("Plans", ())) < 2:
            continue
        outer, inner = node["Plans"][0], node["Plans"][1]
        scan = next((n for n in _run_again(inner) if n["Node Type"] in _INDEX_SCANS), None)
        probes, joins = float(outer["Plan Rows"]), sum(n["Node Type"] in _JOINS for n in nodes(outer))
        if scan is None or (probes < FEW_LOOPS and joins < 2):
            continue
        factor = error_factor(before, float(tree["Total Cost"]), max(1.0, probes) * float(inner["Total Cost"]))
        if factor < _enough(outer, joins):
            found.append(Loop(str(scan.get("Relation Name", "")), probes, factor))
    return tuple(found)


def _run_again(node: Node) -> Iterator[Node]:
    """The nodes that every turn of a loop runs: what is materialized is read once."""
    if node["Node Type"] != "Materialize":
        yield node
        for child in node.get("Plans", ()):
            yield from _run_again(child)


def _enough(outer: Node, joins: int) -> float:
    """The margin from which an error of the row count of this input needs no mention."""
    if joins:
        return min(ENOUGH_UNSURE * 10.0 ** (joins - 1), ENOUGH_JOINED)
    return ENOUGH_UNSURE if _several_conditions(outer) else ENOUGH


def error_factor(before: float, after: float, part: float) -> float:
    """By how much ``part`` of the cost may grow until the plan costs ``before``."""
    part = min(part, after)
    return max(1.0, (before - (after - part)) / part) if part > 0 else float("inf")


def _several_conditions(node: Node) -> bool:
    """Whether the row count of this input multiplies several estimates."""
    conditions = 0
    for part in nodes(node):
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
                EarlyEnd(
                    str(scan.get("Relation Name", "")), float(node["Plan Rows"]), error_factor(before, after, after)
                )
            )
    return tuple(found)


def _streamed(limit: Node) -> Node | None:
    """The index scan that rows come from, when nothing between it and the LIMIT reads to the end and rows are thrown
    away on the way: by a filter of the scan or of a join, or because they find no partner."""
    node, discards = limit, False
    while node["Node Type"] in _PASSES_ROWS_ON and node.get("Plans"):
        below = node["Plans"][0]
        partners = node["Node Type"] != "Nested Loop" or float(node["Plan Rows"]) >= float(below["Plan Rows"])
        discards |= "Filter" in node or "Join Filter" in node or not partners
        node = below
    return node if node["Node Type"] in _INDEX_SCANS and (discards or "Filter" in node) else None
