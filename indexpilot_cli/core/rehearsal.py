"""Recorded queries as they fare on the clone: run on empty tables, planned on tables of the real size."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.core.workload import Plannable


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A recorded query with what is run of it.

    ``statements`` run as they are; ``loose`` are the same without their WHERE, run on one made-up row a table so
    that triggers and functions run too. ``weights`` are the shares of the statements in the query's calls.
    """

    template: str
    sql: str
    share: float
    statements: tuple[Plannable, ...]
    loose: tuple[Plannable, ...] = ()
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Played:
    """One statement as it ran on empty tables: its error, or the columns it gives as ``name type``."""

    error: SqlError | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Priced:
    """One statement as it is planned on tables of the real size; ``cost`` is None when it has no plan."""

    cost: float | None
    indexes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything known of a query on one side of the migration, statement by statement in the same order."""

    played: tuple[Played, ...] = ()
    priced: Priced | None = None
