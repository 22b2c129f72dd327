"""Patterns, documents, arrays, shapes, physical order, long strings, and what cannot be indexed."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.candidates import CandidateOptions, propose
from indexpilot_cli.core.catalog import Activity, ForeignKey, OperatorClass
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import AtomKind, StatementKind
from tests.unit.advise.candidates.builders import (
    atom,
    catalog,
    column,
    eq,
    index,
    join,
    name,
    reasons,
    rng,
    sort,
    stats,
    table,
    template,
    texts,
    use,
)

DOCS = table(
    "docs",
    column("id", "bigint"),
    column("title", "text", statistics=stats(width=20)),
    column("url", "text", statistics=stats(width=90)),
    column("plain", "text", collation="C", statistics=stats(width=20)),
    column("data", "jsonb", statistics=stats(width=200)),
    column("old", "json", statistics=stats(width=200)),
    column("tags", "texts", statistics=stats(width=60)),
    column("words", "tsvector", statistics=stats(width=60)),
    column("place", "point"),
    column("during", "tsrange", statistics=stats(width=22)),
    column("at", "tstz", statistics=stats(width=8, correlation=0.99)),
    column("huge", "text", statistics=stats(width=9000)),
    column("secret", "text", indexable=False, not_indexable_why="it is personal"),
)
PLAIN = CandidateOptions(covering=False)


def asked(*atoms, shop=DOCS, extensions=("pg_trgm",), version=150000, **more):
    own = {k: more.pop(k) for k in ("order_by", "order_complete", "limited") if k in more}
    made = template(use("docs", *atoms, **own), **more)
    return propose([made], catalog(shop, extensions=extensions, version=version), PLAIN)


def prefix(label):
    return atom(AtomKind.LIKE_PREFIX, "~~", label, constant="'abc%'", sql=f"{label} LIKE 'abc%'")


def infix(label, pattern="'%abc%'"):
    return atom(AtomKind.LIKE_INFIX, "~~", label, constant=pattern, sql=f"{label} LIKE {pattern}")


def holds(kind, operator, label):
    return atom(kind, operator, label, parameters=(1,))


def test_prefix_needs_a_pattern_class_unless_the_collation_is_c():
    assert texts(asked(prefix("title"))) == {"btree docs (title text_pattern_ops)"}
    assert texts(asked(prefix("plain"))) == {"btree docs (plain)"}


@pytest.mark.parametrize(
    ("default", "plain"), [("C", True), ("POSIX", True), ("C.UTF-8", False), ("en_US.UTF-8", False)]
)
def test_default_collation_decides(default, plain):
    found = propose([template(use("docs", prefix("title")))], catalog(DOCS, default_collation=default), PLAIN)
    assert texts(found) == {"btree docs (title)" if plain else "btree docs (title text_pattern_ops)"}


def test_infix_needs_trigrams():
    assert texts(asked(infix("title"))) == {"gin docs (title gin_trgm_ops)"}
    missing = asked(infix("title"), extensions=())
    assert not missing.candidates
    (refused,) = missing.rejections
    assert refused.reason == "extension_missing"
    assert "CREATE EXTENSION pg_trgm" in refused.detail


def test_pattern_without_a_trigram_is_refused():
    assert "not_used" in reasons(asked(infix("title", "'%ab%'")))


def test_trigrams_need_text():
    shop = table("docs", replace(column("title", "text"), type="character(9)", base_type="bpchar"))
    assert reasons(asked(infix("title"), shop=shop)) == {"no_operator_class"}


def test_infix_of_a_function_stands_on_the_function():
    assert texts(asked(infix("lower(title)"))) == {"gin docs ((lower(title)) gin_trgm_ops)"}


def test_json_class_follows_the_operators():
    contains, key = holds(AtomKind.CONTAINS, "@>", "data"), holds(AtomKind.HAS_KEY, "?", "data")
    assert texts(asked(contains)) == {"gin docs (data jsonb_path_ops)"}
    assert texts(asked(contains, key)) == {"gin docs (data)"}


def test_arrays_words_shapes_and_ranges():
    assert texts(asked(holds(AtomKind.OVERLAPS, "&&", "tags"))) == {"gin docs (tags)"}
    assert texts(asked(holds(AtomKind.TEXT_SEARCH, "@@", "words"))) == {"gin docs (words)"}
    assert texts(asked(holds(AtomKind.CONTAINED, "<@", "place"))) == {"gist docs (place)"}
    assert texts(asked(holds(AtomKind.OVERLAPS, "&&", "during"))) == {"gist docs (during)"}
    assert texts(asked(holds(AtomKind.DISTANCE, "<->", "place"))) == {"gist docs (place)"}


def test_a_class_of_the_arrays_own_type_goes_before_that_of_all_arrays():
    own = OperatorClass("gin", "gin__text_ops", "_text", False, ("@>", "&&"))
    every = OperatorClass("gin", "array_ops", "anyarray", True, ("@>", "&&", "<@"))
    classes = (own, every, replace(own, name="gin__int_ops", type="_int4"))

    def of(kind, operator):
        wished = template(use("docs", holds(kind, operator, "tags")))
        return texts(propose([wished], catalog(DOCS, version=150000, operator_classes=classes), PLAIN))

    assert of(AtomKind.OVERLAPS, "&&") == {"gin docs (tags gin__text_ops)"}
    assert of(AtomKind.CONTAINED, "<@") == {"gin docs (tags)"}


def test_any_of_an_array_is_explained():
    refused = asked(holds(AtomKind.CONTAINS, "= ANY", "tags"))
    assert not refused.candidates
    assert "@> ARRAY[value]" in refused.rejections[0].detail


def test_physical_order_gives_brin_beside_the_btree():
    assert texts(asked(rng("at"))) == {"brin docs (at)", "btree docs (at)"}
    small = table("docs", *DOCS.columns, rows=20_000.0)
    assert texts(asked(rng("at"), shop=small)) == {"btree docs (at)"}


def test_long_strings_get_a_hash_unless_they_are_sorted():
    assert "hash docs (url)" in texts(asked(eq("url")))
    sorted_too = asked(eq("url"), order_by=sort("url"), limited=True)
    assert "hash docs (url)" not in texts(sorted_too)
    assert "hash docs (title)" not in texts(asked(eq("title")))


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (eq("old"), "no_operator_class"),
        (eq("place"), "no_operator_class"),
        (rng("huge"), "too_wide"),
        (eq("secret"), "not_indexable"),
        (eq("lower(secret)"), "not_indexable"),
        (eq("date_trunc('day', at)"), "volatile"),
        (eq("to_char(at, 'YYYY')"), "volatile"),
        (rng("similarity(title, 'abc')"), "function_mismatch"),
        (rng("1 - word_similarity('abc'::text, title)"), "function_mismatch"),
        (holds(AtomKind.TEXT_SEARCH, "@@", "to_tsvector(title)"), "volatile"),
        (holds(AtomKind.CONTAINS, "@>", "old"), "no_operator_class"),
    ],
)
def test_unfit_keys(wish, reason):
    proposal = asked(wish)
    assert not proposal.candidates
    assert reason in reasons(proposal)
    assert all(r.templates for r in proposal.rejections)


def test_values_too_wide_for_a_btree_can_be_hashed():
    proposal = asked(eq("huge"))
    assert texts(proposal) == {"hash docs (huge)"}
    assert reasons(proposal) == {"too_wide"}


def test_unfit_column_leaves_the_others():
    assert texts(asked(eq("secret"), eq("title"))) == {"btree docs (title)"}
    assert "it is personal" in next(r.detail for r in asked(eq("secret")).rejections)


def test_expression_only_when_the_queries_use_it():
    assert texts(asked(eq("title"))) == {"btree docs (title)"}
    assert texts(asked(eq("lower(title)"))) == {"btree docs ((lower(title)))"}


def test_index_on_the_bare_column_is_explained():
    shop = table("docs", *DOCS.columns, indexes=(index("by_title", "docs", "title"),))
    proposal = asked(eq("lower(title)"), shop=shop)
    (refused,) = [r for r in proposal.rejections if r.reason == "function_mismatch"]
    assert refused.by == "by_title"
    assert "lower(title)" in refused.detail
    assert texts(proposal) == {"btree docs ((lower(title)))"}


@pytest.mark.parametrize(
    ("shop", "reason"),
    [
        (table("docs", *DOCS.columns, kind="f"), "unsupported_relation"),
        (table("docs", *DOCS.columns, persistence="t"), "unsupported_relation"),
        (table("docs", *DOCS.columns, rows=100.0, pages=3), "too_small"),
        (table("docs", *DOCS.columns, rows=800.0, pages=40), "too_small"),
    ],
)
def test_relations_that_get_nothing(shop, reason):
    proposal = asked(eq("title"), shop=shop)
    assert not proposal.candidates
    assert reasons(proposal) == {reason}


@pytest.mark.parametrize("more", [{"kind": "m"}, {"persistence": "u"}])
def test_relations_that_are_fine(more):
    assert texts(asked(eq("title"), shop=table("docs", *DOCS.columns, **more))) == {"btree docs (title)"}


def test_view_and_system_catalog_are_said():
    wish = template(use("shown", eq("title")), use("pg_catalog.pg_class", eq("relname")))
    proposal = propose([wish], catalog(views={name("shown"): "SELECT 1"}))
    assert [r.reason for r in proposal.rejections] == ["unsupported_relation"] * 2
    assert "view" in proposal.rejections[0].detail


def test_size_of_the_table_changes_the_decision():
    few = stats(5, 4)
    made = {}
    for rows in (500.0, 5_000.0, 50_000.0):
        shop = table("docs", column("kind", statistics=few), column("title", "text"), rows=rows)
        made[rows] = asked(eq("kind"), shop=shop)
    assert reasons(made[500.0]) == {"too_small"}
    assert reasons(made[5_000.0]) == {"low_selectivity"}
    assert texts(made[50_000.0]) == {"btree docs (kind)"}


def test_partitioned_table_counts_its_leaves():
    parent = table("docs", *[replace(c, statistics=None) for c in DOCS.columns], kind="p", rows=-1, pages=0)
    leaf = table("docs_1", *DOCS.columns, parent=name("docs"), is_partition=True)
    proposal = propose([template(use("docs", eq("title")))], catalog(parent, leaf), PLAIN)
    assert texts(proposal) == {"btree docs (title)"}


CHILD = table(
    "lines",
    column("order_id", "bigint", statistics=stats(100_000)),
    column("org", statistics=stats(50)),
    column("qty", statistics=stats(20)),
)
KEY = ForeignKey("lines_fk", name("lines"), ("org", "order_id"), name("orders"), ("org", "id"))


def linked(parent_deletes=0, *templates, child=CHILD):
    parent = replace(table("orders", column("id"), column("org")), activity=Activity(deletes=parent_deletes))
    return propose(templates, replace(catalog(parent, child), foreign_keys=(KEY,)), PLAIN)


def test_foreign_key_gets_its_columns_in_its_order_when_the_parent_loses_rows():
    gone = template(use("orders", eq("id"), write=StatementKind.DELETE), label="q-d", kind=StatementKind.DELETE)
    (found,) = [c for c in linked(0, gone).candidates if c.kind == "foreign_key"]
    assert found.definition.columns == ("org", "order_id")
    assert found.templates == {"q-d"}
    counted = linked(10, template(use("orders", eq("id"))))
    assert any(c.kind == "foreign_key" for c in counted.candidates)
    assert any("10 deletes" in r.text for c in counted.candidates for r in c.reasons)


def test_foreign_key_of_a_calm_parent_is_refused():
    proposal = linked(0, template(use("lines", eq("qty"))))
    assert any(r.reason == "too_little_benefit" and r.subject == "lines (org, order_id)" for r in proposal.rejections)


def test_foreign_key_with_an_index_in_any_order_is_covered():
    child = table("lines", *CHILD.columns, indexes=(index("there", "lines", "order_id, org, qty"),))
    proposal = linked(10, template(use("orders", eq("id"))), child=child)
    assert not any(c.definition.table == QualifiedName("public", "lines") for c in proposal.candidates)
    assert any(r.reason == "covered_by" and r.by == "there" for r in proposal.rejections)


def test_join_to_the_parent_is_the_same_candidate():
    wish = template(use("lines", join("org", "orders", "org"), join("order_id", "orders")))
    found = linked(10, wish).candidates
    assert len({c.definition for c in found}) == len(found)


@pytest.mark.parametrize(
    ("expression", "told"),
    [("data ->> $1", True), ("to_tsvector($1, title)", True), ("id + $1", False), ("lower(title)", False)],
)
def test_a_constant_inside_that_nobody_kept_is_asked_for(expression, told):
    proposal = asked(atom(AtomKind.OTHER, "=", expression, parameters=(1, 2)))
    assert ("unknown_constant" in {r.reason for r in proposal.rejections}) == told and not proposal.candidates


def test_patterns_and_documents_under_or_have_an_index_each():
    either = [
        replace(a, conjunctive=False) for a in (infix("title"), infix("url"), holds(AtomKind.CONTAINS, "@>", "data"))
    ]
    assert texts(asked(*either)) == {
        "gin docs (title gin_trgm_ops)",
        "gin docs (url gin_trgm_ops)",
        "gin docs (data jsonb_path_ops)",
    }


def test_prefix_under_or_has_no_part_in_what_stands_beside_it():
    assert texts(asked(replace(prefix("title"), conjunctive=False), eq("id", parameter=1))) == {
        "btree docs (id)",
        "btree docs (title text_pattern_ops)",
    }
