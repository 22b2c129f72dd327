"""From the options of a schema change to its request, its question and its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexpilot_cli.cli import change as changing
from indexpilot_cli.cli.session import Session
from indexpilot_cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from indexpilot_cli.core.command import Outcome, Progress
    from indexpilot_cli.render.document import Document


@dataclass(frozen=True, slots=True)
class Run:
    """The options that every operation has. The settings are read when this is made."""

    session: Session
    lock_timeout: str | None
    retries: int | None
    execute: bool
    yes: bool
    exit_code: bool
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        prefix = "operational.schema_evolution"
        flags = {
            f"{prefix}.lock_timeout_seconds": ("--lock-timeout", self.lock_timeout),
            f"{prefix}.retries": ("--retries", self.retries),
        }
        self.session.load(flags)
        if not self.session.settings.operational.schema_evolution.enabled:
            raise RefusedError(
                "schema changes are switched off",
                hint=f"{prefix}.enabled: true in the configuration",
                code="disabled",
            )
        changing.answerable(self.session, yes=self.yes, dry_run=not self.execute)

    @property
    def common(self) -> dict[str, Any]:
        """The fields of a request that do not depend on the operation."""
        session = self.session
        wanted = session.settings.operational.schema_evolution
        return {
            "connection": session.connection(),
            "execute": self.execute,
            "confirmed": self.yes,
            "lock_timeout": wanted.lock_timeout_seconds,
            "retries": wanted.retries,
            "bypass": session.settings.bypass,
            "origins": changing.origins(session),
            "record": session.record(),
        }


def change(run: Run, kind: str, table: str, column: str, *, finish: bool = False, **asked: Any) -> int:
    """Show or carry out the operation (or the last part of an online one); the exit code."""
    from indexpilot_cli.core.command import WorkloadRequest
    from indexpilot_cli.evolve.change import execute as evolve_execute
    from indexpilot_cli.evolve.change import finish as evolve_finish
    from indexpilot_cli.evolve.requests import ChangeRequest
    from indexpilot_cli.render.views.schema_change import question, view

    workflow = evolve_finish.run if finish else evolve_execute.run
    request = ChangeRequest(
        kind,
        table,
        column,
        **asked,
        **run.common,
        workload=WorkloadRequest(files=run.files),
        safeguards=run.session.settings.production_safeguards,
        impact_seconds=run.session.settings.operational.schema_evolution.impact_cache_seconds,
    )
    return _carry_out(run, workflow, request, question, view)


def take_back(run: Run, target: str | None, *, last: bool, fill: str | None, force: bool) -> int:
    """Show or go the way back; the exit code."""
    if bool(target) == last:
        raise UsageError("say which change to take back: M-… or --last", hint="indexpilot history")
    from indexpilot_cli.evolve.change.rollback import run as workflow
    from indexpilot_cli.evolve.requests import ChangeUndoRequest
    from indexpilot_cli.render.views.schema_change import undo_view

    request = ChangeUndoRequest(target=target, fill=fill, force=force, **run.common)
    return _carry_out(run, workflow, request, undo_view, undo_view)


def _carry_out(
    run: Run,
    workflow: Callable[[Any, Progress, Any], Outcome[Any]],
    request: Any,
    question: Callable[[Any], Document],
    view: Callable[..., Document],
) -> int:
    from indexpilot_cli.cli.show import finish

    session = run.session

    def call(request: Any, progress: Progress) -> Outcome[Any]:
        def confirm(result: Any) -> bool:
            from indexpilot_cli.cli.console_progress import Spinner

            if isinstance(progress, Spinner):
                progress.close()
            changing.aside(session, question(result))
            return session.confirm("Proceed?")

        return workflow(request, progress, confirm)

    outcome = session.call(call, request)
    return finish(session, outcome, view(outcome.result, verbose=session.verbose), exit_code=run.exit_code)
