"""What real constants and parameters say about a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import Atom, AtomKind, ObservedStatement, RelationUse
from indexpilot_cli.sql.parser import parse_expression
from indexpilot_cli.sql.patterns import LIKE_OPERATORS, kind_of_text, pattern_start
from indexpilot_cli.workload.fold.reading import Reader, Reading

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
