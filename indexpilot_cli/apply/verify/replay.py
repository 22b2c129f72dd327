"""The trial: affected reads really run before and after each build, on the server, a standby or a clone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from indexpilot_cli.apply.verify.trial import (
    Timing,
    TrialStatement,
    culprit,
    family,
    judge_trial,
    measure,
    reads_on,
    runnable,
    time_of,
)
from indexpilot_cli.apply.verify.verdict import IndexVerdict, Verification, numbers
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.mutation import Operation
from indexpilot_cli.core.workload import Plannable, QueryTemplate
from indexpilot_cli.db.plans import explain_text
from indexpilot_cli.db.session import Session, open_session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute.context import RunContext

MOST = 120  # statements of one index; lighter templates beyond are not run
CONTROLS = 3  # statements with unchanged plans that are run again to see how the machine changed
STANDBY_SECONDS = 60.0
PASS_SECONDS = 600.0  # the longest one index keeps us running statements before it, and after it
_TRAITS = ("Node Type", "Index Name", "Relation Name", "Join Type", "Scan Direction", "Strategy", "Sort Key")


@dataclass(slots=True)
class ReplayTrial:
    """A trial under way. ``now`` holds the latest timing and plan of every statement, ``states`` all of them
    before the first build and after each one.
    """

    ctx: RunContext
    session: Session
    catalog: Catalog
    templates: tuple[QueryTemplate, ...]
    replay_conninfo: str | None = None
    now: dict[str, Timing] = field(default_factory=dict)
    plans: dict[str, str | None] = field(default_factory=dict)
    states: list[dict[str, Timing]] = field(default_factory=list)
    built: list[Operation] = field(default_factory=list)
    idle: set[str] = field(default_factory=set)

    def before(self, operation: Operation) -> None:
        """Run what the index could touch and was not run yet."""
        asked = [s for s in self._affected(operation) if s.sql not in self.now]
        self._measure(asked, f"running {len(asked)} statements before {operation.name}")
        self.plans.update((s.sql, self._plan(s)) for s in asked)

    def after(self, operation: Operation) -> Verification:
        """Run again what is planned otherwise now, and judge; unchanged plans keep their times."""
        late = self._arrive(operation)
        if late is not None:
            return Verification(IndexVerdict.NOT_ENOUGH, late)
        old = dict(self.now)
        asked = self._affected(operation)
        plans = {s.sql: self._plan(s) for s in asked}
        changed = [s for s in asked if plans[s.sql] != self.plans.get(s.sql)]
        self.plans.update(plans)
        if not changed:
            self._remember(old, operation)
            return self._unused(operation, asked)
        steady = self._controls(asked, {s.template for s in changed})
        self._measure([*changed, *steady], f"running {len(changed)} statements after {operation.name}")
        found = self._judge(old, changed, steady)
        if found.slower:  # a busy machine is not the index's fault: they get a second chance
            self._again([s for s in changed if s.template in {t.template for t in found.slower}])
            found = self._judge(old, changed, steady)
        self._remember(old, operation)
        if found.verdict is IndexVerdict.NO_GAIN:
            self.idle.add(operation.name)
        return found

    def taken_back(self, operation: Operation) -> None:
        """The index is gone again: its state is forgotten, and so are the timings it changed."""
        if operation in self.built:
            place = self.built.index(operation)
            del self.built[place], self.states[place + 1]
            self.now = dict(self.states[-1])
            self.plans.update((s.sql, self._plan(s)) for s in self._affected(operation))

    def final(self) -> tuple[tuple[Operation, Verification], ...]:
        """What is to be said now that all are built: the guilty of statements that became slower over all builds
        together; else, of the indexes that alone were of no use, whether any plan uses them now.
        """
        if not self.built or self.ctx.stop.requested:
            return ()
        return self._guilty() or tuple((o, self._used(o)) for o in self.built if o.name in self.idle)

    # -- inside

    def _affected(self, operation: Operation) -> tuple[TrialStatement, ...]:
        tables = family(self.catalog, operation.table)
        wanted = {t.template for t in operation.templates}
        reads = sorted(reads_on(self.templates, tables), key=lambda t: t.id not in wanted)
        return runnable(reads)[:MOST]

    def _measure(self, statements: Sequence[TrialStatement], title: str) -> None:
        limit = float(self.ctx.connection.statement_timeout_ms)
        self.ctx.progress.stage(title, len(statements) * 4)
        end = time.monotonic() + PASS_SECONDS

        def enough() -> bool:
            return self.ctx.stop.requested or time.monotonic() > end

        for found in measure(self.session, statements, self.ctx.progress, limit_ms=limit, stopped=enough):
            self.now[found.statement] = found

    def _again(self, statements: Sequence[TrialStatement]) -> None:
        """More runs of the same statements, added to those there are."""
        first = {s.sql: self.now[s.sql] for s in statements}
        self._measure(statements, "running slower statements once more")
        for sql, timing in first.items():
            more = self.now[sql]
            self.now[sql] = replace(more, runs=(*timing.runs, *more.runs)) if more.runs else timing

    def _judge(
        self, old: Mapping[str, Timing], changed: Sequence[TrialStatement], steady: Sequence[TrialStatement]
    ) -> Verification:
        asked = [s.sql for s in (*changed, *steady)]
        before = [old[sql] for sql in asked if sql in old]
        return judge_trial(before, [self.now[sql] for sql in asked], {s.template for s in steady})

    def _controls(self, asked: Sequence[TrialStatement], changed: set[str]) -> tuple[TrialStatement, ...]:
        steady = [s for s in asked if s.template not in changed and self.now[s.sql].runs]
        return tuple(sorted(steady, key=lambda s: time_of(self.now[s.sql]) or 0.0)[:CONTROLS])

    def _unused(self, operation: Operation, asked: Sequence[TrialStatement]) -> Verification:
        if not any(self.now[s.sql].runs for s in asked):
            text = "not enough evidence yet: no statement with values in it could be run"
            return Verification(IndexVerdict.NOT_ENOUGH, text)
        self.idle.add(operation.name)
        return Verification(IndexVerdict.NO_GAIN, f"no plan of {len(asked)} statements changed")

    def _remember(self, old: Mapping[str, Timing], operation: Operation) -> None:
        if not self.states:
            self.states.append(dict(old))
        self.states[:] = [{**old, **state} for state in self.states]  # what only later indexes touch did not change
        self.states.append(dict(self.now))
        self.built.append(operation)

    def _guilty(self) -> tuple[tuple[Operation, Verification], ...]:
        whole = self._whole()
        guilty: dict[int, Verification] = {}
        for template in whole.slower:
            step = culprit([tuple(state.values()) for state in self.states], template.template)
            if step is not None:
                text = f"slower after all builds, most by this one: {numbers(template)}"
                guilty.setdefault(step, Verification(IndexVerdict.REVERT, text, (template,)))
        return tuple((self.built[step], found) for step, found in guilty.items())

    def _whole(self) -> Verification:
        """From before the first build to now; what seems slower runs once more, beside statements that do not.

        The machine is another than it was then: what all of them changed by is not the indexes' doing.
        """
        first = self.states[0]
        found = judge_trial(first.values(), [self.now[sql] for sql in first])
        slower = {t.template for t in found.slower}
        if not slower:
            return found
        affected = chain.from_iterable(self._affected(operation) for operation in self.built)
        asked = {s.sql: s for s in affected if s.sql in first}
        again = [s for s in asked.values() if s.template in slower]
        untouched = tuple(s for s in asked.values() if self.now[s.sql] == first[s.sql])  # planned as then
        steady = self._controls(untouched, slower)
        self._again(again)
        self._measure(steady, "running others once more")
        return self._judge(first, again, steady)

    def _used(self, operation: Operation) -> Verification:
        used = set(chain.from_iterable(json.loads(plan)[1] for plan in self.plans.values() if plan))
        if used.intersection(self._names(operation)):
            return Verification(IndexVerdict.KEPT, "a plan of the workload uses it, and no statement became slower")
        return Verification(IndexVerdict.NO_GAIN, "no plan of the workload uses it")

    def _names(self, operation: Operation) -> frozenset[str]:
        """The index's name and those of its parts on partitions."""
        rows = self.session.rows("verify/index_family", {"schema": operation.table.schema, "name": operation.name})
        return frozenset({operation.name, *(row.name for row in rows)})

    def _plan(self, statement: TrialStatement) -> str | None:
        """The plan without numbers and the names of its indexes, as JSON; None where there is none."""
        try:
            tree = explain_text(self.session, Plannable(statement.sql))
        except IndexPilotError:
            if self.session.closed:
                raise
            return None
        return json.dumps([_skeleton(tree), sorted(set(_index_names(tree)))])

    def _arrive(self, operation: Operation) -> str | None:
        """Wait until the index is where the trial runs; why it never was, else None."""
        if self.replay_conninfo is None:
            return None
        end = time.monotonic() + STANDBY_SECONDS
        names = {"schema": operation.table.schema, "name": operation.name}
        # A standby has the index as soon as it has replayed the commit that made it valid, which its lag may delay.
        while self.session.value("verify/index_visible", names) is not True:
            if not self.session.value("SELECT pg_catalog.pg_is_in_recovery()"):
                return self._build_on_clone(operation)
            if time.monotonic() > end:
                return f"not enough evidence yet: the standby has not replayed the build in {STANDBY_SECONDS:.0f} s"
            time.sleep(0.2)
        return None

    def _build_on_clone(self, operation: Operation) -> str | None:
        try:
            with open_session(
                self.replay_conninfo or "", read_only=False, statement_timeout_ms=0, lock_timeout_ms=2000
            ) as session:
                session.execute(operation.sql)
        except IndexPilotError as error:
            return f"not enough evidence yet: the clone has no such index: {error.detail or error.message}"
        return None


@contextmanager
def open_trial(
    ctx: RunContext, catalog: Catalog, templates: Iterable[QueryTemplate], replay_conninfo: str | None
) -> Iterator[ReplayTrial]:
    """A trial with its read-only session on the server, or where ``replay_conninfo`` says."""
    connection = ctx.connection
    with open_session(
        replay_conninfo or connection.conninfo,
        password=None if replay_conninfo else connection.password,
        # A SELECT may call a function that writes: the server refuses that here (25006).
        read_only=True,
        statement_timeout_ms=connection.statement_timeout_ms,
        lock_timeout_ms=2000,
        application_name="indexpilot/trial",
        connect_timeout=connection.connect_timeout,
    ) as session:
        session.execute("RESET jit")  # the application's statements run as they do for it
        yield ReplayTrial(ctx, session, catalog, tuple(templates), replay_conninfo)


def _skeleton(node: Mapping[str, Any]) -> list[object]:
    return [*(node.get(trait) for trait in _TRAITS), [_skeleton(child) for child in node.get("Plans", ())]]


def _index_names(node: Mapping[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for child in node.get("Plans", ()):
        yield from _index_names(child)
