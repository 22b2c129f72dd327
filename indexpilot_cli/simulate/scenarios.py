"""What is simulated: how many tenants with how much, who asks what, how often, and when many come at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from indexpilot_cli.errors import UsageError

MOST_TENANTS = 10_000
MOST_CONTACTS = 1_000_000  # of a tenant
MOST_QUERIES = 100_000  # of a tenant
MOST_ROWS = 2_000_000_000  # of all tables: ids of contacts are four bytes wide
MOST_RATE = 100_000.0
_HISTORY = 20_000  # interactions of a tenant however few its contacts: less is searched in no time without an index


class Scenario(StrEnum):
    """The sizes that have a name."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    STRESS = "stress"


class Pattern(StrEnum):
    """What tenants look their contacts up by; mixed: each persona by what it has in hand."""

    EMAIL = "email"
    PHONE = "phone"
    INDUSTRY = "industry"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Persona:
    """A kind of tenant: its share of all tenants, and how much it has and asks beside the others.

    ``lookups`` are the weights of the patterns when they are mixed, ``statements`` those of everything that it sends;
    ``enabled`` are fields that its profile switches on.
    """

    name: str
    share: float
    size: float
    activity: float
    lookups: Mapping[Pattern, float]
    statements: Mapping[str, float]
    enabled: tuple[str, ...] = ()


LOOKUP = "lookup"  # stands for the statement of the pattern
PERSONAS = (
    Persona(
        "enterprise",  # sales teams with reports on their desk all day
        0.1,
        6.0,
        6.0,
        {Pattern.EMAIL: 30, Pattern.PHONE: 20, Pattern.INDUSTRY: 50},
        {
            LOOKUP: 45,
            "timeline": 25,
            "recent_interactions": 10,
            "log_interaction": 12,
            "touch_contact": 5,
            "add_contact": 3,
        },
        ("custom_text_1",),
    ),
    Persona(
        "callcenter",  # who is calling, and what was said last time
        0.3,
        2.0,
        2.0,
        {Pattern.EMAIL: 15, Pattern.PHONE: 75, Pattern.INDUSTRY: 10},
        {LOOKUP: 50, "timeline": 30, "log_interaction": 15, "touch_contact": 5},
    ),
    Persona(
        "startup",  # a form on a web page and a mailbox
        0.6,
        0.5,
        0.5,
        {Pattern.EMAIL: 80, Pattern.PHONE: 10, Pattern.INDUSTRY: 10},
        {LOOKUP: 60, "timeline": 15, "log_interaction": 10, "add_contact": 15},
    ),
)


def _within(flag: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UsageError(f"{flag} is {value:,g}, not from {least:,g} to {most:,g}")


@dataclass(frozen=True, slots=True)
class Spikes:
    """Stretches of 20 to 100 arrivals of which this ``share`` comes ``factor`` times as fast."""

    share: float
    factor: float

    def __post_init__(self) -> None:
        _within("--spikes", self.share, 0.0, 1.0)
        _within("--spike-factor", self.factor, 1.0, 1000.0)


@dataclass(frozen=True, slots=True)
class SimulationSizes:
    """How much of everything. Per tenant they are averages: a large tenant has more than a small one.

    ``rate`` is arrivals a second outside spikes.
    """

    tenants: int
    contacts: int
    queries: int
    spikes: Spikes
    rate: float
    organizations: int | None = None
    interactions: int | None = None

    def __post_init__(self) -> None:
        _within("--tenants", self.tenants, 1, MOST_TENANTS)
        _within("--contacts", self.contacts, 1, MOST_CONTACTS)
        _within("--queries", self.queries, 1, MOST_QUERIES)
        _within("--organizations", self.organizations or 1, 1, MOST_CONTACTS)
        _within("--interactions", self.interactions or 1, 1, 100 * MOST_CONTACTS)
        _within("--rate", self.rate, 0.1, MOST_RATE)
        if self.rows > MOST_ROWS:
            raise UsageError(f"{self.rows:,} rows are too many", hint=f"at most {MOST_ROWS:,}")

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        each = self.contacts + self.organizations_each + self.interactions_each
        return self.tenants * (1 + each)

    @property
    def organizations_each(self) -> int:
        """Organizations of a tenant: one for ten contacts, unless said otherwise."""
        return self.organizations or max(1, self.contacts // 10)

    @property
    def interactions_each(self) -> int:
        """Interactions of a tenant: three with each contact and some years of history, unless said otherwise."""
        return self.interactions or max(3 * self.contacts, _HISTORY)


# Tenants, contacts and queries of each tenant, and spikes, as public descriptions of such programs state them; the
# rates are those at which two cores without indexes are busy and not yet overrun.
SCENARIOS = {
    Scenario.SMALL: SimulationSizes(10, 500, 200, Spikes(0.10, 3), rate=100),
    Scenario.MEDIUM: SimulationSizes(50, 2_000, 500, Spikes(0.15, 4), rate=150),
    Scenario.LARGE: SimulationSizes(100, 10_000, 1_000, Spikes(0.20, 5), rate=60),
    Scenario.STRESS: SimulationSizes(200, 50_000, 2_000, Spikes(0.30, 10), rate=60),
}


def sizes_of(scenario: Scenario, changes: Mapping[str, Any]) -> SimulationSizes:
    """The sizes of the scenario with other ones where they are not None; ``spikes`` is their share here.

    Raises UsageError for sizes out of reach and for names that are none.
    """
    named = SCENARIOS[scenario]
    given = {name: value for name, value in changes.items() if value is not None}
    spikes = Spikes(given.pop("spikes", named.spikes.share), given.pop("spike_factor", named.spikes.factor))
    known = {field.name for field in fields(SimulationSizes)}
    unknown = sorted(given.keys() - known)
    if unknown:
        raise UsageError(f"no such part of a simulation: {', '.join(unknown)}", hint=", ".join(sorted(known)))
    return replace(named, spikes=spikes, **given)


def persona_of(name: str) -> Persona:
    """The persona of that name. Raises UsageError when there is none."""
    found = {persona.name: persona for persona in PERSONAS}
    if name not in found:
        raise UsageError(f"no persona {name[:40]!r}", hint=", ".join(found))
    return found[name]


@dataclass(frozen=True, slots=True)
class TenantShare:
    """A tenant and what it has: rows, queries, and the ids that its rows begin with."""

    id: int
    persona: Persona
    contacts: int
    organizations: int
    interactions: int
    queries: int
    first_contact: int = 1
    first_organization: int = 1


def tenants_of(sizes: SimulationSizes) -> tuple[TenantShare, ...]:
    """All tenants; together they have exactly what the sizes say, or one of everything where that is too little."""
    personas = tuple(personas_of(sizes.tenants))
    by_size, by_activity = [p.size for p in personas], [p.activity for p in personas]
    rows = zip(
        personas,
        _shares(sizes.tenants * sizes.contacts, by_size),
        _shares(sizes.tenants * sizes.organizations_each, by_size),
        _shares(sizes.tenants * sizes.interactions_each, by_size),
        _shares(sizes.tenants * sizes.queries, by_activity),
        strict=True,
    )
    found: list[TenantShare] = []
    contact = organization = 1
    for number, (persona, contacts, organizations, interactions, queries) in enumerate(rows, 1):
        found.append(
            TenantShare(number, persona, contacts, organizations, interactions, queries, contact, organization)
        )
        contact += contacts
        organization += organizations
    return tuple(found)


def personas_of(tenants: int) -> Iterator[Persona]:
    """The persona of each tenant, the largest first; one tenant alone is an enterprise."""
    first, second, third = PERSONAS
    many = max(1, round(first.share * tenants))
    more = min(round(second.share * tenants), tenants - many)
    yield from (first,) * many
    yield from (second,) * more
    yield from (third,) * (tenants - many - more)


def _shares(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to the weights, each at least 1, whose sum is the total where that is possible."""
    whole, passed, given = sum(weights), 0.0, 0
    found = []
    for weight in weights:
        passed += weight
        # By where each share ends, not by its own size: so rounding never adds up.
        end = round(total * passed / whole)
        found.append(max(1, end - given))
        given = end
    return found
