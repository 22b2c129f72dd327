"""Questions to the real data that decide whether a migration will fail, and their answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.evolve.review.probes.virtual import VirtualTable

SAMPLED_PAGES = 500
SAMPLE_FROM = 5000  # pages from which a sample is looked at first
Body = Callable[[str], str]
Verdict = tuple[bool | None, str]
NOTHING: Verdict = (None, "")
_DIGITS = re.compile(r"\s*[+-]?\d+\s*")


class ProbeKind(StrEnum):
    """What the data could violate; the SQLSTATE a server would answer stands in ``Probe.sqlstate``."""

    NULLS = "nulls"
    DUPLICATES = "duplicates"
    ORPHANS = "orphans"
    CHECK = "check"
    CAST = "cast"
    TOO_LONG = "too_long"
    PARTITION = "partition"
    EXCLUSION = "exclusion"
    REFERENCED = "referenced"
    EXISTS = "exists"
    NOT_EMPTY = "not_empty"


@dataclass(frozen=True, slots=True)
class Probe:
    """A read-only question. ``sql`` gives at least one row exactly when the statement would fail.

    ``statement`` is the statement's number in its file. ``sql`` is None when no safe question could be formed;
    ``why_not`` then says why. A CAST probe fails itself (with ``sqlstate`` or its class) instead of giving rows.
    ``estimated_rows`` is how many rows it may read. ``statistics`` is a verdict from pg_stats alone, for snapshots:
    True (would fail), False (would not), None (cannot tell). ``sample_sql`` is the same question to a sample of the
    table's pages: a yes is proof, a no is not. ``unsure_if_found`` and ``unsure_if_not`` say why an answer proves
    nothing (rows that the file itself deletes or inserts in a way that cannot be foreseen), or are empty.
    ``errors_count``: an error in computing the answer is one of the statement too.
    """

    statement: int
    kind: ProbeKind
    sqlstate: str
    table: QualifiedName
    question: str
    sql: str | None
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    why_not: str = ""
    estimated_rows: float = 0.0
    statistics: bool | None = None
    statistics_why: str = ""
    sample_sql: str | None = None
    unsure_if_found: str = ""
    unsure_if_not: str = ""
    errors_count: bool = False


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """``found`` True: the statement will fail; False: not for this reason; None: not checked, as ``note`` says.

    ``source`` is data, statistics or none. No value of the data is ever kept.
    """

    probe: Probe
    found: bool | None
    source: str = "data"
    note: str = ""


@dataclass(frozen=True, slots=True)
class KnownCheck:
    """A CHECK constraint that production has; ``expression`` is SQL text over the table's columns."""

    table: QualifiedName
    name: str
    expression: str
    validated: bool = True


@dataclass(frozen=True, slots=True)
class KnownDomain:
    """A domain: its type, and its checks over VALUE (None: one that cannot be read)."""

    name: QualifiedName
    type: str
    checks: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What probes must know of production beyond the catalog.

    ``triggered`` are tables with row triggers for INSERT or UPDATE, ``types`` names of enumerations and of types that
    extensions own: a cast to them runs nobody's own code. ``deferrable`` are constraints by table and name.
    ``altering`` are tables with row triggers BEFORE insert, update or delete, which may change or swallow the rows,
    ``fires`` tables with triggers of any kind by the event, ``toasted`` those with values stored apart.
    """

    triggered: frozenset[QualifiedName] = frozenset()
    types: frozenset[str] = frozenset()
    domains: tuple[KnownDomain, ...] = ()
    deferrable: frozenset[tuple[QualifiedName, str]] = frozenset()
    checks: tuple[KnownCheck, ...] = ()
    altering: frozenset[tuple[QualifiedName, str]] = frozenset()
    fires: frozenset[tuple[QualifiedName | None, str]] = frozenset()
    toasted: frozenset[QualifiedName | None] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of a table. ``body`` makes the SQL from the FROM item; ``why_not`` stands for a missing body.

    ``sampled`` makes another SQL from a sample and the whole.

    ``others`` are tables in which more rows mean fewer hits: what a foreign key refers to.
    """

    kind: ProbeKind
    sqlstate: str
    words: str
    body: Body | None
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    why_not: str = ""
    only: bool = False
    others: tuple[VirtualTable, ...] = ()
    verdict: bool | None = None
    verdict_why: str = ""
    sampled: Callable[[str, str], str] | None = None


def probe(table: VirtualTable, number: int, question: Question) -> Probe:
    """The probe of a question to a table at this point of the migration."""
    made = Probe(
        statement=number,
        kind=question.kind,
        sqlstate=question.sqlstate,
        table=table.origin or table.name,
        question=question.words,
        sql=None,
        columns=question.columns,
        constraint=question.constraint,
        estimated_rows=table.rows + sum(other.rows for other in question.others),
        unsure_if_found=table.fewer or _first(other.more for other in question.others),
        unsure_if_not=table.more or _first(other.fewer for other in question.others),
    )
    why_not = question.why_not or table.why_unknown(question.columns)
    # Neither answer would prove anything.
    if not why_not and question.body and made.unsure_if_not:
        why_not = made.unsure_if_found
    if question.body is None or why_not:
        return replace(made, why_not=why_not or "no question can be formed")
    sampled = table.source is not None and table.pages >= SAMPLE_FROM and table.kind in "rpm"
    # A violation in the sample is proof already; only when there is none the whole table is read.
    rate = 100.0 * SAMPLED_PAGES / table.pages if sampled else None
    whole = table.item(only=question.only)
    part = table.item(only=question.only, sample=rate) if rate else ""
    return replace(
        made,
        sql=question.body(whole),
        sample_sql=(question.sampled(part, whole) if question.sampled else question.body(part)) if rate else None,
        statistics=question.verdict if table.plain else None,
        statistics_why=question.verdict_why if table.plain else "",
    )


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def title(name: QualifiedName, columns: Sequence[str] = ()) -> str:
    """``orders (a, b)`` as a person reads it."""
    return f"{name.short} ({', '.join(columns)})" if columns else name.short


def nulls(seen: ColumnStatistics | None) -> Verdict:
    """NULLs were there when the table was analyzed."""
    if seen is None or seen.null_frac <= 0:
        return NOTHING
    return True, f"{seen.null_frac:.2%} were NULL when the table was analyzed"


def duplicates(seen: ColumnStatistics | None, rows: float) -> Verdict:
    """The commonest value was seen more than once."""
    common = max(seen.most_common_freqs, default=0.0) if seen else 0.0
    # Frequencies are counted in the sample; n_distinct is an estimate and proves no duplicate.
    if common * rows < 2:
        return NOTHING
    return True, f"the commonest value had about {common * rows:.0f} rows when the table was analyzed"


def longer(seen: ColumnStatistics | None, size: int) -> Verdict:
    """A value of the statistics is longer."""
    if not any(len(value.rstrip(" ")) > size for value in _values(seen)):
        return NOTHING
    return True, f"values longer than {size} characters were seen when the table was analyzed"


def casts(seen: ColumnStatistics | None, kind: str) -> Verdict:
    """A value of the statistics is no text of the type."""
    called, fits = _FITS.get(kind, (kind, None))
    if fits is None or all(fits(value) for value in _values(seen)):
        return NOTHING
    return True, f"values that are no {called} were seen when the table was analyzed"


def empty(rows: float, pages: int) -> Verdict:
    """Whether there are rows at all."""
    if rows >= 1:
        return True, f"the table has about {rows:.0f} rows"
    return (False, "the table has no page") if pages == 0 else NOTHING


def _values(seen: ColumnStatistics | None) -> tuple[str, ...]:
    return () if seen is None else seen.most_common_vals + seen.histogram_bounds


def _whole(limit: int) -> Callable[[str], bool]:
    """Numbers out of range do not fit; other numbers are left to the server, which rounds them."""

    def fits(value: str) -> bool:
        try:
            return -limit <= float(value) < limit if not _DIGITS.fullmatch(value) else -limit <= int(value) < limit
        except ValueError:
            return False

    return fits


def _number(value: str) -> bool:
    try:
        float(value.replace("_", "x"))
    except ValueError:
        return False
    return True


def _uuid(value: str) -> bool:
    try:
        UUID(value.strip())
    except ValueError:
        return False
    return True


_FITS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "int2": ("smallint", _whole(2**15)),
    "int4": ("integer", _whole(2**31)),
    "int8": ("bigint", _whole(2**63)),
    "numeric": ("numeric", _number),
    "float8": ("double precision", _number),
    "uuid": ("uuid", _uuid),
}
