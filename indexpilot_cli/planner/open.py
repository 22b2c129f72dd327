"""Which planner pretends: the twin by default, HypoPG where asked for, or both (``--cross-check``)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from indexpilot_cli.core.command import PlannerRequest, Progress, Silent
from indexpilot_cli.core.directories import cache_directory
from indexpilot_cli.core.estimator import CostEstimator, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.workload import QueryTemplate
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.snapshot.source import Source

if TYPE_CHECKING:
    from indexpilot_cli.planner.hypopg import HypoPGEstimator
    from indexpilot_cli.planner.twin.planner import TwinEstimator
    from indexpilot_cli.snapshot.values import Snapshot


@contextmanager
def open_estimator(source: Source, request: PlannerRequest, progress: Progress) -> Iterator[CostEstimator]:
    """The planner of ``TwinAhead``, opened now."""
    with TwinAhead(source, request, progress) as ahead, ahead.estimator() as estimator:
        yield estimator


class _Beside(Silent):
    """Progress of what goes on beside something else: it is shown once somebody waits, and ends what is given up."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._stages: list[tuple[str, float | None]] = []
        self._lock = threading.Lock()
        self._shown = False
        self.given_up = False

    def stage(self, title: str, total: float | None = None) -> None:
        with self._lock:
            self._stages.append((title, total))
            if self._shown:
                self._tell()

    def advance(self, amount: float = 1) -> None:
        if self.given_up:
            raise _GivenUp
        if self._shown:
            self._progress.advance(amount)

    def say(self, text: str) -> None:
        self._progress.say(text)

    def show(self) -> None:
        """From now on what goes on is all that goes on; stages that are over are told too, however fast they went."""
        with self._lock:
            self._shown = True
            self._tell()

    def _tell(self) -> None:
        for stage in self._stages:
            self._progress.stage(*stage)
        self._stages.clear()


class _GivenUp(Exception):
    """Nobody waits for the twin any more."""


@dataclass(slots=True)
class TwinAhead:
    """The twin of a source, opened in a thread: a server fills it while this process does other work. Use ``with``.

    The source's session is in use from ``begin`` to ``settled``.
    """

    source: Source
    request: PlannerRequest
    progress: Progress
    _beside: _Beside = field(init=False)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "indexpilot-twin"), init=False)
    _opening: Future[TwinEstimator] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._beside = _Beside(self.progress)

    def __enter__(self) -> TwinAhead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._beside.given_up = True
        self._pool.shutdown()
        if self._opening is not None and self._opening.exception() is None:
            self._opening.result().close()  # nobody has taken it

    def begin(self) -> None:
        """Begin to open it, where a twin is wanted."""
        if self.request.what_if != "hypopg":
            self._opening = self._pool.submit(open_planner_twin, self.source, self.request, self._beside)

    def settled(self) -> None:
        """Wait until it is open or cannot be opened."""
        if self._opening is not None:
            self._beside.show()
            self._opening.exception()

    def taken(self) -> TwinEstimator:
        """It, opened now where that was not begun; it is the caller's to close. Raises as ``open_planner_twin``."""
        opening, self._opening = self._opening, None
        return opening.result() if opening else open_planner_twin(self.source, self.request, self.progress)

    @contextmanager
    def estimator(self) -> Iterator[CostEstimator]:
        """The planner ``request.what_if`` names, ready; ``auto`` is the twin, or HypoPG where no twin can run.

        Raises PrerequisiteError when neither can be had.
        """
        with self._opened() as opened:
            yield opened

    def _opened(self) -> TwinEstimator | HypoPGEstimator:
        if self.request.what_if == "hypopg":
            return open_hypopg(self.source, self.request)
        try:
            return self.taken()
        except PrerequisiteError as no_twin:
            if self.request.what_if == "twin" or self.source.session is None:
                raise
            return _instead(self.source, self.request, no_twin)


def _instead(source: Source, request: PlannerRequest, no_twin: PrerequisiteError) -> HypoPGEstimator:
    """HypoPG; where it is missing, too, the error is the twin's, which nobody had to ask for."""
    try:
        return open_hypopg(source, request)
    except PrerequisiteError as no_hypopg:
        if no_hypopg.code != "hypopg_missing":
            raise
        hints = (no_twin.hint, "or for HypoPG, as a superuser  CREATE EXTENSION hypopg;")
        raise PrerequisiteError(
            f"the planner twin cannot be opened: {no_twin.message}",
            detail="; ".join(text for text in (no_twin.detail, no_hypopg.message) if text),
            hint=", ".join(text for text in hints if text),
            code=no_twin.code,
        ) from no_twin


def open_planner_twin(source: Source, request: PlannerRequest, progress: Progress) -> TwinEstimator:
    """A twin of the source's database, hydrated or reopened from the cache."""
    from indexpilot_cli.planner.twin.planner import open_twin

    snapshot = source.snapshot or take_snapshot(source, progress)
    progress.stage("opening the planner twin")
    return open_twin(snapshot, cache_dir=cache_directory() / "twins", workers=request.workers, progress=progress)


def take_snapshot(source: Source, progress: Progress) -> Snapshot:
    """Schema, statistics and settings of the connected database."""
    from indexpilot_cli.snapshot.capture import capture

    assert source.session is not None
    from indexpilot_cli.snapshot.values import held_once, without_siblings

    progress.stage("reading schema and statistics")
    connection = source.connection
    siblings = source.siblings
    without = siblings.left_out if siblings is not None else frozenset()
    taken = capture(
        source.session, source.catalog, conninfo=connection.conninfo, password=connection.password, without=without
    )
    return held_once(taken if siblings is None else without_siblings(taken, siblings))


def open_hypopg(source: Source, request: PlannerRequest) -> HypoPGEstimator:
    """HypoPG on the connected server. Raises PrerequisiteError when the extension is not installed."""
    from indexpilot_cli.planner.hypopg import open_hypopg as opened

    capabilities = source.capabilities
    if capabilities is None:
        raise PrerequisiteError("HypoPG needs a connection, not a snapshot", hint="use --what-if twin")
    if capabilities.hypopg_version is None:
        available = capabilities.hypopg_available
        raise PrerequisiteError(
            f'HypoPG is not installed in database "{capabilities.server.database}"',
            detail=f"available version: {available}" if available else "not available on the server",
            hint="CREATE EXTENSION hypopg; as a superuser, or use --what-if twin",
            code="hypopg_missing",
        )
    connection = source.connection
    estimator = opened(connection.conninfo, source.catalog, password=connection.password, workers=request.workers)
    if source.siblings is not None:
        estimator.hide(source.siblings.uneven)
    return estimator


FAR = 0.1  # relative difference of a template's cost worth naming
_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Priced:
    before: float
    after: float


def cross_checked(
    hypopg: Callable[[], HypoPGEstimator],
    templates: Sequence[QueryTemplate],
    chosen: frozenset[IndexDefinition],
    estimator: CostEstimator,
) -> tuple[str, ...]:
    """Sentences for the plan's notes. Indexes HypoPG cannot pretend are left out on both sides and named.

    ``hypopg`` opens it, and raises PrerequisiteError where it is not there.
    """
    with hypopg() as other:
        # HypoPG refuses GIN and GiST: both sides are then priced without those.
        refused = [d for d in chosen if other.refuses(d) is not None]
        common = chosen - frozenset(refused)
        ours, theirs = (_price(e, templates, common) for e in (estimator, other))
        name = other.name
    both = [t for t in ours if t in theirs]
    if not both:
        return (f"cross-check: no template could be planned by {name}",)
    notes = [_total(estimator.name, name, ours, theirs, both), *_far(ours, theirs, both)]
    if refused:
        notes.append(f"cross-check: {len(refused)} indexes that {name} cannot pretend were left out of it")
    return tuple(notes)


def _price(
    estimator: CostEstimator, templates: Sequence[QueryTemplate], chosen: frozenset[IndexDefinition]
) -> dict[str, _Priced]:
    statements = [t.scenarios[0].statement for t in templates]
    before = estimator.plan([WhatIf(s) for s in statements])
    after = estimator.plan([WhatIf(s, chosen) for s in statements])
    answers = zip(templates, before, after, strict=True)
    return {t.id: _Priced(b.total_cost, a.total_cost) for t, b, a in answers if b.ok and a.ok}


def _total(ours: str, theirs: str, one: dict[str, _Priced], two: dict[str, _Priced], both: Sequence[str]) -> str:
    falls = [1 - sum(p[t].after for t in both) / (sum(p[t].before for t in both) or 1.0) for p in (one, two)]
    return f"cross-check over {len(both)} templates: {ours} {-falls[0]:+.1%}, {theirs} {-falls[1]:+.1%} of planner cost"


def _far(one: dict[str, _Priced], two: dict[str, _Priced], both: Sequence[str]) -> tuple[str, ...]:
    differences = {t: abs(one[t].after - two[t].after) / (one[t].after or 1.0) for t in both}
    far = sorted((t for t in both if differences[t] > FAR), key=lambda t: -differences[t])
    if not far:
        return ()
    named = ", ".join(f"{t} ({differences[t]:.0%})" for t in far[:_NAMED])
    return (f"cross-check: costs with the indexes differ by more than {FAR:.0%} for {len(far)} templates: {named}",)
