"""Safer files: the same changes, the rest byte for byte, and nothing left to fix."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.evolve.alter_table import fill_default
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.rule import on_table
from indexpilot_cli.evolve.review.rules.partitions import bound_condition
from indexpilot_cli.evolve.review.values import Impact
from tests.unit.evolve.rules_shop import fixed, name, seen

TIMED = "SET lock_timeout = '2s';\n"
FILL = (fill_default("orders", "c", 150004) + ";").split("\n")
BLOCKS = (Impact.LONG_BLOCKS_READS, Impact.LONG_BLOCKS_WRITES, Impact.FAILS)


def lines(text: str, **more) -> list[str]:
    return fixed(text, **more).text.removeprefix(TIMED).split("\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CREATE INDEX i ON orders (at);", ["CREATE INDEX CONCURRENTLY i ON orders (at);"]),
        (
            "create unique index if not exists i on orders (at);",
            ["create unique index CONCURRENTLY if not exists i on orders (at);"],
        ),
        (
            "DROP INDEX orders_ref_idx, orders_bad;",
            ["DROP INDEX CONCURRENTLY orders_ref_idx;", "DROP INDEX CONCURRENTLY orders_bad;"],
        ),
        ("REINDEX (VERBOSE) TABLE orders;", ["REINDEX (VERBOSE) TABLE CONCURRENTLY orders;"]),
        (
            "ALTER TABLE events DETACH PARTITION events_1;",
            ["ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;"],
        ),
        ("REFRESH MATERIALIZED VIEW totals;", ["REFRESH MATERIALIZED VIEW CONCURRENTLY totals;"]),
        (
            "ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0);",
            [
                "ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0) NOT VALID;",
                "ALTER TABLE orders VALIDATE CONSTRAINT c;",
            ],
        ),
        (
            "ALTER TABLE orders ADD CHECK (amount > 0);",
            [
                "ALTER TABLE orders ADD CONSTRAINT orders_amount_check CHECK (amount > 0) NOT VALID;",
                "ALTER TABLE orders VALIDATE CONSTRAINT orders_amount_check;",
            ],
        ),
        (
            "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES people ON DELETE CASCADE;",
            [
                "ALTER TABLE orders ADD CONSTRAINT orders_id_fkey FOREIGN KEY (id) REFERENCES people ON DELETE CASCADE"
                " NOT VALID;",
                "ALTER TABLE orders VALIDATE CONSTRAINT orders_id_fkey;",
            ],
        ),
        (
            "ALTER TABLE orders ALTER note SET NOT NULL;",
            [
                "ALTER TABLE orders ADD CONSTRAINT orders_note_not_null CHECK (note IS NOT NULL) NOT VALID;",
                "ALTER TABLE orders VALIDATE CONSTRAINT orders_note_not_null;",
                "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;",
                "ALTER TABLE orders DROP CONSTRAINT orders_note_not_null;",
            ],
        ),
        (
            "ALTER TABLE orders ADD CONSTRAINT k UNIQUE (ref) DEFERRABLE INITIALLY DEFERRED;",
            [
                "CREATE UNIQUE INDEX CONCURRENTLY k ON orders (ref);",
                "SET lock_timeout = '2s';",
                "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX k DEFERRABLE INITIALLY DEFERRED;",
            ],
        ),
        (
            "ALTER TABLE orders ADD c uuid DEFAULT gen_random_uuid();",
            [
                "ALTER TABLE orders ADD COLUMN c uuid;",
                "ALTER TABLE orders ALTER COLUMN c SET DEFAULT gen_random_uuid();",
                "RESET lock_timeout;",
                *FILL,
            ],
        ),
        (
            "ALTER TABLE orders ADD c int CHECK (c > 0);",
            [
                "ALTER TABLE orders ADD COLUMN c int;",
                "ALTER TABLE orders ADD CONSTRAINT orders_c_check CHECK (c > 0) NOT VALID;",
                "ALTER TABLE orders VALIDATE CONSTRAINT orders_c_check;",
            ],
        ),
        (
            "ALTER TABLE events ATTACH PARTITION later FOR VALUES FROM ('2027-01-01') TO (MAXVALUE);",
            [
                "ALTER TABLE later ADD CONSTRAINT later_bound CHECK (at IS NOT NULL AND at >= '2027-01-01') NOT VALID;",
                "ALTER TABLE later VALIDATE CONSTRAINT later_bound;",
                "ALTER TABLE events ATTACH PARTITION later FOR VALUES FROM ('2027-01-01') TO (MAXVALUE);",
                "ALTER TABLE later DROP CONSTRAINT later_bound;",
            ],
        ),
        (
            "CREATE INDEX i ON events (id);",
            [
                "CREATE INDEX i ON ONLY events (id);",
                "RESET lock_timeout;",
                "CREATE INDEX CONCURRENTLY events_1_id_idx ON public.events_1 (id);",
                "SET lock_timeout = '2s';",
                "ALTER INDEX i ATTACH PARTITION public.events_1_id_idx;",
            ],
        ),
        ("BEGIN;\nCREATE INDEX i ON orders (at);\nCOMMIT;", ["CREATE INDEX CONCURRENTLY i ON orders (at);", ""]),
        (
            "BEGIN;\nCREATE INDEX CONCURRENTLY i ON orders (at);\nCOMMIT;",
            ["CREATE INDEX CONCURRENTLY i ON orders (at);", ""],
        ),
    ],
)
def test_safer_forms(before, after):
    assert lines(before) == after


def test_18_promises_not_null_itself():
    assert lines("ALTER TABLE orders ALTER note SET NOT NULL;", version=180000) == [
        "ALTER TABLE orders ADD CONSTRAINT orders_note_not_null NOT NULL note NOT VALID;",
        "ALTER TABLE orders VALIDATE CONSTRAINT orders_note_not_null;",
    ]


def test_13_cannot_detach_concurrently():
    assert "CONCURRENTLY" not in fixed("ALTER TABLE events DETACH PARTITION events_1;", version=130000).text


def test_a_transaction_is_split_around_what_must_be_outside():
    text = (
        "BEGIN;\n  -- one\n  ALTER TABLE orders ADD x int;\n  CREATE INDEX i ON orders (x);\n"
        "  ALTER TABLE orders ADD y int; -- two\nCOMMIT;\nSELECT 1;\n"
    )
    result = fixed(text)
    assert result.text == (
        TIMED + "BEGIN;\n  -- one\n  ALTER TABLE orders ADD x int;\n  COMMIT;\n  RESET lock_timeout;\n"
        "  CREATE INDEX CONCURRENTLY i ON orders (x);\n  SET lock_timeout = '2s';\n  BEGIN;\n"
        "  ALTER TABLE orders ADD y int; -- two\nCOMMIT;\nSELECT 1;\n"
    )
    assert any("split" in note for note in result.notes)


def test_a_transaction_that_means_to_be_whole_stays_so():
    text = "BEGIN;\nSAVEPOINT s;\nCREATE INDEX i ON orders (at);\nCOMMIT;\n"
    result = fixed(text)
    assert result.text == TIMED + text
    assert any("left whole" in note for note in result.notes)


def test_several_subcommands_keep_their_order():
    text = "ALTER TABLE orders ADD x int, ALTER note SET NOT NULL, DROP COLUMN at;"
    assert [line.split(" ", 3)[3] for line in lines(text)] == [
        "ADD COLUMN x int;",
        "ADD CONSTRAINT orders_note_not_null CHECK (note IS NOT NULL) NOT VALID;",
        "VALIDATE CONSTRAINT orders_note_not_null;",
        "ALTER COLUMN note SET NOT NULL;",
        "DROP CONSTRAINT orders_note_not_null;",
        "DROP at;",
    ]


def test_comments_inside_a_replaced_statement_stay():
    text = "ALTER TABLE orders\n  ADD x int, -- the x\n  ADD CHECK (amount > 0); -- end\nSELECT 1;"
    result = fixed(text).text
    assert "-- the x" in result
    assert result.endswith("; -- end\nSELECT 1;")


def test_windows_line_ends_stay():
    result = fixed("ALTER TABLE orders ADD CHECK (amount > 0);\r\nSELECT 1;\r\n").text
    assert "\n" not in result.replace("\r\n", "")


def test_a_rewriting_type_change_is_sent_to_the_online_way():
    result = fixed("ALTER TABLE orders ALTER id TYPE bigint;\n")
    assert result.text == TIMED + "ALTER TABLE orders ALTER id TYPE bigint;\nANALYZE public.orders (id);\n"
    assert any("alter-type orders id --type bigint --online" in note for note in result.notes)


def test_a_primary_key_over_nullable_columns_proves_them_first():
    drop = "ALTER TABLE orders DROP CONSTRAINT orders_pkey;"
    texts = lines(f"{drop}\nALTER TABLE orders ADD CONSTRAINT k PRIMARY KEY (ref);")
    assert texts[0] == drop
    assert texts[1].endswith("CHECK (ref IS NOT NULL) NOT VALID;")
    assert "ALTER TABLE orders ADD CONSTRAINT k PRIMARY KEY USING INDEX k;" in texts
    assert texts[-1] == "ALTER TABLE orders DROP CONSTRAINT orders_ref_not_null;"


def test_a_new_column_is_filled_before_it_is_not_null_and_checked():
    texts = lines("ALTER TABLE orders ADD c uuid NOT NULL DEFAULT gen_random_uuid() CHECK (c <> note::uuid);")
    assert texts[: 3 + len(FILL)] == [
        "ALTER TABLE orders ADD COLUMN c uuid;",
        "ALTER TABLE orders ALTER COLUMN c SET DEFAULT gen_random_uuid();",
        "RESET lock_timeout;",
        *FILL,
    ]
    assert [line.partition("orders ")[2] for line in texts[4 + len(FILL) :]] == [
        "ADD CONSTRAINT orders_c_not_null CHECK (c IS NOT NULL) NOT VALID;",
        "VALIDATE CONSTRAINT orders_c_not_null;",
        "ALTER COLUMN c SET NOT NULL;",
        "DROP CONSTRAINT orders_c_not_null;",
        "ADD CONSTRAINT orders_check CHECK (c <> note::uuid) NOT VALID;",
        "VALIDATE CONSTRAINT orders_check;",
    ]


@pytest.mark.parametrize(
    "column", ["c bigserial", "c int GENERATED ALWAYS AS IDENTITY", "c uuid DEFAULT gen_random_uuid() UNIQUE"]
)
def test_a_value_that_only_a_rewrite_can_write_stays(column):
    text = f"ALTER TABLE orders ADD {column};"
    assert fixed(text).text == TIMED + text


def test_a_table_with_triggers_is_not_filled_by_updates():
    text = "ALTER TABLE orders ADD c uuid DEFAULT gen_random_uuid();"
    result = fixed(text, fired=[name("orders")])
    assert result.text == TIMED + text
    assert any("triggers" in note for note in result.notes)
    assert "DO $fill$" not in fixed(f"CREATE TRIGGER t BEFORE UPDATE ON orders EXECUTE FUNCTION f();\n{text}").text


def test_each_partition_is_filled_by_its_own_pages():
    text = fixed("ALTER TABLE events ADD c uuid DEFAULT gen_random_uuid();").text
    assert "UPDATE ONLY public.events_1 SET c = DEFAULT" in text
    assert "UPDATE ONLY events " not in text


def test_the_migration_tool_is_told():
    goose = fixed("-- +goose Up\nCREATE INDEX i ON orders (at);\n-- +goose Down\nDROP INDEX i;\n").text
    assert goose == (
        "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY i ON orders (at);\n"
        "-- +goose Down\nDROP INDEX i;\n"
    )
    dbmate = fixed("-- migrate:up\nCREATE INDEX i ON orders (at);\n").text
    assert dbmate.startswith("-- migrate:up transaction:false\n")
    plain = fixed("CREATE INDEX i ON orders (at);\n", one_transaction=True)
    assert any("without a transaction" in note for note in plain.notes)


def test_what_is_left_of_a_wrapped_file_is_wrapped_by_itself():
    text = "ALTER TABLE orders ADD x int;\nCREATE INDEX i ON orders (x);\nALTER TABLE orders ADD y int;\n"
    result = fixed(text, one_transaction=True).text
    words = [s.sql.split()[0] for s in read_migration("m", result).statements]
    assert words == ["SET", "BEGIN", "ALTER", "COMMIT", "RESET", "CREATE", "SET", "BEGIN", "ALTER", "COMMIT"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;\n",
        "CREATE INDEX CONCURRENTLY i ON orders (at);\n",
        "SET lock_timeout = '1s';\nALTER TABLE orders ADD x int;\n",
        "CREATE TABLE n (a int);\nCREATE INDEX i ON n (a);\nALTER TABLE n ALTER a SET NOT NULL;\n",
        "-- nothing\n",
        "",
    ],
)
def test_what_is_safe_is_left_alone(text):
    result = fixed(text)
    assert (result.text, result.notes, result.changed) == (text, (), ())


PARTS = (
    "CREATE INDEX i{n} ON orders (at)",
    "CREATE INDEX CONCURRENTLY j{n} ON orders (at)",
    "ALTER TABLE orders ADD COLUMN c{n} int",
    "ALTER TABLE orders ADD COLUMN d{n} uuid NOT NULL DEFAULT gen_random_uuid()",
    "ALTER TABLE orders ADD CONSTRAINT k{n} CHECK (amount > {n})",
    "ALTER TABLE orders ADD CHECK (amount > {n}), ADD COLUMN e{n} int CHECK (e{n} > 0)",
    "ALTER TABLE orders ADD CONSTRAINT f{n} FOREIGN KEY (id) REFERENCES people",
    "ALTER TABLE orders ADD CONSTRAINT u{n} UNIQUE (ref)",
    "ALTER TABLE orders ALTER note SET NOT NULL",
    "ALTER TABLE orders ALTER ref TYPE varchar(4{n})",
    "ALTER TABLE orders ALTER id TYPE bigint",
    "UPDATE orders SET note = ''",
    "DROP INDEX IF EXISTS orders_ref_idx",
    "VACUUM FULL people",
    "REFRESH MATERIALIZED VIEW totals",
    "CREATE TABLE n{n} (a int)",
    "SELECT 1",
    "BEGIN",
    "COMMIT",
    "SET lock_timeout = '5s'",
)
GAPS = ("\n", " -- note; {n}\n", "\n  /* a; {n} */ ", "\r\n", " ")


@st.composite
def files(draw):
    chosen = draw(st.lists(st.tuples(st.sampled_from(PARTS), st.sampled_from(GAPS)), min_size=1, max_size=9))
    return "".join(part.format(n=n) + ";" + gap.format(n=n) for n, (part, gap) in enumerate(chosen))


@settings(max_examples=100, deadline=None)
@given(files(), st.booleans(), st.sampled_from([130000, 150004, 180000]))
def test_fixed_files_are_sql_and_nothing_is_left_to_fix(text, wrapped, version):
    result = fixed(text, one_transaction=wrapped, version=version)
    again = fixed(result.text, version=version)
    assert again.text == result.text
    for comment in (piece for piece in text.replace("\r", "").split("\n") if "note;" in piece):
        assert comment[comment.index("-- note;") :] in result.text


@settings(max_examples=100, deadline=None)
@given(files())
def test_untouched_statements_are_kept_byte_for_byte(text):
    result = fixed(text)
    kept = [s.sql for s in read_migration("m", text).statements if s.number not in result.changed]
    left = iter(s.sql for s in read_migration("m", result.text).statements)
    assert all(sql in left for sql in kept)


def test_a_fixed_file_blocks_nobody_for_long():
    safe = [p.format(n=n) for n, p in enumerate(PARTS) if not p.startswith(("BEGIN", "COMMIT", "VACUUM", "SET"))]
    safe = [p for p in safe if "TYPE bigint" not in p]
    for sql in safe:
        after = fixed(sql + ";").text
        assert not [v.impact for v in seen(after)[2] if v.impact in BLOCKS], after


def test_names():
    assert on_table('CREATE INDEX "on x" ON ONLY s."T t" (a)', "u") == 'CREATE INDEX "on x" ON u (a)'


@pytest.mark.parametrize(
    ("bound", "condition"),
    [
        ("range: 1 .. 5", "c IS NOT NULL AND c >= 1 AND c < 5"),
        ("range: MINVALUE .. 5", "c IS NOT NULL AND c < 5"),
        ("list: 1, 2", "c IS NOT NULL AND c IN (1, 2)"),
        ("list: 1, NULL", "c IS NULL OR c IN (1)"),
        ("list: 'a, b'", None),
        ("hash: 4 1", None),
        ("default", None),
    ],
)
def test_bounds_as_conditions(bound, condition):
    assert bound_condition("c", bound) == condition
