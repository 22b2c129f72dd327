"""Names and expressions of an online type change, and the order of what the swap does."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName
from indexpilot_cli.evolve.change.online import ddl, texts
from indexpilot_cli.evolve.change.online.texts import (
    PLACE,
    Both,
    Identity,
    OnlineConstraint,
    OnlineGrant,
    OnlineIndex,
    OnlinePlan,
    OnlineStage,
    OnlineStatistics,
    Side,
    place,
)
from indexpilot_cli.evolve.relation import SequenceFacts

TABLE = QualifiedName("public", "items")
PLAN = OnlinePlan(
    op_id="5f0c6c9e-0000-4000-8000-000000000001",
    table=TABLE,
    relid=4711,
    column="v",
    attnum=2,
    old_type="text",
    new_type="integer",
    columns=((1, "id"), (2, "v"), (3, "Other one")),
    expression=f"({place(2)}::integer + {place(3)})",
    assigned=False,
    reverse=f"{place(2)}::text",
    reverse_assigned=False,
    pins=(("search_path", "pg_catalog, public, pg_temp"), ("TimeZone", "UTC")),
    rewrites=True,
)
FULL = replace(
    PLAN,
    indexes=(
        OnlineIndex("items_v", Both(f"USING btree ({PLACE})", f"USING btree ({PLACE})"), comment="i"),
        OnlineIndex(
            "items_pkey", Both(f"USING btree ({PLACE})", f"USING btree ({PLACE})"), unique=True, constraint="p"
        ),
        OnlineIndex("items_u", Both(f"USING btree ({PLACE}, id)", f"USING btree ({PLACE}, id)"), unique=True),
    ),
    constraints=(
        OnlineConstraint("v_ok", "c", Both(f"CHECK (({PLACE} > '0'::text))", f"CHECK (({PLACE} > 0))"), comment="fine"),
        OnlineConstraint(
            "v_f", "f", Both(f"FOREIGN KEY ({PLACE})", f"FOREIGN KEY ({PLACE})"), references=QualifiedName("a", "b")
        ),
    ),
    statistics=(OnlineStatistics("public", "st", Both(f" ON {PLACE}, id", f" ON {PLACE}, id")),),
    not_null=True,
    default=Both("'7'::text", "7"),
    comment="it's",
    grants=(OnlineGrant("SELECT", None), OnlineGrant("UPDATE", "Some one", True)),
    sequences=(QualifiedName("public", "items_v_seq"),),
)

names = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=63)


@given(names, st.sampled_from(Side))
def test_our_names_fit_and_differ(name, side):
    given_names = {texts.aside(name, side), texts.aside(name, side.other), name}
    assert len(given_names) == 3
    assert all(len(n.encode()) <= NAME_LIMIT or n == name for n in given_names)


@given(names, names)
def test_different_names_stay_different(one, other):
    if one != other and len(one.encode()) <= NAME_LIMIT >= len(other.encode()):
        assert texts.aside(one, Side.NEW) != texts.aside(other, Side.NEW)


def test_a_name_is_filled_in_only_where_the_column_stands():
    template = f"({PLACE} > 1 AND {PLACE}_note <> '' AND {place(3)} IS NULL)"
    assert texts.fill_in(template, "a b") == f"(\"a b\" > 1 AND {PLACE}_note <> '' AND {place(3)} IS NULL)"
    assert texts.fill_in(PLACE, r"back\1slash") == r'"back\1slash"'


def test_the_new_value_is_the_expression_over_the_row():
    assert texts.assigned_value(PLAN, Side.NEW) == '((v::integer + "Other one"))'
    assert texts.assigned_value(PLAN, Side.NEW, "NEW.") == '((NEW.v::integer + NEW."Other one"))'
    assert texts.assigned_value(replace(PLAN, assigned=True), Side.NEW, "NEW.") == "NEW.v"


def test_the_old_value_is_kept_where_it_still_means_the_same():
    text = texts.assigned_value(PLAN, Side.OLD)
    kept, _, converted = text.partition(" ELSE ")
    assert kept.endswith("THEN v_indexpilot_old") and converted == "((v::text))::text END"
    assert '(v_indexpilot_old::integer + "Other one")' in kept and "ROW(v)" in kept
    assert texts.assigned_value(replace(PLAN, reverse=None), Side.OLD).endswith("ELSE NULL END")


@pytest.mark.parametrize(
    ("original", "columns", "stage"),
    [
        ("v", {"id", "v"}, OnlineStage.BARE),
        ("v", {"id", "v", "v_indexpilot_new"}, OnlineStage.FILLING),
        ("v_indexpilot_old", {"id", "v_indexpilot_old", "v"}, OnlineStage.SWAPPED),
        (None, {"id", "v"}, OnlineStage.FINISHED),
        (None, {"id"}, OnlineStage.STRANGE),
        ("w", {"id", "w"}, OnlineStage.STRANGE),
        ("w", {"id", "w", "v"}, OnlineStage.STRANGE),
        ("v_indexpilot_old", {"id", "v_indexpilot_old"}, OnlineStage.STRANGE),
    ],
)
def test_where_the_columns_stand(original, columns, stage):
    assert texts.stage(PLAN, original, columns) is stage


def test_the_trigger_has_its_settings_locked():
    function, *_, always = ddl.follow(PLAN, Side.NEW, "our own")
    assert "SET search_path = pg_catalog, public, pg_temp" in function and "\"TimeZone\" = 'UTC'" in function
    assert '"our own".shadow_' in function and "ENABLE ALWAYS TRIGGER zzzz_indexpilot_" in always


def first(statements, *words):
    return next(n for n, text in enumerate(statements) if all(word in text for word in words))


@pytest.mark.parametrize("side", Side)
def test_the_swap_gives_up_before_it_takes_over(side):
    statements = ddl.swap(FULL, side, "indexpilot")
    coming, going = (texts.column_name(FULL, s) for s in (side, side.other))
    away, here = first(statements, f"TO {going}"), first(statements, f"RENAME COLUMN {coming} TO v")
    assert first(statements, "DROP TRIGGER") < first(statements, "DROP CONSTRAINT items_pkey") < away < here
    for before in (
        "DROP DEFAULT",
        "DROP NOT NULL",
        "OWNED BY NONE",
        "DROP CONSTRAINT v_ok",
        "DROP INDEX public.items_u",
    ):
        assert first(statements, before) < away
    for after in ("SET DEFAULT", "OWNED BY public.items.v", "PRIMARY KEY USING INDEX", "TO v_ok", "IS 'it''s'"):
        assert first(statements, after) > here
    assert f"SET DEFAULT {FULL.default.of(side)}" in statements[first(statements, "SET DEFAULT")]


def test_the_swap_there_and_the_swap_back_rename_the_same_things():
    there, back = (ddl.swap(FULL, side, "indexpilot") for side in (Side.NEW, Side.OLD))
    assert "ALTER INDEX public.items_v RENAME TO items_v_ipold" in there
    assert "ALTER INDEX public.items_v_ipold RENAME TO items_v" in back
    assert len(there) == len(back)
    assert ddl.locked_tables(FULL) == (QualifiedName("a", "b"), TABLE)


def test_indexes_are_built_beside_and_constraints_added_late():
    assert ddl.create_index(FULL, FULL.indexes[1], Side.NEW) == (
        "CREATE UNIQUE INDEX CONCURRENTLY items_pkey_ipnew ON public.items USING btree (v_indexpilot_new)"
    )
    assert ddl.add_constraint(FULL, FULL.table, FULL.constraints[0], Side.NEW) == (
        "ALTER TABLE public.items ADD CONSTRAINT v_ok_ipnew CHECK ((v_indexpilot_new > 0)) NOT VALID"
    )
    assert ddl.dress(FULL, Side.OLD) == ()
    assert 'GRANT UPDATE (v_indexpilot_new) ON public.items TO "Some one" WITH GRANT OPTION' in ddl.dress(
        FULL, Side.NEW
    )


def sequence(start, increment, low, high, cache, *, cycles=False):
    return SequenceFacts(QualifiedName("public", "s"), True, "integer", start, increment, low, high, cache, cycles)


def test_a_bound_of_the_old_type_becomes_one_of_the_new_and_any_other_stays():
    types = Both("integer", "bigint")
    made = ddl.sequence_options(sequence(1, 1, 1, 2**31 - 1, 1), types)
    assert "MAXVALUE 2147483647" in made.old and "MAXVALUE" not in made.new and "MINVALUE 1" in made.new
    made = ddl.sequence_options(sequence(5, 2, -(2**31), 1000, 9, cycles=True), types)
    assert made.new == "START WITH 5 INCREMENT BY 2 MAXVALUE 1000 CACHE 9 CYCLE"


def test_the_plan_survives_the_log():
    identity = Identity(True, QualifiedName("a", "s"), Both("x", "y"), (OnlineGrant("USAGE", "b"),), "c")
    plan = replace(FULL, identity=identity)
    assert from_json(OnlinePlan, json.loads(json.dumps(to_json(plan)))) == plan
