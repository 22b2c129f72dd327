"""What all endpoints and pages share: what was asked for, the questions they may ask, and the results that are kept.

Looking leaves no row, no plan and no counters behind: a page that is open all day would fill the log.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Annotated

from fastapi import Depends, Request

from indexpilot_cli.admin import analyze, doctor, history
from indexpilot_cli.admin.analyze import AnalyzeRequest, AnalyzeResult
from indexpilot_cli.admin.doctor import DoctorRequest, DoctorResult
from indexpilot_cli.admin.history import HistoryRequest, HistoryResult, VersionsRequest, VersionsResult
from indexpilot_cli.advise import recommend
from indexpilot_cli.advise.explain import explain
from indexpilot_cli.advise.values import ExplainRequest, ExplainResult, RecommendRequest
from indexpilot_cli.apply import kept_plan
from indexpilot_cli.apply.values import ApplyRequest, PlanListRequest, PlanListResult, PlanRequest, RollbackRequest
from indexpilot_cli.core.command import Connection, Outcome, PlannerRequest, Progress, Record, TableFilter
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.db.conninfo import with_application
from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review import check
from indexpilot_cli.evolve.review.registry import explain_hazard, is_hazard
from indexpilot_cli.evolve.review.values import CheckResult
from indexpilot_cli.lifecycle import builds, indexes, lifecycle, metrics, performance
from indexpilot_cli.lifecycle.builds import BuildsRequest, BuildsResult
from indexpilot_cli.lifecycle.explain import explain_finding
from indexpilot_cli.lifecycle.indexes import IndexesRequest, IndexesResult
from indexpilot_cli.lifecycle.metrics import MetricsRequest, MetricsResult
from indexpilot_cli.lifecycle.performance import PerformanceRequest, PerformanceResult, TableReads
from indexpilot_cli.lifecycle.schedules import status
from indexpilot_cli.lifecycle.schedules.status import LifecycleStatusRequest, LifecycleStatusResult
from indexpilot_cli.lifecycle.spare import SpareRequest
from indexpilot_cli.lifecycle.values import LifecycleRequest, LifecycleResult
from indexpilot_cli.log.plans import advice_of
from indexpilot_cli.serve.results import Kept, Question, Results
from indexpilot_cli.serve.values import ServeRequest
from indexpilot_cli.serve.works import Works
from indexpilot_cli.settings.sections import Settings

_MOST = 10_000  # a week, by minutes
_APART = timedelta(seconds=30)  # nearer ones replace the last


class ReadSamples:
    """The counters of one server process, oldest first. May be used from any thread."""

    def __init__(self) -> None:
        self._seen: deque[TableReads] = deque(maxlen=_MOST)
        self._lock = threading.Lock()

    def add(self, reads: TableReads) -> None:
        """Keep what was read, unless it is kept already."""
        with self._lock:
            if self._seen and reads.at <= self._seen[-1].at:  # who looks gets kept answers again and again
                return
            if len(self._seen) > 1 and reads.at - self._seen[-2].at < _APART:
                self._seen.pop()
            self._seen.append(reads)

    def between(self, begin: datetime, end: datetime) -> tuple[int, int] | None:
        """Scans by an index and of whole tables in that time, as far as it was looked at; None: it was not."""
        steps = list(self._steps(begin, end))
        if not steps:
            return None
        hits = sum(after.index_scans - before.index_scans for before, after in steps)
        return hits, sum(after.sequential_scans - before.sequential_scans for before, after in steps)

    def _steps(self, begin: datetime, end: datetime) -> Iterator[tuple[TableReads, TableReads]]:
        with self._lock:
            within = [reads for reads in self._seen if begin <= reads.at <= end]
        for before, after in pairwise(within):
            # Counters that began anew between two looks say nothing of the time between them.
            if before.since == after.since and after.index_scans >= before.index_scans:
                yield before, after


APPLICATION = "indexpilot/serve"
_TOP = 100  # templates
_MOST_REVIEWS = 50


@dataclass(frozen=True, slots=True)
class Review:
    """A migration that was sent to be reviewed."""

    digest: str
    text: str
    question: Question[CheckResult]


@dataclass(frozen=True, slots=True)
class Site:
    """One served database."""

    request: ServeRequest
    results: Results
    works: Works
    samples: ReadSamples = field(default_factory=ReadSamples)
    reviews: dict[str, Review] = field(default_factory=dict)

    @classmethod
    def of(cls, request: ServeRequest) -> Site:
        """A site with nothing asked yet."""
        results = Results(request.settings.operational.serve.max_connections)
        return cls(request, results, Works(results.forget))

    def close(self) -> None:
        """Stop what is under way: work that writes cleans up first."""
        # Asked first, so that it cleans up while the others are waited for.
        self.works.stop.request(signal.SIGTERM)
        self.results.close()
        self.works.close()

    @property
    def settings(self) -> Settings:
        """As they were when serving began."""
        return self.request.settings

    @property
    def connection(self) -> Connection:
        """How the database is reached by those who look; the server shows their sessions under a name of their own."""
        asked = self.request.connection
        return replace(asked, conninfo=with_application(asked.conninfo, APPLICATION))

    @property
    def reader(self) -> Record:
        """Looking leaves no row in the log."""
        return replace(self.request.record, enabled=False)

    @property
    def planner(self) -> PlannerRequest:
        """The planner, with no more sessions than there may be; one is the one that reads the catalog."""
        most = self.settings.operational.serve.max_connections - 2
        return replace(self.request.planner, workers=min(self.request.planner.workers or os.cpu_count() or 1, most))

    @property
    def metrics(self) -> Question[MetricsResult]:
        """How the server is."""
        most = self.settings.operational.health_checks.max_series
        request = MetricsRequest(self.connection, most, record=self.reader)
        return Question("metrics", partial(metrics.run, request), 5.0)

    @property
    def alive(self) -> Question[DoctorResult]:
        """Whether the database answers, and nothing else."""
        request = DoctorRequest(self.connection, record=self.reader, probe=doctor.LIVE)
        return Question("alive", partial(doctor.run, request), 1.0)

    @property
    def doctor(self) -> Question[DoctorResult]:
        """What is missing for the work, each with its fix."""
        request = DoctorRequest(
            self.connection,
            workload=self.request.workload,
            planner=self.planner,
            record=self.reader,
            bypass=self.settings.bypass,
        )
        return Question("doctor", partial(doctor.run, request), 30.0)

    @property
    def workload(self) -> Question[AnalyzeResult]:
        """The heaviest templates. How they find their rows is not asked: that may count as scans of indexes."""
        request = AnalyzeRequest(
            self.connection,
            workload=self.request.workload,
            top=_TOP,
            record=self.reader,
            bypass=self.settings.bypass,
            reads=False,
        )
        return Question("workload", partial(analyze.run, request), 10.0)

    def performance(self, hours: float = 24.0, bucket: str = "hour") -> Question[PerformanceResult]:
        """Queries over time by what the application recorded, and what each index of ours did."""
        request = PerformanceRequest(self.connection, hours, bucket, record=self.reader)
        return Question(f"performance {hours:g} {bucket}", partial(performance.run, request), 2.0)

    @property
    def indexes(self) -> Question[IndexesResult]:
        """Every index with its size and use."""
        return Question("indexes", partial(indexes.run, IndexesRequest(self.connection, record=self.reader)), 2.0)

    @property
    def lifecycle(self) -> Question[LifecycleResult]:
        """What no longer pays, decays and is missing."""
        request = self.lifecycle_request(self.reader)
        return Question("lifecycle", partial(lifecycle.run, request), 300.0, 1 + self._workers, long=True)

    @property
    def schedules(self) -> Question[LifecycleStatusResult]:
        """Each job of lifecycle: when it ran, what came of it, when it is due."""
        request = LifecycleStatusRequest(self.connection, self.settings.operational.maintenance, record=self.reader)
        return Question("schedules", partial(status.run, request), 2.0)

    def history(self, asked: HistoryRequest | None = None) -> Question[HistoryResult]:
        """The mutation log by the filters of the request, whose connection and record are ours."""
        request = replace(asked or HistoryRequest(), connection=self.connection, record=self.reader)
        filters = (request.since, request.types, request.table, request.tenant, request.limit)
        return Question(f"history {filters!r}", partial(history.run, request), 2.0)

    def versions(self, table: str | None = None) -> Question[VersionsResult]:
        """The definitions that our indexes had."""
        request = VersionsRequest(self.connection, table, record=self.reader)
        return Question(f"versions {table!r}", partial(history.list_versions, request), 5.0)

    @property
    def builds(self) -> Question[BuildsResult]:
        """What is being built now, by whomever. One look for its phase, a second one for its pace."""
        request = BuildsRequest(self.connection, 0.5, record=self.reader)
        return Question("builds", partial(builds.run, request), 1.0)

    @property
    def plans(self) -> Question[PlanListResult]:
        """The plans that are kept in the database, newest first, with their approvals."""
        request = PlanListRequest(self.connection, record=self.reader)
        return Question("plans", partial(kept_plan.list_plans, request), 2.0)

    def plan(self, plan_id: str | None = None) -> Question[Plan]:
        """A kept plan, or the latest one."""
        request = PlanRequest(plan_id, self.connection, self.reader)
        return Question(f"plan {plan_id or ''}", partial(kept_plan.show_plan, request), 5.0)

    @property
    def advice(self) -> Question[Plan]:
        """A plan made now; kept for ``apply`` where that is allowed."""
        request = self.recommend_request(
            self.request.record_of("recommend") if self.request.allow_apply else self.reader
        )
        spare = SpareRequest.by(self.settings, request)
        return Question("advice", partial(recommend.run, request, spare_of=spare), 3600.0, 1 + self._workers, long=True)

    def newest_plan(self) -> Kept[Plan]:
        """Of the latest kept plan and the one that was made on request, what is known now and is newer."""
        made, kept = self.results.known(self.advice), self.results.known(self.plan())
        if made.result is None or (kept.result is not None and kept.result.created_at >= made.result.created_at):
            return kept
        return made

    def explain(self, subject: str) -> Question[ExplainResult]:
        """What an id that the tool printed stands for; may take as long as the finding of it."""
        if is_hazard(subject):
            return Question(f"explain {subject[:40]}", lambda _: explain_hazard(subject), 60.0)
        made = self.results.known(self.advice).result
        advice = advice_of(made).get(subject[:1].upper() + subject[1:].lower()) if made is not None else None
        if advice is not None:  # of a plan that nobody has kept
            shown = advice.recommendation or advice.rejection
            assert shown is not None
            answer = Outcome("explain", explain.of_advice(advice.plan, shown))
            return Question(f"explain {advice.plan.id} {subject[:40]}", lambda _: answer, 60.0)
        if subject[:2].upper() == "F-":
            request = replace(self.lifecycle_request(self.reader), min_bytes=0)
            found = partial(explain_finding, request, subject)
        else:
            asked = replace(
                ExplainRequest.by(self.settings),
                connection=self.connection,
                subject=subject,
                workload=self.request.workload,
                filter=self.advised,
                planner=self.planner,
                record=self.reader,
            )
            found = partial(explain.run, asked)
        return Question(f"explain {subject[:40]}", found, 60.0, 1 + self._workers)

    def review(self, sql: str, *, offline: bool, server_version: int | None = None) -> Review:
        """What a migration would do; the latest are kept. Raises RefusedError where reviews are switched off."""
        request = replace(
            CheckRequest.by(self.settings),
            connection=self.connection,
            offline=offline,
            server_version=server_version,
            workload=self.request.workload,
            planner=self.planner,
            fix=True,
            record=self.reader,
            texts=(("migration.sql", sql),),
        )
        digest = hashlib.sha256(f"{offline} {server_version} {sql}".encode(errors="replace")).hexdigest()[:16]
        asked = Question(f"review {digest}", partial(_reviewed, request), 3600.0, 1, long=not offline)
        self.reviews.pop(digest, None)  # so that it stands last: the oldest go first
        self.reviews[digest] = made = Review(digest, sql, asked)
        for old in tuple(self.reviews)[:-_MOST_REVIEWS]:
            self.reviews.pop(old, None)
        return made

    def kept_review(self, digest: str) -> Review:
        """A review that was asked for. Raises UsageError: nobody did, or too many others were asked since."""
        found = self.reviews.get(digest)
        if found is None:
            raise UsageError(f"no review {digest[:40]!r} is kept", hint="send the SQL again", code="unknown_id")
        return found

    @property
    def advised(self) -> TableFilter:
        """The tables that advice is for: all but those the settings exclude."""
        return TableFilter(exclude=self.settings.advisor.exclude_tables)

    def lifecycle_request(self, record: Record) -> LifecycleRequest:
        """The request of ``lifecycle`` by the settings."""
        return replace(
            LifecycleRequest.by(self.settings),
            connection=self.connection,
            workload=self.request.workload,
            filter=self.advised,
            planner=self.planner,
            record=record,
        )

    def recommend_request(self, record: Record) -> RecommendRequest:
        """The request of ``recommend`` by the settings."""
        return replace(
            RecommendRequest.by(self.settings),
            connection=self.connection,
            workload=self.request.workload,
            filter=self.advised,
            planner=self.planner,
            record=record,
        )

    def apply_request(self, targets: tuple[str, ...], *, dry_run: bool = False) -> ApplyRequest:
        """The request of ``apply`` by the settings, of who has said yes already; a dry run is that of one who looks."""
        return replace(
            ApplyRequest.by(self.settings),
            connection=self.connection if dry_run else self.request.connection,
            targets=targets,
            dry_run=dry_run,
            confirmed=True,
            workload=self.request.workload,
            planner=self.planner,
            record=self.reader if dry_run else self.request.record_of("apply"),
        )

    def rollback_request(self, targets: tuple[str, ...], *, dry_run: bool = False) -> RollbackRequest:
        """The request of ``rollback``, likewise."""
        return RollbackRequest(
            self.connection if dry_run else self.request.connection,
            targets,
            dry_run=dry_run,
            confirmed=True,
            lock_timeout=self.settings.production_safeguards.lock_manager.lock_timeout_seconds,
            bypass=self.settings.bypass,
            record=self.reader if dry_run else self.request.record_of("rollback"),
        )

    @property
    def _workers(self) -> int:
        return self.planner.workers or 1


async def _site_of(request: Request) -> Site:  # async, because FastAPI runs other dependencies in a thread
    site: Site = request.app.state.site
    return site


OurSite = Annotated[Site, Depends(_site_of)]  # what an endpoint asks for


def _reviewed(request: CheckRequest, progress: Progress) -> Outcome[CheckResult]:
    return check.concluded(check.run(request, progress), exit_zero=request.exit_zero)
