"""What a watched session holds and has done, read by itself behind a savepoint that leaves nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import LockMode
from indexpilot_cli.db import queries as sql
from indexpilot_cli.db.observe_session import KnownObject, SessionAnswer, known_object, questions

# Nothing of what the statements before left in the session may answer in the catalog's place, and no lock of
# these questions may stay: the subtransaction takes all of it back.
_LOOK = (
    "SAVEPOINT indexpilot_look",
    # pg_temp named last: unnamed it is searched first, and a temporary table could pass for a catalog.
    # https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH
    "SET LOCAL search_path TO pg_catalog, pg_temp",
    # The file may have set timeouts; they are for its statements and must not strike a question of ours.
    "SET LOCAL statement_timeout TO 0",
    "SET LOCAL lock_timeout TO 0",
    "SET LOCAL client_min_messages TO error",
    "SET LOCAL quote_all_identifiers TO off",
    # Plans are bent for the file's statements (the sandbox starts sessions so), not for questions to the catalog.
    "SET LOCAL enable_seqscan TO on",
    "SET LOCAL enable_indexonlyscan TO on",
    "SET LOCAL client_encoding TO 'UTF8'",
    "SET LOCAL \"DateStyle\" TO 'ISO'",
)
_LOOKED = ("ROLLBACK TO SAVEPOINT indexpilot_look", "RELEASE SAVEPOINT indexpilot_look")


Ask = Callable[[str], SessionAnswer]  # sends statements in one message; never raises


class Unobservable(Exception):
    """The session cannot be looked into any more: it is gone, or its settings forbid it."""

    def __init__(self, answer: SessionAnswer):
        words = answer.overrun or (answer.error.message if answer.error else "no answer")
        super().__init__(f"what it does can no longer be observed: {words}")


@dataclass(frozen=True, slots=True)
class RelationState:
    """A relation as the watched session sees it: its file, and how often the session scanned it lately."""

    oid: int
    kind: str
    name: QualifiedName
    table: int
    scans: int
    node: int


@dataclass(frozen=True, slots=True)
class SessionState:
    """One look: lock modes by relation, relations by oid, rows written to each catalog.

    ``touched`` are the relations that the session has locked or scanned, as far as they still exist.
    """

    locks: Mapping[int, frozenset[LockMode]] = field(default_factory=dict)
    relations: Mapping[int, RelationState] = field(default_factory=dict)
    written: Mapping[str, int] = field(default_factory=dict)
    touched: frozenset[int] = frozenset()


def look(
    ask: Ask, version: int, known: Mapping[int, RelationState] | None = None, *, before: Sequence[str] = ()
) -> SessionState:
    """What the session holds and has done. It must be in a transaction, or ``before`` must begin one.

    With ``known``, an earlier reading, only what the transaction can have changed is read: a relation it did not
    lock is as it was. Raises Unobservable.
    """
    names = ("clone/locks", "clone/state" if known is None else "clone/state_narrow", "clone/written")
    texts = [*before, *_LOOK, *(sql.get(name, version) for name in names), *_LOOKED]
    locked, rows, written = _asked(ask, texts, 3)
    locks = _modes(locked)
    found = {state.oid: state for state in map(_relation, rows)}
    # Its own locks show what a transaction touched: what it did not lock, it cannot have changed.
    kept = {oid: state for oid, state in (known or {}).items() if oid not in locks}
    return SessionState(
        locks, {**kept, **found}, {str(name): int(count or 0) for name, count in written}, frozenset(found)
    )


def look_at_objects(
    ask: Ask,
    version: int,
    relations: Iterable[int] | None = None,
    *,
    free: bool = True,
) -> dict[str, KnownObject]:
    """The catalog's objects by identity: of these relations or of all, with ``free`` also what belongs to none.

    Raises Unobservable.
    """
    asked = questions(version, relations, free=free)
    sets = _asked(ask, [*_LOOK, *asked, *_LOOKED], len(asked))
    known = map(known_object, chain.from_iterable(sets))
    return {item.object.identity: item for item in known}


def _asked(ask: Ask, texts: Sequence[str], wanted: int) -> list[list[tuple[str | None, ...]]]:
    answer = ask(";\n".join(texts))
    if answer.error is not None or answer.overrun is not None:
        raise Unobservable(answer)
    sets = [rows for tag, rows in zip(answer.tags, answer.sets, strict=False) if tag.startswith("SELECT")]
    assert len(sets) == wanted
    return sets


def _modes(rows: Iterable[Sequence[str | None]]) -> dict[int, frozenset[LockMode]]:
    locks: dict[int, frozenset[LockMode]] = defaultdict(frozenset)
    for relation, mode in rows:
        locks[int(relation or 0)] |= {LockMode(mode or "")}
    return dict(locks)


def _relation(row: Sequence[str | None]) -> RelationState:
    oid, kind, schema, name, table, scans, node = (value or "" for value in row)
    return RelationState(int(oid), kind, QualifiedName(schema, name), int(table), int(scans or 0), int(node))
