"""What the parser says that statements do."""

import pytest

from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.sql.ddl.action import Act, Action, bodies_of, performed


def actions(sql: str) -> tuple[Action, ...]:
    (statement,) = read_migration("m", sql).statements
    return statement.actions


def kinds(sql: str) -> list[Act]:
    return [a.kind for a in actions(sql)]


def test_subcommands_come_alone():
    first, second = actions(
        "ALTER TABLE s.t ALTER a TYPE varchar(20) USING a::text, ADD CONSTRAINT c CHECK (a <> '') NOT VALID"
    )
    assert (first.kind, first.schema, first.table, first.column) == (Act.ALTER_TYPE, "s", "t", "a")
    assert (first.type, first.expression) == ("varchar(20)", "a::text")
    assert first.has("using")
    assert (second.kind, second.constraint, second.object, second.columns) == (Act.ADD_CONSTRAINT, "check", "c", ("a",))
    assert second.has("not_valid")
    assert second.sql == "ALTER TABLE s.t ADD CONSTRAINT c CHECK (a <> '') NOT VALID"


def test_a_column_brings_its_constraints():
    column, foreign = actions(
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS u_id bigint NOT NULL DEFAULT 7 REFERENCES u (id) ON DELETE CASCADE"
    )
    assert column.options == {"if_not_exists", "not_null", "default"}
    assert (column.expression, column.references, column.referenced_columns) == ("7", (None, "u"), ("id",))
    assert (foreign.constraint, foreign.columns) == ("foreign_key", ("u_id",))
    assert foreign.has("inline")


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        ("bigserial", "serial"),
        ("int GENERATED ALWAYS AS IDENTITY", "identity"),
        ("int GENERATED ALWAYS AS (b + 1) STORED", "generated_stored"),
        ("int GENERATED ALWAYS AS (b + 1) VIRTUAL", "generated_virtual"),
        ("int PRIMARY KEY", "primary_key"),
        ("int UNIQUE", "unique"),
    ],
)
def test_words_of_a_column(definition, word):
    assert word in actions(f"ALTER TABLE t ADD COLUMN a {definition}")[0].options


def test_a_new_table_tells_its_columns():
    table, *rest = actions("CREATE TABLE s.n (id int PRIMARY KEY, c char(3), FOREIGN KEY (c) REFERENCES o)")
    assert (table.kind, table.schema, table.table, table.columns) == (Act.CREATE_TABLE, "s", "n", ("id", "c"))
    assert [(a.kind, a.constraint) for a in rest] == [
        (Act.ADD_COLUMN, None),
        (Act.ADD_CONSTRAINT, "primary_key"),
        (Act.ADD_COLUMN, None),
        (Act.ADD_CONSTRAINT, "foreign_key"),
    ]
    assert all(a.has("new_table") for a in rest)


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1, MINVALUE) TO (2, 'x')", "range: 1, MINVALUE .. 2, 'x'"),
        ("ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN ('a', NULL)", "list: 'a', NULL"),
        ("ALTER TABLE p ATTACH PARTITION p1 FOR VALUES WITH (MODULUS 4, REMAINDER 1)", "hash: 4 1"),
        ("ALTER TABLE p ATTACH PARTITION p1 DEFAULT", "default"),
    ],
)
def test_partition_bounds(sql, bound):
    action = actions(sql)[0]
    assert (action.table, action.object, action.expression) == ("p", "p1", bound)


@pytest.mark.parametrize(
    ("sql", "kind", "word"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", Act.CREATE_INDEX, "concurrently"),
        ("DROP INDEX CONCURRENTLY i", Act.DROP_INDEX, "concurrently"),
        ("REINDEX (CONCURRENTLY) TABLE t", Act.REINDEX, "concurrently"),
        ("ALTER TABLE p DETACH PARTITION q CONCURRENTLY", Act.DETACH_PARTITION, "concurrently"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", Act.REFRESH, "concurrently"),
        ("VACUUM FULL t", Act.VACUUM, "full"),
        ("DROP TABLE t CASCADE", Act.DROP_TABLE, "cascade"),
        ("CREATE TABLE x AS SELECT 1", Act.CREATE_TABLE_AS, "with_data"),
        ("SELECT * INTO y FROM t", Act.CREATE_TABLE_AS, "with_data"),
        ("ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID", Act.ADD_CONSTRAINT, "not_valid"),
        ("ALTER TABLE t ADD PRIMARY KEY USING INDEX i", Act.ADD_CONSTRAINT, "using_index"),
        ("UPDATE t SET a = 1 FROM u", Act.UPDATE, "from"),
        ("DELETE FROM t WHERE a IN (SELECT 1)", Act.DELETE, "from"),
        ("COPY t FROM PROGRAM 'x'", Act.COPY, "program"),
        ("SET LOCAL lock_timeout = '1s'", Act.SET, "local"),
        ("ALTER DOMAIN d ADD CHECK (value > 0) NOT VALID", Act.ALTER_DOMAIN, "not_valid"),
    ],
)
def test_words(sql, kind, word):
    action = actions(sql)[0]
    assert action.kind is kind
    assert action.has(word)


def test_every_table_of_a_list():
    assert [a.table for a in actions("DROP TABLE a, s.b")] == ["a", "b"]
    assert [(a.table, dict(a.parameters)["mode"]) for a in actions("LOCK TABLE a, b IN SHARE MODE")] == [
        ("a", "ShareLock"),
        ("b", "ShareLock"),
    ]


def test_assignments():
    (action,) = actions("UPDATE t SET a = b + 1, (c, d) = (2, 3) WHERE e IS NULL")
    assert action.assignments == (("a", "b + 1"), ("c", "2"), ("d", "3"))
    assert action.condition == "e IS NULL"


def test_changes_in_a_with_clause_count():
    assert kinds("WITH x AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM x") == [Act.DELETE, Act.INSERT]


def test_blocks_are_read_by_plpgsqls_parser():
    found = actions(
        """DO $$ DECLARE r record; BEGIN
        IF true THEN ALTER TABLE t ADD COLUMN a int; END IF;
        FOR r IN SELECT 1 LOOP UPDATE t SET a = r.x; END LOOP;
        EXECUTE format('CREATE INDEX %I ON %s (a)', 'odd name', 't');
        EXECUTE 'DROP TABLE ' || quote_ident(r.name) || ' CASCADE';
        EXECUTE r.text;
        EXCEPTION WHEN others THEN TRUNCATE t;
        END $$"""
    )
    assert [a.kind for a in found] == [
        Act.DO,
        Act.ADD_COLUMN,
        Act.SELECT,
        Act.UPDATE,
        Act.CREATE_INDEX,
        Act.DYNAMIC,
        Act.DROP_TABLE,
        Act.DYNAMIC,
        Act.TRUNCATE,
    ]
    assert all(a.nested for a in found[1:])
    index = next(a for a in found if a.kind is Act.CREATE_INDEX)
    assert (index.object, index.table) == ("odd name", "t")
    dropped = next(a for a in found if a.kind is Act.DROP_TABLE)
    assert dropped.table is None
    assert dropped.has("dynamic", "cascade")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE t SET a = 1; $$",
        "CREATE PROCEDURE f() BEGIN ATOMIC UPDATE t SET a = 1; END",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN UPDATE t SET a = 1; END'",
    ],
)
def test_function_bodies(sql):
    (function,) = actions(sql)
    (update,) = function.body
    assert (function.kind, function.object) == (Act.CREATE_FUNCTION, "f")
    assert (update.kind, update.nested) == (Act.UPDATE, True)


def test_trigger_functions():
    body = "BEGIN NEW.a := 1; UPDATE u SET b = NEW.a; RETURN NEW; END"
    sql = f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"
    assert kinds(sql) == [Act.CREATE_FUNCTION]
    assert [a.kind for a in actions(sql)[0].body] == [Act.UPDATE]


def test_a_routine_defined_in_a_block_keeps_its_body_to_itself():
    made = "EXECUTE 'CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $f$ UPDATE t SET a = 1 $f$'"
    block, function, drop = actions(f"DO $$ BEGIN {made}; DROP TABLE u; END $$")
    assert (block.kind, function.kind, drop.kind) == (Act.DO, Act.CREATE_FUNCTION, Act.DROP_TABLE)
    assert [a.kind for a in function.body] == [Act.UPDATE]


def test_what_a_called_routine_does_happens_once():
    inner = actions("CREATE FUNCTION g() RETURNS void LANGUAGE sql AS 'UPDATE t SET a = 1; SELECT g()'")
    outer = actions("CREATE PROCEDURE f() LANGUAGE sql AS 'SELECT g()'")
    done = list(performed(actions("CALL f()"), bodies_of([*inner, *outer])))
    assert [(a.kind, a.object or a.table) for a in done] == [
        (Act.CALL, "f"),
        (Act.SELECT, "g"),
        (Act.UPDATE, "t"),
        (Act.SELECT, "g"),
    ]


def test_what_can_be_recognised_of_a_body_that_is_refused():
    body = """DECLARE x other.kind; BEGIN
        y := 3; IF y > 1 THEN ALTER TABLE t ADD a int; ELSE DELETE FROM t; END IF;
        FOR y IN SELECT 1 LOOP EXECUTE 'DROP TABLE ' || 'u' USING y; PERFORM g(); END LOOP; END"""
    found = actions(f"DO $$ {body} $$")
    assert [a.kind for a in found] == [Act.DO, Act.DYNAMIC, Act.ADD_COLUMN, Act.DELETE, Act.DROP_TABLE, Act.SELECT]
    assert found[1].has("unread")


def test_a_body_nobody_reads_is_dynamic():
    assert kinds("DO LANGUAGE plperl $$ spi_exec_query('DROP TABLE t') $$") == [Act.DO, Act.DYNAMIC]


def test_set_config_is_a_set():
    (action,) = actions("SELECT set_config('lock_timeout', '2s', true)")
    assert (action.kind, action.parameters) == (Act.SET, (("lock_timeout", "2s"),))


def test_a_call_names_its_function():
    assert [(a.object, a.has("call")) for a in actions("SELECT s.f(1)")] == [("f", True)]
    assert [(a.object, a.has("call")) for a in actions("CALL p()")] == [("p", True)]


def test_explain_without_analyze_runs_nothing():
    assert kinds("EXPLAIN DELETE FROM t") == [Act.OTHER]
    assert kinds("EXPLAIN ANALYZE DELETE FROM t") == [Act.DELETE]
