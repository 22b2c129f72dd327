"""INCLUDE columns, and bringing the wishes of several templates together."""

from dataclasses import replace

from indexpilot_cli.advise.candidates import CandidateOptions, propose
from indexpilot_cli.core.workload import StatementKind
from tests.unit.advise.candidates.builders import (
    catalog,
    column,
    eq,
    index,
    reasons,
    rng,
    stats,
    table,
    template,
    texts,
    use,
)

COLUMNS = (
    column("id", "bigint"),
    column("org", statistics=stats(200)),
    column("created", "tstz", statistics=stats(width=8)),
    column("total", "numeric", statistics=stats(width=6)),
    column("state", "text", statistics=stats(12, width=6)),
    column("note", "text", statistics=stats(width=400)),
    column("flag", "bool", statistics=stats(2, 1)),
)
WIDE = table("orders", *COLUMNS, rows=500_000, pages=30_000)


def asked(*uses, shop=WIDE, options=None, **more):
    return propose([template(*uses, **more)], catalog(shop), options)


def read(*names):
    return {"columns": names}


def test_few_columns_are_included_in_their_order():
    found = texts(asked(use("orders", eq("org"), rng("created"), **read("org", "created", "state", "total"))))
    assert "btree orders (org, created) include (total, state)" in found


def test_whole_row_wide_columns_targets_and_locked_rows_are_not():
    for wish in (
        use("orders", eq("org")),
        use("orders", eq("org"), **read("org", "note")),
        use("orders", eq("org"), write=StatementKind.UPDATE, **read("org", "total")),
        use("orders", eq("org"), locked=True, **read("org", "total")),
    ):
        assert not any("include" in t for t in texts(asked(wish)))


def test_a_row_that_a_unique_index_finds_is_read_and_not_copied():
    for text, found in (("id", False), ("(lower(note))", True)):
        shop = replace(WIDE, indexes=(index("u", "orders", text, unique=True),))
        proposal = asked(use("orders", eq("id"), **read("id", "total")), shop=shop)
        assert any("include" in t for t in texts(proposal)) == found


def test_pages_that_are_not_all_visible_are_said():
    shop = table("orders", *COLUMNS, rows=500_000, pages=30_000, visible=0.2)
    proposal = asked(use("orders", eq("org"), **read("org", "total")), shop=shop)
    assert not any("include" in t for t in texts(proposal))
    assert any("20% of its pages" in r.detail for r in proposal.rejections)


def test_table_hardly_wider_than_the_index_is_not_covered():
    shop = table("orders", *COLUMNS, rows=500_000, pages=800)
    assert not any("include" in t for t in texts(asked(use("orders", eq("org"), **read("org", "total")), shop=shop)))


def test_flag_alone_is_not_covered():
    assert not texts(asked(use("orders", eq("flag"), **read("flag", "total"))))


def test_off_switch():
    wish = use("orders", eq("org"), **read("org", "total"))
    assert not any("include" in t for t in texts(asked(wish, options=CandidateOptions(covering=False))))


def test_include_lists_are_united():
    one = template(use("orders", eq("org"), **read("org", "total")), label="q-1")
    two = template(use("orders", eq("org"), rng("created"), **read("org", "created", "state")), label="q-2")
    proposal = propose([one, two], catalog(WIDE))
    (both,) = [c for c in proposal.candidates if c.definition.include == ("total", "state")]
    assert both.definition.columns == ("org", "created")
    assert both.templates == {"q-1", "q-2"}
    assert both.kind == "merged"


def test_shorter_index_of_the_same_size_is_dominated():
    one = template(use("orders", eq("id")), label="q-1")
    two = template(use("orders", eq("id"), rng("created")), label="q-2")
    three = template(use("orders", eq("created")), label="q-3")
    proposal = propose([one, two, three], catalog(WIDE), CandidateOptions(covering=False))
    assert "btree orders (id)" in texts(proposal) or "dominated" in reasons(proposal)
    lent = [c for c in proposal.candidates if c.definition.columns == ("created",)]
    assert lent and lent[0].templates == {"q-2", "q-3"}


def test_updated_column_keeps_the_index_without_it():
    flags = (column("a", statistics=stats(-1)), column("b", "int", statistics=stats(50)), *COLUMNS[5:6])
    shop = table("wide", *flags, rows=500_000, pages=30_000)
    reader = template(use("wide", eq("a"), columns=("a", "b")), label="q-1")
    writer = template(
        use("wide", eq("a"), write=StatementKind.UPDATE, updated=frozenset({"b"})),
        label="q-2",
        kind=StatementKind.UPDATE,
    )
    calm = texts(propose([reader], catalog(shop)))
    busy = texts(propose([reader, writer], catalog(shop)))
    assert calm == {"btree wide (a) include (b)"}
    assert busy == {"btree wide (a) include (b)", "btree wide (a)"}


def test_cap_keeps_the_heaviest():
    columns = tuple(column(f"c{n}", statistics=stats(1000 + n)) for n in range(20))
    shop = table("wide", *columns)
    templates = [template(use("wide", eq(f"c{n}")), label=f"q-{n}", ms=1.0 + n) for n in range(20)]
    proposal = propose(templates, catalog(shop), CandidateOptions(per_table=5))
    assert len(proposal.candidates) == 5
    assert proposal.candidates[0].templates == {"q-19"}
    assert sum(r.reason == "over_limit" for r in proposal.rejections) == 15


def test_column_that_only_the_predicate_tests_is_not_included():
    rare = stats(4, common=(("done", 0.97), ("held", 0.03)))
    jobs = table("jobs", column("id"), column("owner"), column("payload"), column("status", "text", rare), pages=60_000)
    held = eq("status", "'held'")

    def offered(**more):
        wanted = use("jobs", held, eq("owner"), columns=("owner", "payload", "status"), whole_row=False, **more)
        return texts(propose([template(wanted)], catalog(jobs)))

    assert "btree jobs (owner) include (payload) where status = 'held'" in offered(tested=frozenset({"status"}))
    assert "btree jobs (owner) include (payload, status) where status = 'held'" in offered()  # it is given out too
