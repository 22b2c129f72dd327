"""Observed statements to query templates: parse, fingerprint, merge, weigh."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import (
    FAILED,
    Atom,
    AtomKind,
    FoldedWorkload,
    ObservedStatement,
    QueryTemplate,
    RelationUse,
    Skipped,
    Stage,
    Workload,
)
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.sql.literals import LIKE_OPERATORS, kind_of_text, pattern_start
from indexpilot_cli.sql.parser import Node, Unparsed, bind, parse, parse_expression
from indexpilot_cli.sql.utility import kept
from indexpilot_cli.workload.aside import Fault, attempted
from indexpilot_cli.workload.collect import merged
from indexpilot_cli.workload.covered import COVERED, UNKNOWN, counted_once
from indexpilot_cli.workload.predicates.blocks import relation_uses
from indexpilot_cli.workload.predicates.row_security import secured
from indexpilot_cli.workload.reading import Reader, Reading, Unread

MAX_SAMPLES = 20
_ELSEWHERE = ("compressed", "own", COVERED)  # counted among the templates, or no part of the workload
_MAX_REMEMBERED = 200  # distinct samples of one template while folding
_OF_EACH_LENGTH = 5  # of them that a rare length of an IN list may add
_CLASSES = 4  # lengths of IN lists that are told apart


@dataclass(slots=True)
class _Group:
    """What belongs to one template so far: calls per statement text and parameters."""

    readings: Counter[str] = field(default_factory=Counter)
    first: dict[str, Reading] = field(default_factory=dict)
    samples: dict[tuple[str, tuple[str | None, ...]], Sample] = field(default_factory=dict)
    remembered: Counter[str] = field(default_factory=Counter)
    calls: float = 0.0
    total_ms: float | None = None
    blocks: float | None = None
    variance: float | None = None
    cancelled: float = 0.0
    untimed: float = 0.0  # cancelled calls whose time nothing tells
    longest: float = 0.0  # milliseconds of a call that finished
    assumed: bool = False

    def add(self, reading: Reading, observed: ObservedStatement) -> None:
        """Merge one observation."""
        self.readings[reading.text] += observed.calls  # type: ignore[assignment]
        self.first.setdefault(reading.text, reading)
        self.calls += observed.calls
        self.total_ms = _sum(self.total_ms, observed.total_ms)
        self.blocks = _sum(self.blocks, observed.blocks)
        self.variance = _sum(self.variance, observed.variance)
        self.cancelled += observed.cancelled
        self.assumed = observed.assumed
        if observed.total_ms is None:
            self.untimed += observed.cancelled
        elif observed.calls and not observed.cancelled:
            self.longest = max(self.longest, observed.total_ms / observed.calls)
        if reading.literal or observed.parameters:
            self._sample(reading, observed)

    @property
    def text(self) -> str:
        """The text that is called most, whatever came first."""
        return max(self.readings, key=lambda text: (self.readings[text], text))

    def _sample(self, reading: Reading, observed: ObservedStatement) -> None:
        text = reading.literal or observed.text
        key = (text, observed.parameters)
        known = self.samples.get(key)
        if known is not None:
            total = _sum(known.observed.total_ms, observed.total_ms)
            merged = replace(known.observed, calls=known.observed.calls + observed.calls, total_ms=total)
            self.samples[key] = Sample(reading.text, merged)
        elif len(self.samples) < _MAX_REMEMBERED or self.remembered[reading.text] < _OF_EACH_LENGTH:
            self.samples[key] = Sample(reading.text, replace(observed, text=text))
            self.remembered[reading.text] += 1


def fold(
    workloads: Sequence[Workload], catalog: Catalog, *, min_calls: float = 0, min_ms: float = 0.0
) -> FoldedWorkload:
    """Templates by their total time (calls where a source has none); what is left out is in ``skipped`` with its own.

    ``min_calls`` and ``min_ms`` (total milliseconds) drop templates, not statements.
    """
    reader = Reader(catalog)
    whole = _with_policies(merged(workloads), catalog)
    groups, skipped = _grouped(whole, reader)
    bounded = _bounded(groups.values())  # before the templates: it gives cancelled statements their time
    found, failed = _templates(groups, catalog, reader)
    found, covered = counted_once(found)
    templates = _named(found)
    templates.sort(key=lambda t: (t.total_ms or 0.0, t.calls), reverse=True)
    kept, small = _enough(templates, min_calls, min_ms)
    skipped += [*failed, *covered, *small]
    made = (UNKNOWN,) if any(t.assumed for t in kept) else ()
    notes = (*whole.notes, *made, *bounded)
    times = [t.total_ms for t in templates if t.total_ms is not None]
    return FoldedWorkload(
        templates=tuple(kept),
        skipped=tuple(skipped),
        source=whole.source,
        statements=len(whole.statements) + len(whole.skipped),
        total_ms=sum(times) + sum(s.total_ms for s in skipped if s.reason not in _ELSEWHERE) if times else None,
        since=whole.since,
        until=whole.until,
        notes=tuple(dict.fromkeys(notes)),
    )


def _with_policies(workload: Workload, catalog: Catalog) -> Workload:
    """The statements as the server runs them for roles that policies apply to."""
    if not catalog.policies:
        return workload
    statements = tuple(replace(s, text=secured(s.text, catalog)) for s in workload.statements)
    if statements == workload.statements:
        return workload
    note = "policies of row-level security are part of the statements, as for the roles that are subject to them"
    return replace(workload, statements=statements, notes=(*workload.notes, note))


def _grouped(workload: Workload, reader: Reader) -> tuple[dict[str, _Group], list[Skipped]]:
    groups: dict[str, _Group] = {}
    skipped: dict[tuple[str, str], Skipped] = {}
    for observed in workload.statements:
        reading = attempted(Stage.FOLD, partial(reader.read, observed.text))
        if isinstance(reading, Fault):
            _skip(skipped, Unread(FAILED, str(reading)), observed, Stage.FOLD)
        elif isinstance(reading, Reading):
            # A statement that was made never adds to one that was seen: what it may add to them is found out later.
            key = f"assumed {reading.key}" if observed.assumed else reading.key
            groups.setdefault(key, _Group()).add(reading, observed)
        else:
            _skip(skipped, reading, observed)
    return groups, [*workload.skipped, *skipped.values()]


def _bounded(groups: Collection[_Group]) -> tuple[str, ...]:
    """Gives cancelled calls without a time one: at least that of the longest call of the template that finished, or of
    any, since a timeout lets those finish that take less. What was done is the note."""
    longest = max((g.longest for g in groups), default=0.0)
    untimed = [g for g in groups if g.untimed]
    if not untimed or not longest:
        return ()
    for group in untimed:
        group.total_ms = (group.total_ms or 0.0) + group.untimed * (group.longest or longest)
    calls = sum(g.untimed for g in untimed)
    who = "1 cancelled statement has" if calls == 1 else f"{calls:,.0f} cancelled statements have"
    return (f"{who} no time in the log; each counts as long as the longest of its kind that finished, or of any",)


def _skip(
    skipped: dict[tuple[str, str], Skipped], why: Unread, observed: ObservedStatement, stage: Stage = Stage.READ
) -> None:
    key = (why.reason, observed.text)
    place = f" ({observed.origin})" if observed.origin and why.reason != FAILED else ""
    before = skipped.get(key) or Skipped(why.reason, kept(observed.text).text, why.detail + place, stage=stage)
    calls, total = before.calls + observed.calls, before.total_ms + (observed.total_ms or 0.0)
    skipped[key] = replace(before, calls=calls, total_ms=total)


def _templates(
    groups: Mapping[str, _Group], catalog: Catalog, reader: Reader
) -> tuple[list[QueryTemplate], list[Skipped]]:
    """The templates of the groups, and those whose predicates are beyond us."""
    found: list[QueryTemplate] = []
    failed: list[Skipped] = []
    for key, group in groups.items():
        work = partial(_template, key, group, catalog, reader)
        template = attempted(Stage.PREDICATES, work)
        if isinstance(template, Fault):
            failed.append(template.of(group.text, group.calls, group.total_ms))
        else:
            found.append(template)
    return found, failed


def _template(key: str, group: _Group, catalog: Catalog, reader: Reader) -> QueryTemplate:
    text = group.text
    reading = group.first[text]
    samples = sorted(group.samples.values(), key=lambda s: (-s.observed.calls, s.observed.text))
    vectors = constant_values(reading, samples, reader)
    uses = sample_patterns(relation_uses(_with_steady_values(text, vectors), catalog), vectors)
    return QueryTemplate(
        id="",
        fingerprint=key,
        text=text,
        kind=reading.kind,
        calls=group.calls,
        total_ms=group.total_ms,
        relations=tuple(dict.fromkeys(use.table for use in uses)),
        uses=uses,
        samples=_by_length(samples, group.readings)[:MAX_SAMPLES],
        variance=group.variance,
        blocks=group.blocks,
        variants=() if samples else _variants(group.readings),
        cancelled=group.cancelled,
        assumed=group.assumed,
    )


def _length(text: str) -> int:
    """The class of a text among those of its template, which differ in the lengths of their lists: by powers of two."""
    return text.count("$").bit_length()


def _classes(readings: Mapping[str, float]) -> dict[int, float]:
    """The lengths that carry most calls, with their calls; nothing when there is but one."""
    calls: dict[int, float] = {}
    for text in readings:
        calls[_length(text)] = calls.get(_length(text), 0.0) + readings[text]
    ranked = sorted(calls, key=lambda length: (-calls[length], length))[:_CLASSES]
    return {length: calls[length] for length in ranked} if len(ranked) > 1 else {}


def _by_length(samples: Sequence[Sample], readings: Mapping[str, float]) -> tuple[ObservedStatement, ...]:
    """The samples, those that stand for the lengths of the template's lists first, with the calls of their length."""
    classes, first = _classes(readings), []
    for length, calls in classes.items():
        own = [s.observed for s in samples if _length(s.template) == length][: max(1, _CLASSES // len(classes))]
        weight = sum(o.calls for o in own) or 1.0
        first += [replace(o, calls=calls * o.calls / weight) for o in own]
    chosen = {(o.text, o.parameters) for o in first}
    return (*first, *(s.observed for s in samples if (s.observed.text, s.observed.parameters) not in chosen))


def _variants(readings: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """(text, calls) of each length: the text that is called most stands for it."""
    found = []
    for length, calls in _classes(readings).items():
        found.append((max((t for t in readings if _length(t) == length), key=lambda t: (readings[t], t)), calls))
    return tuple(found)


def _with_steady_values(text: str, values: Values) -> Node:
    """The template's tree with the values it always has in their places."""
    statement = parse(text)
    if isinstance(statement, Unparsed):
        raise IndexPilotError(f"deparsed statement does not parse: {statement.message}", detail=text)
    steady = {n: v[0] for n, v in values.items() if len(v) == 1}
    return bind(statement.node, steady) if steady else statement.node


def _named(templates: list[QueryTemplate]) -> list[QueryTemplate]:
    """Ids as short as they can be: six hex digits, more where two templates would share them."""
    digests = [hashlib.sha256(t.fingerprint.encode()).hexdigest() for t in templates]
    digits = next(n for n in range(6, 65) if len({d[:n] for d in digests}) == len(digests) or n == 64)
    return [replace(t, id=f"q-{d[:digits]}") for t, d in zip(templates, digests, strict=True)]


def _enough(
    templates: Sequence[QueryTemplate], min_calls: float, min_ms: float
) -> tuple[list[QueryTemplate], list[Skipped]]:
    kept: list[QueryTemplate] = []
    small: list[Skipped] = []
    for template in templates:
        why = _too_small(template, min_calls, min_ms)
        if why is None:
            kept.append(template)
        else:
            total = template.total_ms or 0.0
            small.append(Skipped("compressed", template.text, why, template.calls, total, Stage.FOLD))
    return kept, small


def _too_small(template: QueryTemplate, min_calls: float, min_ms: float) -> str | None:
    if template.calls < min_calls:
        return f"fewer than {min_calls:g} calls"
    if template.total_ms is not None and template.total_ms < min_ms:
        return f"under {min_ms:g} ms in total"
    return None


def _sum(one: float | None, other: float | None) -> float | None:
    return one if other is None else (one or 0.0) + other


MAX_READ = 8  # samples whose constants are compared
Values = Mapping[int, tuple[str, ...]]
_STEADY = 0.9  # share of calls from which on a value counts as the template's own


@dataclass(frozen=True, slots=True)
class Sample:
    """An observation that can be planned with its own values, and the template text it was read as."""

    template: str
    observed: ObservedStatement


def constant_values(reading: Reading, samples: Sequence[Sample], reader: Reader) -> Values:
    """The SQL values seen at each ``$n`` of the template's text, most frequent first.

    A value that carries nine tenths of the calls stands alone. Samples whose IN lists have another length
    number their constants differently and are left out. NULL parameters are left out too.
    """
    seen: dict[int, dict[str, float]] = {}
    alike = [s for s in samples if s.template == reading.text]
    for sample in alike[:MAX_READ]:
        for number, value in _vector(sample, reader).items():
            counts = seen.setdefault(number, {})
            counts[value] = counts.get(value, 0.0) + sample.observed.calls
    if not samples:
        seen = {n: {v: 1.0} for n, v in reading.constants.items()}
    return {n: _ranked(counts) for n, counts in seen.items()}


def _ranked(counts: Mapping[str, float]) -> tuple[str, ...]:
    ranked = sorted(counts, key=lambda v: -counts[v])
    steady = counts[ranked[0]] >= _STEADY * sum(counts.values())
    return (ranked[0],) if steady else tuple(ranked)


def _vector(sample: Sample, reader: Reader) -> Mapping[int, str]:
    own = reader.constants(sample.observed.text)
    bound = {i: quote_literal(v) for i, v in enumerate(sample.observed.parameters, 1) if v is not None}
    return {**own.constants, **bound} if isinstance(own, Reading) else bound


def sample_patterns(uses: tuple[RelationUse, ...], values: Values) -> tuple[RelationUse, ...]:
    """The uses with LIKE against parameters decided by the patterns seen: prefix when all of them are."""

    def decided(atom: Atom) -> Atom:
        if atom.kind is not AtomKind.LIKE_INFIX or atom.operator not in LIKE_OPERATORS or not atom.parameters:
            return atom
        patterns = values.get(atom.parameters[0], ())
        if atom.operator.endswith("*") or not patterns or len(atom.parameters) > 1:
            return atom
        kinds = {kind_of_text(atom.operator, pattern_start(parse_expression(p))) for p in patterns}
        return replace(atom, kind=kinds.pop()) if len(kinds) == 1 else atom

    return tuple(replace(use, atoms=tuple(decided(a) for a in use.atoms)) for use in uses)
