"""A safer file: the same changes, with what takes long done beside readers and writers.

Which statements become which steps, what cannot be made safer, and the file with them in place: every byte of it that
is not replaced stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.evolve.review.case import Review, StatementCase
from indexpilot_cli.evolve.review.findings import causes, writes_anew
from indexpilot_cli.evolve.review.offline.observe import stands_alone
from indexpilot_cli.evolve.review.rule import HazardRule, SafeStep, columns_sql
from indexpilot_cli.evolve.review.rules.add_column import COLUMN_CHECKED, COLUMN_REWRITES
from indexpilot_cli.evolve.review.rules.indexes import DROP_INDEX_NOT_CONCURRENT
from indexpilot_cli.evolve.review.rules.partitions import DETACH_NOT_CONCURRENT
from indexpilot_cli.evolve.review.rules.type_change import TYPE_CHANGE_REWRITES, stale_columns
from indexpilot_cli.evolve.review.values import Impact
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement

# LOCK, SAVEPOINT and ROLLBACK count on what the same transaction did before: no part of it may commit early.
_HOLDS = frozenset({Act.SAVEPOINT, Act.LOCK, Act.ROLLBACK})
_COMPOSED = "left as it is: psql puts it together from other files, variables or branches; fix those files"
# What goose, sql-migrate and dbmate read as: no transaction around this file.
_MARKS = (
    (re.compile(r"^([ \t]*--[ \t]*\+goose[ \t]+up\b)", re.I | re.M), r"-- +goose NO TRANSACTION\n\1"),
    (re.compile(r"^([ \t]*--[ \t]*\+migrate[ \t]+up)\b", re.I | re.M), r"\1 notransaction"),
    (re.compile(r"^([ \t]*--[ \t]*migrate:up)\b", re.I | re.M), r"\1 transaction:false"),
)


@dataclass(frozen=True, slots=True)
class FixedMigration:
    """The safer text (the same when nothing can be made safer), what to know of it, and the statements that changed.

    ``verdict`` is what the clone said of it, once it has run there.
    """

    text: str
    notes: tuple[str, ...] = ()
    changed: tuple[int, ...] = ()
    verdict: Impact | None = None


def fix(review: Review) -> FixedMigration:
    """The file rewritten where the verdicts say that others wait; nothing else changes by a byte."""
    if review.catalog is not None and not review.catalog.tables:
        review = replace(review, catalog=None, server=review.version)
    migration = review.migration
    if migration.composed:
        return FixedMigration(migration.text, (_COMPOSED,))
    wanted = tuple(replacement(case) for case in review.cases)
    held = _held(review)
    # In a transaction that stays whole only what runs inside one is changed.
    wanted = tuple(replace(r, steps=None) if r.case.seen.transaction in held and _leaves(r) else r for r in wanted)
    outside = any(_leaves(r) for r in wanted)
    timeout = _needs_timeout(wanted)
    wrapped = migration.one_transaction and outside
    arrangement = Arrangement(timeout, wrapped)
    placed = arrangement.arrange(wanted)
    text = render(migration, placed, timeout=timeout and not begins_untimed(placed))
    notes: list[str] = []
    for one in wanted:
        notes += one.notes
    if wrapped:
        text, note = _unwrapped(text)
        notes.insert(0, note)
    elif arrangement.split:
        notes.insert(0, "a transaction was split: its parts commit one after another")
    notes += ["a transaction with savepoints, locks or a rollback was left whole"] * bool(held)
    changed = tuple(p.written.number for p in placed if p.after or p.texts not in (None, [p.written.sql]))
    return FixedMigration(text, tuple(dict.fromkeys(notes)), changed)


def _held(review: Review) -> frozenset[int]:
    """Transactions that mean something by being whole."""
    numbers = {c.seen.transaction for c, a in review.actions if a.kind in _HOLDS and not a.nested}
    return frozenset(numbers if review.migration.one_transaction else numbers & review.blocks)


def _leaves(wanted: Replacement) -> bool:
    """Whether a step must run outside the transaction of its statement."""
    return any(step.alone or step.apart for step in wanted.steps or ())


def _needs_timeout(wanted: Sequence[Replacement]) -> bool:
    """Whether something waits for a lock that others need and nothing in the file ends that wait."""
    for item in wanted:
        if any(a.kind is Act.SET and a.object == "lock_timeout" for a in item.case.actions):
            return False
        blocks = any(k.relation.existed and k.mode.blocks_writes for k in item.case.seen.locks)
        # CONCURRENTLY waits for older transactions under a weak lock: lock_timeout would end it (55P03) and leave an
        # invalid index.
        online = item.steps is not None and all(step.alone for step in item.steps)
        if blocks and not online and item.case.verdict.impact is not Impact.FAILS:
            return True
    return False


def _unwrapped(text: str) -> tuple[str, str]:
    """The text with the migration tool's own mark for no transaction, where the tool is known."""
    for pattern, with_mark in _MARKS:
        if pattern.search(text):
            newline = "\r\n" if "\r\n" in text else "\n"
            marked = pattern.sub(with_mark.replace("\\n", newline), text, count=1)
            return marked, "the migration tool is told not to wrap the file in a transaction"
    return text, "run this file without a transaction around it: tell the migration tool so"


_BIG = 10_000.0  # rows from which a brief lock is avoided too, where that costs nothing


@dataclass(frozen=True, slots=True)
class Replacement:
    """The steps that stand for a statement; ``later`` run when its transaction has ended. None keeps it."""

    case: StatementCase
    steps: tuple[SafeStep, ...] | None = None
    later: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def replacement(case: StatementCase) -> Replacement:
    """What a statement becomes."""
    later = tuple(_analyze(case))
    if stands_alone(case.written):
        return Replacement(case, (SafeStep(case.written.sql, alone=True),), later)
    blamed: dict[HazardRule, Action | None] = causes(case) if case.long else dict(_cheap(case))
    if not blamed:
        return Replacement(case, None, later)
    # Locks are released when the transaction ends: no other form of the statement would help.
    if any(rule.splits for rule in blamed):
        text = "runs in a transaction of its own: what stands before it stays when it fails"
        return Replacement(case, (SafeStep(case.written.sql, apart=True),), later, (_line(case, text),))
    notes: list[str] = []
    steps = tuple(_steps(case, blamed, notes))
    changed = tuple(s.sql for s in steps) != (case.written.sql,)
    return Replacement(case, steps if changed and steps else None, later, tuple(notes))


def _steps(case: StatementCase, blamed: dict[HazardRule, Action | None], notes: list[str]) -> Iterator[SafeStep]:
    """The steps of all actions in their order; nothing at all when none of them has a safer form."""
    done: list[SafeStep] = []
    safer = False
    for action in case.written.actions:
        if action.has("inline") or action.nested or action.kind is Act.DO:
            continue
        rule = _rule(case, action, blamed)
        found = rule.safe_steps(action, case) if rule else ()
        if rule and not found:
            notes.append(_line(case, rule.why_left(action, case)))
        if rule and found and rule.note is not None:
            notes.append(_line(case, rule.note(action, case)))
        safer = safer or bool(found)
        done += found or (SafeStep(action.sql),)
    if not done and blamed:
        notes.append(_line(case, next(iter(blamed)).why_left(None, case)))
    if safer:
        yield from done


def _rule(case: StatementCase, action: Action, blamed: dict[HazardRule, Action | None]) -> HazardRule | None:
    """The rule for one action among several."""
    inline = [a for a in case.actions if a.has("inline") and a.columns == action.columns]
    if action.kind is Act.ADD_COLUMN and COLUMN_CHECKED in blamed and inline:
        return COLUMN_CHECKED
    return next((r for r, a in blamed.items() if a is not None and _alike(r, action, a, case)), None)


def _alike(rule: HazardRule, action: Action, blamed: Action, case: StatementCase) -> bool:
    """Blame falls on the first action of a kind; the others of the kind are treated alike."""
    if action is blamed:
        return True
    if rule is TYPE_CHANGE_REWRITES:
        return writes_anew(action, case)
    done = action.options & {"not_valid", "concurrently", "using_index"}
    alike = action.kind is blamed.kind and action.constraint == blamed.constraint
    return alike and not done and rule is not COLUMN_REWRITES


def _cheap(case: StatementCase) -> Iterator[tuple[HazardRule, Action]]:
    """Brief locks on big tables that a word avoids. Only where no transaction has to be split for it."""
    if case.verdict.impact is not Impact.BRIEF_LOCK or not any(b.rows >= _BIG for b in case.verdict.blocked):
        return
    for action in case.actions:
        if action.kind is Act.DROP_INDEX and not action.has("concurrently"):
            yield DROP_INDEX_NOT_CONCURRENT, action
        if action.kind is Act.DETACH_PARTITION and not action.has("concurrently"):
            yield DETACH_NOT_CONCURRENT, action


def _analyze(case: StatementCase) -> Iterator[str]:
    stale = stale_columns(case)
    if stale:
        table = stale[0].object.table
        columns = columns_sql(dict.fromkeys(c.object.path[-1] for c in stale))
        # The columns alone: the statistics of the others are still there.
        yield f"ANALYZE {table} {columns}"


def _line(case: StatementCase, text: str) -> str:
    return f"line {case.written.line}: {text}"


TIMEOUT = "SET lock_timeout = '2s'"
_UNTIMED = "RESET lock_timeout"
_MARK = re.compile(
    r"^[ \t]*--[ \t]*(?:\+(?:goose|migrate)[ \t]+up|migrate:up|rambler[ \t]+up|up[ \t]+migration)\b"
    r"[^\r\n]*(?:\r?\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
# What waits without keeping anybody waiting, and leaves half of its work behind when a timeout ends it.
_PATIENT = re.compile(r"\bCONCURRENTLY\b|\ADO \$fill\$", re.IGNORECASE)
_QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<tag>\$\w*\$).*?(?P=tag)|(?P<note>--[^\r\n]*|/\*.*?\*/)", re.DOTALL
)


@dataclass
class Placed:
    """What stands for one statement now. None keeps it; no texts at all take it away."""

    written: MigrationStatement
    texts: list[str] | None = None
    after: list[str] = field(default_factory=list)


@dataclass
class Arrangement:
    """Statements put in order, transactions split where a step wants to be outside.

    ``timed``: a lock_timeout of ours holds; builds that wait for old transactions run without it. ``wrapped``: the
    migration tool used to wrap the file, which the new file does itself as far as it can.
    """

    timed: bool = False
    wrapped: bool = False
    placed: list[Placed] = field(default_factory=list)
    _inside: bool = False
    _open: bool = False
    _begin: Placed | None = None
    _later: list[str] = field(default_factory=list)
    split: bool = False

    def arrange(self, replacements: Sequence[Replacement]) -> list[Placed]:
        """One Placed for each statement."""
        self._inside = self.wrapped
        for item in replacements:
            here = Placed(item.case.written)
            self.placed.append(here)
            kinds = {a.kind for a in item.case.written.actions if not a.nested}
            if Act.BEGIN in kinds and not self._inside:
                self._inside, self._begin = True, here
            elif kinds & {Act.COMMIT, Act.ROLLBACK} and self._inside:
                self._end(here)
            elif Act.BEGIN in kinds and self.wrapped:
                here.texts = []
            else:
                self._body(here, item)
        if self.placed and self.wrapped and self._open:
            self.placed[-1].after.insert(0, "COMMIT")
        if self.placed:
            self.placed[-1].after += self._later
        _tidy(self.placed)
        return self.placed

    def _end(self, here: Placed) -> None:
        if self._begin is not None and not self._open:
            self._open = not self.split or self._begin.texts is None
        if not self._open:
            here.texts = []
        self._inside, self._open, self._begin = False, False, None
        here.after += self._later
        self._later = []

    def _body(self, here: Placed, item: Replacement) -> None:
        own = here.written.sql
        texts: list[str] = []
        for step in item.steps if item.steps is not None else (SafeStep(own),):
            texts += self._around(step)
        if texts != [own]:
            here.texts = texts
        if self._inside:
            self._later += item.later
        else:
            here.after += item.later

    def _around(self, step: SafeStep) -> Iterator[str]:
        outside = step.alone or step.apart
        # A step alone is refused in a block (25001); a step apart wants what came before it committed.
        if self._inside and outside:
            self.split = True
            if self._open:
                yield "COMMIT"
            elif self._begin is not None:
                self._begin.texts = []
            self._open, self._begin = False, None
        elif self._inside and not self._open:
            if self._begin is None:
                yield "BEGIN"
            self._open, self._begin = True, None
        if step.alone and self.timed and _PATIENT.search(step.sql):
            # Nobody queues behind the wait of a CONCURRENTLY for older transactions, or of an UPDATE for a row.
            yield _UNTIMED
            yield step.sql
            yield TIMEOUT
        else:
            yield step.sql


def _tidy(placed: Sequence[Placed]) -> None:
    """A timeout that would be switched on and off again at once stays off, and so does one at the very end."""
    last: tuple[list[str], int] | None = None
    for here in placed:
        position = 0
        while here.texts is not None and position < len(here.texts):
            text = here.texts[position]
            if text == _UNTIMED and last is not None:
                del here.texts[position]
                del last[0][last[1]]
                position -= 1 + (last[0] is here.texts)
            last = (here.texts, position) if text == TIMEOUT else None
            position += 1
        last = None if here.texts is None or here.after else last
    if last is not None:
        del last[0][last[1]]


def begins_untimed(placed: Sequence[Placed]) -> bool:
    """Whether the first thing that happens is a build that runs without a timeout."""
    first = next((p for p in placed if p.texts != []), None)
    if first is None or not first.texts or first.texts[0] != _UNTIMED:
        return False
    del first.texts[0]
    return True


def render(migration: Migration, placed: Sequence[Placed], *, timeout: bool) -> str:
    """The file's text with what was placed."""
    text = migration.text
    newline = "\r\n" if "\r\n" in text else "\n"
    pieces: list[str] = []
    position = top(text) if timeout else 0
    pieces.append(text[:position])
    if timeout:
        pieces.append(f"{TIMEOUT};{newline}")
    for here in placed:
        pieces.append(text[position : here.written.offset])
        position = here.written.end
        if here.texts is None:
            pieces.append(here.written.sql)
        elif here.texts:
            pieces.append(_joined(here, text, newline))
        else:
            position = _past_line(text, position)
        if here.after:
            indent = _indent(text, here.written.offset)
            gone = here.texts == []
            lead = "" if gone else f";{newline}{indent}"
            tail = f";{newline}" if gone else ""
            pieces.append(lead + f";{newline}{indent}".join(here.after) + tail)
    pieces.append(text[position:])
    return "".join(pieces)


def top(text: str) -> int:
    """Where a statement for the whole file goes: behind the mark that begins the part that is applied."""
    mark = _MARK.search(text)
    if mark is not None:
        return mark.end()
    return 1 if text.startswith("\ufeff") else 0


def _joined(here: Placed, text: str, newline: str) -> str:
    assert here.texts is not None
    indent = _indent(text, here.written.offset)
    kept = "".join(here.texts)
    # A comment inside the statement is the author's and stays.
    notes = [m["note"] for m in _QUOTED.finditer(here.written.sql) if m["note"] and m["note"] not in kept]
    lead = "".join(f"{note}{newline}{indent}" for note in notes)
    return lead + f";{newline}{indent}".join(here.texts)


def _indent(text: str, offset: int) -> str:
    line = text[text.rfind("\n", 0, offset) + 1 : offset].lstrip("\ufeff")
    return line if not line.strip() else ""


def _past_line(text: str, position: int) -> int:
    """Behind a statement that was taken away: its semicolon, and its line end when nothing else stands there."""
    rest = re.compile(r"[ \t]*;?[ \t]*(?:\r?\n)?").match(text, position)
    return rest.end() if rest else position
