"""Indexes that verification took back: known to harm here, so not recommended again for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from indexpilot_cli.core.candidate import Proposal, Rejection
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.mutation import Event
from indexpilot_cli.core.operation import OperationState
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.execute import events
from indexpilot_cli.snapshot.source import Source

REMEMBERED = timedelta(days=30)  # data and statements change; then it is worth another trial


def without_taken_back(proposal: Proposal, source: Source) -> Proposal:
    """The proposal without candidates that measured evidence spoke against, each a rejection with that evidence."""
    known = reasons_against(source)
    if not known:
        return proposal
    kept = tuple(c for c in proposal.candidates if c.id not in known)
    gone = tuple(
        Rejection(summary(c.definition), "ignored", known[c.id], c.definition, templates=c.templates)
        for c in proposal.candidates
        if c.id in known
    )
    return replace(proposal, candidates=kept, rejections=(*proposal.rejections, *gone))


def reasons_against(source: Source) -> Mapping[str, str]:
    """Why and when, by recommendation id; empty without a log to read."""
    initialised = source.capabilities is not None and source.capabilities.metadata_version is not None
    if source.session is None or not initialised:
        return {}
    from indexpilot_cli.log import intents

    try:
        latest = intents.latest(source.session, schema=source.connection.metadata_schema)
    except IndexPilotError:
        return {}  # no right to read the log, or a metadata version from before it
    now = source.catalog.taken_at or datetime.now(UTC)
    return dict(_reasons(latest, now))


def _reasons(latest: tuple[Event, ...], now: datetime) -> Iterator[tuple[str, str]]:
    for event in latest:
        why = event.details.get("rollback_reason")
        definition = events.structure(event)
        if not why or definition is None or event.state is not OperationState.VALID or event.created_at is None:
            continue
        if now - event.created_at <= REMEMBERED:
            yield definition.id, f"taken back on {event.created_at:%Y-%m-%d}: {why}"
