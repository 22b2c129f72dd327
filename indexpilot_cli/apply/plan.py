"""What there is to do: the targets' recommendations as operations, without those that are there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from indexpilot_cli.advise import planfile
from indexpilot_cli.advise.pipeline import reasons_against
from indexpilot_cli.advise.plan_text import check_text, check_upkeep
from indexpilot_cli.advise.planfile import read_plan
from indexpilot_cli.apply.steps import Task, task_of
from indexpilot_cli.apply.upkeep import UpkeepStep, upkeep_of
from indexpilot_cli.apply.upkeep import planned as to_be_done
from indexpilot_cli.core import files
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.index import IndexDefinition, Rejection
from indexpilot_cli.core.mutation import MutationReport, Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan, Recommendation, schema_digest
from indexpilot_cli.db.capabilities import database_identity
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.execute.build import columns_fingerprint
from indexpilot_cli.execute.events import report
from indexpilot_cli.log import plans
from indexpilot_cli.methods.existing import same_structure
from indexpilot_cli.methods.partitioned import upwards
from indexpilot_cli.snapshot.source import Source

DID_NOT_PAY = "did_not_pay"
TABLE_GONE = "table_missing"  # of one schema of many: what was planned for it is not wanted any more
SETTLED = frozenset({DID_NOT_PAY, TABLE_GONE})
_LOOK_BACK = 20  # plans: those of a template may be among them
NO_PLAN = "no_plan"


@dataclass(frozen=True, slots=True)
class Todo:
    """Tasks to do, each with the plan it is from, and the reports of those already done or not to be done again."""

    tasks: tuple[tuple[Plan, Task], ...]
    done: tuple[MutationReport, ...]
    plans: tuple[Plan, ...]
    upkeep: tuple[UpkeepStep, ...] = ()

    @property
    def plan_id(self) -> str | None:
        """The plan, when there is only one."""
        return self.plans[0].id if len(self.plans) == 1 else None

    @property
    def idle(self) -> str:
        """Why nothing is to be done, where nothing is."""
        return next((r.error_code for r in self.done if r.error_code in SETTLED), None) or "already_done"

    @property
    def by_plan(self) -> tuple[tuple[Plan, tuple[Operation, ...]], ...]:
        """The head operations (one per index) by plan."""
        return tuple(
            (plan, tuple(task.head for own, task in self.tasks if own is plan))
            for plan in self.plans
            if plan.upkeep or any(own is plan for own, _ in self.tasks)
        )

    @property
    def reports(self) -> tuple[MutationReport, ...]:
        """Everything as it stands before anything is done."""
        return (
            *self.done,
            *map(to_be_done, self.before),
            *chain.from_iterable(_planned(task) for _, task in self.tasks),
            *map(to_be_done, self.after),
        )

    @property
    def before(self) -> tuple[UpkeepStep, ...]:
        """What is done before any index is built."""
        return tuple(step for step in self.upkeep if step.first)

    @property
    def after(self) -> tuple[UpkeepStep, ...]:
        """What is done when all else is."""
        return tuple(step for step in self.upkeep if not step.first)


def _planned(task: Task) -> Iterator[MutationReport]:
    """What the task is to do, a line for each index."""
    if task.there is not None:
        yield report(task.head, "already_done", index=task.there)
    for operation in task.drops if task.there is not None else (task.head, *task.drops):
        yield report(operation, "planned", size_bytes=operation.size_bytes or None)


def plan_work(
    source: Source, session: Session, targets: Sequence[str], *, adopt: bool, again: bool, most: int | None
) -> Todo:
    """The work, ``most`` indexes of it. Raises UsageError for targets, RefusedError for tables that are gone.

    What verification took back here before is not built again, unless it is named by its id or ``again`` asks for it.
    ``adopt`` takes plans of another database.
    """
    chosen = choose(session, targets, source.connection.metadata_schema, adopt=adopt)
    chosen, outdated = _as_planned(chosen, source.catalog)
    wanted = chain.from_iterable(c.recommendations for c in chosen)
    prints = fingerprints(session, source.catalog, {r.definition.table for r in wanted})
    known = {} if again else reasons_against(source)
    tasks: list[tuple[Plan, Task]] = []
    done = outdated
    for choice in chosen:
        for recommendation in choice.recommendations:
            task = task_of(recommendation, choice.plan.id, source.catalog, prints)
            # By structure, never by IF NOT EXISTS: that succeeds over any relation of the name, an invalid or another
            # index too. https://www.postgresql.org/docs/current/sql-createindex.html
            there = _settled_as(source.catalog, recommendation)
            builds = recommendation.action.builds
            if there is None and builds and recommendation.id in known and not choice.named:
                done.append(_did_not_pay(task, known[recommendation.id]))
            elif there is None or _left(source.catalog, task):
                tasks.append((choice.plan, replace(task, there=there)))
            else:
                done.append(report(task.head, "already_done", index=there))
    upkeep = chain.from_iterable(upkeep_of(c.plan) for c in chosen if not c.named)
    return Todo(tuple(tasks[:most]), tuple(done), tuple(c.plan for c in chosen), tuple(dict.fromkeys(upkeep)))


def _as_planned(chosen: Sequence[Chosen], catalog: Catalog) -> tuple[tuple[Chosen, ...], list[MutationReport]]:
    """The plans without entries that hold for their own table alone and whose table is gone or another one now."""
    left, gone = [], []
    for choice in chosen:
        stale = {r.id: _outdated(r, catalog) for r in choice.recommendations}
        kept = tuple(r for r in choice.recommendations if stale[r.id] is None)
        left.append(replace(choice, recommendations=kept))
        gone += [report for report in stale.values() if report is not None]
    return tuple(left), gone


def _outdated(recommendation: Recommendation, catalog: Catalog) -> MutationReport | None:
    table = recommendation.definition.table
    if not recommendation.table_digest or schema_digest(catalog, {table}) == recommendation.table_digest:
        return None
    there = catalog.table(table) is not None
    return MutationReport(
        "skipped",
        OperationKind.CREATE,
        table,
        recommendation.name,
        recommendation.ddl,
        recommendation.undo,
        recommendation=recommendation.id,
        summary=recommendation.summary,
        error_code="stale_plan" if there else TABLE_GONE,
        error=f"{table} has changed since the plan was made" if there else f"{table} is not there any more",
    )


def _settled_as(catalog: Catalog, recommendation: Recommendation) -> str | None:
    """The name under which the recommendation is carried out already, or None."""
    if recommendation.action.builds:
        return existing(catalog, recommendation.definition)
    table = catalog.table(recommendation.definition.table)
    # A rebuilding can always be done once more; whether it still pays is for ``lifecycle`` to say.
    return None if table is None or _is_there(catalog, table.name, recommendation.name) else recommendation.name


def _is_there(catalog: Catalog, table: QualifiedName, name: str) -> bool:
    found = catalog.table(table)
    return found is not None and any(i.name.name == name for i in found.indexes)


def _left(catalog: Catalog, task: Task) -> bool:
    """Whether an index is still there in whose place another one stands already: a run that was cut short."""
    return any(_is_there(catalog, drop.table, drop.name) for drop in task.drops)


def _did_not_pay(task: Task, why: str) -> MutationReport:
    again = f"indexpilot apply {task.recommendation.id} builds it all the same"
    return report(task.head, "skipped", error_code=DID_NOT_PAY, error=why, notes=(again,))


def existing(catalog: Catalog, definition: IndexDefinition) -> str | None:
    """The name of a usable index of that structure, or None."""
    table = catalog.table(definition.table)
    # An invalid index is maintained and not used by any query: it does not make the build needless.
    usable = (i for i in (table.indexes if table else ()) if i.valid and i.ready)
    return next((i.name.name for i in usable if same_structure(i.definition, definition)), None)


def fingerprints(session: Session, catalog: Catalog, tables: set[QualifiedName]) -> dict[QualifiedName, str]:
    """What the columns of the tables and of their partitions are now."""
    wanted = set(tables)
    for child in catalog.tables:
        if child.is_partition and not tables.isdisjoint(upwards(child.name, catalog)):
            wanted.add(child.name)
    found = (catalog.table(name) for name in sorted(wanted))
    return {t.name: columns_fingerprint(session, t.oid) for t in found if t is not None}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A plan and those of its recommendations that are to be built. ``named``: by their own ids."""

    plan: Plan
    recommendations: tuple[Recommendation, ...]
    named: bool = False


def choose(session: Session, targets: Sequence[str], schema: str, *, adopt: bool = False) -> tuple[Chosen, ...]:
    """The plans and recommendations of the targets, in their order, each recommendation once; none: the latest plan.

    A plan belongs to the database it was made for; ``adopt`` takes that of another one, a clone's for instance.
    Raises UsageError for an unknown id, an unreadable file, or when there is no plan; RefusedError for a plan of
    another database.
    """
    found = [_one(session, target, schema) for target in targets] or [_latest(session, schema)]
    for chosen in found:
        check_upkeep(chosen.plan)
        for recommendation in chosen.recommendations:
            check_text(recommendation, chosen.plan.id)
    here = database_identity(session)
    for chosen in found if not adopt else ():
        check_owner(chosen.plan, here)
    return tuple(_without_repeats(found))


def check_owner(plan: Plan, here: str) -> None:
    """Raises RefusedError when the plan is known to have been made for another database than ``here``."""
    if here and plan.database not in ("", here):
        whose = f"{plan.server.database} on {plan.server.host or 'a local socket'}" if plan.server is not None else None
        raise RefusedError(
            f"{plan.id} was made for another database",
            detail=whose,
            hint="indexpilot recommend makes one for this; apply --adopt takes it all the same, for a clone",
            code="another_database",
        )


def _one(session: Session, target: str, schema: str) -> Chosen:
    if Path(target).suffix or "/" in target or files.is_file(target):
        plan = read_plan(Path(target))
        return Chosen(plan, plan.recommendations)
    if target[:2].upper() in ("R-", "F-"):
        return _recommendation(session, target, schema)
    plan = kept_plan(session, target, schema)
    return Chosen(plan, plan.recommendations)


def _recommendation(session: Session, identifier: str, schema: str) -> Chosen:
    try:
        advice = plans.find_recommendation(session, identifier, schema=schema)
        plan, found = advice.plan, advice.recommendation or advice.rejection
    except UsageError as error:
        kept = planfile.find_advice(identifier)
        if not kept or error.code != "unknown_id":
            raise
        here = database_identity(session)
        plan, found = next((one for one in kept if one[0].database == here), kept[0])
    if not isinstance(found, Recommendation):
        raise _rejected(identifier, found)
    return Chosen(plan, (found,), named=True)


def _rejected(identifier: str, found: Rejection | None) -> UsageError:
    why = f"{found.reason}: {found.detail}" if found is not None else None
    return UsageError(
        f"{identifier} was not recommended", detail=why, hint=f"indexpilot explain {identifier}", code="rejected"
    )


def kept_plan(session: Session, typed: str, schema: str) -> Plan:
    """The plan of that id (or beginning) in the metadata schema, else among this user's files.

    Raises UsageError with the nearest ids.
    """
    try:
        return plans.load(session, typed, schema=schema)
    except UsageError as error:
        if error.code != "unknown_id":
            raise
        found = planfile.find_plan(typed)
        if found is None:
            raise
        return found


def _latest(session: Session, schema: str) -> Chosen:
    plan = latest_plan(session, schema)
    if plan is None:
        raise UsageError("there is no plan yet", hint="indexpilot recommend", code=NO_PLAN)
    return Chosen(plan, plan.recommendations)


def latest_plan(session: Session, schema: str | None) -> Plan | None:
    """The newest plan of this database: of its metadata schema (None: there is none), else of this user's files.

    A database made from a template has the template's plans in its schema.
    """
    here = database_identity(session)
    stored = plans.latest(session, _LOOK_BACK, schema=schema) if schema is not None else ()
    mine = (plan for plan in stored if plan.database in ("", here))
    return next(mine, None) or next((plan for plan in planfile.kept_plans() if here and plan.database == here), None)


def _without_repeats(found: Sequence[Chosen]) -> Iterator[Chosen]:
    seen: set[str] = set()
    for chosen in found:
        new = tuple(r for r in chosen.recommendations if r.id not in seen)
        seen |= {r.id for r in new}
        if new or not chosen.recommendations:
            yield replace(chosen, recommendations=new)
