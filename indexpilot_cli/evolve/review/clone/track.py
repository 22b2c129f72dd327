"""What is known of the clone while a file runs; it is read again only where it can have changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange
from indexpilot_cli.db.observe_session import KnownObject
from indexpilot_cli.evolve.review.clone.changes import changes_between, merged, others_to_read, relations_to_read
from indexpilot_cli.evolve.review.clone.sandbox import UntrustedSession
from indexpilot_cli.evolve.review.clone.work import PROGRAMS, Scene, names_of
from indexpilot_cli.evolve.review.observe import RelationState, State, look, look_at_objects
from indexpilot_cli.sql.ddl.action import MigrationStatement


@dataclass(frozen=True, slots=True)
class Kept:
    """What was known at some moment."""

    objects: Mapping[str, KnownObject]
    relations: Mapping[int, RelationState]


class Tracker:
    """The clone as the watched session sees it. Everything here may raise Blind.

    ``scene`` and ``names`` are as when the file began, ``objects`` as now.
    """

    def __init__(self, session: UntrustedSession, version: int):
        self._session = session
        self._version = version
        self._relations: Mapping[int, RelationState] = {}
        self.objects: Mapping[str, KnownObject] = {}
        self.scene = Scene({})
        self.names: Mapping[int, QualifiedName] = {}

    def begin(self, *, scene: bool = False) -> None:
        """Read everything, outside a transaction; with ``scene`` as the state when the file began."""
        state = self.look("BEGIN", whole=True)
        self.read_everything()
        self._session.tell("ROLLBACK")
        if scene:
            self.scene = Scene(state.relations)
            self.names = names_of(self.objects.values())

    def keep(self) -> Kept:
        """What is known now, for ``restore`` when the transaction is rolled back."""
        return Kept(self.objects, self._relations)

    def restore(self, kept: Kept) -> None:
        """Forget what a transaction did."""
        self.objects, self._relations = kept.objects, kept.relations

    def look(self, *before: str, whole: bool = False) -> State:
        """A look at the session, after these statements of ours; ``whole`` also where it holds no lock."""
        state = look(self._session.tell, self._version, None if whole else self._relations, before=before)
        # A relation that a later look does not show has not been scanned since.
        self._relations = {
            oid: replace(found, scans=0) if found.scans else found for oid, found in state.relations.items()
        }
        return state

    def read_everything(self) -> None:
        """Read the whole catalog, in the open transaction."""
        self.objects = look_at_objects(self._session.tell, self._version)

    def changes(self, statement: MigrationStatement, before: State, after: State) -> tuple[CatalogChange, ...]:
        """What a statement changed in the catalog, in its open transaction."""
        earlier = self.objects
        written = {name for name, count in after.written.items() if count > before.written.get(name, 0)}
        reach = relations_to_read(written)
        if reach == "all":
            self.read_everything()
        elif written:
            touched = _touched(before, after) if reach == "touched" else set[int]()
            self._read_again(touched, free=others_to_read(written, statement))
        return changes_between(earlier, self.objects, self.names, statement)

    def changes_alone(self, statement: MigrationStatement, before: State, after: State) -> tuple[CatalogChange, ...]:
        """The same after a statement in transactions of its own: of what it names, and what came and went."""
        earlier = self.objects
        if not statement.actions or any(action.kind in PROGRAMS for action in statement.actions):
            self.read_everything()
        else:
            named = {name for action in statement.actions for name in (action.table, action.object)}
            oids = {oid for oid, state in after.relations.items() if state.name.name in named}
            self._read_again(_touched(before, after) | oids, free=True)
        return changes_between(earlier, self.objects, self.names, statement)

    def _read_again(self, relations: set[int], *, free: bool) -> None:
        if relations or free:
            read = look_at_objects(self._session.tell, self._version, relations, free=free)
            self.objects = merged(self.objects, read, relations, free=free)


def _touched(before: State, after: State) -> set[int]:
    """Relations that the transaction locked, made or removed, and the tables of such indexes."""
    oids = set(after.locks) | (before.relations.keys() ^ after.relations.keys())
    states = {**before.relations, **after.relations}
    return oids | {states[oid].table for oid in oids if oid in states and states[oid].table}
