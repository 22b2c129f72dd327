import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome.schema_file import CRM
from indexpilot_cli.simulate import arrivals, crm
from indexpilot_cli.simulate.arrivals import as_sql, digest, schedule, statements
from indexpilot_cli.simulate.connections import named_steps
from indexpilot_cli.simulate.scenarios import (
    LOOKUP,
    PERSONAS,
    SCENARIOS,
    Pattern,
    Scenario,
    SimulationSizes,
    Spikes,
    tenants_of,
)
from indexpilot_cli.workload.collect import read_sql

TINY = SimulationSizes(4, 30, 50, Spikes(0.2, 5), rate=100, interactions=40)


def test_the_scenarios_have_the_stated_sizes():
    told = {
        name.value: (s.tenants, s.contacts, s.queries, s.spikes.share, s.spikes.factor) for name, s in SCENARIOS.items()
    }
    assert told == {
        "small": (10, 500, 200, 0.10, 3),
        "medium": (50, 2_000, 500, 0.15, 4),
        "large": (100, 10_000, 1_000, 0.20, 5),
        "stress": (200, 50_000, 2_000, 0.30, 10),
    }


@given(st.integers(1, 300), st.integers(1, 3000), st.integers(1, 300))
def test_tenants_share_what_there_is(tenants, contacts, queries):
    found = tenants_of(SimulationSizes(tenants, contacts, queries, Spikes(0, 1), rate=1))
    assert [t.id for t in found] == list(range(1, tenants + 1))
    assert min(min(t.contacts, t.organizations, t.interactions, t.queries) for t in found) >= 1
    assert sum(t.contacts for t in found) >= tenants * contacts
    assert sum(t.contacts for t in found) - tenants * contacts <= sum(t.contacts == 1 for t in found)
    for one, other in pairwise(found):
        assert other.first_contact == one.first_contact + one.contacts
        assert other.first_organization == one.first_organization + one.organizations
    assert len({t.persona.name for t in found}) == min(tenants, 3) or tenants < 4


@pytest.mark.parametrize("scenario", Scenario)
def test_the_large_ones_have_and_ask_more(scenario):
    found = tenants_of(SCENARIOS[scenario])
    sizes = SCENARIOS[scenario]
    assert sum(t.contacts for t in found) == sizes.tenants * sizes.contacts
    assert sum(t.queries for t in found) == sizes.tenants * sizes.queries
    assert found[0].persona.name == "enterprise" and found[-1].persona.name == "startup"
    assert found[0].contacts > 5 * found[-1].contacts
    assert found[0].queries > 5 * found[-1].queries


@pytest.mark.parametrize(
    "changes",
    [{"tenants": 0}, {"contacts": 0}, {"queries": 10**7}, {"rate": 0}, {"rate": float("nan")}, {"interactions": -1}],
)
def test_sizes_out_of_reach_are_refused(changes):
    with pytest.raises(UsageError):
        replace(TINY, **changes)


def test_too_many_rows_and_odd_spikes_are_refused():
    with pytest.raises(UsageError, match="rows"):
        replace(SCENARIOS[Scenario.STRESS], tenants=10_000)
    for share, factor in ((-0.1, 2), (1.1, 2), (0.5, 0.5)):
        with pytest.raises(UsageError):
            Spikes(share, factor)


@settings(max_examples=20)
@given(st.integers(), st.sampled_from(Pattern))
def test_the_seed_gives_the_schedule(seed, pattern):
    found = schedule(TINY, pattern, seed)
    assert found == schedule(TINY, pattern, seed)
    assert digest(found) == digest(schedule(TINY, pattern, seed)) != digest(schedule(TINY, pattern, seed + 1))
    assert all(one.at <= other.at for one, other in pairwise(found))
    asked = Counter(one.tenant.id for one in found)
    assert asked == {tenant.id: tenant.queries for tenant in tenants_of(TINY)}
    for one in found:
        numbers = set(re.findall(r"\$(\d+)", one.statement.sql))
        assert numbers == {str(n) for n in range(1, len(one.values) + 1)}


@pytest.mark.parametrize("pattern", [pattern for pattern in Pattern if pattern is not Pattern.MIXED])
def test_a_pattern_is_what_everybody_looks_up_by(pattern):
    found = schedule(SCENARIOS[Scenario.SMALL], pattern, 1)
    lookups = {one.statement.name for one in found if one.statement.name.startswith(LOOKUP)}
    assert lookups == {f"lookup_{pattern.value}"}


def test_mixed_personas_have_their_own_pattern():
    found = schedule(SCENARIOS[Scenario.MEDIUM], Pattern.MIXED, 1)
    favourites = {"enterprise": "lookup_industry", "callcenter": "lookup_phone", "startup": "lookup_email"}
    for persona in PERSONAS:
        of_it = Counter(a.statement.name for a in found if a.tenant.persona == persona)
        lookups = {name: count for name, count in of_it.items() if name.startswith(LOOKUP)}
        assert max(lookups, key=lookups.get) == favourites[persona.name]
        share = sum(lookups.values()) / of_it.total()
        assert share == pytest.approx(persona.statements[LOOKUP] / sum(persona.statements.values()), abs=0.03)


def test_spikes_come_faster():
    found = schedule(SCENARIOS[Scenario.MEDIUM], Pattern.MIXED, 1)
    gaps = {True: [], False: []}
    for one, other in pairwise(found):
        gaps[other.spike].append(other.at - one.at)
    calm, spike = (sum(gaps[which]) / len(gaps[which]) for which in (False, True))
    assert calm == pytest.approx(1 / 150, rel=0.05)
    assert calm / spike == pytest.approx(4, rel=0.1)
    assert 0.08 < len(gaps[True]) / len(found) < 0.25


def test_the_advice_sees_every_kind_as_often_as_it_is_sent():
    found = schedule(SCENARIOS[Scenario.SMALL], Pattern.MIXED, 1)
    read = read_sql(text=as_sql(found))
    assert sum(one.calls for one in read.statements) == pytest.approx(len(found), abs=0.1)
    assert all("$" not in one.text and one.total_ms is None for one in read.statements)
    some = read_sql(text=as_sql([a for a in found if a.statement.name == "timeline"]))
    assert len(some.statements) == arrivals._SAMPLES < sum(a.statement.name == "timeline" for a in found)


TABLES = yaml.safe_load(CRM.read_text())["tables"]


def test_statements_name_columns_of_the_catalog():
    for one in statements().values():
        assert one.field in TABLES[one.table]["fields"]
        assert one.type == ("READ" if one.sql.startswith("SELECT") else "WRITE")


def test_the_tables_are_those_of_the_catalog():
    ddl = named_steps("crm")["tables"].statements
    for statement, (name, table) in zip(ddl, TABLES.items(), strict=True):
        assert f"EXISTS {name} (" in statement
        columns = re.findall(r"^    (\w+) (\S+(?: PRIMARY)?)", statement, re.MULTILINE)
        told = {column: kind.rstrip(",").split(" ")[0] for column, kind in columns}
        assert told == {field: facts["type"] for field, facts in table["fields"].items()}


@settings(max_examples=20)
@given(st.integers(0, 2**40))
def test_rows_follow_from_the_seed_and_fit_their_columns(seed):
    (first, *_) = tenants_of(TINY)
    made = {
        "organizations": list(crm.organization_rows(first, seed)),
        "contacts": list(crm.contact_rows(first, seed)),
        "interactions": list(crm.interaction_rows(first, seed)),
    }
    assert made["contacts"] == list(crm.contact_rows(first, seed)) != list(crm.contact_rows(first, seed + 1))
    for table, rows in made.items():
        width = crm.COPIES[table].count(",") + 1
        assert len(rows) == getattr(first, table)
        assert {row.count("\t") + 1 for row in rows} == {width}
        assert all(row.endswith("\n") for row in rows)
    emails = {row.split("\t")[4] for row in made["contacts"]}
    assert crm.contact(seed, first.id, 0).email in emails
    assert crm.contact(seed, first.id, first.contacts).email not in emails
