"""Commands that change indexes or columns: the question before, the guards' answers, and the code after."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.apply.values import ApplyResult
    from indexpilot_cli.cli.session import CommandSession
    from indexpilot_cli.core.command import Outcome, Progress
    from indexpilot_cli.guards.context import Verdict
    from indexpilot_cli.render.document import Document

    Confirm = Callable[[ApplyResult], bool]
    Workflow = Callable[[Any, Progress, Confirm], Outcome[Any]]
    View = Callable[..., Document]


@dataclasses.dataclass(slots=True)
class Asking:
    """The ``confirm`` callback of a workflow; remembers that the guards were shown."""

    session: CommandSession
    progress: Progress
    shown: bool = False

    def __call__(self, result: ApplyResult) -> bool:
        """Show what the guards say and what will be done, and ask."""
        from indexpilot_cli.cli.show import diagnostic
        from indexpilot_cli.render.views.apply import question

        stop_spinning(self.progress)
        show_guards(self.session, result.verdicts)
        self.shown = True
        aside(self.session, question(result))
        for warning in result.warnings:
            diagnostic(self.session, "warning", warning.message)
        return self.session.confirm("Proceed?")


def stop_spinning(progress: Progress) -> None:
    """Take the line of progress away before a question is asked."""
    from indexpilot_cli.cli.terminal import Spinner

    if isinstance(progress, Spinner):
        progress.close()


def answerable(session: CommandSession, *, yes: bool, dry_run: bool) -> None:
    """Raises UsageError when a question will come up that nobody can answer."""
    if not yes and not dry_run and not session.may_ask:
        raise UsageError("cannot ask for confirmation here", hint="add --yes, or --dry-run", code="no_input")


def carry_out(
    session: CommandSession,
    workflow: Workflow,
    request: Any,
    view: View,
    *,
    exit_code: bool = False,
    settles: bool = True,
) -> int:
    """Run the workflow and print what came of it; the exit code. ``settles``: its status is one of changes alone."""
    from indexpilot_cli.apply.outcome import settled
    from indexpilot_cli.cli.show import finish

    shown = False

    def asked(request: Any, progress: Progress) -> Outcome[ApplyResult]:
        nonlocal shown
        confirm = Asking(session, progress)
        try:
            return workflow(request, progress, confirm)
        finally:
            shown = confirm.shown

    outcome = session.call(asked, request)
    outcome = settled(outcome) if settles else outcome
    if not shown:
        show_guards(session, outcome.result.verdicts, quiet=outcome.status == "skipped")
    if outcome.status == "refused" and not session.machine and not _did_something(outcome.result):
        return refuse(session, outcome)
    document = view(outcome.result, verbose=session.verbose)
    return finish(session, outcome, document, exit_code=exit_code, hint="indexpilot doctor")


def _did_something(result: ApplyResult) -> bool:
    return any(m.outcome not in ("planned", "skipped", "already_done") for m in result.mutations)


def refuse(session: CommandSession, outcome: Outcome[ApplyResult]) -> int:
    """Nothing was done: the reason as an error, and no payload; the exit code."""
    from indexpilot_cli.cli.show import diagnostic
    from indexpilot_cli.render.views.apply import reason

    result = outcome.result
    if result.skipped:
        declined = result.skipped == "declined"
        diagnostic(session, "error", "nothing was done" if declined else f"refused: {reason(result)}")
    for warning in outcome.warnings:
        diagnostic(session, "error", warning.message)
    for item in result.mutations:
        if item.outcome == "skipped":
            why = ", ".join(part for part in (item.error or "", *item.notes) if part)
            diagnostic(session, "error", f"refused: {item.index}: {why or 'left as it is'}")
    if result.next_opening:
        command = outcome.command.replace("_", " ")
        diagnostic(session, "hint", f"from cron, to go ahead as soon as it opens: indexpilot {command} --window --yes")
    return outcome.exit_code


def show_guards(session: CommandSession, verdicts: tuple[Verdict, ...], *, quiet: bool = False) -> None:
    """The guards' answers on stderr: all for a person; to a quiet run only those that refuse."""
    from indexpilot_cli.render.views.apply import guards

    told = verdicts
    if session.output.quiet or session.machine or not (session.terminal.stderr_tty or session.verbose):
        told = tuple(v for v in verdicts if not v.allowed)
    if told and not (quiet and session.output.quiet) and not session.machine:
        aside(session, guards(told, verbose=session.verbose))


def aside(session: CommandSession, document: Document) -> None:
    """A document on stderr: it belongs to the run, not to its result."""
    if session.machine:
        return
    if session.terminal.stderr_tty:
        from indexpilot_cli.render.terminal import rich

        text = rich(document, session.terminal.width, color=session.terminal.stderr_color)
    else:
        from indexpilot_cli.render.text import plain

        text = plain(document)
    sys.stderr.write(text)
    sys.stderr.flush()
