"""The workload as pg_stat_statements saw it, in total or between two readings.

https://www.postgresql.org/docs/current/pgstatstatements.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload, is_own
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.queries import Composed, Identifier, composed, filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import PrerequisiteError

_HIDDEN = "<insufficient privilege>"
# What ALTER TABLE runs to validate a foreign key: RI_Initial_Check() in ri_triggers.c.
_KEY_CHECK = re.compile(r"SELECT fk\..* FROM (?:ONLY )?.* fk LEFT OUTER JOIN (?:ONLY )?.* pk ON ")
_PRELOAD = "add pg_stat_statements to shared_preload_libraries and restart the server"
_CREATE = "as a superuser run  CREATE EXTENSION pg_stat_statements;"


@dataclass(frozen=True, slots=True)
class StatementEntry:
    """One row of pg_stat_statements. Times are milliseconds; ``blocks`` are pages hit or read.

    ``text`` is None when the server lost it; ``nested`` says that it ran inside a function.
    """

    role: int
    query_id: int | None
    nested: bool
    text: str | None
    calls: float
    total_ms: float
    mean_ms: float
    deviation_ms: float
    rows: float
    blocks: float

    @property
    def key(self) -> tuple[int, int | None, bool]:
        """What identifies the entry in another reading."""
        return self.role, self.query_id, self.nested

    @property
    def second_moment(self) -> float:
        """The sum of squared times, which adds up over readings as variances do not."""
        return self.calls * (self.deviation_ms**2 + self.mean_ms**2)


@dataclass(frozen=True, slots=True)
class StatementsSnapshot:
    """All entries of one database at one moment; times are the server's. ``evicted`` counts discards.

    ``started`` is when the server was started, ``counting_since`` since when its own statistics count: recovery
    after a crash begins those anew. Both None in a reading that an earlier version kept.
    """

    entries: tuple[StatementEntry, ...]
    taken_at: datetime
    since: datetime | None = None
    evicted: int = 0
    capacity: int | None = None
    started: datetime | None = None
    counting_since: datetime | None = None


def read_statements(session: Session, *, metadata_schema: str = "indexpilot", with_paths: bool = False) -> Workload:
    """Everything counted since the last reset, heaviest first; ``with_paths``: with the search paths of the roles.

    Raises PrerequisiteError (code ``statements_missing``) when the extension is not there, not loaded or
    not readable; its hint is the fix.
    """
    snapshot = take_snapshot(session)
    return as_workload(snapshot, metadata_schema=metadata_schema, paths=_search_paths(session) if with_paths else {})


_NAME = re.compile(r'"((?:[^"]|"")+)"|([^\s,"]+)')


def _search_paths(session: Session) -> dict[int, tuple[str, ...]]:
    """By role the schemas in which it looks for a name."""
    found = {}
    for row in session.rows("statements/search_paths"):
        names = ((quoted.replace('""', '"') or plain.lower()) for quoted, plain in _NAME.findall(row.path))
        found[row.role] = tuple(row.name if name == "$user" else name for name in names)
    return found


def take_snapshot(session: Session) -> StatementsSnapshot:
    """The counters now, for ``as_workload`` or ``difference``. Raises PrerequisiteError as ``read_statements``."""
    place = locate(session)
    view = _query("statements/read", place)
    info = session.one(_query("statements/reset", place))
    assert info is not None
    return filled(StatementsSnapshot, info, entries=tuple(_entry(row) for row in session.rows(view)))


def as_workload(
    snapshot: StatementsSnapshot,
    *,
    metadata_schema: str = "indexpilot",
    paths: Mapping[int, tuple[str, ...]] = MappingProxyType({}),
) -> Workload:
    """The snapshot's totals as a workload; our own statements and unreadable ones are among the skipped.

    ``paths`` are the search paths of roles.
    """
    own = _metadata(metadata_schema)
    verdicts = [(entry, _why_not(entry, own)) for entry in snapshot.entries]
    return Workload(
        source=SourceKind.STATEMENTS,
        statements=tuple(_observed(entry, paths.get(entry.role, ())) for entry, why in verdicts if why is None),
        skipped=tuple(_skipped(entry, *why) for entry, why in verdicts if why is not None),
        since=snapshot.since,
        until=snapshot.taken_at,
        notes=_notes(snapshot),
    )


def difference(
    before: StatementsSnapshot, after: StatementsSnapshot, *, metadata_schema: str = "indexpilot"
) -> Workload:
    """What ran between two readings of one database.

    A counter that fell, or another reset time, means a reset in between: what the later reading counts since
    then is taken as it is, so nothing is counted that did not happen, and a note says so.
    """
    # pg_stat_statements_info keeps the time of the last reset (from 14 on; before, both are None).
    reset = before.since != after.since
    old = {} if reset else {entry.key: entry for entry in before.entries}
    fallen = [e for e in after.entries if e.key in old and _fell(old[e.key], e)]
    for entry in fallen:
        del old[entry.key]
    entries = tuple(_minus(entry, old.get(entry.key)) for entry in after.entries)
    notes = ("the counters were reset in between: some calls are missing",) if reset or fallen else ()
    moved = replace(
        after,
        entries=tuple(entry for entry in entries if entry.calls > 0),
        since=before.taken_at,
        evicted=after.evicted if reset else after.evicted - before.evicted,
    )
    work = as_workload(moved, metadata_schema=metadata_schema)
    return replace(work, notes=(*notes, *work.notes))


def crash_between(before: StatementsSnapshot, after: StatementsSnapshot) -> datetime | None:
    """When the server recovered from a crash or an immediate shutdown between two readings, None when it did not.

    Its own statistics then begin anew without saying so in ``stats_reset`` of a database. Somebody who resets them
    by hand is not taken for a crash: the server goes on running and no entry is lost.
    https://www.postgresql.org/docs/current/monitoring-stats.html
    """
    if before.counting_since is None or before.counting_since == after.counting_since:
        return None
    restarted = after.started is not None and after.started > before.taken_at
    return after.counting_since if restarted or _lost(before, after) else None


def _lost(before: StatementsSnapshot, after: StatementsSnapshot) -> bool:
    new = {entry.key: entry for entry in after.entries}
    return any(entry.key not in new or _fell(entry, new[entry.key]) for entry in before.entries)


@dataclass(frozen=True, slots=True)
class StatementsView:
    """Where pg_stat_statements is in a database: its schema, and the server version its columns are like."""

    schema: str
    like_version: int


def locate(session: Session, found: Row | None = None) -> StatementsView:
    """Where the extension is, having made sure it answers. ``found`` is what the server said of it, where it was asked.

    Raises PrerequisiteError (code ``statements_missing``) with the fix as hint.
    """
    found = found or session.one("statements/place")
    assert found is not None
    if found.statements_version is None:
        raise _missing("pg_stat_statements is not installed in the database", _fix(found))
    place = StatementsView(found.statements_schema, _like_version(found.statements_version))
    try:
        session.value(_query("statements/probe", place))
    except StatementError as error:
        raise _missing("pg_stat_statements is not loaded", _PRELOAD, error.detail) from error
    except PrerequisiteError as error:
        raise _missing("pg_stat_statements may not be read", _grant(found), error.detail) from error
    return place


def _like_version(extension: str) -> int:
    """An extension not updated after an upgrade keeps its old columns, whatever the server."""
    release = tuple(int(part) for part in extension.split(".")[:2])
    return 140000 if release >= (1, 9) else 130000 if release >= (1, 8) else 120000


def _query(name: str, place: StatementsView) -> Composed:
    view = Identifier(place.schema, "pg_stat_statements")
    info = Identifier(place.schema, "pg_stat_statements_info")
    return composed(name, place.like_version, view=view, function=view, info=info)


def _fix(found: Row) -> str:
    if found.statements_available is None:
        return "install the server's contrib package, then " + _PRELOAD
    return _CREATE if found.statements_preloaded else f"{_PRELOAD}, then {_CREATE}"


def _grant(found: Row) -> str:
    """Everybody may read the view, unless its schema is closed or the right was taken away."""
    place, role = quote_identifier(found.statements_schema), quote_identifier(found.role)
    right = f"SELECT ON {place}.pg_stat_statements" if found.statements_usable else f"USAGE ON SCHEMA {place}"
    return f"GRANT {right} TO {role};"


def _missing(message: str, hint: str, detail: str | None = None) -> PrerequisiteError:
    return PrerequisiteError(message, detail=detail, hint=hint, code="statements_missing")


def _entry(row: Row) -> StatementEntry:
    # The parser takes a tenth of a second to load, and every command looks for pg_stat_statements.
    from indexpilot_cli.sql.utility import kept

    return filled(
        StatementEntry,
        row,
        nested=not row.top_level,
        # A reading is kept in the log while an index is under observation.
        text=row.text if row.text in (None, _HIDDEN) or is_own(row.text) else kept(row.text).text,
    )


def _observed(entry: StatementEntry, path: tuple[str, ...]) -> ObservedStatement:
    return ObservedStatement(
        text=entry.text or "",
        calls=entry.calls,
        total_ms=entry.total_ms,
        rows=entry.rows,
        blocks=entry.blocks,
        variance=entry.calls * entry.deviation_ms**2,
        query_id=entry.query_id,
        origin="pg_stat_statements",
        search_path=path,
    )


def _why_not(entry: StatementEntry, own: re.Pattern[str]) -> tuple[str, str] | None:
    if entry.text is None or not entry.text.strip():
        return "empty", "the server no longer has the text"
    if entry.text == _HIDDEN:
        return "hidden", "another role's statement; GRANT pg_read_all_stats shows its text"
    if entry.nested and _KEY_CHECK.match(entry.text):
        return "utility", "a new foreign key compares all rows"
    return ("own", "run by indexpilot") if is_own(entry.text) or own.search(entry.text) else None


def _skipped(entry: StatementEntry, reason: str, detail: str) -> Skipped:
    return Skipped(reason, entry.text or "", detail, entry.calls, entry.total_ms)


def _notes(snapshot: StatementsSnapshot) -> tuple[str, ...]:
    notes = []
    if snapshot.evicted > 0:
        notes.append(
            f"pg_stat_statements discarded entries {snapshot.evicted} times: rare statements are missing"
            f" (pg_stat_statements.max is {snapshot.capacity})"
        )
    hidden = sum(entry.text == _HIDDEN for entry in snapshot.entries)
    if hidden:
        notes.append(f"{hidden} statements of other roles are hidden from this one: GRANT pg_read_all_stats shows them")
    nested = sum(entry.nested for entry in snapshot.entries)
    if nested:
        notes.append(f"{nested} statements ran inside functions; their time is also in that of the callers")
    return tuple(notes)


def _fell(old: StatementEntry, new: StatementEntry) -> bool:
    return new.calls < old.calls or new.total_ms < old.total_ms


def _minus(new: StatementEntry, old: StatementEntry | None) -> StatementEntry:
    if old is None:
        return new
    calls = new.calls - old.calls
    total = new.total_ms - old.total_ms
    mean = total / calls if calls > 0 else 0.0
    moment = (new.second_moment - old.second_moment) / calls if calls > 0 else 0.0
    return replace(
        new,
        calls=calls,
        total_ms=total,
        mean_ms=mean,
        deviation_ms=math.sqrt(max(0.0, moment - mean**2)),
        rows=new.rows - old.rows,
        blocks=new.blocks - old.blocks,
    )


def _metadata(schema: str) -> re.Pattern[str]:
    """Whatever touches the metadata schema is ours, also from a library in somebody's own session."""
    names = {quote_identifier(schema), f'"{schema}"'}
    return re.compile("|".join(rf"(?<![\w\"]){re.escape(name)}\." for name in sorted(names)))
