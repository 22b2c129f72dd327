"""Rows and the planner's estimates for columns that statements name together: a bounded sample and plain EXPLAINs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.db.extended import extended_of
from indexpilot_cli.db.queries import SQL, Identifier, Literal, composed
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.lifecycle.findings.statistics import STALE_SHARE, changed_share
from indexpilot_cli.lifecycle.findings.together import (
    ColumnPair,
    Misjudged,
    PairEvidence,
    Value,
    by_frequency,
    judged,
    pairs_of,
    statistics_missing,
)
from indexpilot_cli.lifecycle.sampling import sample_clauses
from indexpilot_cli.lifecycle.values import LifecycleFacts, LifecycleFinding

_PAIRS, _TABLES = 40, 12  # of those that most statements name
_PAGES = 4000  # 32 MB of each table at most
_ROWS = 30_000  # as ANALYZE reads at the usual target
_ASKED = 20  # values of a pair for which the planner is asked
_WIDE = 200  # characters of a value; longer ones are not asked about
_TOLD = 5  # pairs of which too little is known, by name


def columns_together(
    session: Session, facts: LifecycleFacts, progress: Progress
) -> tuple[tuple[LifecycleFinding, ...], tuple[str, ...]]:
    """Extended statistics that are missing; and of which columns too little is known to say."""
    tables = {t.name: t for t in facts.catalog.tables}
    pairs = pairs_of(facts.templates, tables)
    near = list(dict.fromkeys(pair.table for pair in pairs))[:_TABLES]
    chosen = [pair for pair in pairs if pair.table in near][:_PAIRS]
    more = len(pairs) - len(chosen)
    progress.stage("looking at columns together", len(chosen))
    found: list[Misjudged] = []
    unknown: list[str] = []
    for name, own in _by_table(chosen).items():
        for pair, said in _table(session, tables[name], own):
            progress.advance()
            if isinstance(said, Misjudged):
                found.append(said)
            elif said is not None:
                columns = ", ".join(map(quote_identifier, pair.columns))
                unknown.append(f"{pair.table.short} ({columns}): not enough evidence to tell if they depend: {said}")
    if not found:
        return (), tuple(_cut(unknown, more))
    there = extended_of(session, [tables[item.pair.table].oid for item in found])
    taken = {item.made.name for item in there}
    known = [(item.made, item.filled) for item in there]
    return tuple(statistics_missing(found, known, taken, facts)), tuple(_cut(unknown, more))


def _cut(unknown: list[str], more: int) -> list[str]:
    rest = max(0, len(unknown) - _TOLD) + more
    return [*unknown[:_TOLD], *([f"{rest} more pairs of columns were not judged"] if rest else [])]


def _by_table(pairs: Sequence[ColumnPair]) -> Mapping[QualifiedName, list[ColumnPair]]:
    found: defaultdict[QualifiedName, list[ColumnPair]] = defaultdict(list)
    for pair in pairs:
        found[pair.table].append(pair)
    return found


def _table(
    session: Session, table: Table, pairs: Sequence[ColumnPair]
) -> list[tuple[ColumnPair, Misjudged | str | None]]:
    if changed_share(table) > STALE_SHARE:
        return [(pair, "its statistics are old: ANALYZE first") for pair in pairs]
    columns = sorted(set(chain.from_iterable(pair.columns for pair in pairs)))
    try:
        sample = _sample(session, table, columns)
    except IndexPilotError as error:
        return [(pair, f"its rows could not be read: {error.message}") for pair in pairs]
    return [(pair, _judged(session, table, pair, columns, sample)) for pair in pairs]


def _judged(
    session: Session, table: Table, pair: ColumnPair, columns: Sequence[str], sample: Sequence[Sequence[Value]]
) -> Misjudged | str | None:
    first, second = map(columns.index, pair.columns)
    rows = [(row[first], row[second]) for row in sample]
    try:
        expected = _expected(session, table, pair, rows) if pair.compared else None
        together = f"GROUP BY {', '.join(map(quote_identifier, pair.columns))}"
        groups = _rows(session, table, together) if pair.grouped else None
    except IndexPilotError as error:
        return f"the planner could not be asked: {error.message}"
    return judged(pair, PairEvidence(rows, table.rows, expected, groups))


def _sample(session: Session, table: Table, columns: Sequence[str]) -> list[Sequence[Value]]:
    """Up to 30,000 rows: of a large table one from each of 4,000 pages, for rows of one page are often alike."""
    share = min(1.0, _PAGES / max(1, table.pages))
    thin = min(1.0, (_ROWS if share == 1.0 else table.pages) / max(table.rows, 1.0))
    pages, condition = sample_clauses(share, thin)
    values = (SQL("left({}::text, {})").format(Identifier(name), Literal(_WIDE)) for name in columns)
    named = (SQL("{} AS {}").format(value, Identifier(f"v{number}")) for number, value in enumerate(values))
    query = composed(
        "lifecycle/values_sample",
        session.version,
        columns=SQL(", ").join(named),
        table=Identifier(table.name.schema, table.name.name),
        sample=pages,
        condition=condition,
        limit=Literal(2 * _ROWS),
    )
    with session.transaction(rollback=True):
        session.rows("lifecycle/sampling_limits")
        return list(session.rows(query))


def _expected(session: Session, table: Table, pair: ColumnPair, rows: Sequence[tuple[Value, Value]]) -> float | None:
    """The mean of what the planner expects for values from the commonest combination to the rarest."""
    short = [row for row in rows if all(value is None or len(value) < _WIDE for value in row)]
    found = [_rows(session, table, _condition(pair, values)) for values in by_frequency(short, _ASKED)]
    return sum(found) / len(found) if found else None


def _condition(pair: ColumnPair, values: tuple[str, str]) -> str:
    parts = (
        f"{quote_identifier(name)} = {quote_literal(value)}" for name, value in zip(pair.columns, values, strict=True)
    )
    return f"WHERE {' AND '.join(parts)}"


def _rows(session: Session, table: Table, clause: str) -> float:
    plan = session.explain(f"EXPLAIN (FORMAT JSON) {Select('1', f'ONLY {table.name}', clause)}")
    return float(plan["Plan Rows"])
