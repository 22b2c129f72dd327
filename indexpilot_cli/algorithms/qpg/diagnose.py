"""What costs most in a plan, by its EXPLAIN (FORMAT JSON): of a run where it was ANALYZE, else as the planner expects.

Nothing here is of the paper by whose name it often goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, TypeAlias

from indexpilot_cli.core import units
from indexpilot_cli.errors import UsageError

PlanNode: TypeAlias = Mapping[str, Any]
MOST_LEVELS = 64
_DISCARDED = 10.0  # rows that a filter throws away for one it keeps
_LEAST_ROWS = 1000.0
_OFF, _OFF_ROWS = 10.0, 100.0
_WORK_MEM = 4 * 1024**2
_PER_ROW = 32  # bytes that a sort keeps beside a row's own
_JIT_SHARE = 0.25
_CROSSED = 0.5  # of all pairs of rows, from which a nested loop keeps them all
_SEQ = "Seq Scan"
_BETWEEN = ("Materialize", "Memoize")


class BottleneckKind(StrEnum):
    """What is wrong at a node."""

    FILTER = "filter_discards_rows"
    SORT_SPILL = "sort_spills"
    HASH_SPILL = "hash_spills"
    NESTED_SEQ_SCAN = "nested_loop_over_seq_scan"
    LOSSY_BITMAP = "lossy_bitmap"
    JIT = "jit"
    MISESTIMATE = "rows_misestimated"
    CARTESIAN = "cartesian_product"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """One of them. ``node`` as a person reads it, ``level`` its depth below the root, ``share`` of the root's cost (of
    its time, where the plan was run) that the node and what is below it take; ``actual``: seen in a run, not expected.
    """

    kind: BottleneckKind
    node: str
    level: int
    text: str
    share: float
    actual: bool


@dataclass(frozen=True, slots=True)
class PlanDiagnosis:
    """The bottlenecks, those that take most first. ``nodes`` looked at; ``cut``: there are more levels below."""

    bottlenecks: tuple[Bottleneck, ...]
    nodes: int
    actual: bool
    cut: bool = False
    total_cost: float = 0.0


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known of a plan as a whole."""

    root: PlanNode
    work_mem: int
    actual: bool

    def share(self, node: PlanNode) -> float:
        """Of the root's time or cost."""
        whole = _took(self.root) if self.actual else _number(self.root, "Total Cost")
        part = _took(node) if self.actual else _number(node, "Total Cost")
        return min(1.0, part / whole) if whole > 0 else 0.0


def diagnose(document: object, *, most_levels: int = MOST_LEVELS, work_mem: int = _WORK_MEM) -> PlanDiagnosis:
    """What is wrong with a plan: EXPLAIN's JSON as text or as it was read, its "Plan" object, or a list of one.

    Nothing below ``most_levels`` levels is looked at. Raises UsageError for what is no plan.
    """
    whole = _document(document)
    root = whole.get("Plan", whole)
    if not isinstance(root, Mapping) or "Node Type" not in root:
        raise UsageError("this is no plan", hint="give what EXPLAIN (FORMAT JSON) answers", code="not_a_plan")
    around = _Around(root, work_mem, "Actual Rows" in root)
    found: list[Bottleneck] = []
    count, cut = 0, False
    for level, node in _walk(root, most_levels):
        if level == most_levels:
            cut = True
            continue
        count += 1
        found += (Bottleneck(k, _title(node), level, t, around.share(node), a) for k, t, a in _wrong(node, around))
    found += _jit(whole, around)
    return PlanDiagnosis(
        tuple(sorted(found, key=lambda b: (-b.share, b.level))), count, around.actual, cut, _number(root, "Total Cost")
    )


def _document(document: object) -> Mapping[str, Any]:
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError as error:
            raise UsageError("this is no JSON", detail=str(error), code="not_a_plan") from error
        except RecursionError as error:
            raise UsageError("this is nested too deeply to be a plan", code="not_a_plan") from error
    if isinstance(document, Sequence) and not isinstance(document, str) and document:
        document = document[0]
    if not isinstance(document, Mapping):
        raise UsageError("this is no plan", hint="give what EXPLAIN (FORMAT JSON) answers", code="not_a_plan")
    return document


def _walk(root: PlanNode, most: int) -> Iterator[tuple[int, PlanNode]]:
    """Nodes with their levels; the first below the limit is given and not what is under it."""
    stack = [(0, root)]
    while stack:
        level, node = stack.pop()
        yield level, node
        if level < most:
            stack.extend((level + 1, child) for child in reversed(_children(node)))


def _children(node: PlanNode) -> list[PlanNode]:
    plans = node.get("Plans")
    return [n for n in plans if isinstance(n, Mapping)] if isinstance(plans, Sequence) else []


_Wrong: TypeAlias = Iterator[tuple[BottleneckKind, str, bool]]


def _wrong(node: PlanNode, around: _Around) -> _Wrong:
    for rule in (_filter, _sort, _hash, _nested, _lossy, _misestimate):
        yield from rule(node, around)


def _filter(node: PlanNode, around: _Around) -> _Wrong:
    loops = max(1.0, _number(node, "Actual Loops", 1.0))
    thrown = _number(node, "Rows Removed by Filter") * loops
    kept = _number(node, "Actual Rows") * loops
    if thrown >= _LEAST_ROWS and thrown > _DISCARDED * kept:
        yield BottleneckKind.FILTER, f"the filter throws away {thrown:,.0f} rows to keep {kept:,.0f}", True
    elif not around.actual and _reads_for_little(node, around):
        rows = _number(node, "Plan Rows")
        yield BottleneckKind.FILTER, f"the whole table is read for an estimated {rows:,.0f} rows", False


def _reads_for_little(node: PlanNode, around: _Around) -> bool:
    """How many rows it reads is not told; that it costs most of the plan and gives little for it is."""
    filtered = node.get("Node Type") == _SEQ and "Filter" in node
    dear = _number(node, "Total Cost") > _DISCARDED * _number(node, "Plan Rows")
    return filtered and dear and around.share(node) >= 0.5


def _sort(node: PlanNode, around: _Around) -> _Wrong:
    if node.get("Sort Space Type") == "Disk":
        size = _number(node, "Sort Space Used")
        yield BottleneckKind.SORT_SPILL, f"the sort writes {units.size(size * 1024)} to disk", True
    elif node.get("Node Type") == "Sort" and "Sort Space Type" not in node and not around.actual:
        needed = _number(node, "Plan Rows") * (_number(node, "Plan Width") + _PER_ROW)
        if needed > around.work_mem:
            yield BottleneckKind.SORT_SPILL, f"the sort needs an estimated {units.size(needed)}", False


def _hash(node: PlanNode, _around: _Around) -> _Wrong:
    batches = max(_number(node, "Hash Batches"), _number(node, "HashAgg Batches"))
    if batches > 1:
        yield BottleneckKind.HASH_SPILL, f"the hash table is written to disk in {batches:,.0f} batches", True


def _nested(node: PlanNode, around: _Around) -> _Wrong:
    children = _children(node)
    if node.get("Node Type") != "Nested Loop" or len(children) < 2:
        return
    outer, inner = children[0], children[1]
    below = inner
    while below.get("Node Type") in _BETWEEN and _children(below):
        below = _children(below)[0]
    rows = _rows(outer, around)
    if below.get("Node Type") == _SEQ and rows > 1:
        said = "" if around.actual else "estimated "
        text = f"{below.get('Relation Name', 'the inner table')} is read once for each of {said}{rows:,.0f} rows"
        yield BottleneckKind.NESTED_SEQ_SCAN, text, around.actual
    if _is_crossed(node, outer, inner, around):
        pairs = _rows(outer, around) * _rows(inner, around)
        yield BottleneckKind.CARTESIAN, f"every row is joined to every other: {pairs:,.0f} pairs", around.actual


def _is_crossed(node: PlanNode, outer: PlanNode, inner: PlanNode, around: _Around) -> bool:
    """Whether nothing ties the two sides together: no join condition, and about all pairs come out."""
    if "Join Filter" in node or node.get("Inner Unique") or node.get("Join Type", "Inner") != "Inner":
        return False
    if any("Index Cond" in n or "Cache Key" in n for _, n in _walk(inner, MOST_LEVELS)):
        return False
    one, other = _rows(outer, around), _rows(inner, around)
    return one > 1 and other > 1 and _rows(node, around) >= _CROSSED * one * other


def _lossy(node: PlanNode, _around: _Around) -> _Wrong:
    lossy = _number(node, "Lossy Heap Blocks")
    if lossy > 0:
        text = f"{lossy:,.0f} pages are remembered as pages, not as rows: work_mem is too small for the bitmap"
        yield BottleneckKind.LOSSY_BITMAP, text, True


def _misestimate(node: PlanNode, around: _Around) -> _Wrong:
    if not around.actual or not _number(node, "Actual Loops"):
        return
    expected, there = max(1.0, _number(node, "Plan Rows")), max(1.0, _number(node, "Actual Rows"))
    if max(expected, there) > _OFF_ROWS and not 1 / _OFF <= expected / there <= _OFF:
        yield BottleneckKind.MISESTIMATE, f"{expected:,.0f} rows were expected, there were {there:,.0f}", True


def _jit(document: Mapping[str, Any], around: _Around) -> Iterator[Bottleneck]:
    jit = document.get("JIT")
    if not isinstance(jit, Mapping):
        return
    timing = jit.get("Timing")
    spent, whole = _number(timing, "Total") if isinstance(timing, Mapping) else 0.0, _number(document, "Execution Time")
    functions = _number(jit, "Functions")
    title = _title(around.root)
    if whole > 0 and spent > _JIT_SHARE * whole:
        text = f"compiling {functions:,.0f} functions takes {spent:,.0f} of {whole:,.0f} ms"
        yield Bottleneck(BottleneckKind.JIT, title, 0, text, spent / whole, True)
    elif not around.actual and functions:
        yield Bottleneck(BottleneckKind.JIT, title, 0, f"{functions:,.0f} functions are compiled first", 0.0, False)


def _rows(node: PlanNode, around: _Around) -> float:
    return _number(node, "Actual Rows") if around.actual else _number(node, "Plan Rows")


def _took(node: PlanNode) -> float:
    return _number(node, "Actual Total Time") * max(1.0, _number(node, "Actual Loops", 1.0))


def _number(node: Mapping[str, Any], name: str, default: float = 0.0) -> float:
    value = node.get(name, default)
    known = isinstance(value, int | float) and not isinstance(value, bool) and -inf < value < inf
    return float(value) if known else default


def _title(node: PlanNode) -> str:
    title = str(node.get("Node Type", "?"))
    if "Index Name" in node:
        title += f" using {node['Index Name']}"
    return f"{title} on {node['Relation Name']}" if "Relation Name" in node else title
