"""``rollback --to-version``: an older definition of an index is built first, then the newer one goes."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from indexpilot_cli.apply.undo import check_droppable
from indexpilot_cli.apply.undo_steps import ADVICE_ID, MUTATION_ID, UndoStep, step_of, with_price
from indexpilot_cli.apply.values import RollbackRequest
from indexpilot_cli.core.ddl import renamed
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import Event, IndexFacts, MutationReport, MutationType, OperationKind, OperationState
from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName, cut_name, quote_identifier, split_table
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.locks import attempts, until_free
from indexpilot_cli.errors import IndexPilotError, RefusedError, UsageError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import OPEN, STANDING, is_usable
from indexpilot_cli.execute.context import RunContext, take_lock
from indexpilot_cli.execute.events import report_of_undo
from indexpilot_cli.execute.standing import follow_catalog
from indexpilot_cli.log import intents
from indexpilot_cli.log.versions import IndexVersion, read_versions


def choose_version(ctx: RunContext, request: RollbackRequest) -> tuple[UndoStep, ...]:
    """The build of the version, and the drops of what else stands of its lineage, each only while that is there.

    Raises UsageError for an unknown index or version; RefusedError for what cannot be built or must not be dropped,
    before anything is done.
    """
    latest = intents.latest(ctx.look, schema=ctx.schema)
    wanted, line = _wanted(ctx, request, latest)
    source = _source(ctx, wanted, latest)
    structure = events.structure(source)
    if structure is None:
        raise RefusedError(f"the log does not say enough of {wanted.index} to build it", code="not_restorable")
    standing = tuple(_standing(ctx, line, latest))
    present = _present(ctx, source)
    first = _building(ctx, source, structure, present, {found.oid for _, found in standing})
    others = [(e, f) for e, f in standing if not build.has_structure(f, source.relid, structure)]
    for event, found in others:
        check_droppable(event, found, force=request.force)
    names = frozenset(v.index for v in line)
    drops = (with_price(ctx, step_of(event)) for event, _ in sorted(others, key=lambda o: o[0].id or 0, reverse=True))
    return (first, *(replace(drop, instead=first.event, leaves=names) for drop in drops))


def stands(ctx: RunContext, event: Event) -> bool:
    """Whether a usable index of the event's structure is on its table now."""
    return _present(ctx, event) is not None


def name_back(ctx: RunContext, step: UndoStep, report: MutationReport) -> MutationReport:
    """The report of the build, once the index has the name again that it had, where that is free by now.

    Renaming takes SHARE UPDATE EXCLUSIVE, beside which everybody reads and writes.
    https://www.postgresql.org/docs/current/sql-alterindex.html
    """
    wanted, event = step.named, step.event
    found = _present(ctx, event)
    if wanted is None or found is None or found.name == wanted:
        return report
    try:
        with closing(ctx.builder(event.op_id or "rename")) as session:
            take_lock(ctx, session, event.relid, event.table.short)
            if build.relation_kind(session, wanted) is not None:
                return report
            build.set_lock_timeout(session, ctx.limits.lock)
            rename = f"ALTER INDEX {found.name} RENAME TO {quote_identifier(wanted.name)}"
            until_free(attempts(ctx.stop, ctx.limits.retries + 1), lambda _number: session.execute(rename))
        follow_catalog(ctx)  # the log has the new name by the same way as when somebody else gives one
    except IndexPilotError as error:
        why = f"it is still named {found.name.name}: {error.detail or error.message}"
        return replace(report, notes=(*report.notes, why))
    return replace(report, index=wanted.name, outcome="done")


# -- what is meant


def _wanted(
    ctx: RunContext, request: RollbackRequest, latest: Sequence[Event]
) -> tuple[IndexVersion, tuple[IndexVersion, ...]]:
    """The version, and its whole lineage from the newest down."""
    if len(request.targets) != 1:
        raise UsageError("--to-version goes with one index, M-… or R-…", hint="indexpilot history --versions")
    target = request.targets[0]
    found = _named(ctx, target, latest)
    if not found:
        hint = "indexpilot history --versions lists them"
        raise UsageError(f"no versions of {target} are known", hint=hint, code="unknown_id")
    line = tuple(v for v in found if v.lineage == found[0].lineage)
    wanted = next((v for v in line if v.version == request.to_version), None)
    if wanted is None:
        there = ", ".join(str(v.version) for v in reversed(line))
        raise UsageError(
            f"{line[0].index.short} has no version {request.to_version}",
            detail=f"there are {there}",
            hint="indexpilot history --versions",
            code="unknown_version",
        )
    return wanted, line


def _named(ctx: RunContext, target: str, latest: Sequence[Event]) -> tuple[IndexVersion, ...]:
    """The versions that the target may mean, those of the newest lineage first."""
    if MUTATION_ID.fullmatch(target):
        which = intents.Which(ids=(int(target[2:]),))
        operations = intents.operations(ctx.look, which, schema=ctx.schema)
        return read_versions(ctx.look, op_ids=[group[0].op_id for group in operations], schema=ctx.schema)
    if ADVICE_ID.fullmatch(target):
        own = [e.op_id for e in latest if e.details.get("recommendation") == f"R-{target[2:].lower()}"]
        return read_versions(ctx.look, op_ids=own, schema=ctx.schema)
    return read_versions(ctx.look, index=split_table(target), schema=ctx.schema)


def _source(ctx: RunContext, wanted: IndexVersion, latest: Sequence[Event]) -> Event:
    """A drop that took this very definition away, which knows all of the index; else what is left to build it from."""
    gone = (e for e in latest if _dropped(e, wanted))
    found = max(gone, key=lambda e: e.id or 0, default=None)
    if found is None:
        found = next((e for e in latest if e.op_id == wanted.op_id), None) or _by_its_text(ctx, wanted)
        table = build.relation_kind(ctx.look, wanted.table)
        partitioned = table is not None and table[1] == "p"
        kept = {key: found.details[key] for key in ("structure", "plan", "recommendation") if key in found.details}
        # No operation is taken back by building it, so that it has no number.
        details: Mapping[str, Any] = {**kept, "partitioned": partitioned}
        found = replace(found, op_id="", id=None, table=wanted.table, details=details)
    details = {**found.details, "kind": OperationKind.DROP.value, "lineage": wanted.lineage}
    return replace(found, index=wanted.index, definition_sql=wanted.definition_sql, details=details)


def _dropped(event: Event, wanted: IndexVersion) -> bool:
    over = event.state in STANDING or event.state is OperationState.REVERTED
    drop = event.kind is OperationKind.DROP and not event.details.get("was_invalid")
    return over and drop and (event.index, event.definition_sql) == (wanted.index, wanted.definition_sql)


def _by_its_text(ctx: RunContext, wanted: IndexVersion) -> Event:
    """An index that was there before and that nothing in the log tells of but its definition."""
    from indexpilot_cli.advise.explain.query import read_create_index  # brings the parser along
    from indexpilot_cli.core.codec import to_json

    catalog = read_catalog(ctx.look)
    structure = read_create_index(wanted.definition_sql.replace(" ON ONLY ", " ON ", 1), catalog)
    table = catalog.table(wanted.table)
    assert table is not None  # read_create_index() refuses a table that is not there
    return Event(
        op_id="",
        type=MutationType.ROLLBACK_INDEX,
        state=OperationState.REVERTED,
        table=wanted.table,
        index=wanted.index,
        relid=table.oid,
        details={"structure": to_json(structure)},
    )


# -- what there is


def _standing(
    ctx: RunContext, line: Sequence[IndexVersion], latest: Sequence[Event]
) -> Iterator[tuple[Event, IndexFacts]]:
    """The operations of the lineage whose indexes are there, with them."""
    ours = {v.op_id for v in line if v.op_id is not None}
    for event in latest:
        built = event.kind is OperationKind.CREATE and event.state in STANDING | OPEN
        found = build.find_index(ctx.look, event.index) if built and event.op_id in ours else None
        if found is not None:
            yield event, found


def _present(ctx: RunContext, event: Event) -> IndexFacts | None:
    structure = events.structure(event)
    own = build.indexes_of(ctx.look, event.relid) if structure is not None else ()
    fitting = [i for i in own if is_usable(i) and build.has_structure(i, event.relid, structure)]
    return next(iter(sorted(fitting, key=lambda i: i.name != event.index)), None)


def _building(
    ctx: RunContext, source: Event, structure: IndexDefinition, present: IndexFacts | None, ours: Collection[int]
) -> UndoStep:
    """The step that makes the version stand, under its old name as soon as that can be."""
    if present is not None:
        nameless = present.oid in ours and present.name != source.index
        renaming = nameless and build.relation_kind(ctx.look, source.index) is None
        note = f"it stands as {present.name.name}" if nameless else "it stands already"
        report = report_of_undo(source, "planned" if renaming else "already_done", notes=(note,))
        return UndoStep(source, report, drops=False, named=source.index if nameless else None)
    _check_columns(ctx, source, structure)
    event = _under_free_names(ctx, source, structure)
    notes = (f"for the time being as {event.index.name}",) if event.index != source.index else ()
    return UndoStep(event, report_of_undo(event, "planned", notes=notes), drops=False, named=source.index)


def _check_columns(ctx: RunContext, source: Event, structure: IndexDefinition) -> None:
    """Raises RefusedError when a column is gone; what expressions need only the server knows."""
    there = {row.name for row in ctx.look.rows("execute/columns", {"relid": source.relid})}
    gone = [name for name in (*structure.columns, *structure.include) if name not in there]
    if gone:
        what = f"table {source.table.short}" if not there else f"column {quote_identifier(gone[0])} of it"
        raise RefusedError(f"{source.index.short} cannot be built: {what} is gone", code="stale_plan")


@dataclass(frozen=True, slots=True)
class _Names:
    """Which names are free, or are those of what an earlier run built here already."""

    ctx: RunContext
    structure: IndexDefinition

    def free(self, wanted: QualifiedName, relid: int | None) -> str:
        marks = itertools.chain([""], ("_v",), map("_v{}".format, itertools.count(2)))
        names = (cut_name(wanted.name, NAME_LIMIT - len(mark)) + mark for mark in marks)
        return next(n for n in names if self._may_have(QualifiedName(wanted.schema, n), relid))

    def _may_have(self, name: QualifiedName, relid: int | None) -> bool:
        if build.relation_kind(self.ctx.look, name) is None:
            return True
        return relid is not None and build.has_structure(build.find_index(self.ctx.look, name), relid, self.structure)


def _under_free_names(ctx: RunContext, source: Event, structure: IndexDefinition) -> Event:
    names = _Names(ctx, structure)
    free = names.free(source.index, source.relid)
    parts = [_part(ctx, names, part) for part in source.details.get("parts") or ()]
    details = {**source.details, **({"parts": parts} if parts else {})}
    text = renamed(source.definition_sql or "", free)
    return replace(source, index=QualifiedName(source.index.schema, free), definition_sql=text, details=details)


def _part(ctx: RunContext, names: _Names, part: Mapping[str, Any]) -> Mapping[str, Any]:
    """The index of a partition under a free name."""
    table = QualifiedName(**part["table"])
    relation = build.relation_kind(ctx.look, table)
    free = names.free(QualifiedName(table.schema, part["index"]), relation[0] if relation is not None else None)
    ddl = part.get("ddl")
    return {**part, "index": free, **({"ddl": renamed(ddl, free)} if ddl else {})}
