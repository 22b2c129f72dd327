"""Will a migration fail on the data that is there? The questions to ask production, statement by statement.

What a statement demands is what a clone saw it do to the catalog, so that DO blocks and functions hide nothing; what
no clone ran is read from its text. Earlier statements of the file are looked through (``virtual``). What a file
refuses by itself (``IF … THEN RAISE``), and reads that fail only on an empty clone, are asked too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.ddl import Select, any_row
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.observation import LockMode, MigrationObservation, RunState, StatementObservation
from indexpilot_cli.evolve.review.probes import needs, virtual
from indexpilot_cli.evolve.review.probes import rows as probes_rows
from indexpilot_cli.evolve.review.probes import shape as probes_shape
from indexpilot_cli.evolve.review.probes import unasked as probes_unasked
from indexpilot_cli.evolve.review.probes.actions import from_actions
from indexpilot_cli.evolve.review.probes.delta import Delta, Need, from_changes
from indexpilot_cli.evolve.review.probes.question import DataFacts, Probe, ProbeKind
from indexpilot_cli.evolve.review.probes.shape import MAY_FAIL, sized
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.evolve.review.probes.virtual import VirtualTable
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement
from indexpilot_cli.sql.safe import reader
from indexpilot_cli.sql.safe.values import Key, SafeText

_ROWS = (Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE, Act.COPY)
_BRANCH = re.compile(r"\bTHEN\b", re.I)
_HANDLER = re.compile(r"\bEXCEPTION\s+WHEN\b", re.I)
_CHANGES = re.compile(r"\b(UPDATE|DELETE|INSERT|MERGE|COPY|TRUNCATE|CALL|DBLINK\w*)\b", re.I)
_NO_CHANGES = re.compile(r"\b(ON|FOR|BEFORE|AFTER|OR)\s+(NO\s+KEY\s+)?(UPDATE|DELETE|INSERT|TRUNCATE)\b", re.I)
# Within one of these different values stay different; numeric to integer rounds and may make them equal.
_FAMILIES = (frozenset(("int2", "int4", "int8")), frozenset(("text", "varchar")))
_NO_QUERY = "it reads what is not known, or calls what must not run on this database"
_NO_BLOCK = "no block is run on this database"
_COMPUTES = re.compile(r"[/%]|::|\bCAST\b|\bto_\w+\(", re.I)
_CAUGHT = "an exception handler around it may catch the error"


def probes(
    migration: Migration,
    observation: MigrationObservation,
    catalog: Catalog,
    *,
    facts: DataFacts | None = None,
    unforeseen: set[int] | None = None,
) -> tuple[Probe, ...]:
    """Every question whose answer decides whether a statement fails, in the order of the statements.

    ``facts`` are read from production (``postgres.probe.read_facts``); without them less can be asked. ``unforeseen``
    gets the numbers of statements of which nobody can tell what they do to rows.
    """
    tables = Tables(catalog, facts)
    seen = {s.number: s for s in observation.statements}
    found: list[Probe] = []
    kept: Mapping[str, object] = tables.keep()
    for statement in migration.statements:
        review = _Review(statement, seen.get(statement.number), tables)
        kept = review.transaction(kept)
        found += review.probes()
    if unforeseen is not None:
        unforeseen |= tables.unforeseen
    if migration.statements:
        found += probes_rows.late(tables)
    # Each question once for each statement.
    return tuple({(p.statement, p.kind, p.table, p.sql, p.question): p for p in found}.values())


class _Review:
    """One statement: what it does to the virtual tables, and what it asks of them."""

    def __init__(self, statement: MigrationStatement, seen: StatementObservation | None, tables: Tables) -> None:
        self.number = tables.number = statement.number
        self.statement = statement
        self.tables = tables
        ran = seen is not None and seen.error is None and seen.state in (RunState.RAN, RunState.BEHIND)
        self.failed = seen is not None and not ran and seen.state is not RunState.SKIPPED
        self.seen = seen if ran else None
        self.actions = statement.actions
        self.maybe = any(a.nested for a in self.actions) and bool(_BRANCH.search(statement.sql))

    def transaction(self, kept: Mapping[str, object]) -> Mapping[str, object]:
        """Go back with a ROLLBACK; gives the state to go back to from here."""
        for action in self.actions:
            if action.kind is Act.BEGIN and not action.nested:
                kept = self.tables.keep()
            elif action.kind is Act.ROLLBACK and not action.nested:
                back = not action.object
                self.tables.restore(kept) if back else self.tables.forget_all(f"statement {self.number} goes back")
        return kept

    def probes(self) -> Iterator[Probe]:
        """The statement's probes; the tables are as it leaves them when all are taken."""
        caught = bool(_HANDLER.search(self.statement.sql)) and any(a.kind is Act.DO for a in self.actions)
        for found in self._all():
            yield replace(found, sql=None, sample_sql=None, statistics=None, why_not=_CAUGHT) if caught else found

    def _all(self) -> Iterator[Probe]:
        for action in self.actions:
            self._setting(action)
            needs.remember_type(action, self.tables)
            probes_unasked.remember_sequences(action, self.tables)
            transaction = self.seen.transaction if self.seen else 0
            yield from probes_unasked.still_pending(action, transaction, self.tables)
        yield from guard_questions(self.actions, self.failed, self.tables)
        delta = self._delta()
        # In a block the catalog shows only where everything ended: order comes from the text.
        for action in self.actions:
            if action.nested and action.kind in (Act.ADD_COLUMN, Act.ALTER_TYPE, Act.RENAME_COLUMN):
                yield from self._early(delta, action)
            if action.kind in _ROWS:
                yield from self._rows(action)
            elif action.kind is Act.TRUNCATE:
                self._truncate(action)
        # Deferrable keys may be checked as late as at COMMIT.
        if any(a.kind is Act.COMMIT and not a.nested for a in self.actions):
            yield from probes_rows.late(self.tables)
        if self._unseen():
            words, why = "what it calls fails on the rows", "no routine of yours is run on this database"
            yield self.tables.unasked(_HERE, words, why)
        yield from self._structure(delta)

    def _delta(self) -> Delta:
        # What the server did beats what the words seem to say.
        if self.seen is None:
            return from_actions(self.actions, self.tables)
        delta = from_changes(self.seen.changes, self.actions)
        for action in self.actions:
            self._same_name(action, delta)
        return delta

    def _same_name(self, action: Action, delta: Delta) -> None:
        """A type made anew under its old name, or kept with a USING: the catalog shows no change of the column."""
        kind = (action.type or "").split(".")[-1].strip('"')
        if action.kind is Act.ALTER_TYPE and action.column and (kind in self.tables.labels or action.expression):
            shape = delta.shape(self.tables.place(action.schema, action.table or ""))
            shape.retyped.setdefault(action.column, (action.type or "", action.expression or ""))

    def _early(self, delta: Delta, action: Action) -> Iterator[Probe]:
        """In a block, what gives a table its form comes before the statements behind it that change rows."""
        name = self.tables.resolve(action.schema, action.table or "")
        shape = delta.shapes.pop(name, None) if name else None
        if shape is not None:
            yield from probes_shape.apply(Delta({shape.table: shape}), self.tables)

    def _structure(self, delta: Delta) -> Iterator[Probe]:
        again = list(self._rebuilt(delta))
        yield from probes_shape.apply(delta, self.tables)
        self._filled()
        for action in self.actions:
            needs.remember_rule(action, self.tables)
            yield from needs.domain_questions(action, self.tables)
            yield from needs.partition_questions(action, self.tables)
            yield from probes_unasked.too_wide(action, self.tables)
        for need in (*delta.needs, *again):
            found = needs.need(need, self.tables) if delta.asked(need) else None
            if found is not None:
                yield found
            probes_rows.bind(need, self.tables)
        for need in delta.pending:
            probes_rows.bind(need, self.tables, validated=False)

    def _rebuilt(self, delta: Delta) -> Iterator[Need]:
        """Unique indexes and checks over a column that gets another type: other values may be equal, or refused."""
        for shape in delta.shapes.values():
            table = self.tables.get(shape.table)
            if table is None or not shape.retyped:
                continue
            changed = {c for c, change in shape.retyped.items() if _merges(table, c, change)}
            real = self.tables.catalog.table(table.origin) if table.origin else None
            for index in real.indexes if real else ():
                made, columns = index.definition, index.definition.columns
                plain = made.unique and len(columns) == len(made.keys) and not made.predicate
                if plain and changed & {*columns} and self.tables.has(table, index.name.name):
                    names = tuple(shape.renamed.get(c, c) for c in columns)
                    yield Need("unique", shape.table, key=Key(tuple(map(quote_identifier, names)), names))
            yield from probes_rows.rechecked(shape, table, changed, delta, self.tables)

    # -- rows

    def _rows(self, action: Action) -> Iterator[Probe]:
        name = self.tables.resolve(action.schema, action.table or "")
        before = self.tables.get(name) if name else None
        if name is None and self.seen is None:
            self.tables.forget_all(f"statement {self.number} changes rows of {action.table}, which is no known table")
        change = self.tables.apply(action, maybe=self.maybe)
        if change is not None and before is not None:
            yield from probes_rows.row_questions(change, before, self.tables)
        elif before is not None:
            self.tables.unforeseen.add(self.number)
        yield from probes_unasked.of_rows(action, before, change, self.tables)

    def _truncate(self, action: Action) -> None:
        name = self.tables.resolve(action.schema, action.table or "")
        table = self.tables.get(name) if name else None
        if table is None:
            return
        emptied = virtual.forgotten(table, f"statement {self.number} may empty it", (), fewer=True)
        self.tables.put(emptied if self.maybe else virtual.emptied(table))
        for relative in self.tables.relatives(table.name):
            self.tables.forget(relative.name, f"statement {self.number} empties {table.name.short}")

    def _filled(self) -> None:
        """CREATE TABLE AS: the new table has the rows of its query, which may not be known."""
        for action in self.actions:
            name = self.tables.place(action.schema, action.table or "")
            table = self.tables.get(name) if action.kind is Act.CREATE_TABLE_AS else None
            if table is not None and not action.has("no_data"):
                found = self.tables.query(action.expression) if action.expression and table.columns else None
                filled = virtual.filled(table, found.sql) if found is not None else None
                why = f"statement {self.number} fills it"
                self.tables.put(filled or virtual.forgotten(table, why, more=True, fewer=True))
                self.tables.filled.add(table.name)

    def _unseen(self) -> bool:
        """Rows of tables that the clone saw locked for writing, or that nobody saw, may be other ones now; whether
        nobody can tell which.
        """
        named = {self.tables.resolve(a.schema, a.table or "") for a in self.actions if a.kind in _ROWS}
        for lock in self.seen.locks if self.seen else ():
            name = self.tables.now(lock.relation.table or lock.relation.name)
            # INSERT, UPDATE, DELETE and MERGE take it, also inside functions and triggers, whether they find a row or
            # not.
            writes = lock.mode is LockMode.ROW_EXCLUSIVE and lock.relation.kind in "rp"
            # A table may be locked because a relative of it is changed.
            if writes and name not in named and not any(r.name in named for r in self.tables.relatives(name)):
                self.tables.forget(name, f"statement {self.number} may change rows of {name.short}")
        opaque = any(self._opaque(action) for action in self.actions)
        if opaque:
            self.tables.forget_all(f"nobody can tell which rows statement {self.number} changes")
        return opaque

    def _opaque(self, action: Action) -> bool:
        """Whether code runs that may change rows nobody can name. What a clone ran and no word of which changes rows
        is none: an empty clone skips loops over rows, but not the words in them.
        """
        if action.kind is Act.DYNAMIC:
            return self.seen is None or _changes_rows(self.statement.sql)
        if self.seen is not None and action.has("call") and action.object in self.tables.quiet:
            return False
        if action.kind is Act.CALL:
            return True
        return action.kind is Act.SELECT and not reader.harmless(action.sql)

    def _setting(self, action: Action) -> None:
        tables = self.tables
        if action.kind is Act.CREATE_FUNCTION and action.object:
            inner = any(self._opaque(a) for a in action.body if a.kind is not Act.DYNAMIC)
            quiet = not inner and not _changes_rows(action.sql)
            tables.quiet.add(action.object) if quiet else tables.quiet.discard(action.object)
        if action.kind in (Act.CREATE_TRIGGER, Act.SET_TRIGGER):
            owner = tables.place(action.schema, action.table or "")
            events = {(owner, event) for event in action.options & {"insert", "update", "delete"}}
            tables.fires |= events
            if action.has("row") and action.options & {"insert", "update"}:
                tables.triggered.add(owner)
            if action.has("row", "before"):
                tables.altering |= events
            # DISABLE TRIGGER ALL switches the triggers of foreign keys off too.
            if action.has("disabletrigall"):
                tables.keyless.add(owner)
            elif action.has("enabletrigall"):
                tables.keyless.discard(owner)
        # Triggers of foreign keys do not fire for a session that is a replica.
        # https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE
        tables.replica = ("session_replication_role", "replica") in action.parameters or tables.replica
        for name, value in action.parameters if action.kind is Act.SET else ():
            if name == "search_path":
                parts = tuple(part.strip(" '\"") for part in value.split(","))
                self.tables.search_path = tuple(p for p in parts if p and p != "$user")


def _changes_rows(text: str) -> bool:
    return bool(_CHANGES.search(_NO_CHANGES.sub(" ", text)))


def _merges(table: VirtualTable, column: str, change: tuple[str, str]) -> bool:
    """Whether a type change may make different values equal: all but those within whole numbers, or within text."""
    old = table.column(column)
    names = {sized(old.type)[0] if old else "", sized(change[0])[0]}
    return bool(change[1]) or not any(names <= family for family in _FAMILIES)


_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
# RAISE of NOTICE and the like only speaks; without a level it is EXCEPTION and ends the block (P0001).
# https://www.postgresql.org/docs/current/plpgsql-errors-and-messages.html
_GUARD = re.compile(
    r"\bIF\b(?P<condition>(?:(?!\bTHEN\b|\bIF\b).)+?)\bTHEN\s+RAISE\b(?!\s+(?:NOTICE|WARNING|INFO|LOG|DEBUG)\b)"
    r"(?P<rest>.*?)\bEND\s+IF\b",
    re.I | re.S,
)
_BRANCHES = re.compile(r"\b(IF|LOOP|FOR|WHILE|CASE|EXCEPTION|FOREACH)\b", re.I)
_INTO = re.compile(
    r"\bSELECT\b(?P<what>[^;]*?)\bINTO\s+(?P<strict>STRICT\s+)?(?P<name>\w+)\b(?P<source>[^;]*);", re.I | re.S
)
_ASSIGNED = re.compile(r"\b(?P<name>\w+)\s*:=\s*(?P<value>[^;]+);", re.I | re.S)
_HERE = QualifiedName("", "")


def guard_questions(actions: Sequence[Action], failed: bool, tables: Tables) -> Iterator[Probe]:
    """The conditions under which a DO block raises; for a SELECT that failed on the clone, the SELECT itself."""
    for action in actions:
        if action.kind is Act.DO and action.expression and action.type == "plpgsql":
            yield from _raised(action.expression, tables)
        made = action.kind in (Act.CREATE_TABLE_AS, Act.CREATE_MATVIEW) and not action.has("no_data")
        if made and action.expression and MAY_FAIL.search(action.expression):
            found, words = tables.query(action.expression), "its query fails on the data"
            yield _failing(words, found, tables) if found else tables.unasked(_HERE, words, _NO_QUERY)
        elif action.kind is Act.REFRESH and not action.has("no_data"):
            words = f"the query of {action.table} fails on the data"
            yield tables.unasked(_HERE, words, "it is not run on this database")
    yield from _selected(actions, failed, tables)


def _selected(actions: Sequence[Action], failed: bool, tables: Tables) -> Iterator[Probe]:
    words = "the query fails on the data"
    # A division by the count of no rows, for one, fails on empty tables only: the data decides.
    if len(actions) == 1 and actions[0].kind is Act.SELECT and (failed or _computes(actions[0])):
        found = tables.query(actions[0].sql)
        if found is not None:
            yield _failing(words, found, tables)
        elif not failed and reader.harmless(actions[0].sql):
            yield tables.unasked(_HERE, words, _NO_QUERY)
    # What a block reads, where no guard of it was asked about.
    asks = any(a.kind is Act.DO and a.expression and _asked(a.expression) for a in actions)
    if any(a.nested and _computes(a) for a in actions if a.kind is Act.SELECT) and not asks:
        yield tables.unasked(_HERE, "what the block reads makes it fail", _NO_BLOCK)


def _computes(action: Action) -> bool:
    """Whether a query of a table may fail for some of its rows."""
    return action.table is not None and bool(_COMPUTES.search(action.sql))


def _asked(body: str) -> bool:
    return bool(_GUARD.search(body) or any(m["strict"] for m in _INTO.finditer(body)))


def _raised(body: str, tables: Tables) -> Iterator[Probe]:
    """Guards in a row, as long as nothing before them branches."""
    text = _COMMENT.sub(" ", body)
    values = _variables(text)
    yield from _strict(text, tables)
    place = 0
    for match in _GUARD.finditer(text):
        # Behind a branch nobody knows whether the guard is reached.
        if _BRANCHES.search(text[place : match.start()]) or re.search(r"\bELSE?I?F?\b", match["rest"], re.I):
            return
        place = match.end()
        condition = re.sub(r"\b\w+\b", lambda m: values.get(m[0].lower(), m[0]), match["condition"])
        found = tables.query(f"SELECT 1 WHERE ({condition})")
        if found is not None:
            words, sql = "the file itself raises an error on this data", any_row(f"({found.sql}) AS ip_q")
            yield _probe(ProbeKind.EXISTS, "P0001", words, sql, tables)


def _strict(text: str, tables: Tables) -> Iterator[Probe]:
    """SELECT … INTO STRICT that does not find exactly one row, where nothing before it branches."""
    for match in _INTO.finditer(text):
        # Without STRICT no row means NULL and further rows are ignored; with it the block fails (P0002, P0003).
        # https://www.postgresql.org/docs/current/plpgsql-statements.html
        found = tables.query(f"SELECT {match['what']} {match['source']}") if match["strict"] else None
        if found is not None and not _BRANCHES.search(text[: match.start()]):
            sql = f"SELECT 1 WHERE ({Select('count(*)', f'({found.sql}) AS ip_q')}) <> 1"
            yield _probe(ProbeKind.EXISTS, "P0002", "a query of the file does not find exactly one row", sql, tables)


def _variables(text: str) -> dict[str, str]:
    """What variables hold that are assigned once, from one query or expression."""
    found = [(m["name"].lower(), f"(SELECT {m['what']} {m['source']})") for m in _INTO.finditer(text)]
    found += [(m["name"].lower(), f"({m['value']})") for m in _ASSIGNED.finditer(text)]
    # A variable that is assigned twice has no one value.
    names = [name for name, _ in found]
    return {name: value for name, value in found if names.count(name) == 1}


def _failing(words: str, found: SafeText, tables: Tables) -> Probe:
    """The whole query, counted: every row of it is computed and none is given away."""
    return _probe(ProbeKind.CAST, "22000", words, Select("count(ip_q)", f"({found.sql}) AS ip_q"), tables)


def _probe(kind: ProbeKind, state: str, words: str, sql: str, tables: Tables) -> Probe:
    return Probe(tables.number, kind, state, _HERE, words, sql)
