"""A designed table of statements and the atoms they must give."""

from dataclasses import replace

import pytest

from indexpilot_cli.core.catalog import OperatorClass, SqlFunction
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import AtomKind as K
from indexpilot_cli.sql.parser import Statement, parse
from indexpilot_cli.workload.predicates.blocks import relation_uses
from tests.unit.workload.shop import CATALOG


def uses(text):
    statement = parse(text)
    assert isinstance(statement, Statement), statement
    return relation_uses(statement, CATALOG)


def use(text, alias):
    return next(u for u in uses(text) if u.alias == alias)


def brief(atom):
    """kind, column or (expression), constant or $n or join, with ``|`` before what is not conjunctive."""
    what = atom.column or f"({atom.expression})"
    if atom.join_to:
        other = f"{atom.join_to[0].name}.{atom.join_to[1]}"
    else:
        other = atom.constant or ",".join(f"${n}" for n in atom.parameters)
    return f"{'' if atom.conjunctive else '|'}{atom.kind.value} {what} {other}".strip()


def atoms(text, alias="orders"):
    return [brief(a) for u in uses(text) if u.alias == alias for a in u.atoms]


CONDITIONS = [
    ("customer_id = 5", ["equal customer_id 5"]),
    ("5 = customer_id", ["equal customer_id 5"]),
    ("customer_id = $1", ["equal customer_id $1"]),
    ("customer_id = '7'::integer", ["equal customer_id '7'::int"]),
    ("customer_id IS NOT DISTINCT FROM 5", ["equal customer_id 5"]),
    ("status IN ('a', 'b')", ["in status 'a', 'b'"]),
    ("status IN ('a')", ["equal status 'a'"]),
    ("status NOT IN ('a', 'b')", ["not_equal status 'a', 'b'"]),
    ("customer_id = ANY (ARRAY[1, 2])", ["in customer_id ARRAY[1, 2]"]),
    ("customer_id = ANY ($1)", ["in customer_id $1"]),
    ("status <> 'a'", ["not_equal status 'a'"]),
    ("NOT status = 'a'", ["not_equal status 'a'"]),
    ("NOT total < 5", ["range total 5"]),
    ("total BETWEEN SYMMETRIC 9 AND 5", ["range total"]),
    ("total > 5 AND total <= $1", ["range total 5", "range total $1"]),
    ("5 < total", ["range total 5"]),
    ("placed BETWEEN '2024-01-01' AND $1", ["range placed $1"]),
    ("placed >= date '2024-01-01' - interval '1 day'", ["range placed '2024-01-01'::date - '1 day'::interval"]),
    ("placed >= $1::date", ["range placed $1"]),
    ("placed > now() - interval '1 day'", ["range placed now() - '1 day'::interval"]),
    ("flag", ["equal flag true"]),
    ("NOT flag", ["equal flag false"]),
    ("flag IS TRUE", ["equal flag true"]),
    ("flag IS NOT TRUE", ["not_equal flag"]),
    ("note IS NULL", ["is_null note"]),
    ("note IS NOT NULL", ["is_not_null note"]),
    ("NOT (note IS NULL)", ["is_not_null note"]),
    ("note LIKE 'abc%'", ["like_prefix note 'abc%'"]),
    ("note LIKE 'a%b%'", ["like_prefix note 'a%b%'"]),
    ("note LIKE '%abc%'", ["like_infix note '%abc%'"]),
    ("note LIKE '_bc'", ["like_infix note '_bc'"]),
    ("note LIKE $1", ["like_infix note $1"]),
    ("note LIKE $1 || '%'", ["like_prefix note $1"]),
    ("note LIKE '%' || $1", ["like_infix note $1"]),
    ("note ILIKE 'abc%'", ["like_infix note 'abc%'"]),
    ("note NOT LIKE 'abc%'", ["other note 'abc%'"]),
    ("note ~ '^abc'", ["like_prefix note '^abc'"]),
    ("note ~ '^a?bc'", ["like_infix note '^a?bc'"]),
    ("note ~ 'abc'", ["like_infix note 'abc'"]),
    ("note ~* '^abc'", ["like_infix note '^abc'"]),
    ("note ^@ 'abc'", ["like_prefix note 'abc'"]),
    ("starts_with(note, 'abc')", ["like_prefix note 'abc'"]),
    ("note % 'abc'", ["similar note 'abc'"]),
    ("customer_id % 10 = 3", ["equal (customer_id % 10) 3"]),
    ("data->>'kind' = 'x'", ["equal (data ->> 'kind') 'x'"]),
    ("(data->'a'->>'b')::int > 3", ["range (((data -> 'a') ->> 'b')::int) 3"]),
    ("data->>$1 = $2", ["other (data ->> $1) $2"]),
    ("data @> '{\"a\": 1}'", ["contains data '{\"a\": 1}'"]),
    ("data ? 'a'", ["has_key data 'a'"]),
    ("data ?| ARRAY['a']", ["has_key data ARRAY['a']"]),
    ("data @? '$.a'", ["json_path data '$.a'"]),
    ("data @@ '$.a > 1'", ["json_path data '$.a > 1'"]),
    ("tags @> ARRAY['a']", ["contains tags ARRAY['a']"]),
    ("ARRAY['a'] <@ tags", ["contains tags ARRAY['a']"]),
    ("tags && $1", ["overlaps tags $1"]),
    ("'a' = ANY (tags)", ["contains tags 'a'"]),
    ("doc @@ to_tsquery('english', 'a')", ["text_search doc to_tsquery('english', 'a')"]),
    ("to_tsvector('english', note) @@ plainto_tsquery($1)", ["text_search (to_tsvector('english', note)) $1"]),
    ("period && tstzrange(now(), NULL)", ["overlaps period tstzrange(now(), NULL)"]),
    ("period @> now()", ["contains period now()"]),
    ("lower(note) = 'x'", ["equal (lower(note)) 'x'"]),
    ("date_trunc('day', placed) = '2024-01-01'", ["equal (date_trunc('day', placed)) '2024-01-01'"]),
    ("coalesce(total, 0) > 5", ["range (COALESCE(total, 0)) 5"]),
    ("customer_id::text = 'x'", ["equal (customer_id::text) 'x'"]),
    ("total + 1 = 5", ["other (total + 1) 5"]),
    ("total * 2 > $1", ["other (total * 2) $1"]),
    ("random() < total", []),
    ("customer_id = 1 OR customer_id = 2 OR customer_id IN (3, 4)", ["in customer_id"]),
    ("customer_id = 1 OR status = 'a'", ["|equal customer_id 1", "|equal status 'a'"]),
    (
        "(customer_id = 1 AND status = 'a') OR (customer_id = 1 AND status = 'b')",
        ["equal customer_id 1", "|equal status 'a'", "|equal status 'b'"],
    ),
    ("NOT (customer_id = 1 OR flag)", ["not_equal customer_id 1", "equal flag false"]),
    ("(customer_id, id) > ($1, $2)", ["range customer_id $1", "|range id $2"]),
    ("(customer_id, id) = ($1, 3)", ["equal customer_id $1", "equal id 3"]),
    ("(customer_id, id) IN ((1, 2), (3, 4))", ["in customer_id 1, 3", "in id 2, 4"]),
    ("customer_id = id", ["other customer_id"]),
    ("customer_id = (SELECT max(id) FROM users)", ["equal customer_id"]),
    ("num_nonnulls(note, status) > 1", ["range (num_nonnulls(note, status)) 1"]),
    ("isfinite(due)", ["other due"]),
    ("1 = 1", []),
    ("true", []),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS, ids=[c for c, _ in CONDITIONS])
def test_condition(condition, expected):
    assert atoms(f"SELECT 1 FROM orders WHERE {condition}") == expected


STATEMENTS = [
    ("SELECT * FROM orders AS o WHERE o.customer_id = 5", "o", ["equal customer_id 5"]),
    ("SELECT * FROM public.orders WHERE orders.id = 5", "orders", ["equal id 5"]),
    ("SELECT * FROM orders o, users u WHERE email = 'x' AND o.customer_id = u.id", "o", ["join customer_id users.id"]),
    ("SELECT * FROM orders o JOIN users u ON u.id = o.customer_id", "u", ["join id orders.customer_id"]),
    ("SELECT * FROM users JOIN (SELECT id, total FROM orders) s USING (id)", "orders", ["join id users.id"]),
    ("SELECT * FROM users NATURAL JOIN (SELECT id FROM orders) s", "users", ["join id orders.id"]),
    ("SELECT 1 FROM users u JOIN orders o ON lower(u.email) = o.note", "u", ["join (lower(email)) orders.note"]),
    ("SELECT 1 FROM orders o JOIN events e ON e.at BETWEEN o.placed AND o.due", "e",
     ["range at orders.placed", "range at orders.due"]),
    ("SELECT 1 FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = u.id AND flag)", "o",
     ["join customer_id users.id", "equal flag true"]),
    ("SELECT 1 FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = u.id)", "u",
     ["join id orders.customer_id"]),
    ("SELECT 1 FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = u.id)", "o",
     ["join customer_id users.id"]),
    ("SELECT 1 FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = u.id)", "u", []),
    ("SELECT 1 FROM users WHERE id IN (SELECT customer_id FROM orders WHERE flag)", "orders",
     ["equal flag true", "join customer_id users.id"]),
    ("SELECT 1 FROM users WHERE id IN (SELECT customer_id FROM orders WHERE flag)", "users",
     ["join id orders.customer_id"]),
    ("SELECT 1 FROM users WHERE (id, org_id) IN (SELECT customer_id, id FROM orders)", "orders",
     ["join customer_id users.id", "join id users.org_id"]),
    ("SELECT (SELECT max(total) FROM orders o WHERE o.customer_id = u.id) FROM users u", "o",
     ["join customer_id users.id"]),
    ("SELECT (SELECT max(total) FROM orders o WHERE o.customer_id = u.id) FROM users u", "u", []),
    ("SELECT 1 FROM users u, LATERAL (SELECT * FROM orders o WHERE o.customer_id = u.id LIMIT 3) l", "o",
     ["join customer_id users.id"]),
    ("SELECT * FROM users u LEFT JOIN orders o ON o.customer_id = u.id AND o.flag AND u.name = 'x'", "o",
     ["join customer_id users.id", "equal flag true"]),
    ("SELECT * FROM users u LEFT JOIN orders o ON o.customer_id = u.id AND o.flag AND u.name = 'x'", "u", []),
    ("SELECT * FROM orders o RIGHT JOIN users u ON o.customer_id = u.id", "o", ["join customer_id users.id"]),
    ("SELECT * FROM orders o FULL JOIN users u ON o.customer_id = u.id", "o", []),
    ("SELECT * FROM open_orders WHERE customer = 5", "o", ["equal status 'open'", "equal customer_id 5"]),
    ("SELECT * FROM open_orders v WHERE v.note = 'x'", "o", ["equal status 'open'", "equal (lower(note)) 'x'"]),
    ("SELECT * FROM open_big WHERE customer = 5", "o",
     ["equal status 'open'", "range id 100", "equal customer_id 5"]),
    ("SELECT * FROM totals WHERE customer_id = 5 AND total > 10", "orders", ["equal customer_id 5"]),
    ("WITH x AS (SELECT * FROM orders WHERE flag) SELECT * FROM x WHERE customer_id = 5", "orders",
     ["equal flag true", "equal customer_id 5"]),
    ("WITH x AS MATERIALIZED (SELECT * FROM orders WHERE flag) SELECT * FROM x WHERE customer_id = 5", "orders",
     ["equal flag true"]),
    ("WITH x AS (SELECT * FROM orders) SELECT * FROM x a JOIN x b ON a.id = b.id WHERE a.flag", "orders", []),
    ("WITH RECURSIVE r AS (SELECT id FROM users WHERE id = 1 UNION ALL SELECT i.product_id FROM items i "
     "JOIN r ON i.order_id = r.id) SELECT * FROM r", "i", ["join order_id"]),
    ("SELECT * FROM (SELECT customer_id AS c FROM orders) s WHERE c = 5", "orders", ["equal customer_id 5"]),
    ("SELECT * FROM (SELECT customer_id FROM orders LIMIT 10) s WHERE customer_id = 5", "orders", []),
    ("SELECT * FROM (SELECT id, rank() OVER (ORDER BY id) r FROM orders) s WHERE id = 5", "orders", []),
    ("SELECT * FROM (SELECT count(*) AS n FROM orders) s WHERE n = 5", "orders", []),
    ("SELECT * FROM (SELECT id FROM users UNION ALL SELECT id FROM orders) s WHERE id = 5", "orders", ["equal id 5"]),
    ("SELECT * FROM users JOIN unnest($1::int[]) x(id) ON users.id = x.id", "users", ["join id"]),
    ("SELECT * FROM \"Mixed Case\" m WHERE m.\"userId\" = 4", "m", ["equal userId 4"]),
    ("SELECT * FROM events WHERE at > now()", "events", ["range at now()"]),
    ("SELECT * FROM archive.orders WHERE customer_id = 1", "orders", ["equal customer_id 1"]),
    ("UPDATE orders SET flag = true WHERE status = 'x'", "orders", ["equal status 'x'"]),
    ("UPDATE orders SET flag = true FROM items i WHERE i.order_id = orders.id AND i.qty > 3", "i",
     ["join order_id orders.id", "range qty 3"]),
    ("DELETE FROM orders USING users u WHERE u.id = orders.customer_id AND u.name = 'x'", "orders",
     ["join customer_id users.id"]),
    ("INSERT INTO items SELECT id FROM orders WHERE status = 'x'", "orders", ["equal status 'x'"]),
    ("MERGE INTO items t USING orders s ON t.order_id = s.id WHEN MATCHED THEN DELETE", "t",
     ["join order_id orders.id"]),
    ("WITH gone AS (DELETE FROM orders WHERE flag RETURNING id) SELECT * FROM gone WHERE id = 5", "orders",
     ["equal flag true"]),
    ("SELECT 1 FROM orders o WHERE CASE WHEN EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id) THEN true END", "i",
     ["join order_id orders.id"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "alias", "expected"), STATEMENTS, ids=[f"{a}: {t}" for t, a, _ in STATEMENTS])
def test_statement(text, alias, expected):
    assert atoms(text, alias) == expected


def test_a_negation_reads_as_the_planner_turns_it():
    (found,) = use("SELECT * FROM orders o WHERE NOT o.total < 5", "o").atoms
    assert (found.sql, found.operator) == ("total >= 5", ">=")


def test_partial_predicates_read_without_qualifiers():
    found = use("SELECT 1 FROM orders o WHERE o.status = 'open' AND o.note IS NOT NULL AND NOT o.flag", "o")
    assert [a.sql for a in found.atoms] == ["status = 'open'", "note IS NOT NULL", "NOT flag"]


def test_join_has_no_predicate_text():
    found = use("SELECT 1 FROM orders o JOIN users u ON u.id = o.customer_id", "o")
    assert found.atoms[0].sql is None


@pytest.mark.parametrize(
    ("text", "count"),
    [("customer_id IN (1, 2, 3)", 3), ("customer_id = ANY ('{1,2}')", 2), ("customer_id = ANY ($1)", 10)],
)
def test_elements_are_counted(text, count):
    assert use(f"SELECT 1 FROM orders WHERE {text}", "orders").atoms[0].elements == count


def test_columns_are_those_that_are_read():
    found = use("SELECT o.id, sum(o.total) FROM orders o WHERE o.status = 'x' GROUP BY o.id ORDER BY o.placed", "o")
    assert found.columns == {"id", "total", "status", "placed"}
    assert not found.whole_row


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("SELECT * FROM (SELECT id, placed AS at FROM orders UNION ALL SELECT id, at FROM events) x", ("placed", "at")),
        ("SELECT id, placed AS at FROM orders UNION ALL SELECT id, at FROM events", ("placed", "at")),
        ("SELECT id, placed AS at FROM orders UNION SELECT id, at FROM events", ()),
        (
            "SELECT * FROM (SELECT id, max(placed) AS at FROM orders GROUP BY 1 UNION ALL SELECT id, at FROM events) x",
            (),
        ),
    ],
)
def test_the_order_of_a_union_all_is_that_of_its_arms(text, keys):
    found = uses(f"{text} ORDER BY at DESC LIMIT 20")
    assert tuple(k.column for u in found for k in u.order_by) == keys
    assert all(k.descending and u.limited and u.order_complete for u in found for k in u.order_by)
    assert not any(u.order_by for u in uses(f"{text} ORDER BY at"))


@pytest.mark.parametrize(
    ("lock", "locked"),
    [
        ("", ""),
        ("FOR UPDATE SKIP LOCKED", "oi"),
        ("FOR NO KEY UPDATE OF o", "o"),
        ("FOR SHARE OF i FOR UPDATE OF o", "oi"),
    ],
)
def test_rows_that_are_locked(lock, locked):
    text = f"SELECT o.id FROM orders o JOIN items i ON i.order_id = o.id {lock}"
    assert {u.alias for u in uses(text) if u.locked} == set(locked)


def test_star_is_a_whole_row():
    assert use("SELECT * FROM orders", "orders").whole_row
    assert use("SELECT o.* FROM orders o", "o").columns >= {"id", "note", "period"}
    assert use("SELECT count(o) FROM orders o", "o").whole_row


def test_count_star_reads_nothing():
    assert use("SELECT count(*) FROM orders", "orders").columns == frozenset()


def test_columns_of_a_view_are_only_those_asked_for():
    assert use("SELECT id FROM open_orders", "o").columns == {"id", "status"}


@pytest.mark.parametrize(
    ("tail", "keys", "complete"),
    [
        ("ORDER BY placed DESC", [("placed", True, None)], True),
        ("ORDER BY placed DESC NULLS LAST, id", [("placed", True, False), ("id", False, None)], True),
        ("ORDER BY 2", [("placed", False, None)], True),
        ("ORDER BY p", [("placed", False, None)], True),
        ("ORDER BY lower(note)", [("lower(note)", False, None)], True),
        ("ORDER BY placed, u.name", [("placed", False, None)], False),
        ("ORDER BY u.name, placed", [], False),
    ],
)
def test_order(tail, keys, complete):
    found = use(f"SELECT o.id, o.placed AS p FROM orders o JOIN users u ON u.id = o.customer_id {tail}", "o")
    assert [(k.column or k.expression, k.descending, k.nulls_first) for k in found.order_by] == keys
    assert found.order_complete is complete


LAST = "SELECT *, row_number() OVER ({window}) AS place FROM orders {tail}"


@pytest.mark.parametrize(
    ("window", "tail", "keys"),
    [
        ("PARTITION BY customer_id ORDER BY placed DESC", "", ["customer_id", "placed DESC"]),
        ("ORDER BY placed DESC", "ORDER BY id LIMIT 3", ["placed DESC"]),  # all rows in this order first
        ("w", "WINDOW w AS (PARTITION BY status ORDER BY placed)", ["status", "placed"]),
        ("w ORDER BY total", "WINDOW w AS (PARTITION BY status)", ["status", "total"]),
        ("", "ORDER BY id", ["id"]),
    ],
)
def test_windows_want_rows_in_an_order(window, tail, keys):
    found = use(LAST.format(window=window, tail=tail), "orders")
    assert [f"{k.column}{' DESC' * k.descending}" for k in found.order_by] == keys and found.order_complete


def test_windows_of_groups_want_no_order_of_rows():
    found = use("SELECT customer_id, rank() OVER (ORDER BY customer_id) FROM orders GROUP BY 1", "orders")
    assert found.order_by == ()


@pytest.mark.parametrize(
    ("inner", "moved"),
    [
        ("SELECT *, rank() OVER (PARTITION BY customer_id ORDER BY placed) FROM orders", ["equal customer_id 3"]),
        ("SELECT *, rank() OVER (ORDER BY placed) FROM orders", []),
        ("SELECT *, rank() OVER (PARTITION BY id), rank() OVER (PARTITION BY customer_id) FROM orders", []),
        ("SELECT DISTINCT ON (customer_id) customer_id, status FROM orders", ["equal customer_id 3"]),
        ("SELECT DISTINCT customer_id, status FROM orders", ["equal customer_id 3", "equal status 'a'"]),
    ],
)
def test_conditions_move_below_windows_only_on_what_all_partition_by(inner, moved):
    assert atoms(f"SELECT * FROM ({inner}) AS x WHERE customer_id = 3 AND status = 'a'") == moved


def test_order_through_a_view_with_limit():
    found = use("SELECT * FROM open_orders WHERE customer = 3 ORDER BY placed DESC LIMIT 10", "o")
    assert (found.order_by[0].column, found.limited, found.limit) == ("placed", True, 10)


def test_limit_parameter():
    found = use("SELECT * FROM orders LIMIT $1", "orders")
    assert (found.limited, found.limit) == (True, None)


def test_distance_ordering():
    found = use("SELECT * FROM orders ORDER BY period <-> $1 LIMIT 5", "orders")
    assert [(a.kind, a.column, a.parameters) for a in found.atoms] == [(K.DISTANCE, "period", (1,))]
    assert found.order_by == ()


def test_groups_and_distinct():
    assert [k.column for k in use("SELECT customer_id, count(*) FROM orders GROUP BY 1", "orders").group_by] == [
        "customer_id"
    ]
    assert [k.column for k in use("SELECT DISTINCT status, flag FROM orders", "orders").distinct] == ["status", "flag"]
    found = use("SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY customer_id, placed", "orders")
    assert [k.column for k in found.distinct] == ["customer_id"]


def test_group_over_two_relations_is_no_key_of_one():
    found = uses("SELECT o.status, u.name FROM orders o JOIN users u ON u.id = o.customer_id GROUP BY 1, 2")
    assert all(u.group_by == () for u in found)


def test_ends_of_an_index():
    assert use("SELECT max(placed), min(id) FROM orders WHERE flag", "orders").aggregates == (
        ("max", "placed"),
        ("min", "id"),
    )
    assert use("SELECT max(placed) FROM orders GROUP BY status", "orders").aggregates == ()


def test_writes_say_what_they_write():
    found = use("UPDATE orders SET status = 'x', total = total + 1 WHERE id = 5", "orders")
    assert found.target
    assert found.updated == {"status", "total"}
    found = use("INSERT INTO items VALUES (1, 2, 3) ON CONFLICT (order_id) DO UPDATE SET qty = excluded.qty", "items")
    assert (found.target, found.updated) == (True, {"qty"})
    found = use("MERGE INTO items t USING orders s ON t.order_id = s.id WHEN MATCHED THEN UPDATE SET qty = 1", "t")
    assert (found.target, found.updated) == (True, {"qty"})


def test_outer_joins_mark_the_inner_side():
    found = {u.alias: u.nullable for u in uses("SELECT * FROM users u LEFT JOIN orders o ON o.customer_id = u.id")}
    assert found == {"u": False, "o": True}


def test_same_table_twice_has_two_uses():
    found = uses("SELECT 1 FROM users a JOIN users b ON a.org_id = b.id WHERE a.email = 'x'")
    assert [(u.alias, [brief(a) for a in u.atoms]) for u in found] == [
        ("a", ["join org_id users.id", "equal email 'x'"]),
        ("b", ["join id users.org_id"]),
    ]


def test_unknown_tables_do_not_hide_known_ones():
    found = uses("SELECT * FROM nowhere n JOIN orders o ON o.id = n.order_id WHERE o.flag")
    assert [brief(a) for a in found[0].atoms] == ["join id", "equal flag true"]


def test_parse_failure_says_where():
    found = parse("SELECT *\nFORM orders")
    assert (found.reason, found.line, found.column) == ("unparsed", 2, 1)


def test_an_operator_is_read_by_the_type_of_its_column():
    path = replace(CATALOG.tables[0].columns[0], name="path", base_type="ltree")
    ip = replace(path, name="ip", base_type="cidr")
    table = replace(CATALOG.tables[0], name=QualifiedName("public", "typed"), columns=(path, ip))
    classes = (
        OperatorClass("gist", "gist_ltree_ops", "ltree", True, ("~", "@", "@>")),
        OperatorClass("gist", "inet_ops", "inet", False, ("<<", "<<=", ">>", ">>=")),
    )
    catalog = replace(CATALOG, tables=(table,), operator_classes=classes)

    def read(condition):
        (found,) = relation_uses(parse(f"SELECT * FROM typed WHERE {condition}"), catalog)
        return [(a.kind, a.column, a.operator) for a in found.atoms]

    assert read("path ~ '*.b'") == [(K.MATCHES, "path", "~")]
    assert read("path ~~ 'a%'") == [(K.OTHER, "path", "~~")]
    assert read("ip << '10.0.0.0/8'") == [(K.MATCHES, "ip", "<<")]
    assert read("'10.7.3.4' <<= ip") == [(K.MATCHES, "ip", ">>=")]
    assert read("ip &< '10.0.0.0/8'") == [(K.OTHER, "ip", "&<")]


def test_a_function_with_an_index_form_of_its_own_is_a_condition_on_either_argument():
    catalog = replace(CATALOG, supported=frozenset({"st_dwithin"}))
    (found,) = relation_uses(parse("SELECT * FROM orders WHERE st_dwithin(data, $1, 100)"), catalog)
    assert [brief(a) for a in found.atoms] == ["matches data $1"]
    joined = relation_uses(parse("SELECT * FROM orders o, users u WHERE st_dwithin(o.data, u.name, 5)"), catalog)
    assert [[brief(a) for a in u.atoms] for u in joined] == [["matches data users.name"], ["matches name orders.data"]]


FUNCTIONS = (
    SqlFunction(QualifiedName("public", "orders_of"), ("cid", ""),
                "SELECT * FROM orders WHERE customer_id = cid AND total > $2", True),
    SqlFunction(QualifiedName("public", "busy"), ("status",), "SELECT * FROM orders WHERE status = 'open'", True),
    SqlFunction(QualifiedName("public", "lowered"), ("",), "SELECT lower($1)"),
    SqlFunction(QualifiedName("public", "deep"), ("x",), "SELECT lowered(deep.x) || 'y'"),
    SqlFunction(QualifiedName("public", "counted"), ("x",), "SELECT count(*) FROM orders WHERE customer_id = x"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM orders_of(7, $1) WHERE flag", ["equal customer_id 7", "range total $1", "equal flag true"]),
        ("SELECT * FROM orders_of($1, 1) AS x (a, b) WHERE b = 5",
         ["equal customer_id $1", "range total 1", "equal customer_id 5"]),
        ("SELECT * FROM busy('x')", ["equal status 'open'"]),  # the column hides the argument
        ("SELECT * FROM orders WHERE lowered(note) = 'a'", ["equal (lower(note)) 'a'"]),
        ("SELECT * FROM orders WHERE deep(note) = 'a'", ["other (lower(note) || 'y') 'a'"]),
        ("SELECT * FROM users u, orders_of(u.id, 3) o", ["join customer_id users.id", "range total 3"]),
        ("SELECT * FROM orders WHERE counted(id) = 1", ["equal (counted(id)) 1"]),  # not inlined: it reads a table
    ],
)  # fmt: skip
def test_bodies_of_sql_functions_are_read_in_the_place_of_their_calls(text, expected):
    found = relation_uses(parse(text), replace(CATALOG, sql_functions=FUNCTIONS))
    assert [brief(a) for u in found if u.table.name == "orders" for a in u.atoms] == expected
