"""Two windows of pg_stat_statements around a build, and the observation between them that outlives the command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from indexpilot_cli.apply.verify.trial import family
from indexpilot_cli.apply.verify.verdict import IndexVerdict, Verification
from indexpilot_cli.apply.verify.windows import WATCH_HOURS, Pair, StatWindow, judge
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.mutation import Operation
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import size
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate, Workload
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.db.statements import StatementsSnapshot, as_workload, crash_between, difference, take_snapshot
from indexpilot_cli.log import intents


@dataclass(frozen=True, slots=True)
class Observed:
    """An index under observation and what is known of it now. ``expired``: 72 hours are over, a person must decide.

    ``crashed``: the server lost its counters, so that the observation must begin anew with the same ``facts``.
    ``size`` is a clause about the index's size, empty when it is gone.
    """

    watch: int
    operation: Operation
    verification: Verification
    expired: bool
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)
    crashed: bool = False
    size: str = ""


def reading(session: Session) -> StatementsSnapshot:
    """The counters now. Raises PrerequisiteError where pg_stat_statements is missing."""
    return take_snapshot(session)


def begin(
    session: Session, writer: Session, operation: Operation, before: StatementsSnapshot, catalog: Catalog, schema: str
) -> Verification:
    """Keep what ran before the build and the counters after it; the verdict comes later."""
    windows = [to_json(w) for w in _windows(as_workload(before, metadata_schema=schema), catalog).values()]
    facts = {"operation": to_json(operation), "before": windows, "bytes": _now(session, operation).bytes}
    # Counted from after the build, whose reading and sorting may have slowed down every statement beside it.
    intents.begin_watch(writer, facts, take_snapshot(session), schema=schema)
    text = (
        f"not enough evidence yet: observed for up to {WATCH_HOURS} hours; "
        "indexpilot apply --verify statistics and doctor look again"
    )
    return Verification(IndexVerdict.NOT_ENOUGH, text)


def look(session: Session, catalog: Catalog, schema: str) -> tuple[Observed, ...]:
    """Every index under observation, judged by what ran since it was built. Reads only.

    An observation that cannot be read, another version's for one, is passed over.
    """
    found = intents.open_watches(session, hours=WATCH_HOURS, schema=schema)
    if not found:
        return ()
    now = take_snapshot(session)
    judged = (_observed(session, watch, now, catalog, schema) for watch in found)
    return tuple(observed for observed in judged if observed is not None)


def close(writer: Session, observed: Observed, schema: str) -> bool:
    """End the observation; False when another run did."""
    return intents.end_watch(writer, observed.watch, schema=schema)


def begin_again(session: Session, writer: Session, observed: Observed, schema: str) -> bool:
    """Observe from now on, after a crash; False when another run closed the observation."""
    if not close(writer, observed, schema):
        return False
    intents.begin_watch(writer, observed.facts, take_snapshot(session), schema=schema)
    return True


def _observed(
    session: Session, watch: intents.IndexWatch, now: StatementsSnapshot, catalog: Catalog, schema: str
) -> Observed | None:
    try:
        operation = from_json(Operation, watch.facts["operation"])
        before = {w.template: w for w in (from_json(StatWindow, w) for w in watch.facts["before"])}
    except (KeyError, TypeError, ValueError):
        return None
    crash = crash_between(watch.baseline, now)
    if crash is not None:
        return Observed(watch.id, operation, _crashed(crash), watch.expired, watch.facts, crashed=True)
    folded = _folded(difference(watch.baseline, now, metadata_schema=schema), catalog)
    index = _now(session, operation)
    verification = judged(operation, before, folded, catalog, idle=_is_idle(operation, index, watch.begun))
    grown = growth(operation.size_bytes, watch.facts.get("bytes"), int(index.bytes))
    verification = replace(verification, notes=(*verification.notes, *((grown,) if grown else ())))
    if verification.verdict is IndexVerdict.NOT_ENOUGH and watch.expired:
        text = f"{verification.text}; {WATCH_HOURS} hours are over: keep it, or indexpilot rollback"
        verification = replace(verification, text=text)
    return Observed(watch.id, operation, verification, watch.expired, watch.facts, size=grown)


def _crashed(when: datetime) -> Verification:
    moment = when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    text = f"not enough evidence yet: the server crashed and began to count anew at {moment}, after the build"
    return Verification(IndexVerdict.NOT_ENOUGH, text)


def _now(session: Session, operation: Operation) -> Row:
    """Bytes and scans of the index with its parts on partitions (0 when it is gone), and when counters were reset."""
    found = session.one("verify/index_now", {"schema": operation.table.schema, "name": operation.name})
    assert found is not None
    return found


def _is_idle(operation: Operation, index: Row, begun: datetime) -> bool:
    """Whether no query has used the index since it was built, for certain.

    Looking at a plan counts as a scan, so only none at all says something; an expression's statistics help unscanned.
    """
    # A reset after the build put the scans to 0. A crash does the same and left stats_reset NULL when measured, which
    # is why an observation asks for crashes first.
    counted = index.counting and (index.reset_at is None or index.reset_at <= begun)
    plain = all(key.expression is None for key in operation.definition.keys)
    return plain and counted and index.scans == 0


def growth(predicted: int, built: object, now: int) -> str:
    """The index's real size against the predicted one, and what it has grown by since it was built (bytes)."""
    if now <= 0:
        return ""
    parts = [f"the index has {size(now)}"]
    if predicted > 0:
        parts.append(f"predicted {size(predicted)} ({now / predicted - 1:+.0%})")
    if isinstance(built, int) and built > 0:
        parts.append(f"{size(built)} when built ({now / built - 1:+.0%})")
    return ", ".join(parts)


def judged(
    operation: Operation,
    before: Mapping[str, StatWindow],
    folded: FoldedWorkload,
    catalog: Catalog,
    *,
    idle: bool = False,
) -> Verification:
    """The verdict over reads of the index's table; reads of other tables are the controls, writes are only told.

    ``idle``: the index was never scanned, so that whatever changed is not its doing.
    """
    tables = family(catalog, operation.table)
    now = {t.id: t for t in folded.templates}
    reads = {name for name, t in now.items() if not t.is_write}
    affected = {n for n in reads if tables.intersection(now[n].relations)} | {e.template for e in operation.templates}
    controls = reads - affected
    found = judge(_pairs(affected, before, now), _pairs(controls & set(before), before, now), idle=idle)
    notes = (*found.notes, *_writes(tables, before, now))
    return Verification(found.verdict, found.text, found.templates, notes)


def windows_between(
    before: StatementsSnapshot, now: StatementsSnapshot, catalog: Catalog, table: QualifiedName, schema: str
) -> tuple[tuple[StatWindow, ...], tuple[StatWindow, ...]]:
    """What ran between two readings: reads of the table (its parents and partitions too), and those of other tables."""
    tables = family(catalog, table)
    folded = _folded(difference(before, now, metadata_schema=schema), catalog)
    reads = [t for t in folded.templates if not t.is_write and t.relations]
    own = [tables.isdisjoint(t.relations) for t in reads]
    affected = tuple(_window(t) for t, other in zip(reads, own, strict=True) if not other)
    return affected, tuple(_window(t) for t, other in zip(reads, own, strict=True) if other)


def _pairs(
    names: Iterable[str], before: Mapping[str, StatWindow], now: Mapping[str, QueryTemplate]
) -> tuple[Pair, ...]:
    return tuple(
        (before.get(n, StatWindow(n, 0, 0, 0)), _window(now[n]) if n in now else StatWindow(n, 0, 0, 0)) for n in names
    )


def _writes(
    tables: frozenset[QualifiedName], before: Mapping[str, StatWindow], now: Mapping[str, QueryTemplate]
) -> tuple[str, ...]:
    """What writing the table costs now, which an index always raises."""
    writes = [t for t in now.values() if t.is_write and t.id in before and tables.intersection(t.relations)]
    calls = sum(t.calls for t in writes)
    if calls <= 0 or not any(before[t.id].total_ms for t in writes):
        return ()
    old = sum(before[t.id].mean * t.calls for t in writes) / calls
    new = sum(t.total_ms or 0.0 for t in writes) / calls
    return (f"writing the table: {old:,.3g} -> {new:,.3g} ms per statement",)


def _windows(workload: Workload, catalog: Catalog) -> dict[str, StatWindow]:
    return {t.id: _window(t) for t in _folded(workload, catalog).templates}


def _folded(workload: Workload, catalog: Catalog) -> FoldedWorkload:
    from indexpilot_cli.workload.fold import fold

    return fold((workload,), catalog)


def _window(template: QueryTemplate) -> StatWindow:
    return StatWindow(template.id, template.calls, template.total_ms or 0.0, template.variance or 0.0, template.blocks)
