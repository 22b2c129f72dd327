"""What statements ask of one table at a time: the conditions that the planner estimates and a sample can count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.core.workload import Atom, AtomKind, PlanMode, Plannable, QueryTemplate, RelationUse
from indexpilot_cli.sql.parser import Unparsed, parse
from indexpilot_cli.sql.selectivity import comparable
from indexpilot_cli.sql.volatility import calls_nobody
from indexpilot_cli.workload.predicates.blocks import relation_uses

_LEAST_PAGES = 10  # smaller tables are read whole by any plan
_MOST = 40  # of one table: each is one more count in the statement that reads the pages
_STATEMENTS = 400  # that are taken apart, those of most weight


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Conditions on a table that statements ask for together. ``newest`` asks for what came after the last ANALYZE."""

    table: QualifiedName
    atoms: tuple[Atom, ...]
    templates: frozenset[str]
    newest: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Each condition as SQL."""
        return tuple(atom.sql for atom in self.atoms if atom.sql is not None)

    @property
    def sql(self) -> str:
        """All of them as SQL."""
        return joined(self.parts)

    @property
    def columns(self) -> tuple[str, ...]:
        """The plain columns, by name."""
        return tuple(sorted({atom.column for atom in self.atoms if atom.column is not None}))


def joined(parts: Iterable[str]) -> str:
    """The conditions as one."""
    texts = tuple(parts)
    return texts[0] if len(texts) == 1 else " AND ".join(f"({text})" for text in texts)


def counting(table: Table, condition: str) -> Plannable:
    """The statement whose planned rows are the planner's estimate for the condition."""
    # Children of a table that inherits are tables of their own; the parts of a partitioned one are all it has.
    name = str(table.name) if table.kind == "p" else f"ONLY {table.name}"
    return Plannable(str(Select("1", name, f"WHERE {condition}")))


def conjunctions(templates: Iterable[QueryTemplate], catalog: Catalog) -> tuple[Conjunction, ...]:
    """By table what statements of the workload ask for with values, those of the heaviest templates first."""
    asked: dict[tuple[QualifiedName, tuple[str, ...]], tuple[tuple[Atom, ...], set[str], bool]] = {}
    for template, use in _uses(templates, catalog):
        table = catalog.table(use.table)
        if table is None or table.kind not in "rmp" or (table.kind != "p" and table.pages < _LEAST_PAGES):
            continue
        for atoms, newest in _asked(use, table):
            key = use.table, tuple(sorted({atom.sql or "" for atom in atoms}))
            known = asked.setdefault(key, (atoms, set(), newest))
            known[1].add(template)
    found = (Conjunction(key[0], atoms, frozenset(names), new) for key, (atoms, names, new) in asked.items())
    return tuple(_at_most(found))


def _at_most(found: Iterable[Conjunction]) -> Iterator[Conjunction]:
    counts: dict[QualifiedName, int] = {}
    for conjunction in found:
        counts[conjunction.table] = counts.get(conjunction.table, 0) + 1
        if counts[conjunction.table] <= _MOST:
            yield conjunction


def _uses(templates: Iterable[QueryTemplate], catalog: Catalog) -> Iterator[tuple[str, RelationUse]]:
    statements = chain.from_iterable(((t.id, s.statement) for s in t.scenarios) for t in templates)
    literal = ((name, s.sql) for name, s in statements if s.mode is PlanMode.LITERAL)
    for (name, text), _ in zip(literal, range(_STATEMENTS), strict=False):
        parsed = parse(text)
        if not isinstance(parsed, Unparsed):
            yield from ((name, use) for use in relation_uses(parsed.node, catalog))


def _asked(use: RelationUse, table: Table) -> Iterator[tuple[tuple[Atom, ...], bool]]:
    atoms = tuple(atom for atom in use.atoms if _countable(atom))
    distinct = tuple({atom.sql: atom for atom in atoms}.values())
    if distinct:
        yield distinct, False
    for atom in atoms:
        newest = _beyond(atom, table)
        if newest is not None:
            yield (newest,), True


def _countable(atom: Atom) -> bool:
    """Whether a server can evaluate it row by row without running anybody's code."""
    alone = atom.sql is not None and atom.conjunctive and not atom.parameters
    return alone and atom.kind not in (AtomKind.JOIN, AtomKind.DISTANCE) and calls_nobody(atom.sql or "")


def _beyond(atom: Atom, table: Table) -> Atom | None:
    """Rows above the largest value that the statistics know."""
    column = table.column(atom.column) if atom.column is not None and atom.kind is AtomKind.RANGE else None
    bounds = column.statistics.histogram_bounds if column is not None and column.statistics is not None else ()
    if column is None or not bounds or not isinstance(comparable(bounds[-1], column.base_type), float):
        return None
    last = quote_literal(bounds[-1])
    return Atom(AtomKind.RANGE, ">", column.name, constant=last, sql=f"{quote_identifier(column.name)} > {last}")
