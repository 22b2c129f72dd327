"""What hangs on a column: from the catalogs, from recorded queries, from function texts."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Connection, Progress, TableFilter, WorkloadRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import QueryTemplate, RelationUse, SourceKind, Stage, StatementKind
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.evolve import dependents, relation_facts
from indexpilot_cli.evolve.change.values import Affected, AffectedEffect, ColumnChangeKind, ColumnImpact, QueryAffected
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, RelationFacts
from indexpilot_cli.genome.fields import FieldKey
from indexpilot_cli.log import metadata
from indexpilot_cli.workload.aside import each

KEPT_SECONDS = 300.0
_MOST = 200
_Key = tuple[str, str, QualifiedName, str, ColumnChangeKind, WorkloadRequest]
_UNTRACKED = "not tracked by PostgreSQL: found by its text"


@dataclass(frozen=True, slots=True)
class AskedColumn:
    """The change of a column whose impact is wanted, and where to look. ``column`` None: it is new."""

    session: Session
    connection: Connection
    kind: ColumnChangeKind
    table: RelationFacts
    column: ColumnFacts | None


_kept: dict[_Key, tuple[float, ColumnImpact]] = {}  # the newest answers of this process, and when they were given
_lock = threading.Lock()


def clear_impact_cache() -> None:
    """Forget every answer about what hangs on a column."""
    with _lock:
        _kept.clear()


def impact_of(
    asked: AskedColumn, workload: WorkloadRequest, progress: Progress, *, name: str, seconds: float = KEPT_SECONDS
) -> ColumnImpact:
    """The impact of a change, at most ``seconds`` old. A new column is to be called ``name``."""
    connection, called = asked.connection, asked.column.name if asked.column is not None else name
    key = (connection.conninfo, connection.metadata_schema, asked.table.name, called, asked.kind, workload)
    with _lock:
        given, known = _kept.get(key, (-math.inf, None))
    if known is not None and time.monotonic() - given < seconds:
        return known
    found = _look(asked, workload, progress)
    with _lock:
        _kept[key] = (time.monotonic(), found)
        # A dict keeps the order of insertion: the first is the oldest.
        while len(_kept) > _MOST:
            _kept.pop(next(iter(_kept)))
    return found


def objects_of(asked: AskedColumn) -> tuple[Affected, ...]:
    """The objects alone, as they are at this moment."""
    if asked.column is None:
        return tuple(_publications(asked, "publishes every column: the subscribers' tables need this one first"))
    return tuple(_old(asked, asked.column))


def _look(asked: AskedColumn, workload: WorkloadRequest, progress: Progress) -> ColumnImpact:
    progress.stage("looking at what hangs on the column")
    objects = objects_of(asked)
    queries, notes = _queries(asked, workload, progress)
    profiles = 0 if asked.column is None else _profiles(asked, asked.column)
    return ColumnImpact(objects, queries, profiles, asked.table.children, notes)


def _publications(asked: AskedColumn, detail: str) -> Iterator[Affected]:
    # A publication with a column list (from 15 on) sends that list: a new column is no matter of it.
    # https://www.postgresql.org/docs/current/logical-replication-col-lists.html
    for name, columns in dependents.publications(asked.session, asked.table):
        if not columns:
            yield Affected("publication", name, "look", detail)


def _old(asked: AskedColumn, column: ColumnFacts) -> Iterator[Affected]:
    session, kind, table = asked.session, asked.kind, asked.table
    yield from (_attached(kind, a) for a in table.mentioning(column.name))
    for child in relation_facts.read_below(session, table.relid) if table.children else ():
        # What a child has from its parent is listed there.
        theirs = [a for a in child.mentioning(column.name) if a.parent is None and (a.local or a.kind == "index")]
        yield from (_attached(kind, a, child) for a in theirs if a.type != "n")
    if column.sequence is not None:
        effect: AffectedEffect = "disappears" if kind is ColumnChangeKind.DROP else "follows"
        yield Affected("sequence", str(column.sequence.name), effect, "belongs to the column")
    yield from _tracked(asked, column)
    for body in dependents.bodies(session, table, column.name, own=asked.connection.metadata_schema):
        what = "trigger function" if body.trigger else "function"
        name = f"{body.name.short}({body.arguments})"
        # pg_depend has nothing of a string body: it fails, or not, when it is run next.
        # https://www.postgresql.org/docs/current/ddl-depend.html
        detail = f"{body.language} text names {column.name}; {_UNTRACKED}"
        yield Affected(what, name, "follows" if kind is ColumnChangeKind.TYPE else "look", detail, body.text)


def _attached(kind: ColumnChangeKind, item: Attached, child: RelationFacts | None = None) -> Affected:
    name = item.name.name + (f" of {child.name.short}" if child is not None else "")
    match kind:
        case ColumnChangeKind.DROP:
            return Affected(item.word, name, "follows" if item.type == "n" else "disappears", "", item.definition)
        case ColumnChangeKind.TYPE:
            rebuilt = item.kind == "index" or item.index is not None
            if rebuilt:
                return Affected(item.word, name, "rebuilt", "unless nothing is rewritten", item.definition)
    return Affected(item.word, name, "follows", "", item.definition)


def _tracked(asked: AskedColumn, column: ColumnFacts) -> Iterator[Affected]:
    """What pg_depend knows: it follows a rename, and it stands in the way of everything else."""
    session, kind, table = asked.session, asked.kind, asked.table
    stops: AffectedEffect = "follows" if kind is ColumnChangeKind.RENAME else "blocks"
    for view in dependents.views(session, table, column):
        what = "rule of" if view.rule else ("materialized view" if view.kind == "m" else "view")
        through = f"through another view ({view.steps} steps)" if view.steps > 1 else ""
        yield Affected(what, view.name.short, stops, through)
    for what, name in dependents.dependents(session, table, column):
        yield Affected(what, name, stops)
    for key in dependents.references(session, table, column.name):
        effect: AffectedEffect = (
            "blocks" if kind is ColumnChangeKind.DROP else ("rebuilt" if kind is ColumnChangeKind.TYPE else "follows")
        )
        yield Affected(
            "foreign key", f"{key.name} of {key.table.short}", effect, "points at the column", key.definition
        )
    yield from _publications(asked, "publishes every column: the subscribers' tables must match")


def _profiles(asked: AskedColumn, column: ColumnFacts) -> int:
    session, schema = asked.session, asked.connection.metadata_schema
    # Profiles exist only where our schema does.
    if not metadata.is_ready(session, schema):
        return 0
    from indexpilot_cli.genome import table as genome

    return genome.profile_count(session, FieldKey(asked.table.name, column.name), schema=schema)


def _queries(
    asked: AskedColumn, workload: WorkloadRequest, progress: Progress
) -> tuple[tuple[QueryAffected, ...] | None, tuple[str, ...]]:
    try:
        found = _templates(asked.session, asked.connection, workload, progress)
    except AnsweredError as error:
        if workload.files or workload.queries:
            raise
        return None, (f"recorded queries could not be read: {error.message}",)
    total = sum(t.weight for t in found) or 1.0
    done = each(Stage.EXPLAIN, found, lambda t: _query(t, asked, t.weight / total))
    lost = tuple(f"a recorded query was set aside ({fault}): please report it: {t.text}" for t, fault in done.lost)
    return tuple(sorted((h for h in done.result if h is not None), key=lambda q: -q.share)), lost


def _templates(
    session: Session, connection: Connection, workload: WorkloadRequest, progress: Progress
) -> tuple[QueryTemplate, ...]:
    """Templates of the recorded workload, or of ``query_stats`` where the server keeps no statements."""
    from indexpilot_cli.db.capabilities import look
    from indexpilot_cli.db.catalog import read_catalog
    from indexpilot_cli.snapshot.source import Source
    from indexpilot_cli.workload.templates import fold_workload, read_workload

    capabilities = look(session, metadata_schema=connection.metadata_schema)
    nothing = Catalog(capabilities.server.version_num, capabilities.server.database, ())
    source = Source(nothing, capabilities.server, connection, capabilities, session=session)
    if workload == WorkloadRequest() and not capabilities.statements_readable:
        workload = WorkloadRequest(source=SourceKind.QUERY_STATS)
        # Mostly nothing is, and that takes no catalog to tell.
        if not any(w.statements or w.skipped for w in read_workload(source, workload, progress)):
            return ()
    source = replace(source, catalog=read_catalog(session, metadata_schema=connection.metadata_schema))
    return fold_workload(source, workload, TableFilter(), progress).templates


def _query(template: QueryTemplate, asked: AskedColumn, share: float) -> QueryAffected | None:
    kind, table, column = asked.kind, asked.table, asked.column
    uses = [u for u in template.uses if u.table == table.name]
    named = column is not None and any(column.name in _columns(u) for u in uses)
    whole = any(u.whole_row for u in uses)
    if uses and column is not None and kind in (ColumnChangeKind.DROP, ColumnChangeKind.RENAME):
        inserted = _inserted(template, table, column)
        if inserted is InsertFills.NAMED or (inserted is InsertFills.REACHED and kind is ColumnChangeKind.DROP):
            return QueryAffected(template.id, template.text, template.calls, share, "breaks")
    if not named and not (whole and kind is not ColumnChangeKind.TYPE):
        return None
    changes = named and kind in (ColumnChangeKind.DROP, ColumnChangeKind.RENAME)
    # A star expands to all names: it breaks where the name itself stands in the text.
    if changes and column is not None and (not whole or column.name.lower() in template.text.lower()):
        return QueryAffected(template.id, template.text, template.calls, share, "breaks")
    return QueryAffected(template.id, template.text, template.calls, share, "look", whole)


class InsertFills(Enum):
    """How an INSERT fills a column: by its name in the list, by a value at its place, or not at all."""

    NAMED = "named"
    REACHED = "reached"
    LEFT = "left"


def _inserted(template: QueryTemplate, table: RelationFacts, column: ColumnFacts) -> InsertFills:
    from indexpilot_cli.sql.parser.text import Statement, parse

    statement = parse(template.text) if template.kind is StatementKind.INSERT else None
    if not isinstance(statement, Statement):
        return InsertFills.LEFT
    select, target = statement.node.child("select_stmt"), statement.node.child("relation")
    if target is None or target.text("relname") != table.name.name:
        return InsertFills.LEFT
    listed = statement.node.children("cols")
    if listed:
        return InsertFills.NAMED if column.name in {item.text("name") for item in listed} else InsertFills.LEFT
    # Without a list the values go to the columns in their order.
    place = [c.name for c in table.columns].index(column.name)
    rows = select.children("values_lists") if select is not None else ()
    return InsertFills.REACHED if any(len(row.children("items")) > place for row in rows) else InsertFills.LEFT


def _columns(use: RelationUse) -> set[str]:
    keys = (*use.order_by, *use.group_by, *use.distinct)
    return {
        *use.columns,
        *use.updated,
        *(a.column for a in use.atoms if a.column is not None),
        *(k.column for k in keys if k.column is not None),
    }
