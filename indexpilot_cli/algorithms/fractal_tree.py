"""Fractal tree: what writes pay for indexes, and cheaper kinds for tables that are written more than read.

Brodal and Fagerberg, "Lower bounds for external memory dictionaries", SODA 2003 (the B-epsilon tree,
https://dl.acm.org/doi/10.5555/644108.644201); Bender et al., "Cache-oblivious streaming B-trees", SPAA 2007,
https://doi.org/10.1145/1248377.1248393; sold as TokuDB. No paper is named where such advisors are described, and the
often quoted gain of 20 to 80 times is that of the structure itself, which PostgreSQL does not have.

What is used of it is the question it answers: how many pages a written row touches. The write bill of each index
(``methods.writes``: microseconds, WAL, lost HOT updates, images of whole pages) enters the optimum; with the switch off
it is told, but not counted. PostgreSQL's own ways to write little are priced beside the B-tree where a table is mostly
written: BRIN, a hash of long keys, GIN's list of pending entries. Which indexes to drop first is what ``lifecycle``
finds.

What cannot be told: how long the storage takes for what a checkpoint writes; a calibration counts the processor. The
shipped microseconds of nine of ten sets of indexes were within a factor of 1.9 of measured ones in the worst of three
runs, 17 to 22 % off altogether; the bytes of WAL within 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.core.catalog import BLOCK, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import BRIN, BTREE, GIN, HASH, Candidate, IndexDefinition, Proposal, Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.methods.kind import KeyCondition, KindThresholds, Service
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.methods.kinds.gin import keeps_pending
from indexpilot_cli.methods.writes import entry_us, table_write_us
from indexpilot_cli.methods.written import TableWrites
from indexpilot_cli.settings.features import FractalTreeSettings
from indexpilot_cli.sql.normal import type_name
from indexpilot_cli.sql.selectivity import row_count

# From when a kind is asked about where writes are dear: any length of a text, half a megabyte of a table.
_THRESHOLDS = KindThresholds(hash_width=16, brin_pages=64)
_CANNOT_TELL = "how long the storage takes for what a checkpoint writes"


@dataclass(frozen=True, slots=True)
class WriteLoad:
    """A table as the workload writes it. ``share`` of its statements write, which takes ``total_us`` together;
    ``entries`` are the rows that need index entries.
    """

    table: Table
    writes: TableWrites
    share: float
    total_us: float
    entries: float

    def adds(self, definition: IndexDefinition) -> float:
        """The share of the table's write time that entries of this index take, or would add."""
        us = self.entries * entry_us(definition, self.table, self.writes)
        return us / self.total_us if self.total_us > 0 else 0.0

    @property
    def index_share(self) -> float:
        """The share that goes into the indexes that are there."""
        return min(1.0, sum(self.adds(index.definition) for index in self.table.indexes))

    @property
    def text(self) -> str:
        """What was seen, for a person."""
        text, number = (
            f"{self.share:.0%} of the statements on {self.table.name.short} write it",
            len(self.table.indexes),
        )
        into = f", and {self.index_share:.0%} of their time goes into {number} index{'es' * (number > 1)}"
        return text + into if number else text


def write_load(table: Table, writes: TableWrites, reads: float) -> WriteLoad:
    """``reads`` are the calls that read the table in the time of the writes."""
    statements = writes.statements + reads
    entries = writes.inserts + writes.updates * (1 - writes.hot_share)
    share = writes.statements / statements if statements > 0 else 0.0
    return WriteLoad(table, writes, share, table_write_us(table, writes), entries)


def is_write_heavy(load: WriteLoad, settings: FractalTreeSettings) -> bool:
    """Whether there is enough of it to ask for cheaper indexes."""
    return (
        load.writes.statements >= settings.min_queries
        and load.share >= settings.write_heavy_threshold
        and load.table.pages * BLOCK >= settings.min_table_size
    )


class FractalTree(Algorithm):
    """See the module."""

    name = "fractal_tree"
    title = "what writes pay for indexes, and cheaper kinds where a table is mostly written"
    source = "Brodal and Fagerberg, SODA 2003; Bender et al., SPAA 2007"

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """Hash and BRIN beside the B-trees of tables that are mostly written; the optimum decides."""
        findings: list[AlgorithmFinding] = []
        added: dict[IndexDefinition, Candidate] = {}
        there = {c.definition for c in proposal.candidates}
        for load in write_loads(study):
            findings += pending_lists(load)
            for candidate in proposal.on(load.table.name):
                cheaper = (c for c in cheaper_kinds(study, load, candidate) if c.definition not in there | added.keys())
                for other in cheaper:
                    added[other.definition] = other
                    findings.append(_finding(load, other, candidate))
        if not added:
            return Found(proposal, tuple(findings))
        return Found(replace(proposal, candidates=(*proposal.candidates, *added.values())), tuple(findings))


def write_loads(study: Study) -> Iterator[WriteLoad]:
    """The tables of the workload that are mostly written."""
    for name in study.writes:
        load = load_of_table(study, name)
        if load is not None and is_write_heavy(load, study.features.fractal_tree):
            yield load


def load_of_table(study: Study, name: QualifiedName) -> WriteLoad | None:
    """How the table is written; None where that is not known."""
    table, writes = study.catalog.table(name), study.writes.get(name)
    if table is None or writes is None:
        return None
    reading = {t.id: t.calls for t, use in study.uses_of(name) if use.write is None}
    return write_load(table, writes, sum(reading.values()))


def cheaper_kinds(study: Study, load: WriteLoad, candidate: Candidate) -> Iterator[Candidate]:
    """Indexes of other kinds on the leading key of a B-tree whose entries are cheaper to write."""
    definition = candidate.definition
    key = definition.keys[0]
    plain = definition.method == BTREE and definition.predicate is None and not definition.unique
    if not plain or key.column is None or key.operator_class is not None:
        return
    dear = entry_us(definition, load.table, load.writes)
    if load.adds(definition) < study.features.fractal_tree.min_suitability_score:
        return
    for condition in _conditions(study, load.table, candidate):
        for method in (HASH, BRIN):
            for service in index_kind(method).serves(condition):
                if not isinstance(service, Service):
                    continue
                other = IndexDefinition(definition.table, (service.key,), method, options=service.options)
                cheap = entry_us(other, load.table, load.writes)
                if cheap < dear:
                    text = f"{load.text}: an entry takes {cheap:.1f} us in place of {dear:.1f}"
                    reasons = (service.reason, Reason("write_heavy", text, load.writes.rates.basis))
                    yield Candidate(other, service.purpose, candidate.templates, reasons)


def _conditions(study: Study, table: Table, candidate: Candidate) -> Iterator[KeyCondition]:
    """The conditions of the candidate's templates on its leading column."""
    key = candidate.definition.keys[0]
    column = table.column(key.column or "")
    if column is None:
        return
    atoms = dict.fromkeys(_atoms(study, candidate, column.name))
    alike = frozenset(atom.kind for atom in atoms)
    ordered = bool(alike & {AtomKind.RANGE, AtomKind.LIKE_PREFIX})
    rows, pages = row_count(table), table.pages
    for atom in atoms:
        if atom.kind in (AtomKind.EQUAL, AtomKind.RANGE):
            kind = type_name(column.type)
            yield KeyCondition(
                atom, replace(key, descending=False, nulls_first=None), kind, column, study.catalog, rows, pages, alike,
                ordered, _THRESHOLDS,
            )  # fmt: skip


def _atoms(study: Study, candidate: Candidate, column: str) -> Iterator[Atom]:
    for template, use in study.uses_of(candidate.definition.table):
        if template.id in candidate.templates:
            yield from (atom for atom in use.atoms if atom.column == column and atom.conjunctive)


def _finding(load: WriteLoad, other: Candidate, instead_of: Candidate) -> AlgorithmFinding:
    return AlgorithmFinding(
        FractalTree.name,
        "cheaper_kind",
        summary(other.definition),
        Effect.ADDED,
        f"priced beside {summary(instead_of.definition)}",
        other.reasons,
        "class of entry measured" if load.writes.rates.basis != "model" else "usual costs, most within a factor of 1.9",
        _CANNOT_TELL,
        definition=other.definition,
    )


def pending_lists(load: WriteLoad) -> Iterator[AlgorithmFinding]:
    """GIN indexes of the table that write each entry at once."""
    for index in load.table.indexes:
        definition = index.definition
        if definition.method != GIN or keeps_pending(definition):
            continue
        at_once = entry_us(definition, load.table, load.writes)
        listed = entry_us(replace(definition, options=()), load.table, load.writes)
        text = f"{load.text}: an entry takes {at_once:.1f} us, {listed:.1f} through the list of pending entries"
        yield AlgorithmFinding(
            FractalTree.name,
            "fastupdate",
            summary(definition),
            Effect.REPORT_ONLY,
            f"ALTER INDEX {index.name} SET (fastupdate = on) lets entries wait in a list that VACUUM sorts in",
            (Reason("write_heavy", text, load.writes.rates.basis),),
            cannot_tell="what the scans lose that have to read that list too",
        )
