"""RadixStringSpline: what tells the strings of a column apart, and the smallest index that finds one of them.

Spector, Kipf, Vaidya, Wang, Minhas and Kraska, "Bounding the Last Mile: Efficient Learned String Indexing", 2021,
https://arxiv.org/abs/2111.14905 (the citation is right; the structure is read-only and in memory, so PostgreSQL cannot
use it). Its key idea is used: index no more bytes than distinguish the keys, and let a hash correct point look-ups. In
PostgreSQL that is a hash index for equality, a digest or a cut of the string where the application can compare it too,
and a pattern class for prefixes.

What cannot be told: strings on pages that were not read may be longer; collations that take different bytes for equal
are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.core.catalog import BLOCK, Column, Index, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import BTREE, HASH, Candidate, IndexDefinition, IndexKey, Proposal, Reason, Rejection
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.samples import PageSample
from indexpilot_cli.core.units import size
from indexpilot_cli.core.workload import AtomKind, RelationUse
from indexpilot_cli.methods.existing import covered_by
from indexpilot_cli.methods.kinds.hash import LONG_TYPES
from indexpilot_cli.methods.strings import LONGEST_KEY, StringProfile, profile
from indexpilot_cli.sql.selectivity import row_count

LARGE = 1280  # pages from which an existing index is worth a word
_SPARED = 0.5  # share of an existing index that another form saves, for a word about it


@dataclass(frozen=True, slots=True)
class StringUse:
    """A string column that the workload compares for equality; ``ordered``: some statement needs its order."""

    table: Table
    column: Column
    templates: frozenset[str]
    ordered: bool

    @property
    def subject(self) -> str:
        """``urls (url)``."""
        return f"{self.table.name.short} ({quote_identifier(self.column.name)})"

    def definition(self, method: str) -> IndexDefinition:
        """An index of the column alone."""
        return IndexDefinition(self.table.name, (IndexKey(self.column.name),), method)


class RadixStringSpline(Algorithm):
    """Strings in hash indexes, where they are long, different, and only compared for equality."""

    name = "radix_string_spline"
    title = "the smallest index that tells strings apart"
    source = "Spector et al. 2021, arXiv:2111.14905"

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """See Algorithm."""
        findings: list[AlgorithmFinding] = []
        for use in string_uses(study):
            seen = seen_strings(study, use) if rows_may_tell(study, proposal, use) else None
            for step in (_without_overlong, _weighed, _wished):
                proposal, found = step(study, proposal, use, seen)
                findings += found
            findings += _forms(study, use, seen)
        return Found(proposal, tuple(findings))


def string_uses(study: Study) -> Iterator[StringUse]:
    """The string columns compared for equality, without those whose collation takes different strings for equal."""
    wanted: dict[tuple[QualifiedName, str], set[str]] = {}
    ordered: set[tuple[QualifiedName, str]] = set()
    for template in study.templates:
        for use in template.uses:
            for atom in use.atoms:
                if atom.kind is AtomKind.EQUAL and atom.conjunctive and atom.column is not None:
                    wanted.setdefault((use.table, atom.column or ""), set()).add(template.id)
            ordered |= {(use.table, name) for name in _in_order(use)}
    for (name, label), templates in wanted.items():
        table = study.catalog.table(name)
        column = table.column(label) if table is not None else None
        if table is None or column is None or column.base_type not in LONG_TYPES or not column.indexable:
            continue
        if column.deterministic:
            yield StringUse(table, column, frozenset(templates), (name, label) in ordered)


def _in_order(use: RelationUse) -> Iterator[str]:
    """Columns whose order the use has a need for."""
    yield from (a.column for a in use.atoms if a.column and a.kind in (AtomKind.RANGE, AtomKind.LIKE_PREFIX))
    yield from (key.column for key in (*use.order_by, *use.group_by, *use.distinct) if key.column)


def rows_may_tell(study: Study, proposal: Proposal, use: StringUse) -> bool:
    """Whether the strings themselves could change what the statistics say: a page sample of each column takes a fifth
    of a run.

    Of values in their rows, which are at most a quarter of a page, the statistics know the width.
    """
    statistics, least = use.column.statistics, study.features.radix_string_spline
    hashed = use.definition(HASH)
    if statistics is None or study.samples.may_be_long(use.table.name):
        return True
    if any(c.definition == hashed for c in proposal.on(use.table.name)):
        return True
    return statistics.avg_width >= least.min_avg_string_length and not use.ordered


def seen_strings(study: Study, use: StringUse) -> StringProfile | None:
    """What the page sample shows of the column; None where there is none, or the values are no text."""
    sample = study.samples.of(use.table.name)
    if sample is None or use.column.name not in sample.columns:
        return None
    unread = sample.unread[sample.columns.index(use.column.name)] if sample.unread else 0
    return profile(_texts(sample, use.column.name), row_count(use.table), unread)


def _texts(sample: PageSample, column: str) -> list[list[str | None]]:
    place = sample.columns.index(column)
    found: list[list[str | None]] = []
    for page in sample.pages:
        values = (row[place] for row in page.rows)
        found.append([bytes(v).decode("latin-1") if isinstance(v, (bytes, memoryview)) else v for v in values])
    return found


# -- steps: each gives the proposal as it leaves it, and what it found

Step = tuple[Proposal, list[AlgorithmFinding]]


def _without_overlong(_study: Study, proposal: Proposal, use: StringUse, seen: StringProfile | None) -> Step:
    """Without B-trees that could not be built, or would refuse rows that are written later."""
    if seen is None or not seen.overlong:
        return proposal, []
    detail = (
        f"{seen.overlong:.1%} of the strings of {use.column.name} are longer than a B-tree entry may be"
        f" ({LONGEST_KEY:,} bytes, compressed): it could not be built, and would refuse such rows"
    )
    name = use.column.name

    def holds(candidate: Candidate) -> bool:
        definition = candidate.definition
        stores = name in definition.columns or name in definition.include
        return definition.method == BTREE and stores

    gone = [c for c in proposal.on(use.table.name) if holds(c)]
    if not gone:
        return proposal, []
    findings = [
        _finding(use, seen, "overlong", Effect.REMOVED, "not proposed: it could not be built", (), c.definition)
        for c in gone
    ]
    return _rejected(proposal, gone, "too_wide", detail), findings


def _rejected(proposal: Proposal, gone: Sequence[Candidate], reason: str, detail: str) -> Proposal:
    refused = (Rejection(summary(c.definition), reason, detail, c.definition, templates=c.templates) for c in gone)
    kept = tuple(c for c in proposal.candidates if c not in gone)
    return replace(proposal, candidates=kept, rejections=(*proposal.rejections, *refused))


def _weighed(study: Study, proposal: Proposal, use: StringUse, seen: StringProfile | None) -> Step:
    """Hash indexes as proposed by the statistics, kept where the strings themselves bear them out."""
    definition = use.definition(HASH)
    proposed = [c for c in proposal.on(use.table.name) if c.definition == definition]
    if not proposed:
        return proposal, []
    forced = seen is not None and seen.overlong > 0
    against = None if forced else speaks_against(study, use, seen)
    if against is not None:
        finding = _finding(use, seen, "hash", Effect.REMOVED, f"no hash index: {against}", (), definition)
        return _rejected(proposal, proposed, "too_little_benefit", f"a B-tree instead: {against}"), [finding]
    decision = "a hash index competes with the B-tree: it keeps 4 bytes of each string"
    return proposal, [_finding(use, seen, "hash", Effect.ADDED, decision, (spared(study, use),), definition)]


def speaks_against(study: Study, use: StringUse, seen: StringProfile | None) -> str | None:
    """Why a hash index of the column is not worth it by ``features.radix_string_spline``, or None."""
    least = study.features.radix_string_spline
    rows, statistics = row_count(use.table), use.column.statistics
    width = seen.width if seen is not None else statistics.avg_width if statistics is not None else 0.0
    different = seen.distinct if seen is not None else 0.0
    if seen is None and statistics is not None and rows > 0:
        different = statistics.distinct(rows) / rows
    saved = saving(study, use)
    if rows < least.min_table_size:
        return f"the table has {rows:,.0f} rows, min_table_size is {least.min_table_size:,}"
    if width < least.min_avg_string_length:
        return f"strings are {width:.0f} bytes long on average, min_avg_string_length is {least.min_avg_string_length}"
    if different < least.min_cardinality_ratio:
        return f"{different:.0%} of the strings differ, min_cardinality_ratio is {least.min_cardinality_ratio:.0%}"
    if saved < least.min_suitability_score:
        return f"it is {saved:.0%} smaller than a B-tree, min_suitability_score is {least.min_suitability_score:.0%}"
    return None


def saving(study: Study, use: StringUse) -> float:
    """The share of the B-tree's size that a hash index of the column saves; 0 where it saves nothing."""
    tree, hashed = (study.sizes.of(use.definition(method)).bytes for method in (BTREE, HASH))
    return max(0.0, 1 - hashed / tree) if tree else 0.0


def spared(study: Study, use: StringUse) -> Reason:
    """Both sizes as a clause."""
    tree, hashed = (study.sizes.of(use.definition(method)).bytes for method in (BTREE, HASH))
    return Reason("smaller", f"hash {size(hashed)}, B-tree {size(tree)}", "model")


def _wished(study: Study, proposal: Proposal, use: StringUse, seen: StringProfile | None) -> Step:
    """A hash index that statistics gave no sign of: they count long strings stored elsewhere as 18 bytes."""
    definition = use.definition(HASH)
    if seen is None or covered_by(definition, use.table.indexes) is not None:
        return proposal, []
    if not seen.overlong and (use.ordered or speaks_against(study, use, seen) is not None):
        return proposal, []
    known = [c.definition for c in proposal.on(use.table.name)] + [r.definition for r in proposal.rejections]
    if definition in known:
        return proposal, []
    text = f"{use.column.name} is {seen.width:.0f} bytes long and compared for equality: a hash keeps 4 of them"
    candidate = Candidate(definition, "hash", use.templates, (Reason("hash", text, "sample"), seen.reason))
    decision = "a hash index is proposed, of which the statistics give no sign"
    found = _finding(use, seen, "hash", Effect.ADDED, decision, (spared(study, use),), definition)
    return replace(proposal, candidates=(*proposal.candidates, candidate)), [found]


# -- forms that need another condition in the application, or replace an index that is there


@dataclass(frozen=True, slots=True)
class StringForm:
    """An index of something made of the strings: the expression, the condition that uses it, its size in bytes."""

    expression: str
    condition: str
    bytes: int


def string_forms(use: StringUse, seen: StringProfile | None) -> tuple[StringForm, ...]:
    """Digests and cuts of the column, smallest first, each with the condition that an application must send."""
    name = quote_identifier(use.column.name)
    texts = {
        f"hashtextextended({name}, 0)": f"hashtextextended({name}, 0) = hashtextextended($1, 0)",
        f"(md5({name}))::uuid": f"(md5({name}))::uuid = md5($1)::uuid",
    }
    if seen is not None and seen.head is not None:
        texts[f'"left"({name}, {seen.head})'] = f"left({name}, {seen.head}) = left($1, {seen.head})"
    elif seen is not None and seen.tail is not None:
        texts[f'"right"({name}, {seen.tail})'] = f"right({name}, {seen.tail}) = right($1, {seen.tail})"
    found = (
        StringForm(text, f"{condition} AND {name} = $1", _tree_bytes(use.table, text, seen))
        for text, condition in texts.items()
    )
    return tuple(sorted(found, key=lambda form: form.bytes))


def _tree_bytes(table: Table, expression: str, seen: StringProfile | None) -> int:
    """Bytes of a B-tree of the digest or cut, nearly all of them different."""
    width = 8 if expression.startswith("hash") else 16
    if expression.startswith('"') and seen is not None:
        width = 1 + min(round(seen.width), int(expression.rstrip(")").rpartition(" ")[2]))
    item = math.ceil((8 + width) / 8) * 8 + 4
    return math.ceil(row_count(table) / ((BLOCK - 40) * 0.9 // item)) * BLOCK


def _forms(study: Study, use: StringUse, seen: StringProfile | None) -> Iterator[AlgorithmFinding]:
    """A large B-tree that only answers equality of long strings, and what would do with less."""
    least = study.features.radix_string_spline
    if use.ordered or seen is None or seen.width < least.min_avg_string_length or use.column.base_type == "bytea":
        return
    for index in use.table.indexes:
        own = index.definition
        whole = own.predicate is None and own.method == BTREE and own.columns == (use.column.name,)
        if not whole or len(own.keys) != 1 or index.pages < LARGE or index.primary:
            continue
        best = string_forms(use, seen)[0]
        hashed = study.sizes.of(use.definition(HASH)).bytes
        smaller = best.bytes if own.unique else min(best.bytes, hashed)
        if smaller <= (1 - _SPARED) * index.size_bytes:
            yield _finding(use, seen, "form", Effect.REPORT_ONLY, _instead(index, best, hashed), (), None)


def _instead(index: Index, best: StringForm, hashed: int) -> str:
    has = f"{index.name.name} is {size(index.size_bytes)} and only answers equality"
    digest = f"a{' unique' if index.definition.unique else 'n'} index of {best.expression} about {size(best.bytes)}"
    if index.definition.unique:
        return f"{has}: {digest} keeps the strings unique as well; the application asks {best.condition}"
    return f"{has}: a hash index is about {size(hashed)}; {digest}, if the application asks {best.condition}"


def _finding(
    use: StringUse,
    seen: StringProfile | None,
    kind: str,
    effect: Effect,
    decision: str,
    more: tuple[Reason, ...] = (),
    definition: IndexDefinition | None = None,
) -> AlgorithmFinding:
    statistics = use.column.statistics
    known = f"{statistics.avg_width} bytes on average" if statistics is not None else "never analyzed"
    evidence = seen.reason if seen is not None else Reason("strings", known, "pg_stats")
    return AlgorithmFinding(
        RadixStringSpline.name,
        kind,
        use.subject,
        effect,
        decision,
        (evidence, *more),
        confidence="page sample" if seen is not None else "statistics only",
        cannot_tell="strings on other pages may be longer" if seen is not None else "which bytes tell them apart",
        statements=1 if seen is not None else 0,
        pages=seen.pages if seen is not None else 0,
        definition=definition,
    )
