"""The rows of the simulated CRM, as COPY takes them: the same seed gives the same bytes.

What statements look for (an e-mail address, a number) follows from seed, tenant and number alone, so that traffic is
made without a look at the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from zlib import crc32

from indexpilot_cli.simulate.scenarios import TenantShare

TODAY = datetime(2026, 6, 30, tzinfo=UTC)  # the day after the data's last; nothing here reads the clock
_YEARS = 730  # days
_DAYS = tuple((TODAY - timedelta(days=_YEARS - day)).date().isoformat() for day in range(_YEARS))
INDUSTRIES = ("retail", "software", "health", "finance", "logistics", "energy", "media", "farming", "mining", "space")
KINDS = ("call", "email", "meeting", "note", "chat")
_FIRST = ("Ana", "Ben", "Chi", "Dev", "Eva", "Finn", "Gul", "Hana", "Ivo", "Jun", "Kofi", "Lea", "Mia", "Noor", "Ola")
_LAST = ("Abe", "Berg", "Costa", "Diaz", "Eze", "Ferri", "Gupta", "Haas", "Ito", "Jung", "Khan", "Lund", "Mora")
_NOTES = ("asked for a price", "wants to be called back", "sent the contract", "no answer", "happy", "moved office")


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """What is known of a contact by its number within its tenant, from 0."""

    full_name: str
    email: str
    phone: str


def contact(seed: int, tenant: int, number: int) -> ContactFacts:
    """The contact of that number, whether the tenant has so many or not."""
    mark = crc32(b"%d:%d:%d" % (seed, tenant, number))
    first, last = _FIRST[mark % len(_FIRST)], _LAST[mark // 16 % len(_LAST)]
    email = f"{first}.{last}.{number}@tenant{tenant}.example".lower()
    return ContactFacts(f"{first} {last}", email, f"+1555{mark % 10_000_000:07d}")


def industry(seed: int, tenant: int, number: int) -> str:
    """The industry of the tenant's organization of that number: the first ones are common, the last ones rare."""
    mark = crc32(b"%d:%d:o%d" % (seed, tenant, number)) / 2**32
    return INDUSTRIES[int(mark * mark * len(INDUSTRIES))]


def tenant_rows(tenants: tuple[TenantShare, ...]) -> Iterator[str]:
    """Lines of ``COPY tenants``."""
    for one in tenants:
        yield f"{one.id}\t{one.persona.name} {one.id}\t{_DAYS[0]}\n"


def organization_rows(tenant: TenantShare, seed: int) -> Iterator[str]:
    """Lines of ``COPY organizations``."""
    dice = Random(f"organizations {seed} {tenant.id}")
    for number in range(tenant.organizations):
        kind = industry(seed, tenant.id, number)
        yield (
            f"{tenant.first_organization + number}\t{tenant.id}\tOrganization {number}\t{kind}"
            f"\t{int(dice.paretovariate(1.2) * 1e5) % 10**11}\t{_DAYS[int(dice.random() * _YEARS)]}\n"
        )


def contact_rows(tenant: TenantShare, seed: int) -> Iterator[str]:
    """Lines of ``COPY contacts``."""
    dice = Random(f"contacts {seed} {tenant.id}")
    custom = "custom_text_1" in tenant.persona.enabled
    for number in range(tenant.contacts):
        facts = contact(seed, tenant.id, number)
        organization = tenant.first_organization + int(dice.random() * tenant.organizations)
        text = f"segment {number % 40}" if custom else "\\N"
        yield (
            f"{tenant.first_contact + number}\t{tenant.id}\t{organization}\t{facts.full_name}\t{facts.email}"
            f"\t{facts.phone}\t{{{KINDS[number % 5]}}}\t{text}\t{_DAYS[int(dice.random() * _YEARS)]}\n"
        )


def interaction_rows(tenant: TenantShare, seed: int) -> Iterator[str]:
    """Lines of ``COPY interactions``, in the order in which they happened."""
    roll = Random(f"interactions {seed} {tenant.id}").random
    for number in range(tenant.interactions):
        day = _DAYS[number * _YEARS // tenant.interactions]
        # Squared: some contacts are talked to much more than others.
        who = tenant.first_contact + int(roll() ** 2 * tenant.contacts)
        yield (
            f"{tenant.id}\t{who}\t{KINDS[int(roll() * 5)]}\t{day} {int(roll() * 24):02d}:{int(roll() * 60):02d}Z"
            f"\t{_NOTES[int(roll() * 6)]}\n"
        )


COPIES = {
    "tenants": "COPY tenants (id, name, created_at) FROM STDIN",
    "organizations": "COPY organizations (id, tenant_id, name, industry, annual_revenue, created_at) FROM STDIN",
    "contacts": "COPY contacts (id, tenant_id, organization_id, full_name, email, phone, tags, custom_text_1,"
    " created_at) FROM STDIN",
    "interactions": "COPY interactions (tenant_id, contact_id, kind, occurred_at, notes) FROM STDIN",
}
