"""Which part of a large schema migrations can reach: the clone gets that part alone, for each table costs time.

Rather too much than too little: a name counts wherever its word stands, in comments and literals too. Whoever looks
into the catalog or puts names together while it runs gets the whole schema.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.core.names import QualifiedName, cut_name
from indexpilot_cli.snapshot.values import HIDDEN, SchemaObject, Snapshot
from indexpilot_cli.sql.ddl.action import Act, Action, Migration

SMALL = 150  # relations: a clone of fewer is made in a moment
_MOST = 0.6  # of all relations: beyond that share nothing is gained

_RELATIONS = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE"})
# What pg_dump names by its table and its own name; the owner is the table that its statement speaks of last.
_OF_LAST = frozenset({"TABLE ATTACH", "INDEX ATTACH", "SEQUENCE OWNED BY"})
# Nobody can name these without their table.
_NAMED_WITH_TABLE = frozenset(
    {"DEFAULT", "TRIGGER", "POLICY", "RULE", "FK CONSTRAINT", "CHECK CONSTRAINT", "ROW SECURITY", *_OF_LAST}
)
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})
_FREE = frozenset({"TYPE", "DOMAIN", "CAST", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "COLLATION", "SCHEMA"})

_QUALIFIED = re.compile(r'("(?:[^"]|"")+"|[^\W\d][\w$]*)\s*\.\s*("(?:[^"]|"")+"|[^\W\d][\w$]*)')
_WORD = re.compile(r"[\w$]+")
# EXECUTE of a trigger's definition, and the right of that name, run nothing.
_DYNAMIC = re.compile(r"\bexecute\b(?!\s+(?:function|procedure|on)\b)|\bU&\"|\binformation_schema\b", re.IGNORECASE)
_WIDE = re.compile(
    r"\breindex\s+(?:\([^)]*\)\s*)?(?:schema|database|system)\b|\ball\s+(?:\w+\s+)?in\s+(?:schema|tablespace)\b", re.I
)
_CATALOG = re.compile(r"\bpg_(?!catalog\b|temp\b|sleep|get_serial_sequence\b|advisory|try_advisory|typeof\b)\w+", re.I)
# They reach further than the objects they name, or it is not known how far.
_FAR = frozenset(
    {Act.DROP_SCHEMA, Act.RENAME_SCHEMA, Act.DROP_EXTENSION, Act.RENAME, Act.DROP, Act.DYNAMIC, Act.OTHER, Act.CALL}
)
# Without a name: the whole database, or a whole schema.
_BROAD = frozenset({Act.VACUUM, Act.ANALYZE, Act.CLUSTER, Act.REINDEX, Act.GRANT})
# What is done to types and routines comes over the tables that use them.
_OF_FREE = frozenset(
    {Act.DROP_FUNCTION, Act.DROP_TYPE, Act.ALTER_DOMAIN, Act.ADD_ENUM_VALUE, Act.RENAME_ENUM_VALUE, Act.SET_OWNER}
    | {Act.SET_SCHEMA, Act.CREATE_TYPE, Act.CREATE_DOMAIN}
)


class SchemaReach:
    """The objects of a snapshot and which of them lean on which."""

    def __init__(self, snapshot: Snapshot):
        self._snapshot = snapshot
        self._objects = snapshot.objects
        self._places = self._named_places()
        self._mentions = [self._mentioned(n, o) for n, o in enumerate(self._objects)]
        self._owner: dict[int, int | None] = {}
        for number, item in enumerate(self._objects):
            self._owner[number] = self._owner_of(number, item)
        self._leaning: dict[int, list[int]] = defaultdict(list)
        for number, mentioned in enumerate(self._mentions):
            for other in mentioned:
                self._leaning[other].append(number)
        self._bodies = {n: words_of(o.sql) for n, o in enumerate(self._objects) if o.kind in _ROUTINES}
        self._in: dict[int, bool] = {}
        self._routines: set[int] = set()
        self._todo: list[tuple[int, bool]] = []
        self._far = False

    @property
    def small(self) -> bool:
        """Whether the whole schema costs little."""
        return sum(o.kind in _RELATIONS for o in self._objects) <= SMALL

    def part(self, migrations: Sequence[Migration]) -> Snapshot | None:
        """The snapshot with what the migrations can reach; None where that is, or may be, nearly everything."""
        if any(o.kind.startswith(HIDDEN) for o in self._objects) or any(map(_reaches_far, migrations)):
            return None
        for migration in migrations:
            self._name(migration.text)
        for migration in migrations:
            self._come_over_users(_actions(migration))
        return self._taken()

    def with_statements(self, texts: Iterable[str]) -> Snapshot | None:
        """The same with what these statements need as well."""
        for text in texts:
            self._name(text)
        return self._taken()

    def concerns(self, text: str, made: Collection[str]) -> bool:
        """Whether the statement speaks of anything in reach, or of a name that the migrations make."""
        names = {_bare(self._objects[number]) for number in (*self._in, *self._routines, *self._unforeseeable())}
        return bool(words_of(text) & (names | set(made))) or any(
            name in text for name in names if not _WORD.fullmatch(name)
        )

    def left_out(self, message: str) -> bool:
        """Whether the message names an object that is not in the part."""
        words = words_of(message)
        kept = set(self._kept())
        return any(
            _bare(o) in words or (not _WORD.fullmatch(_bare(o)) and _bare(o) in message)
            for number, o in enumerate(self._objects)
            if number not in kept
        )

    # -- the walk

    def _name(self, text: str) -> None:
        """Everything of which the text holds the name; a relation with all that follows a change of it."""
        words = words_of(text)
        for number, item in enumerate(self._objects):
            name = _bare(item)
            if item.kind in _NAMED_WITH_TABLE or not (name in words or (not _WORD.fullmatch(name) and name in text)):
                continue
            if item.kind in _RELATIONS:
                self._todo.append((number, True))
            elif item.kind in _ROUTINES:
                self._enter(number)
            else:
                self._todo += [(other, True) for other in self._needs(number)]
        self._walk()

    def _come_over_users(self, actions: Iterator[Action]) -> None:
        """What is done to a type or a routine reaches whatever uses it."""
        names = {a.object for a in actions if a.kind in _OF_FREE}
        free = [n for n, o in enumerate(self._objects) if self._owner[n] is None and _bare(o) in names]
        self._todo += [(owner, True) for owner in self._owners_of_users(free)]
        self._walk()

    def _owners_of_users(self, free: Iterable[int]) -> set[int]:
        """The relations that use types and routines, through other types and routines as well."""
        todo = list(free)
        known, owners = set(todo), set[int]()
        while todo:
            number = todo.pop()
            name = _bare(self._objects[number])
            users = {n for n in self._leaning[number] if self._owner[n] is None}
            users |= {n for n, words in self._bodies.items() if name in words}
            owners |= {owner for n in self._leaning[number] if (owner := self._owner[n]) is not None}
            todo += users - known
            known |= users
        return owners

    def _unforeseeable(self) -> set[int]:
        """Routines that may do anything, and the relations they run for."""
        free = [n for n in self._bodies if _looks_around(self._objects[n].sql)]
        return {*free, *self._owners_of_users(free)}

    def _walk(self) -> None:
        while self._todo:
            number, changed = self._todo.pop()
            if self._in.get(number, False) or (number in self._in and not changed):
                continue
            self._in[number] = changed
            self._need(number)
            if changed:
                self._follow(number)

    def _need(self, number: int) -> None:
        """What the object cannot be without."""
        self._todo += [(other, False) for other in self._needs(number)]
        for other in self._mentions[number]:
            if self._owner[other] is None:
                self._enter(other)

    def _needs(self, number: int) -> set[int]:
        """The relations that the object's statement speaks of; those of the indexes too."""
        owners = {self._owner[other] for other in self._mentions[number]}
        return {owner for owner in owners if owner is not None}

    def _follow(self, number: int) -> None:
        """What a change of the relation comes over: its own parts, views, children, tables that reference it."""
        for leaning in self._leaning[number]:
            owner = self._owner[leaning]
            if owner == number:
                self._need(leaning)
            elif owner is not None:
                self._todo.append((owner, True))
            else:
                self._enter(leaning)
        # Bodies are text to the server: what they name is not tracked, and fails when they run.
        name = _bare(self._objects[number])
        routines = [n for n, words in self._bodies.items() if name in words]
        for routine in routines:
            self._enter(routine)
        self._todo += [(owner, True) for owner in self._owners_of_users(routines)]

    def _enter(self, number: int) -> None:
        """A type, or a routine, whose body may change whatever it names."""
        if number in self._routines:
            return
        self._routines.add(number)
        item = self._objects[number]
        self._todo += [(other, False) for other in self._needs(number)]
        if item.kind in _ROUTINES:
            self._far = self._far or _looks_around(item.sql)
            self._name(item.sql)

    # -- what there is

    def _taken(self) -> Snapshot | None:
        relations = sum(map(self._is_relation, range(len(self._objects))))
        if self._far or len(self._in) > relations * _MOST:
            return None
        snapshot = self._snapshot
        kept = [self._objects[number] for number in self._kept()]
        names = {QualifiedName(o.schema, o.name) for o in kept}
        names |= {QualifiedName(o.schema, _bare(o)) for o in kept if o.kind == "CONSTRAINT"}
        return replace(
            snapshot,
            objects=tuple(kept),
            sizes=tuple(s for s in snapshot.sizes if s.name in names),
            statistics=tuple(s for s in snapshot.statistics if s.relation in names),
            extended=tuple(s for s in snapshot.extended if s.table in names),
        )

    def _kept(self) -> Iterator[int]:
        for number in range(len(self._objects)):
            if number in self._in or (not self._is_relation(number) and self._needs(number) <= self._in.keys()):
                yield number

    def _is_relation(self, number: int) -> bool:
        return self._objects[number].kind in _RELATIONS

    def _named_places(self) -> dict[QualifiedName, list[int]]:
        found: dict[QualifiedName, list[int]] = defaultdict(list)
        for number, item in enumerate(self._objects):
            found[QualifiedName(item.schema, _bare(item))].append(number)
        return found

    def _mentioned(self, number: int, item: SchemaObject) -> tuple[int, ...]:
        """What the object's statement names with its schema, in that order, without itself."""
        found: dict[int, None] = {}
        for schema, name in _QUALIFIED.findall(item.sql):
            for other in self._places.get(QualifiedName(_unquoted(schema), _unquoted(name)), ()):
                if other != number and self._objects[other].kind not in _NAMED_WITH_TABLE:
                    found[other] = None
        return tuple(found)

    def _owner_of(self, number: int, item: SchemaObject) -> int | None:
        """The relation that an object is or belongs to; None for types, routines and the like."""
        if item.kind in _RELATIONS:
            return number
        if item.kind in _ROUTINES or item.kind in _FREE:
            return None
        # Objects stand behind what they need: the owners of indexes are known when their attachment comes.
        tables = [owner for other in self._mentions[number] if (owner := self._owner.get(other, other)) is not None]
        if not tables:
            return None
        return tables[-1] if item.kind in _OF_LAST else tables[0]


def _reaches_far(migration: Migration) -> bool:
    return _looks_around(migration.text) or any(
        a.kind in _FAR or a.has("unread") or a.has("dynamic") or (a.kind in _BROAD and not (a.table or a.object))
        for a in _actions(migration)
    )


def _looks_around(text: str) -> bool:
    """Whether the text names a catalog, or makes statements of texts."""
    return any(pattern.search(text) for pattern in (_DYNAMIC, _CATALOG, _WIDE))


def _actions(migration: Migration) -> Iterator[Action]:
    for statement in migration.statements:
        yield from _all(statement.actions)


def _all(actions: Iterable[Action]) -> Iterator[Action]:
    for action in actions:
        yield action
        yield from _all(action.body)


def named_in(migration: Migration) -> Iterator[str]:
    """Every name that the migration's statements give or act on."""
    for action in _actions(migration):
        yield from filter(None, (action.table, action.object, action.new_name))


def words_of(text: str) -> set[str]:
    """Every word of the text as it stands, folded, and cut as the server cuts names."""
    words = set(_WORD.findall(text))
    return words | {cut_name(word.lower()) for word in words} | {cut_name(word) for word in words}


def _bare(item: SchemaObject) -> str:
    """The object's own name: a routine's without arguments, a constraint's without its table."""
    if item.kind in _ROUTINES:
        return item.name.partition("(")[0]
    if item.kind == "CONSTRAINT":
        table = _QUALIFIED.search(item.sql)
        return item.name.removeprefix(f"{_unquoted(table[2])} ") if table else item.name
    return item.name


def _unquoted(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
