"""Parameter values tried until no new shape of plan comes up: how many shapes a statement has, and what decides.

Which parameter is varied next is chosen as a bandit would, by which brought new shapes (epsilon-greedy, with a fixed
seed: the same command gives the same plan). It ends when the share of shapes not seen yet is small by Good and Turing
(Biometrika 40, 1953): shapes seen once by probes made.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from indexpilot_cli.core.catalog import Catalog, ColumnStatistics
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import Plannable, QueryTemplate
from indexpilot_cli.sql.parser import Node, Unparsed, bind, deparse, parameters, parse
from indexpilot_cli.workload.plannable import ParameterSlot, class_value, slots, without_unknown_limits

MOST_PROBES = 40
UNSEEN = 0.05
_LEAST = 10  # probes before the share of unseen shapes is believed
_EPSILON = 0.2
_SEED = 20231217
_LONG = 200  # elements of a long array


@dataclass(frozen=True, slots=True)
class ValueClass:
    """A kind of value for a parameter, such as rare, as SQL, and the share of rows that have it (None: not known)."""

    label: str
    value: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A statement with values, by parameter their classes, and its plan."""

    statement: Plannable
    classes: Mapping[int, ValueClass]
    plan: PlannedStatement


@dataclass(frozen=True, slots=True)
class PlanSpace:
    """What was seen of a template's plans. ``slots`` are its parameters by number; ``unseen`` the share of shapes that
    is likely to be missing.
    """

    slots: Mapping[int, ParameterSlot]
    probes: tuple[Probe, ...]
    unseen: float

    @property
    def shapes(self) -> Mapping[str, tuple[Probe, ...]]:
        """Probes by the shape of their plan, those of most probes first."""
        found: dict[str, list[Probe]] = {}
        for probe in self.probes:
            found.setdefault(probe.plan.shape, []).append(probe)
        return {shape: tuple(found[shape]) for shape in sorted(found, key=lambda s: -len(found[s]))}

    @property
    def deciding(self) -> tuple[int, ...]:
        """The parameters that alone turn one shape into another."""
        found = set()
        for number in self.slots:
            others: dict[tuple[tuple[int, str], ...], set[str]] = {}
            for probe in self.probes:
                rest = tuple(sorted((n, c.label) for n, c in probe.classes.items() if n != number))
                others.setdefault(rest, set()).add(probe.plan.shape)
            if any(len(shapes) > 1 for shapes in others.values()):
                found.add(number)
        return tuple(sorted(found))


def value_classes(slot: ParameterSlot) -> tuple[ValueClass, ...]:
    """The kinds of values that the statistics know, each once: common, second, rare, typical, ends, out of range."""
    statistics = slot.column.statistics
    if statistics is None:
        return ()
    found: dict[str, ValueClass] = {}
    for one in _classes(slot, statistics):
        found.setdefault(one.value, one)
    return tuple(found.values())


def _classes(slot: ParameterSlot, statistics: ColumnStatistics) -> Iterator[ValueClass]:
    if slot.end:
        for label in ("typical", "newest"):
            yield from _class(slot, label)
        bounds = statistics.histogram_bounds
        for place in (0, 1, 2, 3, 4) if bounds else ():
            yield ValueClass(f"quantile {place * 25}", quote_literal(bounds[place * (len(bounds) - 1) // 4]))
        return
    if slot.array:
        yield from _class(slot, "typical")
        values = (statistics.most_common_vals or statistics.histogram_bounds)[:1] * _LONG
        yield from (ValueClass("long list", _array(values)),) if values else ()
        return
    shares = statistics.most_common_freqs
    for label, place in (("common", 0), ("second", 1), ("rare", len(shares) - 1)):
        if 0 <= place < len(shares):
            yield ValueClass(label, quote_literal(statistics.most_common_vals[place]), shares[place])
    if statistics.histogram_bounds:
        yield from _class(slot, "typical", max(0.0, 1 - statistics.null_frac - sum(shares)))
        yield ValueClass("lowest", quote_literal(statistics.histogram_bounds[0]), 0.0)
        yield ValueClass("highest", quote_literal(statistics.histogram_bounds[-1]), 0.0)


def _class(slot: ParameterSlot, label: str, share: float | None = None) -> Iterator[ValueClass]:
    value = class_value(slot, label)
    if value is not None:
        yield ValueClass(label, value, share)


def _array(values: Sequence[str]) -> str:
    quoted = ('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values)
    return quote_literal("{" + ",".join(quoted) + "}")


@dataclass(slots=True)
class _Search:
    """Probes of one template under way."""

    node: Node
    choices: Mapping[int, tuple[ValueClass, ...]]
    estimator: CostEstimator
    indexes: frozenset[IndexDefinition]
    chance: random.Random = field(default_factory=lambda: random.Random(_SEED))
    probes: list[Probe] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    gains: Counter[int] = field(default_factory=Counter)
    turns: Counter[int] = field(default_factory=Counter)

    def run(self) -> None:
        """Vary one parameter after the other until nothing new is to be expected."""
        base = {number: classes[0] for number, classes in self.choices.items()}
        self._probe(base, None)
        misses = 0
        while len(self.probes) < MOST_PROBES and misses < MOST_PROBES:
            if len(self.probes) >= _LEAST and self.unseen() < UNSEEN and self._varied():
                return
            number = self._next()
            start = self.chance.choice(self.probes).classes if self.probes else base
            chosen = {**start, number: self.chance.choice(self.choices[number])}
            misses = 0 if self._probe(chosen, number) else misses + 1

    def unseen(self) -> float:
        """Share of shapes that were not seen yet: those seen once by the probes made."""
        counts = Counter(probe.plan.shape for probe in self.probes)
        return sum(n == 1 for n in counts.values()) / max(1, len(self.probes))

    def _varied(self) -> bool:
        """Whether each kind of value of each parameter had its turn."""
        seen: set[tuple[int, str]] = set()
        for probe in self.probes:
            seen.update((n, c.label) for n, c in probe.classes.items())
        wanted: set[tuple[int, str]] = set()
        for number, classes in self.choices.items():
            wanted.update((number, c.label) for c in classes)
        return wanted <= seen

    def _next(self) -> int:
        numbers = list(self.choices)
        if self.chance.random() < _EPSILON:
            return self.chance.choice(numbers)
        return max(numbers, key=lambda n: (self.gains[n] + 1) / (self.turns[n] + 1))

    def _probe(self, classes: Mapping[int, ValueClass], number: int | None) -> bool:
        """Plan the statement with these values; False where that was done already."""
        text = deparse(bind(self.node, {n: c.value for n, c in classes.items()}))
        if number is not None:
            self.turns[number] += 1
        if text in self.tried:
            return False
        self.tried.add(text)
        known = {probe.plan.shape for probe in self.probes}
        statement = Plannable(text)
        (plan,) = self.estimator.plan([WhatIf(statement, self.indexes)])
        if plan.ok:
            self.probes.append(Probe(statement, dict(classes), plan))
            if number is not None and plan.shape not in known:
                self.gains[number] += 1
        return True


def explore(
    template: QueryTemplate,
    catalog: Catalog,
    estimator: CostEstimator,
    indexes: frozenset[IndexDefinition] = frozenset(),
) -> PlanSpace | None:
    """The plans of a template by the values of its parameters; None where statistics know too little of them."""
    statement = parse(template.text)
    if isinstance(statement, Unparsed):
        return None
    node = without_unknown_limits(statement.node)
    known = {s.number: s for s in slots(node, template.uses, catalog)}
    choices = {number: found for number, slot in known.items() if (found := value_classes(slot))}
    # A parameter without a value would leave a generic plan for the others too.
    if not choices or set(parameters(node)) != set(choices) or max(map(len, choices.values())) < 2:
        return None
    search = _Search(node, choices, estimator, indexes)
    search.run()
    return PlanSpace({n: known[n] for n in choices}, tuple(search.probes), search.unseen()) if search.probes else None
