"""Key order of plain B-trees: equality, then range or sort; joins; groups; ends."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.advise.candidates import CandidateOptions, propose
from indexpilot_cli.advise.candidates.btree import canonical_order
from indexpilot_cli.core.index import IndexKey
from indexpilot_cli.core.workload import AtomKind, StatementKind
from tests.unit.advise.candidates.builders import (
    atom,
    catalog,
    column,
    eq,
    index,
    join,
    reasons,
    rng,
    sort,
    stats,
    table,
    template,
    texts,
    use,
)

ORDERS = table(
    "orders",
    column("id", "bigint"),
    column("org", statistics=stats(200)),
    column("customer", statistics=stats(50_000)),
    column("kind", statistics=stats(40)),
    column("created", "tstz", statistics=stats(width=8)),
    column("total", "numeric", statistics=stats(width=6)),
    column("note", "text", statistics=stats(width=400)),
    indexes=(index("orders_pkey", "orders", "id", primary=True, unique=True, constraint="p"),),
)
PLAIN = CandidateOptions(covering=False)


def asked(*uses, shop=ORDERS, options=PLAIN, **more):
    return propose([template(*uses, **more)], catalog(shop), options)


def test_equality_columns_come_before_the_range():
    found = texts(asked(use("orders", rng("created"), eq("kind"), eq("org"))))
    assert "btree orders (org, kind, created)" in found
    assert "btree orders (created)" in found
    assert not any(t.startswith("btree orders (created,") for t in found)


def test_more_distinct_values_come_first_when_nothing_else_decides():
    found = texts(asked(use("orders", eq("kind"), eq("org"))))
    assert "btree orders (org, kind)" in found
    assert "btree orders (kind, org)" not in found


def test_what_many_templates_share_comes_first():
    templates = [
        template(use("orders", eq("kind"), eq("org")), label="q-1"),
        template(use("orders", eq("kind"), rng("created")), label="q-2"),
        template(use("orders", eq("kind")), label="q-3"),
    ]
    assert "btree orders (kind, org)" in texts(propose(templates, catalog(ORDERS), PLAIN))


def test_keys_stop_when_they_identify_the_row():
    found = texts(asked(use("orders", eq("customer"), eq("org"), eq("kind"), eq("total"))))
    assert all(t.count(",") <= 2 for t in found if "where" not in t)


def test_sort_follows_equality_and_reads_backwards():
    found = texts(asked(use("orders", eq("org"), order_by=sort("created desc"), order_complete=True, limited=True)))
    assert "btree orders (org, created)" in found


def test_mixed_directions_are_kept():
    wish = use("orders", eq("org"), order_by=sort("created desc", "total"), order_complete=True, limited=True)
    assert "btree orders (org, created, total desc)" in texts(asked(wish))


def test_in_list_does_not_pin_a_sort():
    several = atom(AtomKind.IN, "=", "org", parameters=(1,), elements=3)
    found = texts(asked(use("orders", several, order_by=sort("created"), order_complete=True, limited=True)))
    assert "btree orders (org, created)" not in found
    assert "btree orders (created)" in found


def test_is_null_does_not_pin_a_sort():
    null = atom(AtomKind.IS_NULL, "IS NULL", "customer", sql="customer IS NULL")
    found = texts(asked(use("orders", null, order_by=sort("created"), order_complete=True, limited=True)))
    assert "btree orders (customer, created)" not in found


def test_null_test_is_no_key_beside_equality():
    null = atom(AtomKind.IS_NULL, "IS NULL", "customer", sql="customer IS NULL")
    assert texts(asked(use("orders", null, eq("org"), eq("kind")))) >= {"btree orders (org, kind)"}
    assert not any("customer," in t or ", customer" in t for t in texts(asked(use("orders", null, eq("org")))))


def test_range_of_a_moving_bound_is_not_judged_by_a_default():
    recent = atom(AtomKind.RANGE, ">", "created", constant="now() - '1 day'::interval", sql="created > now() - '1 day'")
    assert texts(asked(use("orders", recent))) == {"btree orders (created)"}


def test_join_key_alone_and_with_equality():
    found = texts(asked(use("orders", join("customer", "customers"), eq("kind"))))
    assert "btree orders (customer)" in found
    assert {"btree orders (customer, kind)", "btree orders (kind, customer)"} & found


def test_a_join_by_one_of_two_columns_gets_an_index_for_each():
    sides = (replace(join(name, "c"), conjunctive=False) for name in ("customer", "org"))
    found = texts(asked(use("orders", *sides)))
    assert {"btree orders (customer)", "btree orders (org)"} <= set(found)


def test_join_on_two_columns_gives_one_index():
    found = texts(asked(use("orders", join("customer", "c"), join("org", "c"))))
    assert {"btree orders (customer, org)", "btree orders (org, customer)"} & found


def test_minimum_after_equality():
    assert "btree orders (org, total)" in texts(asked(use("orders", eq("org"), aggregates=(("min", "total"),))))


def test_alternatives_get_an_index_each():
    one, two = eq("org", conjunctive=False), eq("customer", conjunctive=False)
    found = texts(asked(use("orders", one, two)))
    assert {"btree orders (org)", "btree orders (customer)"} <= found
    assert "btree orders (customer, org)" not in found


def test_sorting_everything_is_refused():
    proposal = asked(use("orders", order_by=sort("total"), order_complete=True))
    assert not proposal.candidates
    assert "too_little_benefit" in reasons(proposal)


def test_existing_index_is_not_proposed_again():
    shop = table("orders", *ORDERS.columns, indexes=(index("there", "orders", "org, created"),))
    proposal = asked(use("orders", eq("org")), shop=shop)
    assert "btree orders (org)" not in texts(proposal)
    (refused,) = [r for r in proposal.rejections if r.reason == "covered_by"]
    assert refused.by == "there"
    assert refused.templates == {"q-1"}


def test_equality_columns_in_any_order_are_covered():
    shop = table("orders", *ORDERS.columns, indexes=(index("there", "orders", "kind, org"),))
    assert "btree orders (org, kind)" not in texts(asked(use("orders", eq("org"), eq("kind")), shop=shop))


def test_an_invalid_index_does_not_cover_and_no_rejection_contradicts_the_advice():
    shop = table("orders", *ORDERS.columns, indexes=(index("broken", "orders", "org", valid=False),))
    proposal = asked(use("orders", eq("org")), shop=shop)
    assert "btree orders (org)" in texts(proposal)
    assert not [r for r in proposal.rejections if r.subject == "orders (org)"]


def test_insert_wants_nothing():
    assert not asked(use("orders", eq("org"), write=StatementKind.INSERT), kind=StatementKind.INSERT).candidates


def test_every_candidate_names_templates_and_reasons():
    proposal = asked(use("orders", eq("org"), rng("created"), join("customer", "c")))
    assert proposal.candidates
    for candidate in proposal.candidates:
        assert candidate.templates == {"q-1"}
        assert candidate.reasons
        assert all(not r.text.endswith(".") for r in candidate.reasons)


def test_two_that_begin_alike_can_become_one():
    few = stats(20)
    shop = table("t", column("a", statistics=few), column("b", statistics=few), column("c", statistics=few))
    one = template(use("t", eq("a"), eq("b")), label="q-1")
    two = template(use("t", eq("a"), eq("c")), label="q-2")
    proposal = propose([one, two], catalog(shop), PLAIN)
    (both,) = [c for c in proposal.candidates if len(c.definition.keys) == 3]
    assert both.definition.columns[0] == "a"
    assert (both.kind, both.templates) == ("merged", {"q-1", "q-2"})


def test_a_futile_wish_does_not_outvote_another():
    grouped = template(use("orders", group_by=sort("org")), label="q-g")
    wanted = template(use("orders", eq("org")), label="q-e")
    proposal = propose([grouped, wanted], catalog(ORDERS), PLAIN)
    assert "btree orders (org)" in texts(proposal)
    assert "too_little_benefit" not in reasons(proposal)
    assert "too_little_benefit" in reasons(propose([grouped], catalog(ORDERS), PLAIN))


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.sampled_from([None, True, False])), max_size=4))
def test_canonical_order_is_the_order_or_its_reverse(parts):
    keys = tuple(IndexKey(column=c, descending=d, nulls_first=n) for c, d, n in parts)
    turned = canonical_order(keys)
    assert not turned or not turned[0].descending
    assert turned == keys or canonical_order(turned) == turned
    flips = {(a.descending != b.descending, _nulls(a) != _nulls(b)) for a, b in zip(keys, turned, strict=True)}
    assert flips <= {(False, False)} or flips == {(True, True)}


def _nulls(key):
    return key.descending if key.nulls_first is None else key.nulls_first


names = st.sampled_from(["org", "customer", "kind", "created", "total", "note"])
atoms = st.one_of(names.map(eq), names.map(rng), names.map(lambda n: join(n, "other")))


@given(st.lists(st.lists(atoms, min_size=1, max_size=5), min_size=1, max_size=5))
def test_any_workload_gives_sound_candidates(wishes):
    templates = [template(use("orders", *w), label=f"q-{n}") for n, w in enumerate(wishes)]
    proposal = propose(templates, catalog(ORDERS))
    assert proposal == propose(templates, catalog(ORDERS))
    asked_for = {a.column for w in wishes for a in w}
    seen = set()
    for candidate in proposal.candidates:
        assert candidate.definition not in seen
        seen.add(candidate.definition)
        assert candidate.definition.keys[0].column in asked_for
        assert len({k.text for k in candidate.definition.keys}) == len(candidate.definition.keys)
        assert candidate.templates <= {t.id for t in templates}


def test_order_behind_a_unique_key_needs_no_further_key():
    tickets = table(
        "tickets",
        column("id", "bigint", not_null=True),
        column("team"),
        column("placed", "ts"),
        column("number", not_null=True),
        column("maybe"),
        indexes=(
            index("pk", "tickets", "id", unique=True, primary=True),
            index("once", "tickets", "team, number", unique=True),
            index("perhaps", "tickets", "maybe", unique=True),
        ),
    )

    def ordered(*order, atoms=()):
        wanted = use("tickets", *atoms, order_by=sort(*order), order_complete=True, limited=True)
        return texts(propose([template(wanted)], catalog(tickets), CandidateOptions(covering=False)))

    assert "btree tickets (placed, id)" in ordered("placed", "id", "team")
    assert not any("id, team" in t for t in ordered("placed", "id", "team"))
    assert "btree tickets (team, placed)" in ordered("placed", "team", atoms=(eq("team"),))
    # unique, but NULLs are not: the next key still orders them
    assert "btree tickets (maybe, placed)" in ordered("maybe", "placed")
