import pytest

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import AtomKind, ObservedStatement, Skipped, SourceKind, StatementKind, Workload
from indexpilot_cli.workload.compress import compress
from indexpilot_cli.workload.fold import MAX_SAMPLES, fold
from indexpilot_cli.workload.plannable import scenarios
from tests.unit.workload.shop import CATALOG


def observed(text, calls=1.0, ms=None, **more):
    return ObservedStatement(text, calls, ms, **more)


def folded(*statements, **options):
    workload = Workload(SourceKind.SQL, tuple(observed(s) if isinstance(s, str) else s for s in statements))
    return fold((workload,), CATALOG, **options)


def test_statements_that_differ_in_constants_are_one_template():
    found = folded(
        observed("SELECT * FROM orders WHERE id = 1", 2, 10.0),
        observed("select *  from orders where id = 2 -- comment", 3, 5.0),
        observed("SELECT * FROM orders WHERE id = $1", 5, 1.0),
    )
    assert [(t.calls, t.total_ms, t.text) for t in found.templates] == [
        (10, 16.0, "SELECT * FROM orders WHERE id = $1")
    ]
    assert found.templates[0].id.startswith("q-")
    assert found.templates[0].kind is StatementKind.SELECT


def test_tables_of_one_name_in_two_schemas_are_two_templates():
    """The fingerprint of a statement does not look at schemas."""
    found = folded(*(f"SELECT id FROM {name} WHERE id = 1" for name in ("orders", "public.orders", "archive.orders")))
    assert {t.relations[0].schema: t.calls for t in found.templates} == {"public": 2, "archive": 1}


def test_ids_do_not_depend_on_constants_or_order():
    one = folded("SELECT * FROM orders WHERE id = 1", "SELECT * FROM users").templates
    two = folded("SELECT * FROM users", "SELECT * FROM orders WHERE id = 99").templates
    assert {t.text: t.id for t in one} == {t.text: t.id for t in two}


def test_json_keys_and_units_tell_templates_apart():
    found = folded(
        "SELECT * FROM orders WHERE data->>'a' = 'x'",
        "SELECT * FROM orders WHERE data->>'b' = 'x'",
        "SELECT * FROM orders WHERE data->>'b' = 'y'",
    )
    assert sorted(t.calls for t in found.templates) == [1, 2]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("id = ?", "id = $1"),
        ("id = %s AND status = %s", "id = $1 AND status = $2"),
        ("id = %(id)s OR customer_id = %(id)s", "id = $1 OR customer_id = $1"),
        ("id = :id::int AND status = ':no' -- :x", "id = $1::int AND status = ':no'"),
        (
            "id IN (?, ?) ORDER BY id OFFSET ? ROWS FETCH FIRST ? ROWS ONLY",
            "id IN ($1, $2) ORDER BY id OFFSET $3 LIMIT $4",
        ),
        ("id = #{id,jdbcType=INTEGER} AND status = :'status'", "id = $1 AND status = $2"),
        ("id = {{ id }} AND note = $$?$$", "id = $1 AND note = $$?$$"),
    ],
)
def test_placeholders_of_drivers_are_parameters(written, meant):
    one, two = (folded(f"SELECT * FROM orders WHERE {condition}").templates for condition in (written, meant))
    assert [(t.id, t.text) for t in one] == [(t.id, t.text) for t in two] != []


def test_constants_that_never_change_stay_constants():
    found = folded(*(f"SELECT * FROM orders WHERE status = 'open' AND customer_id = {i}" for i in range(5)))
    status, customer = found.templates[0].uses[0].atoms
    assert (status.constant, status.sql) == ("'open'", "status = 'open'")
    assert (customer.constant, customer.parameters) == (None, (2,))


def test_a_value_of_nine_tenths_counts_as_constant():
    found = folded(
        observed("SELECT * FROM orders WHERE status = 'open'", 95),
        observed("SELECT * FROM orders WHERE status = 'x'", 5),
    )
    assert found.templates[0].uses[0].atoms[0].constant == "'open'"


def test_other_in_list_lengths_join_the_template():
    found = folded("DELETE FROM orders WHERE id IN (1, 2)", "DELETE FROM orders WHERE id IN (3, 4, 5)")
    assert len(found.templates) == 1
    assert found.templates[0].uses[0].atoms[0].kind is AtomKind.IN


@pytest.mark.parametrize(
    ("patterns", "kind"),
    [
        (("ab%", "cd%"), AtomKind.LIKE_PREFIX),
        (("%ab", "%cd%"), AtomKind.LIKE_INFIX),
        (("ab%", "%cd"), AtomKind.LIKE_INFIX),
    ],
)
def test_like_parameters_are_decided_by_samples(patterns, kind):
    text = "SELECT * FROM orders WHERE note LIKE $1"
    found = folded(*(observed(text, parameters=(p,)) for p in patterns))
    assert found.templates[0].uses[0].atoms[0].kind is kind


def test_samples_are_real_and_bounded():
    found = folded(*(observed(f"SELECT * FROM orders WHERE id = {i}", i + 1) for i in range(50)))
    samples = found.templates[0].samples
    assert len(samples) == MAX_SAMPLES
    assert samples[0].text == "SELECT * FROM orders WHERE id = 49"
    assert folded("SELECT * FROM orders WHERE id = $1").templates[0].samples == ()


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("BEGIN", "transaction", "BEGIN"),
        ("SET work_mem = '1MB'", "utility", "SET"),
        ("CREATE INDEX ON orders (id)", "utility", "CREATE INDEX"),
        ("SELECT 1", "no_table", "no table"),
        ("SELECT * FROM nowhere", "no_table", "not in the database: nowhere"),
        ("SELECT * FROM pg_class JOIN pg_catalog.pg_index ON true", "catalog_only", "only system catalogs"),
        ("SELECT * FROM indexpilot.mutation_log", "own", "reads or writes IndexPilot's own tables"),
        ("/* indexpilot */ SELECT * FROM orders", "own", "sent by indexpilot"),
        ("SELEC 1", "unparsed", 'syntax error at or near "SELEC" (line 1, column 1)'),
        ("SELECT 1 FROM orders; DELETE FROM orders", "unparsed", "more than one statement"),
        ("", "empty", "no statement"),
    ],
)
def test_skipped(text, reason, detail):
    found = folded(observed(text, 3, 4.0), observed("SELECT * FROM orders", 1, 12.0))
    shown = detail if reason in ("utility", "transaction") else "unknown command" if text == "SELEC 1" else text
    assert found.skipped == (Skipped(reason, shown, detail, 3, 4.0),)
    assert found.total_ms == pytest.approx(12.0 if reason == "own" else 16.0)


@pytest.mark.parametrize(
    "text",
    [
        "DECLARE c CURSOR FOR SELECT * FROM orders WHERE id = 1",
        "CREATE TEMP TABLE x AS SELECT * FROM orders WHERE id = 1",
        "COPY (SELECT * FROM orders WHERE id = 1) TO STDOUT",
    ],
)
def test_queries_inside_utility_statements_count(text):
    found = folded(text).templates[0]
    assert found.text == "SELECT * FROM orders WHERE id = $1"
    assert found.samples[0].text == "SELECT * FROM orders WHERE id = 1"


@pytest.mark.parametrize(("times", "first"), [((10.0, 90.0), "users"), ((None, None), "orders")])
def test_order(times, first):
    found = folded(observed("SELECT * FROM orders", 100, times[0]), observed("SELECT * FROM users", 1, times[1]))
    assert found.templates[0].relations[0].name == first


def test_small_templates_are_left_out_with_a_reason():
    statements = (observed("SELECT * FROM orders", 1, 10.0), observed("SELECT * FROM users", 100, 90.0))
    found = folded(*statements, min_calls=50)
    assert [(s.reason, s.detail, s.calls) for s in found.skipped] == [("compressed", "fewer than 50 calls", 1)]
    assert found.total_ms == pytest.approx(100.0)
    assert [s.detail for s in folded(*statements, min_ms=20.0).skipped] == ["under 20 ms in total"]


def test_sources_are_merged():
    one = Workload(SourceKind.LOG, (observed("SELECT * FROM orders WHERE id = 1", 1, 1.0),), notes=("a note",))
    two = Workload(SourceKind.SQL, (observed("SELECT * FROM orders WHERE id = 2"),), (Skipped("unparsed", "x"),))
    found = fold((one, two), CATALOG)
    assert (found.source, found.statements, found.templates[0].calls) == (SourceKind.LOG, 3, 2)
    assert found.notes == ("a note",)
    assert found.skipped == (Skipped("unparsed", "x"),)


def compressible():
    return folded(
        observed("SELECT * FROM orders WHERE customer_id = 1", 1, 900.0),
        observed("SELECT id FROM orders WHERE customer_id = 1", 1, 90.0),
        observed("SELECT * FROM users WHERE email = 'x'", 1, 9.0),
        observed("SELECT * FROM items WHERE qty = 1", 1, 1.0),
        observed("UPDATE users SET name = 'x'", 1, 0.5),
    )


def test_compression_keeps_the_potential_and_says_what_is_lost():
    full = compressible()
    found = compress(full, CATALOG, keep=0.85)
    kept = {t.text for t in found.templates}
    assert "SELECT * FROM orders WHERE customer_id = $1" in kept
    assert "UPDATE users SET name = $1" in kept
    assert len(found.templates) < len(full.templates)
    heir = next(t for t in found.templates if t.text.startswith("SELECT * FROM orders"))
    assert heir.total_ms == pytest.approx(990.0)
    assert {s.reason for s in found.skipped} == {"compressed"}
    assert 0 < found.compression_loss < 0.15


def test_nothing_to_compress():
    full = folded("SELECT * FROM orders WHERE id = 1")
    assert compress(full, CATALOG) == full


def test_tables_that_differ_in_digits_are_different_templates():
    columns = (Column("a", 1, "integer", "int4", "N"),)
    tables = tuple(Table(QualifiedName("public", f"t{n:04d}"), "r", columns) for n in (1, 2))
    texts = [f"SELECT a FROM t{n:04d} WHERE a = {v}" for n in (1, 2) for v in (3, 4)]
    workload = Workload(SourceKind.SQL, tuple(ObservedStatement(t) for t in texts))
    folded = fold([workload], Catalog(150000, "d", tables))
    assert sorted(t.relations[0].name for t in folded.templates) == ["t0001", "t0002"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "MERGE INTO orders o USING (VALUES ($1, $2)) s(a, b) ON o.id = s.a AND o.status = s.b "
            "WHEN MATCHED THEN UPDATE SET note = $3",
            "VALUES ($1::int, $2::text)",
        ),
        (
            "SELECT * FROM orders JOIN (VALUES ($1), ($2)) v(k) ON orders.id = v.k",
            "VALUES ($1::int), ($2::int)",
        ),
        ("UPDATE orders SET total = v.t FROM (VALUES ($1, $2)) v(i, t) WHERE id = v.i", "($1::int, $2::numeric)"),
        ("WITH v AS (VALUES ($1)) SELECT * FROM orders, v WHERE due = v.column1", "VALUES ($1::date)"),
        ("SELECT * FROM orders WHERE (id, due) IN (VALUES ($1, $2), ($3, $4))", "($3::int, $4::date)"),
        ("SELECT * FROM orders WHERE due = ANY (VALUES ($1))", "VALUES ($1::date)"),
    ],
)
def test_parameters_of_values_lists_have_the_types_of_what_they_are_compared_with(text, wanted):
    (found,) = folded(text).templates
    assert wanted in found.text


def test_what_is_prepared_counts_as_what_it_runs():
    found = folded(
        "PREPARE p (int) AS UPDATE orders SET note = $2 WHERE id = $1", "UPDATE orders SET note = $2 WHERE id = $1"
    )
    assert [(t.kind, t.calls) for t in found.templates] == [("update", 2)]


def lists(*lengths, start=0):
    return [f"SELECT * FROM orders WHERE id IN ({', '.join(str(start + i) for i in range(n))})" for n in lengths]


def test_lengths_of_lists_are_classes_weighted_by_their_calls():
    seen = [*lists(*[2] * 50), *(lists(2, start=n)[0] for n in range(50)), *lists(100), *lists(100, start=7)]
    (one,) = folded(*seen).templates
    (other,) = folded(*reversed(seen)).templates
    assert one.samples == other.samples and one.text == other.text
    shares = {s.statement.sql.count(",") + 1: 0.0 for s in scenarios(one, CATALOG)}
    for s in scenarios(one, CATALOG):
        shares[s.statement.sql.count(",") + 1] += s.share
    assert shares == pytest.approx({2: 100 / 102, 100: 2 / 102})


def test_lengths_of_lists_of_parameters_are_classes_too():
    def with_parameters(length):
        return f"SELECT * FROM orders WHERE id IN ({', '.join(f'${n}' for n in range(1, length + 1))})"

    observed = [ObservedStatement(with_parameters(n), calls) for n, calls in ((3, 10.0), (2, 20.0), (64, 70.0))]
    for order in (observed, observed[::-1]):
        (found,) = fold([Workload(SourceKind.STATEMENTS, tuple(order))], CATALOG).templates
        assert found.text == with_parameters(64) and found.samples == ()
        assert [(s.statement.parameters, s.share) for s in scenarios(found, CATALOG)] == [
            (64, 0.7),
            (2, pytest.approx(0.3)),
        ]
