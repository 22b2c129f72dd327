"""Which planner pretends: the twin by default, HypoPG on the server where asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from indexpilot_cli.core.command import PlannerRequest, Progress
from indexpilot_cli.core.directories import cache_directory
from indexpilot_cli.core.estimator import CostEstimator
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.snapshot.source import Source

if TYPE_CHECKING:
    from indexpilot_cli.planner.hypopg.estimator import HypoPGEstimator
    from indexpilot_cli.planner.twin.planner import TwinEstimator
    from indexpilot_cli.snapshot.values import Snapshot


@contextmanager
def open_estimator(source: Source, request: PlannerRequest, progress: Progress) -> Iterator[CostEstimator]:
    """The planner ``request.what_if`` names, ready; ``auto`` is the twin, or HypoPG where no twin can run.

    Raises PrerequisiteError when neither can be had.
    """
    if request.what_if == "hypopg":
        with open_hypopg(source, request) as estimator:
            yield estimator
        return
    try:
        twin = open_planner_twin(source, request, progress)
    except PrerequisiteError:
        if request.what_if == "twin" or source.session is None:
            raise
        with open_hypopg(source, request) as estimator:
            yield estimator
        return
    with twin as estimator:
        yield estimator


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
    progress.stage("reading schema and statistics")
    connection = source.connection
    return capture(source.session, source.catalog, conninfo=connection.conninfo, password=connection.password)


def open_hypopg(source: Source, request: PlannerRequest) -> HypoPGEstimator:
    """HypoPG on the connected server. Raises PrerequisiteError when the extension is not installed."""
    from indexpilot_cli.planner.hypopg.estimator import open_hypopg as opened

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
    return opened(connection.conninfo, source.catalog, password=connection.password, workers=request.workers)
