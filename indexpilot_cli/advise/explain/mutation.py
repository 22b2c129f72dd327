"""``explain M-…``: one row of the mutation log, and the whole operation it belongs to."""

from __future__ import annotations

from indexpilot_cli.advise.values import ExplainRequest, ExplainResult
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import Event, Mutation, MutationType
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log import intents, migrations, mutations
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_reader

_VERDICTS = {
    "INTENT": "planned and recorded; nothing had been done yet",
    "STARTED": "started, and its end is not recorded",
    "VALID": "done: the index was there and valid",
    "FAILED_CLEAN": "failed; nothing was left behind",
    "FAILED_LEFTOVER": "failed, and an invalid index was left behind",
    "UNKNOWN": "the connection was lost: the outcome is not known",
    "CONFLICT": "another index stood under that name: hands off",
    "VERIFIED": "verified: it pays",
    "REVERTED": "taken back",
    "KEPT": "kept after verification",
}
_FACTS = (("plan", "Plan"), ("recommendation", "Advice"), ("reason", "Reason"))
_OPEN = ("INTENT", "STARTED", "UNKNOWN", "FAILED_LEFTOVER")
_UNDOABLE = ("VALID", "VERIFIED", "KEPT")


def explain_mutation(request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """What the row says, how its operation went on, and how to undo it.

    Raises UsageError for an id that is no number or not in the log, PrerequisiteError before ``init``.
    """
    number = _number(request.subject or "")
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.EXPLAIN, request.record) as note:
        note.details(subject=request.subject)
        progress.stage("reading the mutation log")
        with open_reader(request.connection) as session:
            server = look(session, metadata_schema=schema).server
            migrations.require(session, schema)
            row = mutations.find(session, number, schema=schema)
            if row is None:
                raise UsageError(f"no mutation M-{number}", hint="indexpilot history", code="unknown_id")
            events = _events(session, number, schema)
    result = _result(row, events)
    return Outcome("explain", result, server=server, warnings=note.warnings, next=_next_of_mutation(row, result))


def _number(subject: str) -> int:
    digits = subject[2:]
    if not digits.isdecimal() or len(digits) > 18:
        raise UsageError(f"{subject[:80]} is not the id of a mutation", hint="indexpilot history", code="unknown_id")
    return int(digits)


def _events(session: Session, number: int, schema: str) -> tuple[Event, ...]:
    """The operation's events, oldest first; the last is how it stands now."""
    found = intents.operations(session, intents.Which(ids=(number,)), schema=schema)
    return found[0] if found else ()


def _told(event: Event) -> tuple[str, str]:
    moment = f"{event.created_at:%Y-%m-%d %H:%M:%S}Z  " if event.created_at else ""
    return f"M-{event.id}", f"{moment}{event.state.value}" + (f": {event.error}" if event.error else "")


def _result(row: Mutation, events: tuple[Event, ...]) -> ExplainResult:
    state = events[-1].state.value if events else row.state or ""
    facts = tuple((label, str(row.details[key])) for key, label in _FACTS if row.details.get(key))
    return ExplainResult(
        "mutation",
        f"M-{row.id}",
        " ".join(part for part in (row.type.value, row.index_name or row.table_name) if part),
        state,
        _VERDICTS.get(state, state.lower()),
        sql=f"{row.definition_sql.rstrip(';')};" if row.definition_sql else None,
        mutation=row,
        facts=(*facts, *(_told(event) for event in events)),
    )


def _next_of_mutation(row: Mutation, result: ExplainResult) -> tuple[str, ...]:
    if row.op_id is None or row.index_name is None:
        return ("indexpilot history",)
    if result.verdict in _OPEN:
        return ("indexpilot doctor --reconcile",)
    return (f"indexpilot rollback M-{row.id} --dry-run",) if result.verdict in _UNDOABLE else ("indexpilot history",)
