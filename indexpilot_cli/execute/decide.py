"""What the catalog means: for a statement that has just ended, and for an operation nobody closed."""

from __future__ import annotations

from enum import StrEnum

from indexpilot_cli.core.mutation import Event, IndexFacts
from indexpilot_cli.core.operation import OperationKind, OperationState

OPEN = frozenset(
    {OperationState.INTENT, OperationState.STARTED, OperationState.UNKNOWN, OperationState.FAILED_LEFTOVER}
)
STANDING = frozenset({OperationState.VALID, OperationState.VERIFIED, OperationState.KEPT})
TAG = "indexpilot:"


class CatalogVerdict(StrEnum):
    """What to do about an open operation."""

    LEAVE = "still_running"
    VALID = "done"
    CLEAN = "leftover"
    ABSENT = "failed"
    CONFLICT = "conflict"
    FINISH = "finish_drop"
    UNFINISHED = "unfinished"


def is_usable(found: IndexFacts) -> bool:
    """Whether queries can use the index and writes maintain it."""
    # Stopped half-way, CREATE and DROP CONCURRENTLY mostly leave the same: not valid, but ready and live, so that every
    # write maintains it. https://www.postgresql.org/docs/current/catalog-pg-index.html
    return found.valid and found.ready and found.live


def after_build(found: IndexFacts | None, relid: int, *, same: bool, only: bool = False) -> OperationState:
    """The state of a CREATE from the catalog alone; ``same``: the structure is the one that was asked for.

    An ``only`` index is as far as it can be when it is there: its partitions make it valid.
    """
    if found is None:
        return OperationState.FAILED_CLEAN
    if found.relid != relid or not same:
        return OperationState.CONFLICT
    if is_usable(found) or (only and found.partitioned):
        return OperationState.VALID
    return OperationState.FAILED_LEFTOVER


def open_operation(event: Event, found: IndexFacts | None, *, same: bool, busy: bool) -> CatalogVerdict:
    """What to do about an operation whose newest event is open.

    ``busy``: somebody holds the table's lock, so the operation may still be running. ``found`` is what has the
    index's name now, ``same`` whether its table and structure are those of the operation.
    """
    if busy or (found is not None and found.builder is not None):
        return CatalogVerdict.LEAVE
    kind = event.details.get("kind")
    if kind == OperationKind.DROP.value:
        return _open_drop(event, found, same=same)
    if found is None:
        return CatalogVerdict.ABSENT
    if found.relid != event.relid or not same:
        return CatalogVerdict.CONFLICT
    if kind == OperationKind.ATTACH.value:
        return CatalogVerdict.VALID if found.attached is not None else CatalogVerdict.ABSENT
    if is_usable(found):
        return CatalogVerdict.VALID
    return CatalogVerdict.UNFINISHED if found.partitioned else CatalogVerdict.CLEAN


def _open_drop(event: Event, found: IndexFacts | None, *, same: bool) -> CatalogVerdict:
    """A drop goes forward only: an index that is no longer valid will not be again."""
    if found is None:
        return CatalogVerdict.VALID
    if found.oid != event.details.get("oid") or not same:
        return CatalogVerdict.CONFLICT
    return CatalogVerdict.ABSENT if is_usable(found) or found.partitioned else CatalogVerdict.FINISH


def tag(op_id: str) -> str:
    """The comment that says whose the index is; it survives REINDEX CONCURRENTLY."""
    return f"{TAG}{op_id}"


def tagged(comment: str | None) -> str | None:
    """The operation an index's comment names, or None."""
    return comment.removeprefix(TAG).split()[0] if comment and comment.startswith(TAG) and comment != TAG else None
