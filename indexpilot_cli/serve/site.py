"""What all endpoints and pages share: what was asked for, the questions they may ask, and the results that are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.lifecycle import metrics
from indexpilot_cli.lifecycle.metrics import MetricsRequest, MetricsResult
from indexpilot_cli.serve.results import Question, Results
from indexpilot_cli.serve.values import ServeRequest


@dataclass(frozen=True, slots=True)
class Site:
    """One served database."""

    request: ServeRequest
    results: Results

    @classmethod
    def of(cls, request: ServeRequest) -> Site:
        """A site with nothing asked yet."""
        return cls(request, Results(request.settings.operational.serve.max_connections))

    @property
    def connection(self) -> Connection:
        """How the database is reached."""
        return self.request.connection

    @property
    def reader(self) -> Record:
        """Looking leaves no row in the log: a page that is open all day would fill it."""
        return replace(self.request.record, enabled=False)

    @property
    def metrics(self) -> Question[MetricsResult]:
        """How the server is."""
        request = MetricsRequest(
            self.connection, self.request.settings.operational.health_checks.max_series, self.reader
        )
        return Question("metrics", partial(metrics.run, request))
