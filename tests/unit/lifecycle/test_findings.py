"""Findings from hand-made facts: what serves a foreign key, which updates are cold, ages, views, our own log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from indexpilot_cli.core.catalog import Activity, Catalog, ForeignKey
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate, RelationUse, SourceKind, StatementKind
from indexpilot_cli.lifecycle.findings.find import find
from indexpilot_cli.lifecycle.findings.references import supports
from indexpilot_cli.lifecycle.findings.unused import too_young
from indexpilot_cli.lifecycle.values import (
    IndexUsage,
    LifecycleFacts,
    LoggedIndex,
    MetadataFacts,
    TableUpkeep,
    parts_by_whole,
)
from tests.unit.advise.candidates.builders import column, index, name, stats, table

NOW = datetime(2026, 11, 29, tzinfo=UTC)
LINES = table("lines", column("a"), column("b"), column("few", statistics=stats(distinct=3.0)))


def facts(*tables, version=150000, keys=(), **more):
    catalog = Catalog(version, "shop", tables, foreign_keys=keys)
    return LifecycleFacts(catalog, NOW, parts=parts_by_whole(catalog), **more)


def told(found, state):
    return [f for f in find(found) if f.state == state]


def have(keys, label="i", **more):
    return index(label, "lines", keys, **more)


def in_c(*columns):
    plain = have(", ".join(columns))
    keys = tuple(replace(key, collation="C") for key in plain.definition.keys)
    return replace(plain, definition=replace(plain.definition, keys=keys))


KEY = ForeignKey("lines_fk", name("lines"), ("a", "b"), name("orders"), ("x", "y"))
SINGLE = replace(KEY, columns=("few",), referenced_columns=("x",))


@pytest.mark.parametrize(
    ("own", "key", "expected"),
    [
        (have("a, b"), KEY, True),
        (have("b, a"), KEY, True),
        (have("b desc, a, few"), KEY, True),
        (have("a"), KEY, True),  # as many values as rows: the rest is looked at
        (have("few, a, b"), KEY, False),
        (have("few"), SINGLE, True),
        (have("few", method="hash"), SINGLE, True),
        (have("few", method="brin"), SINGLE, False),
        (have("few", predicate="few IS NOT NULL"), SINGLE, True),
        (have("few", predicate="a > 1"), SINGLE, False),
        (have("few", predicate="few IS NOT NULL AND a IS NOT NULL"), SINGLE, False),
        (have("few", valid=False), SINGLE, False),
        (have("few", ready=False), SINGLE, False),
        (have("a, few"), SINGLE, False),
        (have("(abs(few))"), SINGLE, False),
        (in_c("few"), SINGLE, False),
        (in_c("few", "a"), SINGLE, False),
    ],
)
def test_what_serves_the_check_of_a_foreign_key(own, key, expected):
    assert supports(own, key, LINES) is expected


def test_two_keys_of_the_same_columns_are_one_finding_and_a_small_table_is_told_as_such():
    keys = (SINGLE, replace(SINGLE, name="Again"), replace(KEY, columns=("few", "b")))
    found = told(facts(replace(LINES, tuples=20.0), keys=keys), "fk_missing")
    assert [(f.severity, f.about) for f in found] == [("info", "few"), ("info", "few b")] or len(found) == 2
    single = next(f for f in found if f.about == "few")
    assert single.evidence[0].text == 'no index on (few) of foreign key lines_fk, "Again"'
    assert single.ddl == "CREATE INDEX CONCURRENTLY lines_few_ip_idx ON public.lines (few);"
    assert single.undo == "DROP INDEX CONCURRENTLY public.lines_few_ip_idx;"


def update(*columns, calls=10.0):
    use = RelationUse(name("lines"), "lines", write=StatementKind.UPDATE, updated=frozenset(columns))
    return QueryTemplate(f"q-{columns}", "", "", StatementKind.UPDATE, calls, None, (name("lines"),), (use,))


def recorded(templates):
    return FoldedWorkload(tuple(templates), (), SourceKind.STATEMENTS)


BUSY = Activity(updates=5000, hot_updates=100)


@pytest.mark.parametrize(
    ("indexes", "updates", "activity", "version", "guilty"),
    [
        ((have("a", "x"), have("b", "y")), (update("a"),), BUSY, 150000, ["x"]),
        ((have("a", "x"), have("b", "y")), (update("a", "b"),), BUSY, 150000, []),
        ((have("(abs(a))", "x"), have("b", "y", predicate="a > 0")), (update("a"),), BUSY, 150000, []),
        ((have("b", "y", predicate="a > 0"),), (update("a"),), BUSY, 150000, ["y"]),
        ((have("b", "y", include=("a",)),), (update("a"),), BUSY, 150000, ["y"]),
        ((have("a", "x", method="brin"),), (update("a"),), BUSY, 160000, []),
        ((have("a", "x", method="brin"),), (update("a"),), BUSY, 150000, ["x"]),
        ((have("a", "x", unique=True),), (update("a"),), BUSY, 150000, []),
        ((have("a", "x"),), (update("a"),), Activity(updates=5000, hot_updates=4900), 150000, []),
        ((have("a", "x"),), (update("a"),), Activity(updates=50), 150000, []),
        ((have("a", "x"),), (), BUSY, 150000, []),
    ],
)
def test_the_index_that_alone_makes_updates_cold(indexes, updates, activity, version, guilty):
    own = replace(LINES, indexes=indexes, activity=activity)
    found = told(facts(own, version=version, workload=recorded(updates)), "hot_defeating")
    assert [f.index.name for f in found] == guilty
    assert all(f.action == "report" and f.ddl is None for f in found)


@pytest.mark.parametrize(
    ("upkeep", "severity"),
    [
        (TableUpkeep(900_000_000), None),
        (TableUpkeep(1_000_000_000), "warning"),
        (TableUpkeep(1_600_000_000), "error"),
        (TableUpkeep(5, 1_100_000_000), "warning"),
    ],
)
def test_a_table_whose_rows_grow_too_old(upkeep, severity):
    found = told(facts(replace(LINES, oid=7), upkeep={7: upkeep}), "wraparound")
    assert [f.severity for f in found] == ([] if severity is None else [severity])
    assert all(f.action == "vacuum" and f.ddl == "VACUUM (FREEZE) public.lines;" for f in found)
    assert all(("multixacts" in f.evidence[0].text) == (upkeep.multixact_age > upkeep.xid_age) for f in found)


@pytest.mark.parametrize(
    ("own", "populated", "code"),
    [
        ((), True, "no_unique"),
        ((have("a", unique=True),), True, None),
        ((have("a", unique=True, predicate="b > 1"),), True, "no_unique"),
        ((have("(abs(a))", unique=True),), True, "no_unique"),
        ((have("a", unique=True, valid=False),), True, "no_unique"),
        ((have("a", unique=True),), False, "not_populated"),
    ],
)
def test_views_that_make_their_readers_wait(own, populated, code):
    view = replace(LINES, kind="m", oid=7, indexes=own)
    found = told(facts(view, upkeep={7: TableUpkeep(populated=populated)}), "materialized_view")
    assert [f.evidence[0].code for f in found] == ([] if code is None else [code])


def test_what_the_log_says_and_the_catalog_does_not():
    own = replace(
        LINES, indexes=(have("a", "kept", comment="indexpilot:op-1"), have("b", "odd", comment="indexpilot:op-9"))
    )
    names = {"kept": True, "gone": True, "dropped": False, "open": True}
    logged = tuple(LoggedIndex(own.name, name(label), n, made) for n, (label, made) in enumerate(names.items()))
    known = MetadataFacts(logged, frozenset({"op-1"}), ((own.name, "lost"),))
    found = told(facts(own, metadata=known, known=frozenset({name("open")})), "metadata_mismatch")
    assert {(f.evidence[0].code, f.index.name if f.index else f.about) for f in found} == {
        ("logged_missing", "gone"),
        ("not_logged", "odd"),
        ("orphaned_profile", "lost"),
    }


def silent(label, keys, oid, days=40, scans=0, **more):
    return have(keys, label, oid=oid, **more), {oid: IndexUsage(scans, NOW - timedelta(days=days))}


def unused(*pairs, **more):
    own = replace(LINES, indexes=tuple(i for i, _ in pairs))
    usage = {}
    for _, known in pairs:
        usage |= known
    return {f.index.name: f for f in told(facts(own, usage=usage, **more), "unused")}


@pytest.mark.parametrize(
    "protected",
    [
        {"primary": True, "unique": True, "constraint": "p"},
        {"unique": True, "constraint": "u"},
        {"unique": True},
        {"constraint": "x", "method": "gist"},
        {"referenced": True, "unique": True},
        {"replica_identity": True},
        {"parent": name("whole")},
        {"valid": False},
    ],
)
def test_what_is_never_offered(protected):
    assert unused(silent("i", "a", 1, **protected)) == {}


def test_a_clustered_one_is_offered_with_a_warning():
    (found,) = unused(silent("i", "a", 1, clustered=True)).values()
    assert found.action == "drop"
    assert "clustered" in {r.code for r in found.evidence}


def test_silence_must_be_long_enough_and_one_that_was_read_needs_a_week():
    pairs = (silent("young", "a", 1, days=20), silent("old", "b", 2), silent("read", "few", 3, days=2, scans=5))
    assert unused(*pairs).keys() == {"old"}
    assert unused(*pairs, min_age=timedelta(0)).keys() == {"young", "old"}
    own = replace(LINES, indexes=tuple(i for i, _ in pairs))
    usage = pairs[0][1] | pairs[1][1] | pairs[2][1]
    assert [i.name.name for i in too_young(facts(own, usage=usage))] == ["young"]


def test_what_is_not_known_well_enough_is_reported_and_not_offered():
    (young,) = unused(silent("i", "a", 1, days=0), counters_since=NOW - timedelta(days=90)).values()
    assert (young.action, young.ddl, young.evidence[1].code) == ("report", None, "age_unknown")
    (untold,) = unused(silent("i", "a", 1), untold=1).values()
    assert (untold.action, untold.ddl, untold.evidence[1].code) == ("report", None, "standbys")


def test_where_nothing_is_counted_nothing_is_unused():
    assert unused(silent("i", "a", 1)).keys() == {"i"}
    own = replace(LINES, indexes=(silent("i", "a", 1)[0],))
    catalog = Catalog(150000, "shop", (own,), settings={"track_counts": "off"})
    assert told(LifecycleFacts(catalog, NOW, usage=silent("i", "a", 1)[1]), "unused") == []


@pytest.mark.parametrize(
    ("uses", "offered", "why"),
    [
        ((101, 70, 40), False, "used about every 33 days, and idle for 40: it is offered once that is over"),
        ((170, 105, 40), False, "used about every 65 days, and idle for 40: it is offered once that is over"),
        ((54, 47, 40), True, ""),
        ((40,), True, ""),
        ((), True, ""),
    ],
)
def test_f4_an_index_of_the_month_s_end_is_not_unused_between_two_of_them(uses, offered, why):
    idle = 37 if uses and uses[0] == 101 else 40
    looks = tuple(NOW - timedelta(days=n if n != 40 else idle) for n in uses)
    pair = (have("a", "i", oid=1), {1: IndexUsage(3, NOW - timedelta(days=idle), 0, looks)})
    (finding,) = unused(pair).values()
    assert (finding.action.value == "drop") is offered
    assert [r.text for r in finding.evidence if r.code == "period"] == ([why.replace("40:", f"{idle}:")] if why else [])
    assert next(iter(unused(pair, periods=False).values())).action.value == "drop"


def test_of_two_that_serve_a_foreign_key_one_stays():
    found = unused(silent("one", "few, a", 1), silent("two", "few, b", 2), keys=(SINGLE,))
    assert {name: f.action.value for name, f in found.items()} == {"one": "drop", "two": "report"}


def test_a_key_of_the_whole_is_served_by_the_indexes_of_its_partitions():
    whole = replace(LINES, kind="p")
    parts = [replace(LINES, name=name(f"p{n}"), parent=LINES.name, is_partition=True, oid=n) for n in (1, 2)]
    own = [index(f"i{n}", f"p{n}", "few", oid=n) for n in (1, 2)]
    served = [replace(part, indexes=(one,)) for part, one in zip(parts, own, strict=True)]
    usage = silent("", "a", 1)[1] | silent("", "a", 2)[1]
    assert told(facts(whole, *served, keys=(SINGLE,)), "fk_missing") == []
    assert [f.action for f in told(facts(whole, *served, keys=(SINGLE,), usage=usage), "unused")] == ["report"] * 2
    assert len(told(facts(whole, served[0], parts[1], keys=(SINGLE,)), "fk_missing")) == 1


def test_statistics_of_an_expression_go_only_with_the_last_index_that_has_them():
    def codes(*own):
        (found,) = told(facts(replace(LINES, indexes=own)), "redundant")
        return found.index.name, {r.code for r in found.evidence}

    narrow = have("(abs(few))", "narrow", statistics=(stats(),))
    wide = have("(abs(few)), a", "wide", statistics=(stats(), None))
    assert codes(narrow, wide) == ("narrow", {"covered"})
    assert codes(narrow, replace(wide, statistics=())) == ("narrow", {"covered", "expression"})


def test_the_undo_gives_back_what_a_definition_does_not_say():
    extra = {"comment": "it's", "clustered": True, "tablespace": "fast disk", "targets": ((1, 500),)}
    (found,) = unused(silent("i", "(abs(a))", 1, **extra)).values()
    assert found.undo.split(";\n") == [
        "SET default_tablespace = 'fast disk'",
        "CREATE INDEX CONCURRENTLY i",
        "RESET default_tablespace",
        "ALTER INDEX public.i ALTER COLUMN 1 SET STATISTICS 500",
        "COMMENT ON INDEX public.i IS 'it''s'",
        "ALTER TABLE public.lines CLUSTER ON i;",
    ]


def test_the_heir_of_a_dropped_index_is_not_dropped_with_it():
    pairs = (silent("narrow", "a", 1, days=0, scans=900), silent("wide", "a, b", 2))
    own = replace(LINES, indexes=tuple(i for i, _ in pairs))
    found = {f.index.name: f.state.value for f in find(facts(own, usage=pairs[0][1] | pairs[1][1])) if f.ddl}
    assert found == {"narrow": "redundant"}
