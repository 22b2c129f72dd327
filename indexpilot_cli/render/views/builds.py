"""Indexes that are being built."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated

from indexpilot_cli.core.codec import Amount, Count, DocumentShape, From, Portion
from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH, seconds, size
from indexpilot_cli.lifecycle.builds import BuildsResult, RunningBuild, UnfinishedIndex
from indexpilot_cli.lifecycle.forecast import BuildForecast, BuildLook, EndsBetween
from indexpilot_cli.render.document import Block, Document, Facts, Lines, MutationNumber, TableBlock, columns
from indexpilot_cli.render.units import notes, one_line, percent, plural


class BlockerDocument(DocumentShape):
    """A transaction that is waited for; no text of its statements."""

    pid: Annotated[Count | None, "null: a prepared transaction", From(lambda b: b.pid or None)]
    user: str
    application: Annotated[str, "of a prepared transaction what it is and its name"]
    state: str
    seconds: Annotated[Amount | None, "age of the transaction; null: hidden from this role, or none"]


class RunningBuildDocument(DocumentShape):
    """A build as it stands. What is null is hidden from this role, not counted by the server, or not known yet."""

    pid: Annotated[Count, From("now.pid")]
    database: Annotated[str, From("now.database")]
    user: Annotated[str, From("now.role")]
    application: Annotated[str, From("now.application")]
    command: Annotated[str | None, From("now.command")]
    index: Annotated[QualifiedName | None, "null also while only its builder can see it", From("now.index")]
    table: Annotated[QualifiedName | None, "null also in another database", From("now.table")]
    method: Annotated[str, From("now.method")]
    began_at: Annotated[datetime | None, From("now.began")]
    phase: Annotated[str | None, "in the server's words", From("now.phase")]
    unit: Annotated[str | None, "what the phase counts: blocks, tuples, lockers", From(lambda b: b.now.unit or None)]
    done: Annotated[Count, From("now.done")]
    total: Annotated[Count, From("now.total")]
    share: Annotated[Portion | None, "of the phase", From("now.share")]
    partitions_done: Annotated[Count, From("now.partitions_done")]
    partitions_total: Annotated[Count, From("now.partitions_total")]
    blockers: Annotated[tuple[BlockerDocument, ...], "waited for now", From("now.blockers")]
    later: Annotated[tuple[BlockerDocument, ...], "open transactions that a later phase waits for", From("now.later")]
    mutation: Annotated[
        MutationNumber | None,
        "row of our log, when a run of ours builds it",
        From(lambda b: None if b.now.mutation is None else f"M-{b.now.mutation}"),
    ]
    phase_ends: Annotated[EndsBetween | None, From("forecast.phase_ends")]
    ends: Annotated[EndsBetween | None, "null: cannot be told yet", From("forecast.ends")]
    why: Annotated[str, "what cannot be told yet, and why", From("forecast.why")]
    then: Annotated[tuple[str, ...], "phases that follow", From("forecast.then")]


class BuildsDocument(DocumentShape):
    """Builds of the whole server, oldest first, and leftovers of the database."""

    now: datetime
    sees_all: Annotated[bool, "false: this role sees its own sessions only"]
    builds: tuple[RunningBuildDocument, ...]
    leftovers: tuple[UnfinishedIndex, ...]
    notes: tuple[str, ...]


_COLUMNS = columns("pid|number", "index", "phase|text", "done|number", "for|short", "ends|text", "who|text")


def builds_view(result: BuildsResult) -> Document:
    """A line for each build, whom it waits for, and what earlier ones left."""
    blocks: list[Block] = []
    if result.builds:
        blocks.append(TableBlock(_COLUMNS, tuple(_row(b, result.now) for b in result.builds)))
    held = tuple(chain.from_iterable(map(_held, result.builds)))
    if held:
        blocks.append(Facts(held))
    left = tuple(("left", _left(one)) for one in result.leftovers)
    if left:
        blocks.append(Facts(left))
    blocks.append(Lines((_summary(result),)))
    blocks += notes(result.notes)
    return Document(tuple(blocks), result, BuildsDocument)


def _row(build: RunningBuild, now: datetime) -> tuple[str, ...]:
    look = build.now
    age = DASH if look.began is None else seconds(max(0.0, (now - look.began).total_seconds()))
    who = f"{look.role or 'unknown user'} ({look.application or 'no application name'})"
    who += f", M-{look.mutation}" if look.mutation is not None else ""
    return (str(look.pid), _what(look), look.phase or DASH, _done(look), age, _ends(build.forecast, look.at), who)


def _what(look: BuildLook) -> str:
    if not look.here:
        return f"in database {look.database}"
    if look.index is not None:
        return look.index.short
    return f"on {look.table.short}" if look.table is not None else DASH


def _done(look: BuildLook) -> str:
    share = percent(look.share, 0)
    return share if not look.partitions_total else f"{share}, {look.partitions_done}/{look.partitions_total} partitions"


def _ends(found: BuildForecast, at: datetime) -> str:
    if found.ends is None:
        return f"cannot tell yet: {found.why}"
    if found.ends.latest is None:
        return f"not within {_span(found.ends.earliest, at)}: {found.why}"
    return f"in {_between(found.ends, at)}"


def _between(ends: EndsBetween, at: datetime) -> str:
    earliest = _span(ends.earliest, at)
    latest = _span(ends.latest, at) if ends.latest is not None else ""
    return earliest if latest in ("", earliest) else f"{earliest} to {latest}"


def _span(moment: datetime, at: datetime) -> str:
    return seconds(max(0.0, (moment - at).total_seconds()))


def _held(build: RunningBuild) -> Iterator[tuple[str, str]]:
    pid = f"pid {build.now.pid}"
    yield from ((f"{pid} waits for", _blocker(b)) for b in build.now.blockers)
    yield from ((f"{pid} will wait for", _blocker(b)) for b in build.now.later)


def _blocker(blocker: Blocker) -> str:
    if blocker.pid:
        return one_line(f"{blocker}{', ' + blocker.state if blocker.state else ''}")
    age = f", prepared {seconds(blocker.seconds)} ago" if blocker.seconds is not None else ""
    return one_line(f"{blocker.application}{age}")


def _left(one: UnfinishedIndex) -> str:
    refuses = ", it still refuses rows that are not unique" if one.refuses else ""
    held = f", pid {one.holder} holds a lock of its table: it may be building it" if one.holder is not None else ""
    return f"{one.index.short} on {one.table.short} is invalid, {size(one.size_bytes)}{refuses}{held}"


def _summary(result: BuildsResult) -> str:
    running = plural(len(result.builds), "build is", "builds are") + " running" if result.builds else "nothing is built"
    left = sum(one.holder is None for one in result.leftovers)
    return f"{running}, {plural(left, 'leftover')}" if left else running
