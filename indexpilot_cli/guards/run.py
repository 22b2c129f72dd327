"""All guards before an apply, and again, cheaply, before each index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from indexpilot_cli.core.catalog import Catalog, schema_digest
from indexpilot_cli.core.facts import Approval, Build, HostFacts, ServerFacts, TableFacts, Target
from indexpilot_cli.core.operation import Operation, OperationKind
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.verdict import Verdict
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.guards import approval, bypass, rate, server, space, tables, write_performance
from indexpilot_cli.guards import cpu as load
from indexpilot_cli.guards import read as guard_facts
from indexpilot_cli.guards import window as when
from indexpilot_cli.guards import write_performance as writes
from indexpilot_cli.guards.bypass import current_levels, note_emergency
from indexpilot_cli.guards.calendar import Window, from_settings, parse_window
from indexpilot_cli.guards.host import measure
from indexpilot_cli.guards.values import ApplyRequest
from indexpilot_cli.log import approvals

_WINDOW_KEY = "production_safeguards.maintenance_window"


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything the guards look at. ``builds`` None: the log cannot be read."""

    session: Session
    request: ApplyRequest
    now: datetime
    targets: tuple[Target, ...]
    server: ServerFacts
    host: HostFacts
    tables: tuple[TableFacts, ...]
    builds: tuple[Build, ...] | None
    own_pids: frozenset[int]
    spent_bytes: int = 0

    @property
    def relids(self) -> frozenset[int]:
        return frozenset(t.relid for t in self.targets)


def check(
    session: Session,
    operations: Sequence[Operation],
    request: ApplyRequest,
    now: datetime | None = None,
    *,
    plan: Plan | None = None,
    catalog: Catalog | None = None,
    own_pids: Collection[int] = (),
) -> tuple[Verdict, ...]:
    """Every guard's answer about building the operations, refusals and permissions alike; nothing is written
    except the moment a configured emergency was first seen.

    ``now`` None: the server's clock. ``catalog`` (of now) lets the plan's tables and the write overhead be judged;
    ``own_pids`` are backends of this run. Raises UsageError for a window that cannot be read, UnreachableError.
    """
    note_emergency(session, request.connection, request.bypass)
    scene = _scene(session, operations, request, now, own_pids)
    digest = None
    if plan is not None and catalog is not None:
        digest = schema_digest(catalog, {r.definition.table for r in plan.recommendations})
    return (
        *_always(scene),
        *writes.judge(
            request.safeguards.write_performance,
            write_performance.loads(scene.tables, _creating(operations), catalog, plan),
        ),
        server.direct_connection(scene.server),
        server.writable(scene.server),
        *tables.privileges(scene.server, scene.tables, scene.targets),
        approval.approved(request.require_approval, plan, _approvals(scene, plan)),
        approval.plan_fresh(plan, digest),
    )


def recheck(
    session: Session,
    operation: Operation,
    request: ApplyRequest,
    now: datetime | None = None,
    *,
    own_pids: Collection[int] = (),
    spent_bytes: int = 0,
) -> tuple[Verdict, ...]:
    """What may have changed since ``check``, for the next index only; ``spent_bytes`` are this run's earlier ones."""
    scene = _scene(session, (operation,), request, now, own_pids)
    scene = replace(scene, spent_bytes=spent_bytes)
    settings = request.safeguards.write_performance
    return (*_always(scene), *writes.judge(settings, write_performance.loads(scene.tables, _creating((operation,)))))


def bypass_verdict(session: Session, request: ApplyRequest, now: datetime | None = None) -> Verdict:
    """The bypass alone, for work that builds nothing."""
    schema = request.connection.metadata_schema
    moment = now or guard_facts.server_facts(session).now
    return bypass.judge(current_levels(session, request.bypass, schema, moment, request.origins))


def window_of(request: ApplyRequest) -> tuple[Window | None, str]:
    """The window that counts and where it comes from: the flag's text, else the settings', else none."""
    configured = request.safeguards.maintenance_window
    if request.window:
        return parse_window(request.window, configured.timezone if configured.enabled else None), "--window"
    if not configured.enabled:
        return None, f"{_WINDOW_KEY}.enabled"
    return from_settings(configured), _WINDOW_KEY


def refused(verdicts: Sequence[Verdict], *, force: bool = False) -> tuple[Verdict, ...]:
    """The verdicts that stop the work. ``force`` overrides those whose guard says that it may be."""
    return tuple(v for v in verdicts if not v.allowed and not (force and v.forceable))


def _always(scene: _Scene) -> tuple[Verdict, ...]:
    safeguards = scene.request.safeguards
    window, origin = window_of(scene.request)
    names = {t.relid: t.table for t in scene.tables}
    waited = guard_facts.transactions(scene.session, scene.relids, scene.own_pids)
    held = guard_facts.locks(scene.session, scene.relids, scene.own_pids)
    return (
        bypass_verdict(scene.session, scene.request, scene.now),
        when.judge(window, origin, scene.now, _shortest(scene)),
        *tables.lock(safeguards.lock_manager, held, names),
        *rate.judge(safeguards.rate_limiter, scene.builds, [t.table for t in scene.targets], scene.now),
        load.judge(safeguards.cpu_throttle, scene.host, scene.server, scene.builds or (), scene.now),
        space.disk(scene.host, scene.targets),
        space.budget(scene.request.budget_bytes, scene.targets, scene.spent_bytes),
        server.replication(guard_facts.standbys(scene.session)),
        tables.transactions(waited, names, scene.now),
        server.wraparound(scene.server, scene.tables),
        *tables.vacuum(scene.tables),
    )


def _scene(
    session: Session,
    operations: Sequence[Operation],
    request: ApplyRequest,
    now: datetime | None,
    own_pids: Collection[int],
) -> _Scene:
    targets = tuple(Target(o.table, o.relid, o.size_bytes) for o in _creating(operations))
    facts = guard_facts.server_facts(session)
    moment = now or facts.now
    host = measure(facts, cpu=request.safeguards.cpu_throttle.enabled)
    found = guard_facts.table_facts(session, {t.relid for t in targets})
    except_ops = [o.op_id for o in operations]
    builds = _builds(session, moment, except_ops, request.connection.metadata_schema)
    return _Scene(session, request, moment, targets, facts, host, found, builds, frozenset(own_pids))


def _creating(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    return tuple(o for o in operations if o.kind is not OperationKind.DROP)


def _builds(session: Session, now: datetime, except_ops: Sequence[str], schema: str) -> tuple[Build, ...] | None:
    try:
        return guard_facts.builds(session, now - rate.HISTORY, except_ops=except_ops, schema=schema)
    except UnreachableError:
        raise
    except IndexPilotError:
        return None


def _approvals(scene: _Scene, plan: Plan | None) -> tuple[Approval, ...] | None:
    if plan is None or not scene.request.require_approval:
        return ()
    try:
        return approvals.of_plan(scene.session, plan.id, schema=scene.request.connection.metadata_schema)
    except UnreachableError:
        raise
    except IndexPilotError:
        return None


def _shortest(scene: _Scene) -> timedelta:
    """A run may begin when its quickest build fits; each one is asked for again before it begins."""
    sizes = {t.relid: t.bytes for t in scene.tables}
    spans = [when.duration(t.size_bytes, sizes.get(t.relid, 0)) for t in scene.targets]
    return min(spans, default=timedelta(0))
