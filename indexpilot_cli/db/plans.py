"""EXPLAIN without running anything: literal, generic and prepared statements; and, on request, EXPLAIN ANALYZE.

Everything goes through the extended protocol, where the server refuses text that holds two statements.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import uuid4

from indexpilot_cli.core.estimator import CostFactors, PlannedStatement
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UsageError

_COMMENTS_AND_PARENTHESES = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_PARAMETERS = re.compile(r"\$(\d+)")
PLANNED_WORDS = frozenset({"select", "insert", "update", "delete", "merge", "with", "values", "table"})
_READS = frozenset({"select", "with", "values", "table"})
# A prepared statement lives until DEALLOCATE: a fresh name meets no remnant.
_counter = itertools.count(1)


def explain_text(
    session: Session, statement: Plannable, *, verbose: bool = False, settings: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """The ``Plan`` object of EXPLAIN's JSON; nothing is executed. ``settings`` are statements that go before, LOCAL.

    GENERIC and PREPARED both become a forced generic plan of a prepared statement, on every version:
    ``EXPLAIN (GENERIC_PLAN)`` gives the same plan but needs the simple protocol, which runs several statements.
    Raises UsageError for anything but one SELECT or DML statement, StatementError when it cannot be planned.
    """
    refuse_others(statement.sql)
    options = _options(verbose=verbose)
    if statement.mode is not PlanMode.LITERAL:
        return _prepared(session, statement, options, settings)
    explain = f"EXPLAIN ({options}) {statement.sql}"
    return _rolled_back(session, (*settings, explain)) if settings else _alone(session, explain)


def explain_texts(session: Session, statements: Sequence[tuple[Plannable, bool]]) -> list[Node]:
    """What ``explain_text`` gives for each of these literal statements (True: verbose), all in one round trip.

    Raises what the first that fails would raise. For a session of ours that is read-only and reached directly.
    """
    for statement, _ in statements:
        refuse_others(statement.sql)
    texts = [f"EXPLAIN ({_options(verbose=verbose)}) {statement.sql}" for statement, verbose in statements]
    return session.explains(texts)


def _options(*, verbose: bool) -> str:
    return "FORMAT JSON, VERBOSE" if verbose else "FORMAT JSON"


def multiplied(factors: CostFactors | None) -> tuple[str, ...]:
    """The statement, for ``explain_text``, that multiplies the session's own cost constants; none for None."""
    if factors is None:
        return ()
    each = []
    for name, factor in asdict(factors).items():
        if name != "scale":
            value = f"current_setting('{name}')::float8 * {factor * factors.scale!r}"
            each.append(f"set_config('{name}', ({value})::text, true)")
    return (f"SELECT {', '.join(each)}",)


def explain_analyze(session: Session, sql: str, timeout_ms: int) -> Mapping[str, Any]:
    """The ``Plan`` object of EXPLAIN (ANALYZE, BUFFERS): the query really runs, for ``timeout_ms`` at most.

    Only for queries; the transaction is read-only and rolled back, so rows cannot change.
    Raises UsageError for DML, RefusedError when the query tries to write, UnreachableError on timeout.
    """
    if first_word(sql) not in _READS:
        raise UsageError("EXPLAIN ANALYZE runs the statement, so only a query is accepted", code="not_a_query")
    # LOCAL: behind a pooler a session setting would stay with a backend that others get.
    limit = f"SET LOCAL statement_timeout = {int(timeout_ms)}"
    run = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
    # Compiled where the server does so for everybody: our session does not.
    return _rolled_back(session, (limit, "SET LOCAL jit TO DEFAULT", run))


def refuse_others(sql: str) -> None:
    """Raise UsageError unless the text begins as a query or DML statement."""
    word = first_word(sql)
    if word not in PLANNED_WORDS:
        raise UsageError(
            f"cannot plan a statement that begins with {word.upper() or 'nothing'}",
            hint="give one SELECT, INSERT, UPDATE, DELETE or MERGE",
            code="not_plannable",
        )


def first_word(sql: str) -> str:
    """The first key word in lower case, after comments and opening parentheses; empty when there is none."""
    match = _COMMENTS_AND_PARENTHESES.match(sql)
    word = re.match(r"[A-Za-z]+", sql[match.end() if match else 0 :])
    return word.group().lower() if word else ""


def _alone(session: Session, explain: str) -> Mapping[str, Any]:
    # A pooler may have lent us a backend that never heard of our settings.
    safe = session.read_only and not session.pooled
    return session.explain(explain) if safe else _rolled_back(session, (explain,))


def _prepared(session: Session, statement: Plannable, options: str, settings: tuple[str, ...]) -> Mapping[str, Any]:
    """A generic plan prunes partitions at start-up by the values we do not have: all of them, for NULL.

    EXPLAIN then hides the pruned parts, though the cost counts them. The plan without pruning shows them.
    """
    plan = _executed(session, statement, options, *settings)
    if not any("Subplans Removed" in node for node in walk(plan)):
        return plan
    whole = _executed(session, statement, options, *settings, "SET LOCAL enable_partition_pruning = off")
    return {**whole, **{name: plan[name] for name in ("Startup Cost", "Total Cost", "Plan Rows")}}


def _executed(session: Session, statement: Plannable, options: str, *settings: str) -> Mapping[str, Any]:
    # Behind a pooler the remnant of another process may be met, where an EXPLAIN of it failed.
    name = f"indexpilot_{next(_counter)}" + (f"_{uuid4().hex}" if session.pooled else "")
    count = statement.parameters or _highest_parameter(statement.sql)
    # The values do not matter: a forced generic plan is made without looking at them.
    nulls = f"({', '.join(['NULL'] * count)})" if count else ""
    return _rolled_back(
        session,
        (
            "SET LOCAL plan_cache_mode = force_generic_plan",
            *settings,
            f"PREPARE {name} AS {statement.sql}",
            f"EXPLAIN ({options}) EXECUTE {name}{nulls}",
        ),
        after=f"DEALLOCATE {name}",
    )


def _highest_parameter(sql: str) -> int:
    """For statements that do not say how many parameters they have."""
    return max((int(number) for number in _PARAMETERS.findall(_STRINGS.sub("", sql))), default=0)


def _rolled_back(session: Session, statements: tuple[str, ...], after: str | None = None) -> Mapping[str, Any]:
    """Prepared statements outlive a rollback, so ``after`` is sent outside the transaction, also on failure."""
    if session.pooled:
        # What is sent outside a transaction may meet another backend: all of it within one, limits included.
        with session.transaction(rollback=True):
            return session.explain_in(("SET TRANSACTION READ ONLY", *statements, *((after,) if after else ())))
    tail = ("ROLLBACK", after) if after else ("ROLLBACK",)
    try:
        return session.explain_in(("BEGIN READ ONLY", *statements, *tail))
    except IndexPilotError:
        _clean_up(session, tail)
        raise


def _clean_up(session: Session, tail: tuple[str, ...]) -> None:
    for statement in tail:
        try:
            session.execute(statement)
        except IndexPilotError:
            continue  # never prepared, or the connection is gone: the first error tells


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
    return frozenset(relation_of(node) for node in walk(plan) if "Relation Name" in node)


def relation_of(node: Node) -> QualifiedName:
    """The table that a node of such a plan reads."""
    return QualifiedName(node.get("Schema") or "?", node["Relation Name"])


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
    return _title(max(scans, key=lambda node: float(node["Total Cost"]))) if scans else _title(tree)


def access_of(tree: Mapping[str, Any]) -> str:
    """``seq scan``, ``index`` or ``mixed``: how a plan finds its rows."""
    kinds = {
        "seq scan" if n["Node Type"] == "Seq Scan" else "index" for _, n in nodes(tree) if n["Node Type"] in _SCANS
    }
    return "mixed" if len(kinds) > 1 else next(iter(kinds), "no table")


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
