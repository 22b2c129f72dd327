"""One kind of hazard as a value: its text with a bad and a good example, what raises it, and the safer form.

Each file of ``rules`` holds a few that share a subject; the registry finds them there. The pieces that safer
statements are made of (names, column lists) stand at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from indexpilot_cli.core.hazard import Hazard, Severity
from indexpilot_cli.core.names import dotted, object_name, quote_identifier
from indexpilot_cli.core.observation import SqlError, WorkKind
from indexpilot_cli.evolve.review.case import Review, StatementCase
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action, Migration
from indexpilot_cli.sql.normal import columns

Works = frozenset[WorkKind]

ANY_WORK: Works = frozenset(WorkKind)
READS: Works = frozenset({WorkKind.VERIFY, WorkKind.SCAN, WorkKind.VALIDATE_FOREIGN_KEY})
BUILDS: Works = frozenset({WorkKind.BUILD_INDEX})
REWRITES: Works = frozenset({WorkKind.REWRITE})
_MANUAL = "https://www.postgresql.org/docs/current/"
_SEVERITIES = {
    "L": Severity.ERROR,
    "F": Severity.ERROR,
    "W": Severity.WARNING,
    "D": Severity.INFO,
    "T": Severity.INFO,
    "N": Severity.INFO,
    "I": Severity.WARNING,
}
_NAMELESS = frozenset({Act.DROP_INDEX, Act.REINDEX, Act.ALTER_DOMAIN})


@dataclass(frozen=True, slots=True)
class SafeStep:
    """One statement of a safer form. ``alone``: it refuses a transaction block.

    ``apart``: a transaction must end before it, or the lock of the step before would be held meanwhile.
    """

    sql: str
    alone: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class HazardRule:
    """A hazard with its text, one trigger and, where there is one, its safer form.

    ``key`` is ``L01 its-name``, ``page`` one of the manual. L and F are errors, W and I warnings, D, T and N
    information, unless ``severity`` says otherwise. ``example`` raises the hazard, ``safe_example`` does not.

    Triggers: ``causes`` says of an action that it explains the work seen under a lock that others need, ``unexplained``
    takes such work that no action explains; ``fails`` and ``probes`` stand for an error and for answers of the data;
    ``find`` is given the rule itself and reads the whole file; ``comments`` looks at its ignore comments, given those
    that were used and all ids.

    ``steps`` are the statements that do what an action does without keeping others waiting; ``safer`` is the text
    behind a finding where that is not just the steps; ``cannot`` and ``left`` say why there are none, ``note`` what
    to know of them. ``splits``: the statement as it stands is enough, in a transaction of its own.
    """

    key: str
    title: str
    explanation: str
    instead: str
    example: str
    safe_example: str
    page: str = ""
    severity: Severity | None = None
    causes: Callable[[Action, Works], bool] | None = None
    unexplained: Callable[[StatementCase], bool] | None = None
    fails: Callable[[SqlError], bool] | None = None
    probes: tuple[ProbeKind, ...] = ()
    find: Callable[[HazardRule, Review], Iterator[Finding]] | None = None
    comments: Callable[[Migration, Collection[tuple[int, str]], Collection[str]], Iterator[Finding]] | None = None
    steps: Callable[[Action, StatementCase], tuple[SafeStep, ...]] | None = None
    safer: Callable[[Action, StatementCase], str] | None = None
    cannot: Callable[[Action, StatementCase], str] | None = None
    left: str = "there is no safer form in plain SQL"
    note: Callable[[Action, StatementCase], str] | None = None
    splits: bool = False

    @property
    def id(self) -> str:
        """The stable id."""
        return self.key.partition(" ")[0]

    @property
    def texts(self) -> tuple[str, ...]:
        """What may not be empty."""
        return self.key, self.title, self.explanation, self.instead, self.example, self.safe_example

    @property
    def hazard(self) -> Hazard:
        """The text, as ``explain`` and SARIF tell it."""
        return Hazard(
            self.id,
            self.key.partition(" ")[2],
            self.severity or _SEVERITIES[self.key[0]],
            self.title,
            self.explanation,
            self.instead,
            self.example,
            self.safe_example,
            f"{_MANUAL}{self.page}" if self.page else "",
        )

    @property
    def has_trigger(self) -> bool:
        """Whether anything can raise it."""
        triggers = (self.causes, self.unexplained, self.fails, self.find, self.comments)
        return bool(self.probes) or any(trigger is not None for trigger in triggers)

    def finding(self, case: StatementCase, message: str, severity: Severity | None = None) -> Finding:
        """A finding about a statement, without locks."""
        return case.finding(self.hazard, message, severity)

    def safe_steps(self, action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
        """The statements that do what the action does; empty when there is no safer form in plain SQL."""
        if self.steps is None or action.nested or action.has("dynamic"):
            return ()
        return self.steps(action, case) if action.table is not None or action.kind in _NAMELESS else ()

    def safer_text(self, action: Action, case: StatementCase) -> str:
        """Statements to run instead, ready to run; empty when there is no better way."""
        return self.safer(action, case) if self.safer is not None else steps_text(self.safe_steps(action, case), case)

    def why_left(self, action: Action | None, case: StatementCase) -> str:
        """Why the safer file keeps the action."""
        said = self.cannot(action, case) if self.cannot is not None and action is not None else ""
        return said or f"left as it is ({self.id}): {self.left}"


def does(works: Works, *acts: Act) -> Callable[[Action, Works], bool]:
    """The trigger of these acts, not CONCURRENTLY, with one of these kinds of work."""

    def causes(action: Action, seen: Works) -> bool:
        return action.kind in acts and bool(seen & works) and not action.has("concurrently")

    return causes


def adds(works: Works, *constraints: str) -> Callable[[Action, Works], bool]:
    """The trigger of these constraints added as valid ones, outside a column's definition."""

    def causes(action: Action, seen: Works) -> bool:
        apart = action.options & {"not_valid", "not_enforced", "inline", "using_index"}
        wanted = action.kind is Act.ADD_CONSTRAINT and action.constraint in constraints and not apart
        return wanted and bool(seen & works)

    return causes


def error(*states: str) -> Callable[[SqlError], bool]:
    """The trigger of these SQLSTATEs."""
    return lambda seen: seen.sqlstate in states


def steps_text(steps: tuple[SafeStep, ...], case: StatementCase) -> str:
    """Steps as text, COMMIT before what must not run in the transaction that the statement stands in."""
    lines = [f"{step.sql};" for step in steps]
    if any(step.alone for step in steps) and case.begun:
        lines.insert(0, "-- outside the transaction:")
    elif case.begun:
        lines = [f"COMMIT;\n{line}" if step.apart else line for line, step in zip(lines, steps, strict=True)]
    return "\n".join(lines)


_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_ON = re.compile(rf'"(?:[^"]|"")*"|\bON\s+(?:ONLY\s+)?(?P<table>{_NAME}(?:\s*\.\s*{_NAME})?)', re.IGNORECASE)


def table_sql(action: Action) -> str:
    """The table as it was written."""
    assert action.table is not None
    return dotted(action.schema, action.table)


def alter(action: Action) -> str:
    """``ALTER TABLE t``, with the words that were written."""
    words = ["ALTER TABLE"]
    words += ["IF EXISTS"] if action.has("if_exists") and action.kind is not Act.DROP_COLUMN else []
    words += ["ONLY"] if action.has("only") else []
    return " ".join((*words, table_sql(action)))


def column_list(columns: Iterable[str]) -> str:
    """``a, b``."""
    return ", ".join(map(quote_identifier, columns))


def columns_sql(columns: Iterable[str]) -> str:
    """``(a, b)``."""
    return f"({column_list(columns)})"


def concurrently(words: re.Pattern[str], sql: str) -> str:
    """The statement with CONCURRENTLY behind its first words."""
    return words.sub(lambda m: m.group() + " CONCURRENTLY", sql, count=1)


def constraint_name(action: Action) -> str:
    """The name a constraint was given, or would get."""
    if action.object:
        return action.object
    assert action.table is not None
    suffix = {"primary_key": "pkey", "unique": "key", "check": "check", "foreign_key": "fkey", "not_null": "not_null"}
    middle = () if action.constraint == "primary_key" else action.columns
    if action.constraint == "check":
        # A CHECK is named after its column where it mentions one alone, wherever it was written.
        named = tuple(columns(action.expression or ""))
        middle = named if len(named) == 1 else ()
    return object_name(action.table, "_".join(middle), suffix.get(action.constraint or "", "excl"))


def on_table(sql: str, table: str) -> str | None:
    """A CREATE INDEX text with another table; None where the table cannot be found in it."""
    match = next((m for m in _ON.finditer(sql) if m["table"]), None)
    if match is None:
        return None
    return sql[: match.start()] + f"ON {table}" + sql[match.end() :]
