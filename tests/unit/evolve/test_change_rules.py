"""The rule table of type changes, and what is said of wrong input."""

import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.evolve.alter_table import assignable, by_rules, is_plain
from indexpilot_cli.evolve.change import checks
from indexpilot_cli.evolve.change.values import Affected, ColumnChangeKind, TypeWork
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, RelationFacts, TypeChange, TypeFacts

ORDERS = QualifiedName("public", "orders")


def kind(text, name=None, oid=None, **more):
    base = text.partition("(")[0]
    numbers = tuple(int(n) for n in text.partition("(")[2].rstrip(")").split(",") if n)
    oids = {
        "varchar": 1043,
        "text": 25,
        "numeric": 1700,
        "timestamp": 1114,
        "timestamptz": 1184,
        "int4": 23,
        "int8": 20,
    }
    category = "S" if base in ("text", "varchar") else ""
    return TypeFacts(oid or oids.get(base, 1), name or base, text, modifiers=numbers, **({"category": category} | more))


def change(old, new, *attached, using=None, timezone="UTC", castable=None, context=None):
    column = ColumnFacts("c", 2, old.text)
    table = RelationFacts(ORDERS, 1, "r", 150000, columns=(column,), attached=attached)
    return TypeChange(table, column, old, new, using, timezone, castable, context)


@pytest.mark.parametrize(
    ("old", "new", "more", "work"),
    [
        (kind("varchar(5)"), kind("varchar(9)"), {}, TypeWork.INSTANT),
        (kind("varchar(9)"), kind("varchar(5)"), {}, TypeWork.REWRITE),
        (kind("varchar"), kind("varchar(5)"), {}, TypeWork.REWRITE),
        (kind("varchar(9)"), kind("text"), {"castable": "b"}, TypeWork.INSTANT),
        (kind("text"), kind("varchar(9)"), {"castable": "b"}, TypeWork.REWRITE),
        (kind("numeric(5,2)"), kind("numeric(7,2)"), {}, TypeWork.INSTANT),
        (kind("numeric(5,2)"), kind("numeric(7,3)"), {}, TypeWork.REWRITE),
        (kind("timestamp"), kind("timestamptz"), {"timezone": "UTC"}, TypeWork.INSTANT),
        (kind("timestamp"), kind("timestamptz"), {"timezone": "Europe/Berlin"}, TypeWork.REWRITE),
        (kind("int4"), kind("int8"), {"castable": "f"}, TypeWork.REWRITE),
        (kind("text"), kind("text", oid=99, kind="d", base="text"), {}, TypeWork.INSTANT),
        (kind("text"), kind("short", oid=99, kind="d", base="text", constrained=True), {}, TypeWork.REWRITE),
        (
            kind("text"),
            kind("short", oid=99, kind="d", base="varchar", base_modifiers=(9,)),
            {"castable": "b"},
            TypeWork.REWRITE,
        ),
        (kind("bit(3)", oid=8), kind("varbit(5)", oid=9), {"castable": "b"}, TypeWork.REWRITE),
        (kind("bpchar", oid=8), kind("char", name="bpchar", oid=8), {}, TypeWork.REWRITE),
        (kind("interval(3)", oid=8), kind("interval(6)", oid=8), {}, TypeWork.INSTANT),
        (kind("varchar(5)"), kind("varchar(9)"), {"using": "upper(c)"}, TypeWork.REWRITE),
        (kind("varchar(5)"), kind("varchar(9)"), {"using": "c::varchar(9)"}, TypeWork.INSTANT),
    ],
)
def test_rules(old, new, more, work):
    found = by_rules(change(old, new, **more))
    assert (found.work, found.by) == (work, "rules")
    assert found.reason


def test_what_is_built_on_the_column_counts():
    partial = Attached("index", ORDERS, "", ("c",), computed=True)
    plain = Attached("index", ORDERS, "", ("c",))
    check = Attached("constraint", ORDERS, "CHECK (c <> '')", ("c",), "c")
    elsewhere = Attached("constraint", ORDERS, "CHECK (d <> '')", ("d",), "c")
    wider = kind("varchar(5)"), kind("varchar(9)")
    assert by_rules(change(*wider, partial)).work is TypeWork.REBUILD
    assert by_rules(change(*wider, plain)).work is TypeWork.INSTANT
    assert by_rules(change(*wider, check)).work is TypeWork.VERIFY
    assert by_rules(change(*wider, elsewhere)).work is TypeWork.INSTANT
    assert by_rules(change(kind("text"), kind("citext", oid=7), plain, castable="b")).work is TypeWork.REBUILD
    assert by_rules(change(kind("int4"), kind("oid", oid=26), plain, castable="b")).work is TypeWork.REBUILD
    assert by_rules(change(kind("int4"), kind("oid", oid=26), castable="b")).work is TypeWork.INSTANT


def test_using_that_says_nothing_else():
    new = kind("varchar(9)")
    assert is_plain(None, "c", new)
    assert is_plain("c", "c", new)
    assert is_plain("(C :: varchar(9))", "c", new)
    assert not is_plain("c::varchar(8)", "c", new)
    assert not is_plain("c + 1", "c", new)
    assert is_plain('"odd name"::bigint', "odd name", kind("bigint", "int8"))
    assert not is_plain('"oddname"::bigint', "odd_name", kind("bigint", "int8"))


def test_what_converts_by_itself():
    assert assignable(change(kind("int4"), kind("text"), context=None))
    assert assignable(change(kind("int4"), kind("int8"), context="i"))
    assert not assignable(change(kind("text"), kind("int4")))
    assert not assignable(change(kind("int8"), kind("int4"), context="e"))
    short = kind("short", oid=99, kind="d", base="int4", base_oid=23)
    assert assignable(change(kind("int4"), short))
    assert assignable(change(short, kind("int4")))
    assert not assignable(change(kind("text"), short))
    assert not assignable(change(short, kind("uuid", oid=2950)))
    assert not assignable(change(kind("_text", oid=1009, category="A"), kind("_int4", oid=1007, category="A")))


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("", ["bad_name"]), (" ", ["bad_name"]), ("a\0b", ["bad_name"]), ("a\nb", ["bad_name"]),
        ("x" * 63, []), ("x" * 64, ["name_too_long"]), ("é" * 32, ["name_too_long"]), ("xmin", ["system_column"]),
        ("select", ["reserved_word"]), ("SELECT", ["reserved_word"]), ('we"ird', []),
    ],
)  # fmt: skip
def test_names(name, codes):
    assert [p.code for p in checks.name_problems(name, {"select"})] == codes
    assert all(p.exit_code == 2 for p in checks.name_problems(name, {"select"}))


def test_several_problems_are_told_together():
    table = RelationFacts(ORDERS, 1, "r", 150000, owned=False, owner="boss", is_partition=True, parents=("public.all",))
    assert [p.code for p in checks.table_problems(table, ColumnChangeKind.ADD)] == ["not_owner", "partition"]
    assert [p.code for p in checks.table_problems(table, ColumnChangeKind.TYPE)] == ["not_owner"]


def test_what_stands_in_the_way_is_named():
    objects = [Affected("view", f"v{n}", "blocks") for n in range(7)] + [Affected("index", "i", "disappears")]
    (blocked,) = checks.blocked(ColumnChangeKind.DROP, objects)
    assert "view v0" in blocked.message
    assert "and 2 more" in blocked.message
    assert blocked.exit_code == 6
    (vanishing,) = checks.vanishing(objects, force=False)
    assert "index i" in vanishing.message
    assert checks.vanishing(objects, force=True) == ()
