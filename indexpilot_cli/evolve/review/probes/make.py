"""Probes put together: the question in words, its SQL, and how far an answer can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeKind
from indexpilot_cli.evolve.review.probes.virtual import VirtualTable

SAMPLED_PAGES = 500
SAMPLE_FROM = 5000  # pages from which a sample is looked at first

Body = Callable[[str], str]


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
    why_not = question.why_not or _unknown(table, question.columns) or (_both(made) if question.body else "")
    if question.body is None or why_not:
        return replace(made, why_not=why_not or "no question can be formed")
    sampled = table.source is not None and table.pages >= SAMPLE_FROM and table.kind in "rpm"
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


def _both(made: Probe) -> str:
    return made.unsure_if_found if made.unsure_if_found and made.unsure_if_not else ""


def _unknown(table: VirtualTable, columns: Sequence[str]) -> str:
    """Why one of the columns cannot be asked about."""
    found = (table.column(name) for name in columns)
    return next((c.unknown for c in found if c is not None and c.unknown), "")


def title(name: QualifiedName, columns: Sequence[str] = ()) -> str:
    """``orders (a, b)`` as a person reads it."""
    return f"{name.short} ({', '.join(columns)})" if columns else name.short
