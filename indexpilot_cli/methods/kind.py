"""What every index kind says of itself, and how its first pages are made. One file in ``kinds`` is one kind."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from indexpilot_cli.core.catalog import BLOCK, Catalog, Column, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey, Reason
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.methods.fields import Field
from indexpilot_cli.methods.rates import EntryClass, WriteRates


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """An index about to be built, as the size models see it; ``fields`` are its keys among the ``rows`` it holds.

    ``told``: rows that were read tell how its keys come together, as ``joint`` says; None: as if by chance.
    """

    definition: IndexDefinition
    table: Table
    catalog: Catalog
    fields: tuple[Field, ...]
    rows: float
    told: bool = False
    joint: Field | None = None

    def option(self, name: str, default: int) -> int:
        """A storage parameter of the definition."""
        return int(dict(self.definition.options).get(name, default))


@dataclass(frozen=True, slots=True)
class BuiltSize:
    """Pages of an index just built; ``height`` is the level of a B-tree's root. ``sure``: no guess decided it.

    ``least`` are the pages if columns follow one another as far as they can (0: as ``pages``).
    """

    pages: int
    height: int | None = None
    sure: bool = True
    least: int = 0


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """A condition of a statement on one key, with what is known of the key and its table.

    ``type`` is the key's short type name ('' when unknown); ``column`` is None for an expression. ``alike`` are the
    kinds of all conditions of the workload on that key; ``ordered`` says that some need its order.
    """

    atom: Atom
    key: IndexKey
    type: str
    column: Column | None
    catalog: Catalog
    rows: float
    pages: int
    alike: frozenset[AtomKind]
    ordered: bool
    thresholds: KindThresholds


@dataclass(frozen=True, slots=True)
class KindThresholds:
    """From when a special kind is worth proposing: bytes of a hashed key (None: never), its distinct values over the
    rows, pages and correlation for BRIN.
    """

    hash_width: int | None = 40
    hash_distinct: float = 0.1
    brin_pages: int = 1280
    brin_correlation: float = 0.9


@dataclass(frozen=True, slots=True)
class Service:
    """A key of this kind that serves the condition; ``purpose`` names the candidate's kind."""

    key: IndexKey
    purpose: str
    reason: Reason
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NoService:
    """Why the kind cannot serve the condition as it stands: a rejection's word and sentence."""

    reason: str
    detail: str
    operator_class: str = ""


class IndexKind(ABC):
    """An access method. ``name`` is that of pg_am.

    ``assumed``: the size model rests on assumptions also with statistics. ``summarizing``: updates of its columns may
    stay HOT from version 16 on. ``any_order``: keys serve in any order. ``metapage_matters``: the planner reads more
    of it than its length. ``keeps_file``: its first pages are those that CREATE INDEX wrote.
    ``without_class`` are types that have no default operator class.
    """

    name: str
    assumed = False
    summarizing = False
    any_order = False
    metapage_matters = False
    keeps_file = False
    without_class: frozenset[str] = frozenset()

    @abstractmethod
    def built(self, build: IndexBuild) -> BuiltSize:
        """Its size just after CREATE INDEX."""

    def entry_class(self, _definition: IndexDefinition, _table: Table) -> EntryClass:
        """Which entries its own cost as much as; OTHER where nobody measured them."""
        return EntryClass.OTHER

    def entry_cost(self, definition: IndexDefinition, table: Table, rates: WriteRates) -> tuple[float, float]:
        """Microseconds and WAL bytes per entry written."""
        rate = rates.of(self.entry_class(definition, table))
        return rate.us, rate.wal

    def build_us(self, definition: IndexDefinition, table: Table, rates: WriteRates) -> float:
        """Microseconds per entry of a build, beside reading the table."""
        return rates.of(self.entry_class(definition, table)).build_us

    def first_pages(self, _file: RelationFile) -> bytes:
        """The pages of its file that must not be zeros; none where the planner reads only the length."""
        return b""

    def serves(self, _condition: KeyCondition) -> Iterator[Service | NoService]:
        """Keys for the condition, or why there is none although it looks as if there should be."""
        yield from ()

    def answers(self, _have: IndexKey, _want: IndexKey) -> bool:
        """Whether a key of another operator class, on the same column, answers all that ``want`` does."""
        return False


# The planner takes a relation's size from the length of its files and reads metapages: the level of a B-tree's root,
# the page counts of GIN, the pages per range of BRIN. Page layouts: storage/bufpage.h, access/nbtree.h,
# access/ginblock.h and access/brin_page.h of PostgreSQL (13 to 18 agree).
_HEADER = struct.Struct("<QHHHHHHI")  # lsn, checksum, flags, lower, upper, special, size and version, prune xid
HEADER_SIZE = _HEADER.size
_LAYOUT_VERSION = BLOCK | 4
NO_BLOCK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class GinPages:
    """What a GIN metapage tells the planner."""

    pending: int
    total: int
    entry: int
    data: int
    entries: int


@dataclass(frozen=True, slots=True)
class RelationFile:
    """A file to make: its relfilenode, length in blocks, and what its first pages say.

    ``keep`` lengthens a file that is there and leaves its content alone.
    """

    node: int
    pages: int
    method: str | None = None
    height: int = 0
    gin: GinPages | None = None
    pages_per_range: int = 128
    heap_pages: int = 0
    keep: bool = False


def make_page(body: bytes, special: bytes, *, lower: int, items: bytes = b"") -> bytes:
    """A page with this content, special space and lower bound of the free space."""
    end = BLOCK - len(special)
    upper = end - len(items)
    header = _HEADER.pack(0, 0, 0, lower, upper, end, _LAYOUT_VERSION, 0)
    return (header + body).ljust(upper, b"\0") + items + special
