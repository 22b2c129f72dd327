"""The schedule: which tenant sends what at which moment, drawn once from the seed and the same for every run.

Arrivals are a Poisson process: they do not wait for answers, so that a slow answer is felt by those behind it as users
feel it, and is counted from the moment the statement was due (no coordinated omission, Tene 2015).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from random import Random

from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.simulate import crm
from indexpilot_cli.simulate.connections import named_steps
from indexpilot_cli.simulate.scenarios import LOOKUP, Pattern, SimulationSizes, TenantShare, tenants_of

_SHORTEST_STRETCH, _LONGEST_STRETCH = 20, 100  # arrivals
_MISSES = 0.05  # of all lookups ask for what is not there
_SAMPLES = 400  # of a kind of statement that the advice gets to see; each stands for its share of all


@dataclass(frozen=True, slots=True)
class SimulatedStatement:
    """A kind of statement: its text with ``$n``, and what query_stats says it is about."""

    name: str
    sql: str
    table: str
    field: str
    type: str

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.type == "WRITE"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One statement of one tenant, due ``at`` seconds after the beginning, with its values as text."""

    at: float
    tenant: TenantShare
    statement: SimulatedStatement
    values: tuple[str, ...]
    spike: bool = False


@cache
def statements() -> Mapping[str, SimulatedStatement]:
    """All kinds of statements by name."""
    steps = named_steps("crm_traffic").values()
    return {step.name: SimulatedStatement(step.name, step.statements[0], *step.words) for step in steps}


def schedule(sizes: SimulationSizes, pattern: Pattern, seed: int) -> tuple[Arrival, ...]:
    """All arrivals in the order of their moments: each tenant's queries, shuffled among those of the others."""
    tenants = tenants_of(sizes)
    senders = [tenant for tenant in tenants for _ in range(tenant.queries)]
    Random(f"senders {seed}").shuffle(senders)
    moments = _moments(len(senders), sizes, Random(f"moments {seed}"))
    mixes = {tenant.persona.name: _Mix(tenant.persona.statements, tenant.persona.lookups) for tenant in tenants}
    dice = Random(f"statements {seed}")
    found = []
    for tenant, (at, spike) in zip(senders, moments, strict=True):
        statement = statements()[mixes[tenant.persona.name].draw(dice, pattern)]
        values = _VALUES[statement.name](tenant, seed, dice)
        found.append(Arrival(at, tenant, statement, (str(tenant.id), *values), spike))
    return tuple(found)


def of_one_tenant(tenant: TenantShare, rate: float, pattern: Pattern, seed: int) -> tuple[Arrival, ...]:
    """The arrivals of a tenant alone, without spikes."""
    dice = Random(f"tenant {seed} {tenant.id}")
    mix = _Mix(tenant.persona.statements, tenant.persona.lookups)
    found, at = [], 0.0
    for _ in range(tenant.queries):
        at += dice.expovariate(rate)
        statement = statements()[mix.draw(dice, pattern)]
        found.append(Arrival(at, tenant, statement, (str(tenant.id), *_VALUES[statement.name](tenant, seed, dice))))
    return tuple(found)


def digest(arrivals: Iterable[Arrival]) -> str:
    """Sixty-four hex digits of everything that is sent, when, and by whom."""
    found = hashlib.sha256()
    for one in arrivals:
        found.update(json.dumps([repr(one.at), one.tenant.id, one.statement.name, one.values]).encode())
    return found.hexdigest()


def as_sql(arrivals: Iterable[Arrival]) -> str:
    """The statements as a file of SQL that the advice reads, each with how often it stands for.

    Of a kind of which there are many, some are shown, evenly from all: their number is what counts, never their time.
    """
    kinds: dict[str, list[Arrival]] = defaultdict(list)
    for one in arrivals:
        kinds[one.statement.name].append(one)
    lines = []
    for name in sorted(kinds):
        shown = _some(kinds[name])
        frequency = len(kinds[name]) / len(shown)
        lines += [f"-- freq: {frequency:.6f}\n{_with_values(one)};\n" for one in shown]
    return "".join(lines)


def _some(kind: Sequence[Arrival]) -> list[Arrival]:
    count = min(len(kind), _SAMPLES)
    return [kind[number * len(kind) // count] for number in range(count)]


def _with_values(arrival: Arrival) -> str:
    text = arrival.statement.sql
    for number in range(len(arrival.values), 0, -1):  # $1 is also how $10 begins
        text = text.replace(f"${number}", quote_literal(arrival.values[number - 1]))
    return text


def _moments(count: int, sizes: SimulationSizes, dice: Random) -> Iterator[tuple[float, bool]]:
    """The moment of each arrival, and whether it is part of a spike."""
    at, left, spike = 0.0, 0, False
    for _ in range(count):
        if not left:
            left = dice.randint(_SHORTEST_STRETCH, _LONGEST_STRETCH)
            spike = dice.random() < sizes.spikes.share
        left -= 1
        at += dice.expovariate(sizes.rate * (sizes.spikes.factor if spike else 1.0))
        yield at, spike


class _Mix:
    """Draws kinds of statements by their weights."""

    def __init__(self, weights: Mapping[str, float], lookups: Mapping[Pattern, float]):
        self._names, self._weights = tuple(weights), tuple(weights.values())
        self._patterns, self._lookups = tuple(lookups), tuple(lookups.values())

    def draw(self, dice: Random, pattern: Pattern) -> str:
        """The name of the next statement."""
        name = dice.choices(self._names, self._weights)[0]
        if name != LOOKUP:
            return name
        chosen = dice.choices(self._patterns, self._lookups)[0] if pattern is Pattern.MIXED else pattern
        return f"{LOOKUP}_{chosen.value}"


def _someone(tenant: TenantShare, dice: Random) -> int:
    """The number of a contact; those with many interactions are asked for more often."""
    return int(dice.random() ** 2 * tenant.contacts)


def _known_or_not(tenant: TenantShare, seed: int, dice: Random) -> crm.ContactFacts:
    number = tenant.contacts + 1 if dice.random() < _MISSES else _someone(tenant, dice)
    return crm.contact(seed, tenant.id, number)


def _lookup_industry(tenant: TenantShare, seed: int, dice: Random) -> tuple[str, ...]:
    return (crm.industry(seed, tenant.id, dice.randrange(tenant.organizations)),)


def _timeline(tenant: TenantShare, _seed: int, dice: Random) -> tuple[str, ...]:
    return (str(tenant.first_contact + _someone(tenant, dice)),)


def _recent(_tenant: TenantShare, _seed: int, dice: Random) -> tuple[str, ...]:
    return ((crm.TODAY - timedelta(days=dice.randint(1, 14))).isoformat(),)


def _interaction(tenant: TenantShare, _seed: int, dice: Random) -> tuple[str, ...]:
    who = str(tenant.first_contact + _someone(tenant, dice))
    moment = crm.TODAY + timedelta(seconds=dice.randrange(86_400))
    return who, dice.choice(crm.KINDS), moment.isoformat(), "written by the simulation"


def _touched(tenant: TenantShare, _seed: int, dice: Random) -> tuple[str, ...]:
    return str(tenant.first_contact + _someone(tenant, dice)), f"+1556{dice.randrange(10_000_000):07d}"


def _added(_tenant: TenantShare, _seed: int, dice: Random) -> tuple[str, ...]:
    number = dice.getrandbits(40)
    moment = crm.TODAY + timedelta(seconds=dice.randrange(86_400))
    return f"New {number:x}", f"new.{number:x}@example.com", f"+1557{number % 10**7:07d}", moment.isoformat()


_Maker = Callable[[TenantShare, int, Random], tuple[str, ...]]
_VALUES: Mapping[str, _Maker] = {
    "lookup_email": lambda tenant, seed, dice: (_known_or_not(tenant, seed, dice).email,),
    "lookup_phone": lambda tenant, seed, dice: (_known_or_not(tenant, seed, dice).phone,),
    "lookup_industry": _lookup_industry,
    "timeline": _timeline,
    "recent_interactions": _recent,
    "log_interaction": _interaction,
    "touch_contact": _touched,
    "add_contact": _added,
}
