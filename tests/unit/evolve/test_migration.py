"""Places of statements, what is no statement, ignore comments, errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.evolve.review.migration import UnreadableMigration, read_migration
from indexpilot_cli.sql.ddl.action import Act, Ignore

STATEMENTS = (
    "SELECT 1",
    "SELECT 'a;b''c -- no comment', E'\\';', \"odd;name\"",
    'ALTER TABLE "Über" ADD COLUMN größe int CHECK (größe > 0)',
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN 1; END $body$",
    "CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
    "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
    "DO $$ BEGIN PERFORM 1; END $$",
    "UPDATE t /* inside; */ SET a = $q$;$q$ -- behind\n WHERE b = 1",
    "COMMIT",
)
GAPS = (
    "\n",
    "\r\n",
    " -- a; comment é\n",
    "/* block; /* nested; */ ; */\n",
    "\n\\set x 'y;'\n",
    "  \t",
    "\n;\n",
    "\n\\echo x.sql\r\n",
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(GAPS), st.sampled_from(STATEMENTS)), max_size=8),
    st.sampled_from(GAPS),
    st.booleans(),
)
def test_places_are_those_of_the_original_text(pairs, tail, bom):
    text = ("\ufeff" if bom else "") + "".join(f"{gap}{sql};" for gap, sql in pairs) + tail
    migration = read_migration("m.sql", text)
    assert [s.sql for s in migration.statements] == [sql for _, sql in pairs]
    assert [s.number for s in migration.statements] == list(range(1, len(pairs) + 1))
    for statement in migration.statements:
        assert text[statement.offset : statement.end] == statement.sql
        before = text[: statement.offset].removeprefix("\ufeff").replace("\r\n", "\n")
        assert statement.line == before.count("\n") + 1
        assert statement.column == len(before) - before.rfind("\n")
        assert statement.actions


def test_the_last_statement_needs_no_semicolon():
    assert [s.sql for s in read_migration("m", "SELECT 1;\nSELECT 2 -- end").statements] == ["SELECT 1", "SELECT 2"]


def test_copy_data_is_no_sql():
    text = "COPY t (a, b) FROM stdin;\n1\tit's; -- x\n\\.\n\nSELECT 1;\nCOPY u FROM STDIN WITH (FORMAT csv);\n'\n"
    assert [s.line for s in read_migration("m", text).statements] == [1, 5, 6]


def test_a_command_of_psql_sends_what_stands_before_it():
    statements = read_migration("m", "SELECT 1 \\g out.txt\nSELECT 2 \\gx\nSELECT 3\\; SELECT 4;").statements
    assert [s.sql for s in statements] == ["SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"]


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- +goose Up", "-- +goose Down"),
        ("-- migrate:up", "-- migrate:down"),
        ("-- +migrate Up", "-- +migrate Down"),
        ("-- rambler up", "-- rambler down"),
    ],
)
def test_only_the_up_part_is_read(up, down):
    text = f"{up}\nALTER TABLE t ADD COLUMN a int;\n{down}\nALTER TABLE t DROP COLUMN a; DROP 'x\n"
    statements = read_migration("m", text).statements
    assert [(s.sql, s.line) for s in statements] == [("ALTER TABLE t ADD COLUMN a int", 2)]
    text = f"{down}\nDROP TABLE t;\n{up}\nSELECT 1;"
    assert [s.line for s in read_migration("m", text).statements] == [4]


@pytest.mark.parametrize(
    ("text", "asked", "one"),
    [
        ("SELECT 1", False, False),
        ("SELECT 1", True, True),
        ("-- +goose Up\nSELECT 1", False, True),
        ("-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1", True, False),
        ("-- migrate:up transaction:false\nSELECT 1", True, False),
        ("-- no-transaction\nSELECT 1", True, False),
        ("SELECT '-- no-transaction'", True, True),
        ("SELECT 1; -- no-transaction", True, True),
        ("--! no-transaction\nSELECT 1", None, False),
        ("-- +goose up\nSELECT 1;\nSELECT 2;\n-- +goose down\nSELECT 3;\n-- +goose no transaction\n", True, False),
        ("-- +migrate Up notransaction\nSELECT 1;", None, False),
        ("-- +migrate Up\nSELECT 1;\n-- +migrate Down notransaction\nSELECT 2;", None, True),
        ("-- +goose Up\nSELECT 1;", None, True),
        ("-- migrate:up\nSELECT 1;", None, True),
        ("-- atlas:txmode none\n\nSELECT 1;\nSELECT 2;", None, False),
        ("-- atlas:txmode file\n\nSELECT 1;", None, True),
        ("---- tern: disable-tx ----\nSELECT 1;\nSELECT 2;\n---- create above / drop below ----\nx", None, False),
    ],
)
def test_marks_decide_about_the_transaction(text, asked, one):
    assert read_migration("m", text, one_transaction=asked).one_transaction is one


@pytest.mark.parametrize(
    ("text", "cutter", "ended"),
    [
        ("-- +goose Up\nSELECT 1\n-- +goose Down\nSELECT 2", "goose", False),
        ("-- +migrate Up\nSELECT 1", "sql-migrate", False),
        ("-- +goose Up\nSELECT 1; -- done", "goose", True),
        ("-- +goose Up\n-- +goose StatementBegin\nSELECT 1\n-- +goose StatementEnd\n", "goose", True),
        (
            "-- +migrate Up\n-- +migrate StatementBegin\nSELECT 1 -- x\n--\n-- +migrate StatementEnd",
            "sql-migrate",
            True,
        ),
        ("-- migrate:up\nSELECT 1", "", False),
        ("SELECT 1", "", False),
    ],
)
def test_what_cuts_the_file_and_whether_the_statement_ends(text, cutter, ended):
    migration = read_migration("m", text)
    assert (migration.cutter, migration.statements[0].ended) == (cutter, ended)


def test_ignores_go_to_the_next_statement_or_their_own_line():
    text = """-- indexpilot: ignore L03 -- table is empty
SELECT 1; -- indexpilot: ignore W02
/* indexpilot: ignore L01, l02: night */
-- another comment
SELECT 2,
  3; SELECT 4 -- indexpilot:ignore D01 - x
;
-- indexpilot: ignore T01 -- nothing follows
"""
    migration = read_migration("m", text)
    assert [s.ignores for s in migration.statements] == [
        (Ignore("L03", "table is empty", 1), Ignore("W02", "", 2)),
        (Ignore("L01", "night", 3), Ignore("L02", "night", 3)),
        (Ignore("D01", "x", 6),),
    ]
    assert migration.stray_ignores == (Ignore("T01", "nothing follows", 8),)


def test_every_unreadable_place_is_told():
    with pytest.raises(UnreadableMigration) as caught:
        read_migration("m.sql", "SELECT 1;\r\nSELECT é, frm t x y;\r\n  ALTER TABLE;\r\nSELECT 2;")
    assert [(p.line, p.column) for p in caught.value.problems] == [(2, 17), (3, 14)]
    assert caught.value.exit_code == 2
    assert "m.sql:2:17" in caught.value.message


@pytest.mark.parametrize("text", ["SELECT :id", "SELECT * FROM ${schema}.t", "SELECT :'name'"])
def test_placeholders_get_a_hint(text):
    with pytest.raises(UnreadableMigration) as caught:
        read_migration("m", text)
    assert "placeholders" in caught.value.hint


@pytest.mark.parametrize("text", ["", " \n", "-- only\n/* comments */", "\\timing on\n", "\ufeff", ";;;"])
def test_a_file_may_hold_nothing(text):
    assert read_migration("m", text).statements == ()


def test_a_huge_statement_is_kept_unread():
    text = "INSERT INTO t VALUES ('" + "x" * 1_100_000 + "');"
    (statement,) = read_migration("m", text).statements
    assert statement.actions[0].kind is Act.INSERT
    assert statement.actions[0].has("unread")
