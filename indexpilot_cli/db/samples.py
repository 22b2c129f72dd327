"""Page samples of a server's tables, read within fixed bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import groupby

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import MOST_PAGES, PageSample, SampledPage, Samples
from indexpilot_cli.db.queries import SQL, Composable, Identifier, Literal, composed
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError

# SYSTEM takes each page with the same chance, so their number is random, too: three deviations below the bound.
_ASKED = 250
_SEED = 0  # the same pages as long as the table is as it was: the same command gives the same plan
_LONGEST = 8000  # bytes as stored; longer values would be fetched from elsewhere


class PageSamples(Samples):
    """Reads the given columns of at most 300 pages, in one statement a table; never twice, also when it failed."""

    def __init__(self, session: Session, catalog: Catalog, columns: Mapping[QualifiedName, Set[str]]):
        self._session = session
        self._catalog = catalog
        self._columns = columns
        self._known: dict[QualifiedName, PageSample | None] = {}

    def of(self, table: QualifiedName) -> PageSample | None:
        """The sample, None where the rows may not be read or have no pages."""
        if table not in self._known:
            self._known[table] = self._read(table)
        return self._known[table]

    def _read(self, name: QualifiedName) -> PageSample | None:
        table = self._catalog.table(name)
        if table is None or table.kind == "f" or not table.readable:
            return None
        wanted = self._columns.get(name, frozenset())
        columns = tuple(c.name for c in table.columns if c.name in wanted)
        pages = _pages(table, self._catalog)
        if not columns or not pages:
            return None
        try:
            with self._session.transaction(rollback=True):
                self._session.rows("samples/limits")
                rows = self._session.rows(_question(self._session, table, columns, pages))
        except IndexPilotError:
            return None  # no right, a policy, a lock that is not free, two seconds gone: then nothing is known
        return PageSample(name, columns, tuple(_by_page(rows)), pages)


def _pages(table: Table, catalog: Catalog) -> int:
    """Pages of the table, or of the parts of a partitioned one."""
    if table.kind != "p":
        return table.pages
    return sum(_pages(part, catalog) for part in catalog.tables if part.parent == table.name and part.is_partition)


def _question(session: Session, table: Table, columns: Sequence[str], pages: int) -> Composable:
    share = 100.0 * _ASKED / pages
    sample = SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(Literal(share), Literal(_SEED))
    name: Composable = Identifier(table.name.schema, table.name.name)
    if table.kind != "p":
        name = SQL("ONLY {}").format(name)  # children of a table that inherits are tables of their own
    short = "CASE WHEN pg_column_size({c}) <= {longest} THEN {c} END AS {name}"
    values = (
        SQL(short).format(c=Identifier("t", column), longest=Literal(_LONGEST), name=Identifier(f"c{number}"))
        for number, column in enumerate(columns)
    )
    return composed(
        "samples/pages",
        session.version,
        columns=SQL(", ").join(values),
        table=name,
        sample=sample if pages > MOST_PAGES else SQL(""),
    )


def _by_page(rows: Sequence[Row]) -> Iterator[SampledPage]:
    for (part, block), own in groupby(rows, key=lambda row: (row.part, row.block)):
        yield SampledPage(part, block, tuple(tuple(row[2:]) for row in own))
