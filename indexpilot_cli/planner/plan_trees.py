"""EXPLAIN's JSON trees as lines a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Foreign Scan", "Sample Scan")
_SHOWN = ("Index Cond", "Recheck Cond", "Filter", "Hash Cond", "Merge Cond", "Join Filter", "Sort Key", "Group Key")


def nodes(tree: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every node with its depth, parents first."""
    yield depth, tree
    for child in tree.get("Plans", ()):
        yield from nodes(child, depth + 1)


def lines(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """The plan as indented lines: what each node does, on what, its condition, cost and rows."""
    return tuple(f"{'  ' * depth}{_line(node)}" for depth, node in nodes(tree))


def access(tree: Mapping[str, Any]) -> str:
    """The scan that costs most by itself, such as ``Seq Scan on orders``; the root node when nothing is scanned."""
    scans = [node for _, node in nodes(tree) if node["Node Type"] in _SCANS]
    return _title(max(scans, key=_own_cost)) if scans else _title(tree)


def access_of(tree: Mapping[str, Any]) -> str:
    """``seq scan``, ``index`` or ``mixed``: how a plan finds its rows."""
    kinds = {
        "seq scan" if n["Node Type"] == "Seq Scan" else "index" for _, n in nodes(tree) if n["Node Type"] in _SCANS
    }
    return "mixed" if len(kinds) > 1 else next(iter(kinds), "no table")


def _own_cost(node: Mapping[str, Any]) -> float:
    return float(node["Total Cost"])


def _line(node: Mapping[str, Any]) -> str:
    traits = "  ".join(f"{name}: {_text(node[name])}" for name in _SHOWN if name in node)
    figures = f"cost={node['Startup Cost']:.2f}..{node['Total Cost']:.2f} rows={node['Plan Rows']:.0f}"
    return f"{_title(node)}  ({figures})" + (f"  {traits}" if traits else "")


def _title(node: Mapping[str, Any]) -> str:
    title = str(node["Node Type"])
    if "Index Name" in node:
        title += f" using {node['Index Name']}"
    return f"{title} on {node['Relation Name']}" if "Relation Name" in node else title


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
