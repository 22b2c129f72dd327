"""The tenant column is found by what statements do, whatever it is called."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.candidates import CandidateOptions, propose
from indexpilot_cli.advise.candidates.propose import detect
from indexpilot_cli.core.catalog import ForeignKey
from tests.unit.advise.candidates.builders import (
    catalog,
    column,
    eq,
    index,
    name,
    rng,
    sort,
    stats,
    table,
    template,
    texts,
    use,
)

TABLES = ("orders", "bills", "notes")


def world(label="org", linked=True, tables=TABLES):
    made = [
        table(
            t,
            column("id", "bigint"),
            column(label, statistics=stats(80)),
            column("person", statistics=stats(40_000)),
            column("made", "tstz", statistics=stats(width=8)),
            indexes=(index(f"{t}_pkey", t, "id", unique=True, primary=True),),
        )
        for t in tables
    ]
    keys = tuple(ForeignKey(f"{t}_fk", name(t), (label,), name("firms"), ("id",)) for t in tables) if linked else ()
    return replace(catalog(table("firms", column("id"), rows=80.0), *made), foreign_keys=keys)


def work(label="org", tables=TABLES):
    yield from (template(use(t, eq(label), eq("person")), label=f"q-{t}-1") for t in tables)
    yield from (
        template(use(t, eq(label), order_by=sort("made"), limited=True, order_complete=True), label=f"q-{t}-2")
        for t in tables
    )


@pytest.mark.parametrize("label", ["org", "account_id", "x17"])
@pytest.mark.parametrize("linked", [True, False])
def test_found_under_any_name(label, linked):
    found = detect(tuple(work(label)), world(label, linked))
    assert found is not None
    assert {found.of(name(t)) for t in TABLES} == {label}
    assert found.parent == (name("firms") if linked else None)
    assert found.share == 1.0


def test_different_names_with_one_parent():
    both = world("org", tables=("orders",)).tables + world("firm", tables=("bills",)).tables[1:]
    keys = (*world("org", tables=("orders",)).foreign_keys, *world("firm", tables=("bills",)).foreign_keys)
    found = detect((*work("org", ("orders",)), *work("firm", ("bills",))), replace(catalog(*both), foreign_keys=keys))
    assert found is not None
    assert (found.of(name("orders")), found.of(name("bills"))) == ("org", "firm")


def test_not_found_where_half_the_work_ignores_it():
    free = [template(use(t, rng("made")), label=f"q-{t}-3", ms=900.0) for t in TABLES]
    assert detect((*work(), *free), world()) is None


def test_a_key_is_no_tenant():
    lookups = [template(use(t, eq("id")), label=f"q-{t}") for t in TABLES]
    assert detect(lookups, world()) is None


def test_one_table_is_no_scheme():
    assert detect(tuple(work(tables=("orders",))), world(tables=("orders",))) is None


def test_a_large_parent_is_no_tenant_table():
    large = world()
    tables = tuple(replace(t, tuples=900_000.0) if t.name.name == "firms" else t for t in large.tables)
    found = detect(tuple(work(tables=("orders", "bills"))), replace(large, tables=tables))
    assert found is None or found.parent is None


def test_tenant_leads_although_others_are_more_selective():
    found = texts(propose(tuple(work()), world(), CandidateOptions(covering=False)))
    assert "btree orders (org, person)" in found
    assert "btree orders (org, made)" in found
    assert "btree orders (person, org)" not in found


def test_reason_and_kind_say_so():
    proposal = propose((*work(), template(use("bills", eq("org"), rng("made")), label="q-r")), world())
    leading = [c for c in proposal.candidates if c.definition.columns == ("org", "person")]
    assert leading[0].kind == "tenant"
    assert "tenant_first" in {r.code for r in leading[0].reasons}
