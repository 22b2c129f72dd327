"""Indexes that do what another one does: the same, less, or partly the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain

from indexpilot_cli.core.catalog import Index, Table
from indexpilot_cli.core.ddl import drop_index, index_body, index_marks, rebuilt
from indexpilot_cli.core.index import BTREE, IndexKey, Reason, RedundantIndex
from indexpilot_cli.core.names import QualifiedName, quote_literal
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
)
from indexpilot_cli.methods.existing import must_stay


def redundant_findings(needless: Iterable[RedundantIndex], facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """One for each index that another one makes needless; of equal ones exactly one stays."""
    by_name = {index.name: index for index in facts.catalog.indexes()}
    for found in needless:
        index = by_name[found.name]
        state = LifecycleState.DUPLICATE if found.exact else LifecycleState.REDUNDANT
        yield dropping(index, facts, state, _why(found, index, by_name[found.by]))


def _why(found: RedundantIndex, index: Index, by: Index) -> tuple[Reason, ...]:
    reasons = [Reason("same" if found.exact else "covered", found.text, "catalog")]
    if found.exact:
        reasons.append(Reason("stays", f"{by.name.short} stays: {_stays(by, index)}", "catalog"))
    if index.definition.options != by.definition.options:
        own = ", ".join(f"{k} = {v}" for k, v in index.definition.options) or "none"
        reasons.append(Reason("options", f"its storage parameters are not those of {by.name.short}: {own}", "catalog"))
    return tuple(reasons)


def _stays(by: Index, index: Index) -> str:
    """Why of two that are the same this one stays, as redundant_indexes() decides it."""
    if by.primary or by.constraint is not None:
        return "a constraint is made of it"
    if by.referenced:
        return "a foreign key refers to its rows"
    if by.replica_identity:
        return "replication identifies rows by it"
    if by.clustered and not index.clustered:
        return "the table is clustered by it"
    return "it is used, the other is not" if by.scans and not index.scans else "it is the older one"


def dropping(
    index: Index, facts: LifecycleFacts, state: LifecycleState, evidence: Sequence[Reason]
) -> LifecycleFinding:
    """The finding that offers the index's drop, with the statements that do and undo it."""
    table = facts.catalog.table(index.definition.table)
    whole = table is not None and table.kind == "p"
    reasons = list(evidence)
    if index.clustered:
        reasons.append(Reason("clustered", "the table is clustered by it: CLUSTER would have no order left", "catalog"))
    others = chain.from_iterable(map(_measured, (i for i in table.indexes if i is not index))) if table else ()
    if not set(_measured(index)) <= set(others):
        reasons.append(Reason("expression", "statistics of its expression go with it", "pg_stats"))
    usage = facts.known_usage(index)
    return LifecycleFinding(
        state,
        LifecycleSeverity.WARNING,
        LifecycleAction.DROP,
        index.definition.table,
        index.name,
        facts.size(index),
        sum(u.scans for u in usage) if usage else None,
        facts.counters_since,
        tuple(reasons),
        # Refused for the index of a partitioned table, which needs ACCESS EXCLUSIVE on it.
        # https://www.postgresql.org/docs/current/sql-dropindex.html
        f"{drop_index(index.name, concurrently=not whole)};",
        ";\n".join(_undoing(index, facts)) + ";",
    )


def _measured(index: Index) -> Iterator[str]:
    """The expressions of the index of which statistics are there; the planner takes those of any index."""
    for key, statistics in zip(index.definition.keys, index.statistics, strict=False):
        if statistics is not None and key.expression is not None:
            yield key.expression


def _undoing(index: Index, facts: LifecycleFacts) -> Iterator[str]:
    """The statements that build the index and its parts as they were, with all that a definition does not say."""
    # pg_get_indexdef() leaves the tablespace out of its text, and says ON ONLY of the index of a partitioned table.
    if index.tablespace is not None:
        yield f"SET default_tablespace = {quote_literal(index.tablespace)}"
    yield index.ddl if index.name in facts.parts else rebuilt(index.ddl)
    if index.tablespace is not None:
        yield "RESET default_tablespace"
    table = index.definition.table
    yield from index_marks(index.name, table, targets=index.targets, comment=index.comment, clustered=index.clustered)
    for part in facts.parts.get(index.name, ()):
        yield from _undoing(part, facts)
        yield f"ALTER INDEX {index.name} ATTACH PARTITION {part.name}"


def overlapping_findings(facts: LifecycleFacts, gone: Collection[QualifiedName]) -> Iterator[LifecycleFinding]:
    """One for each group of B-trees of a table that begin alike and of which none does another's work.

    ``gone`` are those offered to be dropped already.
    """
    for table in facts.catalog.tables:
        groups: defaultdict[tuple[IndexKey, str | None], list[Index]] = defaultdict(list)
        for index in table.indexes:
            if index.definition.method == BTREE and index.valid and index.ready and index.name not in gone:
                groups[(_alike(index.definition.keys[0]), index.definition.predicate)].append(index)
        for group in groups.values():
            finding = _overlap(table, group, facts)
            if finding is not None:
                yield finding


def _alike(key: IndexKey) -> IndexKey:
    """The key whatever its direction: a B-tree is read both ways."""
    return IndexKey(key.column, key.expression, key.operator_class, key.collation)


def _overlap(table: Table, group: Sequence[Index], facts: LifecycleFacts) -> LifecycleFinding | None:
    spare = [i for i in group if must_stay(i, table) is None]
    if len(group) < 2 or not spare:
        return None
    index = min(spare, key=lambda i: (i.scans or 0, i.oid))
    others = [i for i in group if i is not index]
    text = ", ".join(f"{i.name.short} {index_body(i.definition, table='').strip()}" for i in others)
    shared = max(_shared(index, other) for other in others)
    keys = ", ".join(key.text for key in index.definition.keys[:shared])
    said = f"it begins with {keys}, as does {text}; none does all that another does"
    return remark(index, facts, LifecycleState.OVERLAPPING, Reason("overlaps", said, "catalog"))


def remark(index: Index, facts: LifecycleFacts, state: LifecycleState, *evidence: Reason) -> LifecycleFinding:
    """The finding that says something of the index and offers nothing."""
    return LifecycleFinding(
        state,
        LifecycleSeverity.INFO,
        LifecycleAction.REPORT,
        index.definition.table,
        index.name,
        facts.size(index),
        index.scans,
        facts.counters_since,
        evidence,
    )


def _shared(one: Index, other: Index) -> int:
    """How many leading keys are alike."""
    number = 0
    for left, right in zip(one.definition.keys, other.definition.keys, strict=False):
        if _alike(left) != _alike(right):
            break
        number += 1
    return number
