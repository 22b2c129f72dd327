"""What changed in a catalog between two readings, and which of it nobody asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange, CatalogObject, ChangeKind
from indexpilot_cli.db.observe_session import KnownObject
from indexpilot_cli.evolve.review.clone.look import RelationState, SessionState, look, look_at_objects
from indexpilot_cli.evolve.review.clone.sandbox import UntrustedSession
from indexpilot_cli.evolve.review.clone.work import PROGRAMS, RelationsAtStart, names_of
from indexpilot_cli.sql.ddl.action import Act, MigrationStatement

Objects = Mapping[str, KnownObject]

# Written by these alone, the catalogs hold nothing of a relation's: relations need not be read again.
_ALONE = frozenset({"pg_proc", "pg_enum", "pg_depend", "pg_extension"})
_FREE = frozenset({"pg_proc", "pg_type", "pg_enum", "pg_namespace", "pg_extension"})
_NAMES = frozenset({"pg_namespace"})  # a new name of a schema is in every path


def changes_between(
    before: Objects, after: Objects, names: Mapping[int, QualifiedName], statement: MigrationStatement | None = None
) -> tuple[CatalogChange, ...]:
    """The changes from one reading to the next, by kind and path. ``names`` are the tables' when the run began."""
    found = []
    for old, new in _pairs(before, after):
        known = new or old
        assert known is not None
        kind = ChangeKind.CHANGED if old and new else ChangeKind.CREATED if new else ChangeKind.DROPPED
        found.append(
            CatalogChange(
                kind,
                old.object if old else None,
                new.object if new else None,
                names.get(known.relation, known.object.table),
                silent=kind is ChangeKind.DROPPED and statement is not None and _unnamed(statement, known.object),
            )
        )
    return tuple(sorted(found, key=lambda c: (c.object.kind, c.object.path, c.kind)))


def _pairs(before: Objects, after: Objects) -> Iterator[tuple[KnownObject | None, KnownObject | None]]:
    """What differs, old beside new; an object made again under its name is the same object, but for a column: dropped
    and added again it is another, and none of its values is converted.
    """
    # A change of type drops an index and makes it again: same name, same table, another oid.
    gone = {_address(item): item for identity, item in before.items() if identity not in after}
    for identity, new in after.items():
        old = before.get(identity)
        if old is new:  # not read again
            continue
        if old is None and new.object.kind != "column":
            old = gone.pop(_address(new), None)
        if old is None or _content(old) != _content(new):
            yield old, new
    yield from ((old, None) for old in gone.values())


def _address(item: KnownObject) -> tuple[str, int, tuple[str, ...]]:
    return item.object.kind, item.relation, item.object.path


def _content(item: KnownObject) -> CatalogObject:
    return replace(item.object, identity="")


def relations_to_read(written: Collection[str]) -> str:
    """Which relations' objects can have changed when these catalogs were written: none, touched or all."""
    if _NAMES & set(written):
        return "all"
    return "none" if set(written) <= _ALONE else "touched"


def others_to_read(written: Collection[str], statement: MigrationStatement) -> bool:
    """Whether functions, types, schemas or extensions can have changed when these catalogs were written."""
    kinds = {action.kind for action in statement.actions}
    # ALTER DOMAIN writes pg_constraint for something that is no relation; programs may do it unnamed.
    domains = not kinds or bool(kinds & {Act.ALTER_DOMAIN, Act.DO, Act.CALL, Act.SELECT, Act.DYNAMIC, Act.OTHER})
    return bool(_FREE & set(written)) or ("pg_constraint" in written and domains)


def merged(objects: Objects, read: Objects, relations: Collection[int] | None, *, free: bool) -> dict[str, KnownObject]:
    """The earlier reading with these relations (None: all) and, with ``free``, what belongs to none, read anew."""

    def stale(item: KnownObject) -> bool:
        if item.relation == 0:
            return free
        return relations is None or item.relation in relations

    return {identity: item for identity, item in objects.items() if not stale(item)} | dict(read)


def _unnamed(statement: MigrationStatement, item: CatalogObject) -> bool:
    """Whether no action of the statement names the object."""
    words = {item.path[-1]} if item.kind != "function" else {item.path[1]}
    for action in statement.actions:
        named = (
            {action.object, action.table, *action.columns} if item.kind != "table" else {action.object, action.table}
        )
        # A column of another table that only shares the name was not named: what happens to it happens silently.
        if item.kind == "column" and action.table and item.path[1] != action.table:
            continue
        if words & named:
            return False
    return True


@dataclass(frozen=True, slots=True)
class SavedCatalog:
    """What was known at some moment."""

    objects: Mapping[str, KnownObject]
    relations: Mapping[int, RelationState]


class Tracker:
    """The clone as the watched session sees it. Everything here may raise Unobservable.

    ``scene`` and ``names`` are as when the file began, ``objects`` as now.
    """

    def __init__(self, session: UntrustedSession, version: int, path: Sequence[str]):
        self._session = session
        self._version = version
        self._relations: Mapping[int, RelationState] = {}
        self.objects: Mapping[str, KnownObject] = {}
        self.scene = RelationsAtStart({}, path)
        self.names: Mapping[int, QualifiedName] = {}

    def begin(self, *, scene: bool = False) -> None:
        """Read everything, outside a transaction; with ``scene`` as the state when the file began."""
        state = self.look("BEGIN", whole=True)
        self.read_everything()
        # The file's first statement must find no open block, as it would under psql.
        self._session.tell("ROLLBACK")
        if scene:
            self.scene = replace(self.scene, relations=state.relations)
            self.names = names_of(self.objects.values())

    def keep(self) -> SavedCatalog:
        """What is known now, for ``restore`` when the transaction is rolled back."""
        return SavedCatalog(self.objects, self._relations)

    def restore(self, kept: SavedCatalog) -> None:
        """Forget what a transaction did."""
        # DDL is transactional: after ROLLBACK the catalog is what it was and need not be read again.
        self.objects, self._relations = kept.objects, kept.relations

    def look(self, *before: str, whole: bool = False) -> SessionState:
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

    def changes(
        self, statement: MigrationStatement, before: SessionState, after: SessionState
    ) -> tuple[CatalogChange, ...]:
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

    def changes_alone(
        self, statement: MigrationStatement, before: SessionState, after: SessionState
    ) -> tuple[CatalogChange, ...]:
        """The same after a statement in transactions of its own: of what it names, and what came and went."""
        earlier = self.objects
        # The text of a program names only part of what it touches.
        if not statement.actions or any(action.kind in PROGRAMS for action in statement.actions):
            self.read_everything()
        else:
            named = {action.table for action in statement.actions} | {action.object for action in statement.actions}
            oids = {oid for oid, state in after.relations.items() if state.name.name in named}
            self._read_again(_touched(before, after) | oids, free=True)
        return changes_between(earlier, self.objects, self.names, statement)

    def _read_again(self, relations: set[int], *, free: bool) -> None:
        if relations or free:
            read = look_at_objects(self._session.tell, self._version, relations, free=free)
            self.objects = merged(self.objects, read, relations, free=free)


def _touched(before: SessionState, after: SessionState) -> set[int]:
    """Relations that the transaction locked, made or removed, and the tables of such indexes."""
    oids = set(after.locks) | (before.relations.keys() ^ after.relations.keys())
    states = {**before.relations, **after.relations}
    return oids | {states[oid].table for oid in oids if oid in states and states[oid].table}


@dataclass
class OpenTransaction:
    """The transaction that is open: its number, what was known before it, and the last look."""

    number: int
    kept: SavedCatalog
    last: SessionState | None = None
