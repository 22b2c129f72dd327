"""EXPLAIN's JSON read as values: cost, the indexes a plan uses, and its shape.

The shape is a digest of what the plan does: node types, relations, structure of the indexes, join types, sort
keys; no numbers and no index names, so that two plans of equal shape differ only in estimates. After the plan
fingerprint of query plan guidance (Ba & Rigger, arXiv:2312.17510), translated to PostgreSQL.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName

Node: TypeAlias = Mapping[str, Any]

CONSTANT_FALSE = "the condition is never true with these values, so this is not the plan of the statement"

# What tells two operators of one type apart; every key is a word or a list of words in EXPLAIN's JSON.
_TRAITS = (
    "Node Type",
    "Strategy",
    "Partial Mode",
    "Parallel Aware",
    "Operation",
    "Join Type",
    "Inner Unique",
    "Scan Direction",
    "Parent Relationship",
    "Subplan Name",
    "Command",
    "Cache Mode",
)
_KEY_LISTS = ("Sort Key", "Presorted Key", "Group Key", "Cache Key")
_LITERAL = re.compile(r"'(?:[^']|'')*'|(?<![\w$\"])[\d.]+\b|\$\d+")


@dataclass(frozen=True, slots=True)
class KnownIndex:
    """An index a plan may name: its structure, and its name in the catalog when it really exists."""

    definition: IndexDefinition
    existing: QualifiedName | None = None


IndexLookup: TypeAlias = Callable[[QualifiedName | None, str], KnownIndex | None]
"""From the relation a scan reads and the index name EXPLAIN prints to the index."""


@dataclass(frozen=True, slots=True)
class PlanNames:
    """What the names in a plan mean. ``schemas`` maps relation names for plans printed without VERBOSE."""

    index: IndexLookup
    schemas: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def relation(self, node: Node, around: QualifiedName | None = None) -> QualifiedName | None:
        """The relation a node reads; ``around`` is that of the node above (bitmap index scans name none)."""
        name = node.get("Relation Name")
        if name is None:
            return around
        return QualifiedName(node.get("Schema") or self.schemas.get(name) or "?", name)


def walk(plan: Node) -> Iterator[Node]:
    """Every node of the tree, parents first."""
    stack = [plan]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.get("Plans", ())))


def relations(plan: Node) -> frozenset[QualifiedName]:
    """The tables a plan printed with VERBOSE touches."""
    return frozenset(
        QualifiedName(node.get("Schema") or "?", node["Relation Name"])
        for node in walk(plan)
        if "Relation Name" in node
    )


def read_plan(plan: Node, names: PlanNames, *, keep_tree: bool = False) -> PlannedStatement:
    """The planner's answer as a value. A plan of nothing (constant false) becomes an answer with ``error``."""
    if constant_false(plan):
        return failed(CONSTANT_FALSE, tree=plan if keep_tree else None)
    used = tuple(_used(plan, names, None))
    return PlannedStatement(
        total_cost=float(plan["Total Cost"]),
        rows=float(plan["Plan Rows"]),
        hypothetical=frozenset(index.definition for index in used if index.existing is None),
        existing=frozenset(index.existing for index in used if index.existing is not None),
        shape=shape(plan, names),
        tree=plan if keep_tree else None,
    )


def failed(error: str, *, tree: Node | None = None) -> PlannedStatement:
    """The answer for a statement without a plan."""
    return PlannedStatement(total_cost=math.nan, rows=math.nan, error=error, tree=tree)


def constant_false(plan: Node) -> bool:
    """Whether the planner proved the statement empty and left no relation to read."""
    nodes = [node for node in walk(plan) if node["Node Type"] != "ModifyTable"]
    proved = any(node.get("One-Time Filter") == "false" for node in nodes)
    return proved and not any("Relation Name" in node or "Function Name" in node for node in nodes)


def shape(plan: Node, names: PlanNames) -> str:
    """Sixteen hex digits that name what the plan does."""
    text = json.dumps(_skeleton(plan, names, None), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _used(node: Node, names: PlanNames, around: QualifiedName | None) -> Iterator[KnownIndex]:
    relation = names.relation(node, around)
    if "Index Name" in node:
        index = names.index(relation, node["Index Name"])
        if index is not None:
            yield index
    for child in node.get("Plans", ()):
        yield from _used(child, names, relation)


def _skeleton(node: Node, names: PlanNames, around: QualifiedName | None) -> list[object]:
    relation = names.relation(node, around)
    traits: list[object] = [node.get(trait) for trait in _TRAITS]
    keys = [[_LITERAL.sub("?", key) for key in node.get(name, ())] for name in _KEY_LISTS]
    index = names.index(relation, node["Index Name"]) if "Index Name" in node else None
    structure = index.definition.id if index else ("?" if "Index Name" in node else None)
    children = [_skeleton(child, names, relation) for child in node.get("Plans", ())]
    return [*traits, str(relation) if relation else None, structure, keys, children]
