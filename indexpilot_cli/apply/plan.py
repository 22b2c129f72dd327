"""What there is to do: the targets' recommendations as operations, without those that are there already."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from indexpilot_cli.advise.taken_back import reasons_against
from indexpilot_cli.apply.steps import Task, task_of
from indexpilot_cli.apply.targets import choose
from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.operation import MutationReport, Operation
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.db.session import Session
from indexpilot_cli.execute.build import columns_fingerprint
from indexpilot_cli.execute.report import report
from indexpilot_cli.methods.existing import same_structure
from indexpilot_cli.snapshot.source import Source

DID_NOT_PAY = "did_not_pay"


@dataclass(frozen=True, slots=True)
class Todo:
    """Tasks to do, each with the plan it is from, and the reports of those already done or not to be done again."""

    tasks: tuple[tuple[Plan, Task], ...]
    done: tuple[MutationReport, ...]
    plans: tuple[Plan, ...]

    @property
    def plan_id(self) -> str | None:
        """The plan, when there is only one."""
        return self.plans[0].id if len(self.plans) == 1 else None

    @property
    def idle(self) -> str:
        """Why nothing is to be done, where nothing is."""
        return DID_NOT_PAY if any(r.error_code == DID_NOT_PAY for r in self.done) else "already_done"

    @property
    def by_plan(self) -> tuple[tuple[Plan, tuple[Operation, ...]], ...]:
        """The head operations (one per index) by plan."""
        return tuple(
            (plan, tuple(task.head for own, task in self.tasks if own is plan))
            for plan in self.plans
            if any(own is plan for own, _ in self.tasks)
        )

    @property
    def reports(self) -> tuple[MutationReport, ...]:
        """Everything as it stands before anything is done."""
        return (
            *self.done,
            *(report(task.head, "planned", size_bytes=task.head.size_bytes or None) for _, task in self.tasks),
        )


def plan_work(source: Source, session: Session, request: ApplyRequest) -> Todo:
    """The work, at most ``max_builds`` of it. Raises UsageError for targets, RefusedError for tables that are gone.

    What verification took back here before is not built again, unless it is named by its id or forced.
    """
    chosen = choose(session, request.targets, request.connection.metadata_schema)
    prints = fingerprints(session, source.catalog, {r.definition.table for c in chosen for r in c.recommendations})
    known = {} if request.force else reasons_against(source)
    tasks: list[tuple[Plan, Task]] = []
    done: list[MutationReport] = []
    for choice in chosen:
        for recommendation in choice.recommendations:
            task = task_of(
                recommendation,
                choice.plan.id,
                source.catalog,
                prints,
                new_id=lambda: str(uuid.uuid4()),
                same=same_structure,
            )
            there = existing(source.catalog, recommendation.definition)
            if there is None and recommendation.id in known and not choice.named:
                done.append(_did_not_pay(task, known[recommendation.id]))
            elif there is None:
                tasks.append((choice.plan, task))
            else:
                done.append(report(task.head, "already_done", index=there))
    limit = request.max_builds if request.max_builds is not None else len(tasks)
    return Todo(tuple(tasks[:limit]), tuple(done), tuple(c.plan for c in chosen))


def _did_not_pay(task: Task, why: str) -> MutationReport:
    again = f"indexpilot apply {task.recommendation.id} builds it all the same"
    return report(task.head, "skipped", error_code=DID_NOT_PAY, error=why, notes=(again,))


def existing(catalog: Catalog, definition: IndexDefinition) -> str | None:
    """The name of a usable index of that structure, or None."""
    table = catalog.table(definition.table)
    usable = (i for i in (table.indexes if table else ()) if i.valid and i.ready)
    return next((i.name.name for i in usable if same_structure(i.definition, definition)), None)


def fingerprints(session: Session, catalog: Catalog, tables: set[QualifiedName]) -> dict[QualifiedName, str]:
    """What the columns of the tables and of their partitions are now."""
    wanted = {name for root in tables for name in _family(catalog, root)}
    found = (catalog.table(name) for name in sorted(wanted))
    return {t.name: columns_fingerprint(session, t.oid) for t in found if t is not None}


def _family(catalog: Catalog, root: QualifiedName) -> Iterator[QualifiedName]:
    yield root
    for child in catalog.tables:
        if child.parent == root and child.is_partition:
            yield from _family(catalog, child.name)
