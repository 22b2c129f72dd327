"""Questions from what a clone saw, whatever the statement's text hides."""

import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import RunState
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from tests.unit.evolve.probing import ORDERS, PEOPLE, changed, cloned, created, dropped, ruled, shown, thing

HIDDEN = "DO $$ BEGIN EXECUTE some_text || ' UPDATE ' || more; END $$"


def kinds(found):
    return [(p.kind, p.sqlstate) for p in found]


def constraint(definition, contype, validated="true", **facts):
    return thing(
        "constraint",
        ("public", "orders", "c"),
        identity="pg_constraint:1",
        definition=definition,
        contype=contype,
        validated=validated,
        enforced="true",
        **facts,
    )


def index(definition, **facts):
    return thing("index", ("public", "i"), identity="pg_class:9", definition=definition, **facts)


def test_not_null_seen_in_the_catalog():
    (found,) = cloned("SELECT 1", (changed(shown("note"), shown("note", not_null="true")),))
    assert kinds([found]) == [(ProbeKind.NULLS, "23502")] and found.columns == ("note",)
    assert found.sql == "SELECT 1 FROM public.orders AS ip_t WHERE ip_t.note IS NULL LIMIT 1"
    assert found.sample_sql.startswith("SELECT 1 FROM (SELECT ctid, * FROM public.orders TABLESAMPLE SYSTEM (5.5")
    assert found.statistics is True and "50.00%" in found.statistics_why


def test_not_valid_asks_nothing_until_it_is_validated():
    assert cloned("SELECT 1", (changed(shown("note"), shown("note", not_null="not_valid")),)) == ()
    (found,) = cloned("SELECT 1", (changed(shown("note", not_null="not_valid"), shown("note", not_null="true")),))
    assert found.kind is ProbeKind.NULLS
    pending = constraint("CHECK ((id > 0)) NOT VALID", "c", "false")
    assert cloned("SELECT 1", (created(pending),)) == ()
    (found,) = cloned("SELECT 1", (changed(pending, constraint("CHECK ((id > 0))", "c")),))
    assert found.kind is ProbeKind.CHECK and "WHERE NOT (id > 0)" in found.sql and found.constraint == "c"
    renamed = constraint("CHECK ((id > 0))", "c")
    assert cloned("SELECT 1", (changed(renamed, renamed),)) == ()


def test_keys_come_from_indexes_and_not_from_constraints():
    assert cloned("SELECT 1", (created(constraint("UNIQUE (note)", "u")),)) == ()
    text = 'CREATE UNIQUE INDEX i ON public.orders USING btree (lower(note), "Odd name") WHERE (person > 3)'
    (found,) = cloned("SELECT 1", (created(index(text, unique="true")),))
    assert kinds([found]) == [(ProbeKind.DUPLICATES, "23505")]
    assert found.sql == (
        "SELECT 1 FROM ONLY public.orders AS ip_t WHERE (person > 3) AND pg_catalog.lower(note) IS NOT NULL "
        'AND "Odd name" IS NOT NULL GROUP BY pg_catalog.lower(note), "Odd name" HAVING count(*) > 1 LIMIT 1'
    )
    text = "CREATE UNIQUE INDEX i ON public.orders USING btree (note) NULLS NOT DISTINCT"
    (found,) = cloned("SELECT 1", (created(index(text, unique="true")),))
    assert "IS NOT NULL" not in found.sql


def test_the_index_of_a_partition_is_asked_of_once():
    text = "CREATE UNIQUE INDEX i ON public.orders USING btree (note)"
    parent = created(index(text, unique="true"))
    child = created(thing("index", ("public", "j"), PEOPLE, "pg_class:10", text, unique="true", parent="i"))
    assert [p.table for p in cloned("SELECT 1", (parent, child))] == [ORDERS]


def test_foreign_keys_quote_what_they_name():
    made = constraint('FOREIGN KEY (person) REFERENCES "pe""ople"(id)', "f")
    (found,) = cloned("SELECT 1", (created(made),))
    assert kinds([found]) == [(ProbeKind.ORPHANS, "23503")]
    assert 'FROM ONLY public."pe""ople" AS ip_p WHERE ip_p.id = ip_t.person' in found.sql
    assert found.estimated_rows == 500_100


def test_a_type_change_takes_using_from_the_text():
    change = changed(shown("note"), shown("note", "integer"))
    (found,) = cloned("ALTER TABLE orders ALTER note TYPE integer USING trim(note)::integer", (change,))
    assert found.kind is ProbeKind.CAST and found.sql == (
        "SELECT count(CAST((trim(BOTH FROM note)::int) AS integer)) FROM public.orders AS ip_t"
    ).replace("trim(BOTH FROM note)", "TRIM (BOTH  FROM note)")
    assert cloned("SELECT 1", (changed(shown("id", "integer"), shown("id", "bigint")),)) == ()


def test_names_follow_renames():
    first = (
        changed(
            shown("note"), thing("column", ("public", "orders", "remark"), identity="pg_class:1:note", type="text")
        ),
    )
    moved = QualifiedName("public", "sales")
    second = (
        changed(
            thing("table", ("public", "orders"), relkind="r"), thing("table", ("public", "sales"), moved, relkind="r")
        ),
    )
    before = thing("column", ("public", "sales", "remark"), moved, "pg_class:1:note", type="text", not_null="false")
    after = thing("column", ("public", "sales", "remark"), moved, "pg_class:1:note", type="text", not_null="true")
    (found,) = cloned("SELECT 1; SELECT 2; SELECT 3", first, second, (changed(before, after),))
    assert found.statement == 3 and found.table == ORDERS
    assert "ip_t.note AS remark" in found.sql and "ip_t.remark IS NULL" in found.sql and "public.orders" in found.sql


def test_new_columns_have_their_values():
    plain = shown("x", "integer")
    must = shown("y", "integer", not_null="true")
    filled = shown("z", "text", not_null="true", default="'a'::text")
    numbered = shown("n", "integer", not_null="true", default="nextval('s'::regclass)")
    found = cloned("SELECT 1", (created(plain), created(must), created(filled), created(numbered)))
    assert kinds(found) == [(ProbeKind.NOT_EMPTY, "23502")] and found[0].statistics is True
    both = cloned(
        "SELECT 1; SELECT 2",
        (created(filled), created(numbered)),
        (
            created(index("CREATE UNIQUE INDEX i ON public.orders USING btree (z)", unique="true")),
            created(index("CREATE UNIQUE INDEX i ON public.orders USING btree (n)", unique="true")),
        ),
    )
    assert "CAST(('a'::text) AS text) AS z" in both[0].sql and "row_number() OVER ()" in both[1].sql


def test_what_is_hidden_makes_later_answers_unsure():
    itself, found = cloned(f"{HIDDEN}; SELECT 2", (), (changed(shown("note"), shown("note", not_null="true")),))
    assert found.sql is None and "nobody can tell" in found.why_not
    assert (itself.statement, itself.question) == (1, "what it calls fails on the rows")
    itself, found = cloned("CALL repair(); SELECT 2", (), (changed(shown("note"), shown("note", not_null="true")),))
    assert found.sql is None and itself.sql is None


def test_a_block_with_a_handler_is_not_judged():
    text = "DO $$ BEGIN ALTER TABLE orders ALTER note SET NOT NULL; EXCEPTION WHEN OTHERS THEN NULL; END $$"
    (found,) = cloned(text, (changed(shown("note"), shown("note", not_null="true")),))
    assert found.sql is None and found.sample_sql is None and found.statistics is None and "handler" in found.why_not


def test_dropped_constraints_bind_nobody():
    key = thing("constraint", ("public", "orders", "orders_person"), identity="pg_constraint:7", contype="f")
    assert [p.kind for p in ruled('DELETE FROM "pe""ople" WHERE id = 1')] == [ProbeKind.REFERENCED]
    assert cloned('SELECT 1; DELETE FROM "pe""ople" WHERE id = 1', (dropped(key),), ()) == ()
    assert ruled('ALTER TABLE orders DROP CONSTRAINT orders_person; DELETE FROM "pe""ople" WHERE id = 1') == ()


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.SKIPPED, RunState.NOT_RUN])
def test_what_the_clone_did_not_run_is_read_from_its_text(state):
    (found,) = cloned("ALTER TABLE orders ALTER note SET NOT NULL", (), state=state)
    assert found.kind is ProbeKind.NULLS


def test_a_function_made_is_not_a_function_run():
    body = "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE orders SET note = 'x' $$"
    (found,) = ruled(f"{body}; ALTER TABLE orders ALTER note SET NOT NULL")
    assert "CASE" not in found.sql and "'x'" not in found.sql


def test_a_branch_may_not_be_taken():
    text = "DO $$ BEGIN IF now() > '2020-01-01' THEN UPDATE orders SET note = 'x' WHERE note IS NULL; END IF; END $$"
    itself, found = ruled(f"{text}; ALTER TABLE orders ALTER note SET NOT NULL")
    assert found.sql is None and "cannot be foreseen" in found.why_not
    assert itself.question == "UPDATE fails on rows of orders" and "whether it is reached" in itself.why_not


def test_many_layers_are_given_up():
    text = "UPDATE orders SET note = note || note;" * 12
    (found,) = [p for p in ruled(f"{text} ALTER TABLE orders ALTER note SET NOT NULL") if p.kind is ProbeKind.NULLS]
    assert found.sql is None and "too much happens" in found.why_not


@pytest.mark.parametrize(("state", "expected"), [(RunState.FAILED, 1), (RunState.NOT_RUN, 1), (RunState.RAN, 1)])
def test_a_query_that_rows_may_break_is_tried_on_real_ones(state, expected):
    found = cloned("SELECT 1 / count(*) FROM orders", (), state=state)
    assert len(found) == expected and all(p.kind is ProbeKind.CAST and "FROM public.orders" in p.sql for p in found)


def test_a_rollback_takes_everything_back():
    text = "BEGIN; UPDATE orders SET note = 'x'; ALTER TABLE orders RENAME note TO remark; ROLLBACK;"
    found = [p for p in ruled(f"{text} ALTER TABLE orders ALTER note SET NOT NULL") if p.kind is ProbeKind.NULLS]
    assert [p.sql for p in found] == ["SELECT 1 FROM public.orders AS ip_t WHERE ip_t.note IS NULL LIMIT 1"]


@pytest.mark.parametrize(("trigger", "bound"), [("recall", True), ("USER", True), ("ALL", False)])
def test_only_all_triggers_switched_off_free_rows_of_their_foreign_keys(trigger, bound):
    found = ruled(f"ALTER TABLE orders DISABLE TRIGGER {trigger}; INSERT INTO orders (id, person) VALUES (7, 8)")
    assert (ProbeKind.ORPHANS in {p.kind for p in found}) is bound
