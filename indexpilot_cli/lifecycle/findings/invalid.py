"""Indexes that no query may use, each with what is true of it and what settles it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Index
from indexpilot_cli.core.ddl import drop_index
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
)
from indexpilot_cli.methods.partitioned import IndexPart, anew, attach_again, completing

_REINDEXED = re.compile(r"_cc(new|old)\d*\Z")  # the name is cut before it, so that it fits


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why no query may use an index. ``fix`` is SQL or a clause; ``action`` what it amounts to."""

    severity: LifecycleSeverity
    text: str
    fix: str
    action: LifecycleAction


def unusable(index: Index, catalog: Catalog) -> Unusable:
    """What is true of the invalid index, and what to do."""
    table = catalog.table(index.definition.table)
    name, warning = index.name.short, LifecycleSeverity.WARNING
    if table is not None and table.kind == "p":
        return _incomplete(index, catalog)
    if index.builder is not None:
        text = f"{name} is being built by pid {index.builder}"
        return Unusable(warning, text, "wait until it is built", LifecycleAction.REPORT)
    drop = f"{drop_index(index.name)};"
    if _REINDEXED.search(index.name.name):
        # https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY
        text = f"{name} is what a REINDEX CONCURRENTLY that failed left behind: {index.upkeep}"
        return Unusable(warning, text, drop, LifecycleAction.DROP)
    if index.definition.unique and index.ready:
        # Once it is ready a write checks it, valid or not: the application gets 23505 from an index no query may use.
        text = f"{name} is invalid and UNIQUE: it still refuses application inserts"
        return Unusable(LifecycleSeverity.ERROR, text, drop, LifecycleAction.DROP)
    return Unusable(warning, f"{name}: {index.upkeep}, no query uses it", drop, LifecycleAction.DROP)


def _incomplete(index: Index, catalog: Catalog) -> Unusable:
    """The index of a partitioned table is as valid as its parts."""
    name, parts = index.name.short, completing(index, catalog)
    if parts:
        missing = dict.fromkeys(part.table.name.short for part in parts)
        verb = "has" if len(missing) == 1 else "have"
        text = f"{name} is not valid yet: {', '.join(missing)} {verb} no usable part of it"
        fix = " ".join(f"{statement};" for statement in chain.from_iterable(_completed(index, p) for p in parts))
    elif (again := attach_again(index, catalog)) is not None:
        text = f"{name} is not valid although every partition has its part, which became valid after it was attached"
        fix = again
    else:
        # A part that became valid after it was attached: only the next ATTACH would look at the parent again.
        text = f"{name} is not valid although every partition has its part: queries use those, it must be built anew"
        key = index.constraint in ("p", "u")
        fix = "drop the constraint and add it again" if key else f"{anew(index, catalog)};".replace("\n", " ")
    return Unusable(LifecycleSeverity.WARNING, text, fix, LifecycleAction.REPORT)


def _completed(index: Index, part: IndexPart) -> Iterator[str]:
    """The statement of the part; a key's part takes a constraint of its own before it can be attached."""
    if not part.only and not part.attaches and any(i.name == part.index for i in part.table.indexes):
        yield f"REINDEX INDEX CONCURRENTLY {part.index}"  # a build that failed
        return
    if part.attaches and index.constraint in ("p", "u"):
        kind, name = "PRIMARY KEY" if index.constraint == "p" else "UNIQUE", quote_identifier(part.name)
        yield f"ALTER TABLE {part.table.name} ADD CONSTRAINT {name} {kind} USING INDEX {name}"
    yield part.sql


def invalid_findings(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    """One for each invalid index; of one that an open operation accounts for, only that."""
    for index in facts.catalog.indexes():
        if not index.valid:
            yield _finding(index, facts)


def _finding(index: Index, facts: LifecycleFacts) -> LifecycleFinding:
    found = unusable(index, facts.catalog)
    action, fix = found.action, found.fix
    evidence = [Reason("invalid", found.text, "catalog")]
    if index.name in facts.known:
        action, fix = LifecycleAction.REPORT, ""
        evidence.append(Reason("open_operation", "a run of ours left it open: indexpilot doctor --reconcile", "log"))
    elif index.constraint is not None:
        action, fix = LifecycleAction.REPORT, ""
        evidence.append(Reason("constraint", "a constraint is made of it, which a person must decide on", "catalog"))
    if action is LifecycleAction.REPORT and fix:
        evidence.append(Reason("settled_by", fix.rstrip(";"), "catalog"))
    return LifecycleFinding(
        LifecycleState.INVALID,
        found.severity,
        action,
        index.definition.table,
        index.name,
        facts.size(index),
        evidence=tuple(evidence),
        ddl=fix if action is LifecycleAction.DROP else None,  # nobody could use it: there is nothing to take back
    )
