"""A change as asked, checked and planned: validation, impact, steps, way back. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.names import QualifiedName, object_name, quote_identifier
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve import dependents, relation_facts
from indexpilot_cli.evolve.alter_table import assignable, by_rules, in_zone, zone_of
from indexpilot_cli.evolve.change import checks, online_operation, undo, waits
from indexpilot_cli.evolve.change import steps as change_steps
from indexpilot_cli.evolve.change.checks import Findings
from indexpilot_cli.evolve.change.online.probe import Classify
from indexpilot_cli.evolve.change.online.texts import kept_name
from indexpilot_cli.evolve.change.values import (
    Classified,
    ColumnChangeKind,
    ColumnImpact,
    Problem,
    SchemaChange,
    Step,
    TypeWork,
    Undo,
)
from indexpilot_cli.evolve.impact import AskedColumn, impact_of
from indexpilot_cli.evolve.relation import ColumnFacts, RelationFacts, TypeChange
from indexpilot_cli.evolve.requests import ChangeRequest


@dataclass(frozen=True, slots=True)
class Prepared:
    """The change, or why there is none. ``before`` is the table as it was looked at."""

    change: SchemaChange | None
    before: RelationFacts | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Planner:
    """One look at one request. ``session`` only reads; ``classify`` is asked before the rules are."""

    session: Session
    request: ChangeRequest
    progress: Progress
    found: Findings
    classify: Classify | None = None

    @property
    def kind(self) -> ColumnChangeKind:
        """The operation."""
        return ColumnChangeKind(self.request.kind)

    def small(self, table: RelationFacts) -> bool:
        """Whether reading or writing all of it takes no time worth mentioning."""
        return table.bytes <= self.request.small_bytes

    def impact(self, table: RelationFacts, column: ColumnFacts | None) -> ColumnImpact:
        """What hangs on the column."""
        request = self.request
        asked = AskedColumn(self.session, request.connection, self.kind, table, column)
        return impact_of(asked, request.workload, self.progress, name=request.column, seconds=request.impact_seconds)


def prepare(session: Session, request: ChangeRequest, progress: Progress, classify: Classify | None = None) -> Prepared:
    """Check the request against the server and plan it. ``session`` is read-only.

    Raises UnreachableError; everything wrong with the request is in ``problems``.
    """
    planner = Planner(session, request, progress, Findings(), classify)
    progress.stage("checking the change")
    table = checks.find_table(session, request.table, planner.kind, request.connection.metadata_schema, planner.found)
    if table is None:
        return Prepared(None, None, tuple(planner.found.problems))
    change = _PLANS[planner.kind](planner, table)
    return Prepared(change, table, tuple(planner.found.problems))


def impact_only(session: Session, request: ChangeRequest, progress: Progress) -> ColumnImpact:
    """What hangs on the column, whether or not the change can be made. Raises UsageError when there is none."""
    planner = Planner(session, request, progress, Findings())
    table = checks.find_table(session, request.table, planner.kind, request.connection.metadata_schema, planner.found)
    column = None if table is None else table.column(request.column)
    if table is None or (column is None and planner.kind is not ColumnChangeKind.ADD):
        if table is not None:
            planner.found.add(checks.missing_column(table, request.column))
        raise checks.error_of(planner.found.problems)
    return planner.impact(table, column)


def saved_table(request: ChangeRequest, table: RelationFacts, column: str) -> QualifiedName:
    """Where the values of a dropped column are kept."""
    if request.save_to:
        from indexpilot_cli.core.names import split_table

        schema, name = split_table(request.save_to)
        return QualifiedName(schema or table.name.schema, name)
    name = object_name(f"saved_{table.name.name}", column, f"c{table.relid}")
    return QualifiedName(request.connection.metadata_schema, name)


def _change(
    planner: Planner,
    table: RelationFacts,
    steps: tuple[Step, ...],
    back: Undo,
    impact: ColumnImpact,
    *,
    classified: Classified | None = None,
    notes: tuple[str, ...] = (),
) -> SchemaChange:
    asked = planner.request
    return SchemaChange(
        planner.kind,
        table.name,
        asked.column,
        table.relid,
        steps,
        back,
        impact,
        classified,
        table.bytes,
        table.rows,
        asked.new_name,
        asked.type,
        notes,
        asked_of(asked),
    )


def asked_of(request: ChangeRequest) -> dict[str, object]:
    """What makes two requests the same change: running it again goes on with the first."""
    names = ("type", "default", "not_null", "comment", "unique", "references", "using", "new_name", "save", "save_to")
    return {name: getattr(request, name) for name in names if getattr(request, name)}


def _add(planner: Planner, table: RelationFacts) -> SchemaChange | None:
    session, asked, found = planner.session, planner.request, planner.found
    checks.check_new_name(session, table, asked.column, found, force=asked.force)
    found.add(*checks.too_many_columns(table))
    kind = checks.read_type(session, asked.type, found)
    default = None if asked.default is None else checks.read_expression(asked.default, "--default", found)
    reference = None
    if asked.references is not None:
        reference = checks.read_reference(session, asked.references, asked.column, found)
    if kind is None or found.problems:
        return None
    # The value of a domain that checks is computed for each row, even from a constant default.
    each_row = kind.constrained and default is not None
    if default is not None:
        each_row = checks.check_default(session, default, kind, found) or each_row
    empty = checks.is_empty(session, table) if asked.not_null or asked.unique else False
    _check_rows(planner, table, default, empty=empty, each_row=each_row)
    if found.problems:
        return None
    new = change_steps.NewColumn(
        table,
        asked.column,
        kind.text,
        default,
        asked.not_null,
        asked.comment,
        asked.unique,
        reference,
        each_row,
        planner.small(table),
        checks.leaves(session, table),
    )
    back = undo.of_add(table, asked.column)
    todo = change_steps.add_column(new)
    return _change(planner, table, todo, back, planner.impact(table, None), notes=_add_notes(table, todo))


def _add_notes(table: RelationFacts, steps: tuple[Step, ...]) -> tuple[str, ...]:
    notes = [f"its {len(table.children)} partitions or children get the column too"] if table.children else []
    if table.triggers and any(step.how == "fill" for step in steps):
        names = ", ".join(name for name, _ in table.triggers)
        notes.append(f"filling the column updates every row, which fires {names}")
    return tuple(notes)


def _check_rows(planner: Planner, table: RelationFacts, default: str | None, *, empty: bool, each_row: bool) -> None:
    """What the rows that are there already make impossible."""
    asked, found = planner.request, planner.found
    if asked.not_null and default is None and not empty:
        text = f"{table.name.short} has rows, which would have no value in a NOT NULL column"
        found.wrong("not_null_without_default", text, "give a --default, or leave --not-null out")
    if asked.unique and default is not None and not each_row and not empty:
        text = f"every row of {table.name.short} would have the same value {default} in a unique column"
        found.wrong("duplicates", text, "leave --default out, or let it be computed for each row")
    # https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-LIMITATIONS
    if asked.unique and table.kind == "p":
        text = "a unique constraint of a partitioned table must contain its partition key"
        found.wrong("partitioned_unique", text, "leave --unique out")


def _drop(planner: Planner, table: RelationFacts) -> SchemaChange | None:
    asked, found = planner.request, planner.found
    column = checks.find_column(table, asked.column, planner.kind, found)
    if column is None:
        return None
    impact = planner.impact(table, column)
    found.add(*checks.blocked(planner.kind, impact.objects))
    needs = checks.vanishing((o for o in impact.objects if o.kind != "sequence"), force=asked.force)
    if asked.execute:
        found.add(*needs)
    saved = _saved(planner, table, column)
    steps = change_steps.drop(table, column, saved, small=planner.small(table))
    # Indexes and defaults that only some partition has are lost as well: the way back needs them one by one.
    below = relation_facts.read_below(planner.session, table.relid) if table.children else ()
    back = undo.of_drop(replace(table, below=below), column, saved)
    notes = tuple(f"{p.message}: --force is needed" for p in needs)
    if any(o.kind == "foreign key" for o in impact.objects):
        # The foreign key has triggers on that table too: they are dropped with it, under ACCESS EXCLUSIVE.
        notes = (*notes, "the referenced table is locked too for that moment")
    long = saved is not None and not planner.small(table)
    expected = waits.of_save(planner.session, table, column) if long else ()
    return replace(_change(planner, table, steps, back, impact, notes=notes), waits=expected)


def _saved(planner: Planner, table: RelationFacts, column: ColumnFacts) -> QualifiedName | None:
    asked, found = planner.request, planner.found
    if not (asked.save or asked.save_to) or column.generation is not None:
        return None
    if not table.key or column.name in table.key:
        text = f"{table.name.short} has no key without {column.name} by which saved values could be put back"
        found.wrong("no_key", text, "save it in a way of your own, or leave --save out", 6)
        return None
    saved = saved_table(asked, table, column.name)
    if dependents.answers(planner.session, f"SELECT FROM {saved}") is None:
        found.wrong("name_taken", f"{saved} is there already", "--save-to another name")
    return saved


def _rename(planner: Planner, table: RelationFacts) -> SchemaChange | None:
    asked, found = planner.request, planner.found
    column = checks.find_column(table, asked.column, planner.kind, found)
    checks.check_new_name(planner.session, table, asked.new_name or "", found, force=asked.force)
    if column is None or found.problems:
        return None
    new = str(asked.new_name)
    impact = planner.impact(table, column)
    # What an online type change keeps of the column is found by its name.
    names = [(column.name, new)]
    if online_operation.keeps_old(table, column.name):
        names.append((kept_name(column.name), kept_name(new)))
    return _change(planner, table, change_steps.rename(table, names), undo.of_rename(table, names), impact)


def _type(planner: Planner, table: RelationFacts) -> SchemaChange | None:
    session, asked, found = planner.session, planner.request, planner.found
    column = checks.find_column(table, asked.column, planner.kind, found)
    kind = checks.read_type(session, asked.type, found)
    using = None if asked.using is None else checks.read_expression(asked.using, "--using", found)
    if column is None or kind is None or found.problems:
        return None
    if using is not None:
        checks.check_using(session, table, using, kind, found)
    change = type_change(session, table, column, kind.text, using)
    if change.old.oid == kind.oid and change.old.modifiers == kind.modifiers and using is None:
        found.wrong("same_type", f"{column.name} is of type {column.type} already", None)
    if using is None and not assignable(change):
        hint = f"--using '{quote_identifier(column.name)}::{kind.text}' if that is the conversion you mean"
        found.wrong("needs_using", f"{column.type} does not become {kind.text} by itself", hint)
    impact = planner.impact(table, column)
    wrong = bool(found.problems)
    found.add(*checks.blocked(planner.kind, impact.objects))
    return None if wrong else _typed(planner, change, impact)


def _typed(planner: Planner, change: TypeChange, impact: ColumnImpact) -> SchemaChange:
    table, column = change.table, change.column
    classified = (planner.classify(change) if planner.classify is not None else None) or by_rules(change)
    small = planner.small(table)
    # Both hold ACCESS EXCLUSIVE for a time that grows with the table.
    blocks = classified.work in (TypeWork.REWRITE, TypeWork.REBUILD) and not small
    casts = checks.casts(planner.session, change.new.text, column.type)
    back = undo.of_type(table, column, table, back_casts=casts, settings=in_zone(change))
    notes = _type_notes(change, classified)
    if planner.request.online or blocks:
        steps, back = online_operation.steps(), online_operation.way_back(column.name)
    else:
        steps = change_steps.alter_type(change, classified, small=small)
    return _change(planner, table, steps, back, impact, classified=classified, notes=notes)


def _type_notes(change: TypeChange, classified: Classified) -> tuple[str, ...]:
    notes = [f"{classified.work.value}: {classified.reason}"]
    if change.column.storage or change.column.compression:
        notes.append("storage and compression return to what is usual for the new type")
    if in_zone(change):
        name = quote_identifier(change.column.name)
        other = f"--using \"{name} AT TIME ZONE '…'\" takes another"
        notes.append(f"converted in TimeZone {change.timezone}, there and back, whatever a session has: {other}")
    if any(a.type == "f" for a in change.table.mentioning(change.column.name)):
        notes.append("a foreign key's other table is locked too for that moment")
    return tuple(notes)


def type_change(session: Session, table: RelationFacts, column: ColumnFacts, new: str, using: str | None) -> TypeChange:
    """Everything a classifier wants to know of a type change; ``new`` and ``using`` are text the parser printed."""
    old_type, new_type = dependents.type_facts(session, column.type), dependents.type_facts(session, new)
    method, context = dependents.castable(session, old_type, new_type)
    zone = dependents.time_zone(session)
    change = TypeChange(table, column, old_type, new_type, using, zone, method, context)
    named = None if using is None else zone_of(using, change)
    return change if named is None else replace(change, using=None, timezone=named)


def change_of(prepared: Prepared) -> SchemaChange:
    """The change. Raises UsageError, RefusedError or PrerequisiteError with every problem when there is none."""
    if prepared.problems:
        raise checks.error_of(prepared.problems)
    if prepared.change is None:
        raise UsageError("the change cannot be made")
    return prepared.change


_PLANS = {
    ColumnChangeKind.ADD: _add,
    ColumnChangeKind.DROP: _drop,
    ColumnChangeKind.TYPE: _type,
    ColumnChangeKind.RENAME: _rename,
}
