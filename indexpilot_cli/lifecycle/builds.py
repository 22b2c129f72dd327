"""``lifecycle builds``: indexes that are being built or rebuilt, by whomever, and what builds have left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated

from indexpilot_cli.core.catalog import Capabilities
from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import Blocker, MutationType
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.capabilities import look as look_at_server
from indexpilot_cli.db.locks import blocker
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute.build import OPEN
from indexpilot_cli.lifecycle.forecast import BuildForecast, BuildLook, forecast
from indexpilot_cli.log import intents
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_reader

_LOOKS = 4  # three paces between them: the slowest and the fastest make an interval
# From 14 on concurrent builds do not wait for each other, those of expressions and partial indexes aside.
# https://www.postgresql.org/docs/release/14.0/
_BUILDS_PASS = 140000
_PREPARED = "a prepared transaction"


@dataclass(frozen=True, slots=True)
class BuildsRequest(CommandRequest):
    """``seconds`` is how long progress is looked at; ``watch`` goes on until nothing is being built."""

    seconds: float = 2.0
    watch: bool = False


@dataclass(frozen=True, slots=True)
class RunningBuild:
    """A build as it stands, and when it may end."""

    now: BuildLook
    forecast: BuildForecast


@dataclass(frozen=True, slots=True)
class UnfinishedIndex:
    """An index no query may use and nobody is seen to build."""

    index: QualifiedName
    table: QualifiedName
    size_bytes: Count
    refuses: Annotated[bool, "it still refuses rows that are not unique"] = False
    holder: Annotated[Count | None, "pid that holds a lock of its table such as builds do"] = None


@dataclass(frozen=True, slots=True)
class BuildsResult:
    """Builds of the whole server, oldest first, and leftovers of the database. ``notes`` say what cannot be seen."""

    builds: tuple[RunningBuild, ...]
    leftovers: tuple[UnfinishedIndex, ...]
    now: datetime
    sees_all: bool = True
    notes: tuple[str, ...] = ()


def run(
    request: BuildsRequest, progress: Progress, wait: Callable[[float], object] = time.sleep
) -> Outcome[BuildsResult]:
    """What is being built now; with ``watch`` what is left when nothing is any more. Raises UnreachableError."""
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        with open_reader(request.connection) as session:
            capabilities = look_at_server(session, metadata_schema=schema)
            progress.stage("looking at builds")
            found = _builds(session, capabilities, request, wait)
            told: dict[int, str] = {}
            while request.watch and found:
                _tell(found, told, progress)
                found = _builds(session, capabilities, request, wait)
            left = tuple(map(_unfinished, session.rows("lifecycle/unfinished")))
        note.details(builds=len(found), leftovers=len(left))
    now = found[-1].now.at if found else datetime.now(UTC)
    result = BuildsResult(found, left, now, capabilities.reads_all_stats, tuple(_notes(found, capabilities)))
    bad = any(b.now.blockers for b in found) or any(one.holder is None for one in left)
    status = "findings" if bad else "ok"
    return Outcome("lifecycle_builds", result, status, 0, capabilities.server, note.warnings, _next(result))


def _builds(
    session: Session, capabilities: Capabilities, request: BuildsRequest, wait: Callable[[float], object]
) -> tuple[RunningBuild, ...]:
    """Every build of the last of several looks. Where nothing is built one look is enough."""
    seen = [_look(session)]
    while seen[-1] and len(seen) < _LOOKS and request.seconds > 0:
        wait(request.seconds / (_LOOKS - 1))
        seen.append(_look(session))
    ours = _ours(session, capabilities, request.connection.metadata_schema) if seen[-1] else {}
    found = []
    for now in seen[-1]:
        # The same process may have begun another statement between two looks.
        same = (now.pid, now.began, now.relid)
        looks = [look for look in chain.from_iterable(seen) if (look.pid, look.began, look.relid) == same]
        known = _known(now, looks[0], ours)
        found.append(RunningBuild(known, forecast((*looks[:-1], known))))
    return tuple(found)


def _known(now: BuildLook, first: BuildLook, ours: dict[int, tuple[int, QualifiedName]]) -> BuildLook:
    """The look with our row, and of later obstacles only those that were there at the first look: others pass."""
    lasting = (now.at - first.at).total_seconds()
    later = tuple(b for b in now.later if (b.seconds or 0.0) >= lasting)
    mutation, table = ours.get(now.pid, (None, None))
    return replace(now, later=later, mutation=mutation if table == now.table else None)


def _look(session: Session) -> tuple[BuildLook, ...]:
    rows = session.rows("lifecycle/builds")
    pids = {row.pid for row in rows}
    return tuple(_as_look(session, row, pids) for row in rows)


def _as_look(session: Session, row: Row, pids: set[int]) -> BuildLook:
    unit, done, total = _counted(row)
    found = BuildLook(
        row.pid,
        row.now,
        row.began,
        row.command,
        row.phase,
        unit,
        done,
        total,
        row.partitions_done or 0,
        row.partitions_total or 0,
        row.database,
        row.here,
        row.role or "",
        row.application or "",
        _name(row.table_schema, row.table_name),
        row.relid,
        _name(row.index_schema, row.index_name),
        row.method,
        tuple(blocker(b) for b in session.rows("execute/blockers", {"pid": row.pid})),
    )
    others = tuple(_others(session, found)) if row.here and row.relid is not None else ()
    if row.waits_for_prepared:
        prepared = tuple(b for b in others if not b.pid) or (Blocker(0, application=_PREPARED),)
        found = replace(found, blockers=(*found.blockers, *prepared))
    if not found.concurrent:
        return found
    now = {b.pid for b in found.blockers} | (pids if session.version >= _BUILDS_PASS else {row.pid})
    return replace(found, later=tuple(b for b in others if b.pid not in now and b not in found.blockers))


def _counted(row: Row) -> tuple[str, int, int]:
    """What is counted in the phase, done and in all: counters of a phase that is over may stand there still."""
    phase = row.phase or ""
    if phase.startswith("waiting for "):
        return "lockers", row.lockers_done, row.lockers_total
    if "sorting" in phase or not phase:
        return "", 0, 0
    if row.blocks_total:
        return "blocks", row.blocks_done, row.blocks_total
    return "tuples", row.tuples_done or 0, row.tuples_total or 0


def _others(session: Session, found: BuildLook) -> Iterator[Blocker]:
    """Transactions of the database that hold a snapshot, or have written to the table and are not over."""
    asked = {"own_pids": [found.pid], "relids": [found.relid]}
    for row in session.rows("guards/transactions", asked):
        name = row.application or ""
        if row.prepared is not None:
            name = f"{_PREPARED} {row.prepared}"
        yield Blocker(row.pid or 0, row.role or "", name, row.state or "", row.seconds)


def _name(schema: str | None, name: str | None) -> QualifiedName | None:
    return QualifiedName(schema, name) if schema is not None and name is not None else None


def _unfinished(row: Row) -> UnfinishedIndex:
    table = QualifiedName(row.table_schema, row.table_name)
    return UnfinishedIndex(QualifiedName(row.schema, row.name), table, row.bytes or 0, row.refuses, row.holder)


def _ours(session: Session, capabilities: Capabilities, schema: str) -> dict[int, tuple[int, QualifiedName]]:
    """Row and table of the open operation of each process that works for us."""
    if capabilities.metadata_version is None:
        return {}
    try:
        events = intents.latest(session, schema=schema)
    except IndexPilotError:
        return {}  # a log of before the operations, or no right to read it
    running = [e for e in events if e.state in OPEN and e.backend_pid is not None and e.id is not None]
    return {e.backend_pid: (e.id, e.table) for e in running if e.backend_pid is not None and e.id is not None}


def _tell(found: Sequence[RunningBuild], told: dict[int, str], progress: Progress) -> None:
    """A line for each build that came to another phase or is held up by others than before."""
    for build in found:
        now = build.now
        name = now.index or now.table or (f"in {now.database}" if not now.here else "index")
        line = f"pid {now.pid}  {name}: {now.phase or 'hidden'}"
        line += "".join(f"; waits for {b if b.pid else b.application}" for b in now.blockers)
        key = f"{now.phase} {[b.pid for b in now.blockers]}"
        if told.get(now.pid) != key:
            told[now.pid] = key
            progress.say(line)


def _notes(found: Sequence[RunningBuild], capabilities: Capabilities) -> Iterator[str]:
    if capabilities.reads_all_stats:
        return
    role = capabilities.server.user
    hidden = sum(build.now.phase is None for build in found)
    shown = f"of {hidden or 'any'} by others only the process is shown, and none that still waits for its first lock"
    yield f"the role {role} sees its own builds: {shown} (GRANT pg_read_all_stats TO {quote_identifier(role)})"


def _next(result: BuildsResult) -> tuple[str, ...]:
    if any(one.holder is None for one in result.leftovers):
        return ("indexpilot lifecycle --check invalid",)
    return ("indexpilot lifecycle builds --watch",) if result.builds else ()
