"""Statements that the hooks noted, understood: parsed once for each form, in the thread that writes statistics."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexpilot_cli.genome import table as genome
from indexpilot_cli.host import place
from indexpilot_cli.host.buffer import PendingStats, checked
from indexpilot_cli.host.place import TtlCache

if TYPE_CHECKING:
    from indexpilot_cli.workload.field_uses import FieldCatalog, StatementUses
    from indexpilot_cli.workload.reading import Unread

# Reasons that will hold whatever the catalog learns: such a statement is not sent here a second time.
_FOR_EVER = frozenset(("own", "utility", "transaction", "catalog_only", "unparsed", "too_long", "empty"))
_FORMS = 5_000


@dataclass(slots=True, eq=False)
class ObservedText:
    """A text of the application's, as its driver takes it; ``placeholders`` are those of Python (``%s``).

    ``known`` is what was found with the catalog ``by``; ``never`` says why it can never become a row.
    """

    text: str
    placeholders: bool
    known: StatementUses | Unread | None = None
    by: FieldCatalog | None = None
    never: str = ""


@dataclass(frozen=True, slots=True)
class PendingStatement:
    """One statement that ran, to be understood when it is written."""

    observed: ObservedText
    tenant_id: object
    duration_ms: float
    at: float


@dataclass(frozen=True, slots=True)
class RecordedStatements:
    """Counters since the process began, of the statements that the hooks saw.

    ``understood`` became rows of ``query_stats`` (one for each field that is looked up or changed); ``partly`` are
    those of them with a condition that no row can tell. ``skipped`` counts the others by reason, ``failed`` those that
    raised in the application, ``without_tenant`` those whose tenant could not be found out: they are rows of no tenant.
    """

    understood: int = 0
    partly: int = 0
    failed: int = 0
    without_tenant: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


class StatementCounts:
    """The counters, for all threads."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child does: the parent counts what it saw itself."""
        self._lock = threading.Lock()
        self._numbers: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()

    def add(self, name: str, number: int = 1) -> None:
        """So many more of understood, partly, failed or without_tenant."""
        with self._lock:
            self._numbers[name] += number

    def skip(self, reason: str, number: int = 1) -> None:
        """So many more that were skipped for the reason."""
        with self._lock:
            self._skipped[reason] += number

    def frozen(self) -> RecordedStatements:
        """What they are now."""
        with self._lock:
            return RecordedStatements(**self._numbers, skipped=dict(self._skipped))


@dataclass(slots=True)
class StatementRows:
    """Rows made of statements, and what is to be counted once they are written."""

    rows: list[PendingStats] = field(default_factory=list)
    rejected: int = 0
    understood: int = 0
    partly: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def count(self) -> None:
        """Add to the counters."""
        counts.add("understood", self.understood)
        counts.add("partly", self.partly)
        for reason, number in self.skipped.items():
            counts.skip(reason, number)


class _Forms:
    """What was found of each form of statement, with one catalog."""

    def __init__(self) -> None:
        self.by: FieldCatalog | None = None
        self.found: dict[str, StatementUses | Unread] = {}

    def keep(self, known: FieldCatalog) -> FieldCatalog:
        """The catalog to go by: the one before when nothing of it changed, so that nothing is parsed again."""
        if self.by is None or self.by != known:
            self.by, self.found = known, {}
        return self.by


counts = StatementCounts()
os.register_at_fork(after_in_child=counts.forget)
_forms = _Forms()
_catalogs: TtlCache[str, FieldCatalog] = TtlCache(60.0, 4)
place.on_schema_change(_catalogs.clear)
# A module that a thread is importing at a fork can never be imported in the child; so a fork waits for the parser.
_importing = threading.Lock()
os.register_at_fork(before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release)


def rows_of(statements: Sequence[PendingStatement]) -> StatementRows:
    """The rows of statements. Raises IndexPilotError when the genome catalog cannot be read."""
    made = StatementRows()
    if statements:
        with _importing:
            # Half a second, which a process that records nothing does not pay.
            from indexpilot_cli.workload import field_uses  # noqa: F401
        known = _forms.keep(_catalogs.get(place.metadata_schema(), _read_catalog))
        for statement in statements:
            _add(made, statement, known)
    return made


def _add(made: StatementRows, statement: PendingStatement, known: FieldCatalog) -> None:
    from indexpilot_cli.workload.reading import Unread

    observed = statement.observed
    if observed.known is None or observed.by is not known:
        observed.known, observed.by = _understand(observed, known), known
    if isinstance(observed.known, Unread):
        made.skipped[observed.known.reason] += 1
        return
    made.understood += 1
    made.partly += observed.known.partly
    for use in observed.known.uses:
        stat = checked(statement.tenant_id, use.table, use.field, use.kind, statement.duration_ms, statement.at)
        if stat is None:
            made.rejected += 1
        else:
            made.rows.append(PendingStats(stat, True))


def _understand(observed: ObservedText, known: FieldCatalog) -> StatementUses | Unread:
    from indexpilot_cli.core.workload import FAILED, Stage
    from indexpilot_cli.sql.parser import skeleton
    from indexpilot_cli.workload.aside import Fault, attempted
    from indexpilot_cli.workload.field_uses import field_uses, with_parameters
    from indexpilot_cli.workload.reading import Unread

    text = with_parameters(observed.text) if observed.placeholders else observed.text
    # Texts that differ in their constants only are parsed once.
    form = skeleton(text) or text
    found = _forms.found.get(form)
    if found is None:
        read = attempted(Stage.READ, lambda: field_uses(form, known))
        found = Unread(FAILED, str(read)) if isinstance(read, Fault) else read
        if len(_forms.found) >= _FORMS:
            _forms.found.clear()
        _forms.found[form] = found
    if isinstance(found, Unread) and found.reason in _FOR_EVER:
        observed.never = found.reason
    return found


def _read_catalog() -> FieldCatalog:
    from indexpilot_cli.workload.field_uses import field_catalog

    with place.session() as session:
        fields = genome.fields(session, schema=place.metadata_schema())
        return field_catalog(fields, session.value("workload/search_path"))
