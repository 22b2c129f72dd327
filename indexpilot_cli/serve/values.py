"""What ``serve`` is asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from indexpilot_cli.core.command import CommandRequest, PlannerRequest, Record, WorkloadRequest
from indexpilot_cli.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class ServeRequest(CommandRequest):
    """Where to listen, whom to let in, and what to ask which database.

    ``token`` None: only on loopback. ``allow_apply``: what writes may be asked for too, with the token. ``origins`` are
    web pages of other places that may read (CORS), ``names`` further values of Host that are answered (loopback's
    and the address listened on always are, and any address where others reach it).
    """

    address: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    allow_apply: bool = False
    settings: Settings = field(default_factory=Settings)
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)

    def record_of(self, command: str) -> Record:
        """Who asks for a command to be carried out; its rows are those of the command line's."""
        return replace(self.record, command=command)

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins of pages that may read what is served."""
        return self.settings.operational.serve.origins

    @property
    def names(self) -> tuple[str, ...]:
        """Further names under which this server is reached."""
        return self.settings.operational.serve.names
