"""A whole review on a real server: what the clone shows, what the data says, what recorded queries suffer."""

from __future__ import annotations

import math

import psycopg
import pytest

from indexpilot_cli.admin import snapshot
from indexpilot_cli.admin.snapshot import SnapshotRequest
from indexpilot_cli.core.command import Connection, Record, Silent, WorkloadRequest
from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review import check as evolve_check
from indexpilot_cli.evolve.review import judge
from tests.servers import new_database

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text, note text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, total numeric(10,2), seen bool);
CREATE TABLE audit (what text);
CREATE TABLE tickets (id serial PRIMARY KEY, kind text NOT NULL);
INSERT INTO tickets SELECT i, 'k' || i FROM generate_series(1, 10) i;
CREATE INDEX orders_customer_idx ON orders (customer_id);
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO audit (what) VALUES (NEW.name); RETURN NEW; END $$;
CREATE TRIGGER remembers AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION remember();
INSERT INTO customers SELECT i, 'n' || i, CASE WHEN i % 3 > 0 THEN 'e' || i % 20000 END
    FROM generate_series(1, 30000) i;
INSERT INTO orders SELECT i, 1 + i % 30000, i FROM generate_series(1, 60000) i;
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
"""
WORKLOAD = """
SELECT id, total FROM orders WHERE customer_id = 42;
SELECT email FROM customers WHERE id = 7;
INSERT INTO orders (id, customer_id, total) VALUES (99999, 1, 5);
UPDATE customers SET name = 'x' WHERE id = 5;
"""


@pytest.fixture(scope="module")
def target(pg):
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute("VACUUM ANALYZE")
        yield dsn


@pytest.fixture
def check(target, tmp_path, twin_place, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_place))
    monkeypatch.setattr(judge, "_SLOW_MS", math.inf)  # a busy machine makes any statement take a second
    workload = tmp_path / "workload.sql"

    def run(*texts, **options):
        files = []
        workload.write_text(options.pop("workload", WORKLOAD))
        for number, text in enumerate(texts):
            files.append(tmp_path / f"{number}.sql")
            files[-1].write_text(text)
        request = CheckRequest(
            files=tuple(map(str, files)),
            connection=Connection(options.pop("dsn", target)),
            workload=WorkloadRequest(files=(str(workload),)),
            record=Record(enabled=False),
            **options,
        )
        return evolve_check.run(request, Silent()).result

    return run


def impacts(result, file=0):
    return [s.verdict.impact.value for s in result.files[file].statements]


def statuses(result):
    return {t.sql.split(maxsplit=1)[0].lower() + ":" + t.status for t in result.templates}


def test_a_harmless_file_is_called_that(check):
    result = check("ALTER TABLE customers ADD COLUMN phone text; COMMENT ON TABLE orders IS 'x';")
    assert impacts(result) == ["brief_lock", "no_block"]
    assert [f for f in result.findings if f.severity.value == "error"] == []
    assert (result.templates, result.checked) == ((), 4)


def test_locks_work_and_size_give_the_verdict(check):
    result = check(
        "CREATE INDEX ON orders (total); ALTER TABLE orders ALTER total TYPE text;"
        "CREATE INDEX CONCURRENTLY ON orders (seen); CREATE TABLE t (a int); CREATE INDEX ON t (a);"
    )
    expected = ["long_blocks_writes", "long_blocks_reads", "long_online", "no_block", "no_block"]
    assert impacts(result) == expected
    assert result.files[0].verdict.value == "long_blocks_reads"
    assert result.files[0].duration.high > result.files[0].duration.low > 0


def test_files_of_one_run_know_the_tables_of_those_before_and_name_lines_not_numbers(check):
    result = check(
        "CREATE TABLE fresh (id bigint PRIMARY KEY, k int);\nINSERT INTO fresh SELECT id, id FROM orders;\n",
        "CREATE INDEX ON fresh (k);\nALTER TABLE fresh ALTER k SET NOT NULL, ADD u uuid DEFAULT gen_random_uuid();\n"
        "UPDATE customers SET note = random()::text;\n",
        "ALTER TABLE customers ADD CHECK (note > 'a');\nCREATE UNIQUE INDEX CONCURRENTLY ON customers (note);\n",
    )
    assert [f.id for f in result.files[1].findings if f.id[0] in "LF" and f.line < 3] == []
    reasons = [a.note + a.probe.why_not for s in result.files[2].statements for a in s.probes]
    assert any("1.sql:3" in reason for reason in reasons), reasons
    assert not any("statement 1" in reason for reason in reasons)


RECORDED = """
UPDATE orders SET seen = false WHERE id = 5;
UPDATE orders SET seen = true WHERE id = 6;
UPDATE orders SET customer_id = NULL WHERE id = 7;
UPDATE customers SET note = 'x' WHERE id = 5;
DELETE FROM orders WHERE id = 9;
DELETE FROM customers WHERE id = 9;
UPDATE audit SET what = 'b' WHERE what = 'a';
MERGE INTO orders o USING (VALUES (5)) v (i) ON o.id = v.i WHEN MATCHED THEN UPDATE SET seen = false;
UPDATE orders SET total = 1 WHERE id = 3;
"""


def test_every_recorded_write_breaks_passes_or_is_listed(check, target):
    if psycopg.connect(target).info.server_version < 150000:
        pytest.skip("MERGE came with 15")
    result = check(
        "ALTER TABLE orders ADD CHECK (seen IS NOT FALSE);\nCREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no'; END $$;\nCREATE TRIGGER t BEFORE DELETE ON orders FOR EACH ROW"
        " EXECUTE FUNCTION no();\nALTER TABLE audit ADD EXCLUDE (what WITH =);\nALTER TABLE customers ADD CHECK"
        " (note <> 'x');\n",
        workload=RECORDED,
    )
    broken = {t.sql.partition(" WHERE")[0]: t.statement for t in result.templates if t.status == "breaks"}
    # The trigger remembers() writes into audit, which the exclusion on line 4 refuses for the second row.
    assert broken == {"UPDATE orders SET seen = $1": 1, "DELETE FROM orders": 3, "UPDATE customers SET note = $1": 4}
    listed = [text.partition(": ")[2] for text in result.not_checked if ": whether it passes" in text]
    assert any("0.sql:1" in text and "cannot be foreseen" in text for text in listed), listed
    assert any("0.sql:4" in text and "not tried on the real rows" in text for text in listed), listed
    assert len(listed) == 2


def test_one_row_by_its_key_is_no_walk_over_the_table(check):
    begin = "BEGIN; ALTER TABLE orders ADD COLUMN x int; "
    assert impacts(check(begin + "UPDATE orders SET x = 1 WHERE id = 7; COMMIT;"))[2] == "brief_lock"
    assert impacts(check(begin + "UPDATE orders SET x = 1; COMMIT;"))[2] == "long_blocks_reads"


BODIES = (
    "FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE orders SET seen = true; RETURN OLD; END $$",
    "PROCEDURE f() LANGUAGE sql AS 'DELETE FROM orders; SELECT now(); SELECT count(*) FROM customers'",
    "FUNCTION f() RETURNS bigint BEGIN ATOMIC UPDATE orders SET seen = true; SELECT count(*) FROM orders; END",
    "FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DELETE FROM orders'; RETURN 1; END $$",
)


def test_defining_a_routine_is_not_doing_what_it_does(check):
    made = "; ".join(f"CREATE OR REPLACE {body.replace('f()', f'f{n}()')}" for n, body in enumerate(BODIES))
    seen = check(f"BEGIN; ALTER TABLE customers ADD COLUMN s int; {made}; COMMIT;")
    assert impacts(seen) == ["no_block", *["brief_lock"] * 5, "no_block"]
    loop = "FOR i IN SELECT id FROM customers LOOP DELETE FROM orders WHERE customer_id > i; END LOOP;"
    called = check(
        f"CREATE FUNCTION h() RETURNS void LANGUAGE plpgsql AS $$ DECLARE i int; BEGIN {loop} END $$;"
        "BEGIN; ALTER TABLE customers ADD COLUMN s int; SELECT h(); COMMIT;"
    )
    assert impacts(called)[3] == "long_blocks_reads"
    assert any(w.kind.value == "modify" for w in called.files[0].statements[3].observation.work)


def test_the_data_decides_whether_it_fails(check):
    bad = check("ALTER TABLE customers ALTER email SET NOT NULL;")
    assert impacts(bad) == ["fails"]
    assert bad.files[0].statements[0].verdict.error.sqlstate == "23502"
    mended = check(
        "UPDATE customers SET email = '' WHERE email IS NULL; ALTER TABLE customers ALTER email SET NOT NULL;"
    )
    assert "fails" not in impacts(mended)


def test_what_stands_behind_an_error_is_reviewed_as_if_it_were_mended(check):
    result = check(
        "BEGIN; ALTER TABLE orders DROP COLUMN nonsense; CREATE INDEX ON orders (total); COMMIT;"
        "ALTER TABLE orders ALTER seen TYPE int; ALTER TABLE more ADD COLUMN a int; DROP TABLE audit;"
    )
    statements = result.files[0].statements
    assert impacts(result)[1:4] == ["fails", "long_blocks_writes", "no_block"]
    assert [s.observation.state.value for s in statements[:4]] == ["ran", "failed", "behind_failure", "behind_failure"]
    assert [(s.verdict.impact.value, s.verdict.certain) for s in statements[4:5]] == [("fails", False)]
    # What fails might have made the table: nobody can tell, and it is no failure of its own.
    assert statements[5].observation.state.value == "not_run"
    found = {f.id: f for f in result.findings}
    assert found["L01"].message.endswith("(behind a failure)") and "audit" in found["W10"].message


def test_a_table_of_a_statement_that_fails_is_new_to_those_behind_it(check):
    result = check(
        "CREATE TABLE na (id int PRIMARY KEY, u uuid DEFAULT newest_uuid());"
        "CREATE TABLE nb (id int PRIMARY KEY, a int);"
        "ALTER TABLE nb ADD FOREIGN KEY (a) REFERENCES na; CREATE INDEX ON na (u);"
    )
    assert impacts(result)[0] == "fails"
    assert set(impacts(result)[1:]) <= {"no_block", "brief_lock"}
    assert not {f.id for f in result.findings} & {"L01", "L37"}


def test_recorded_queries_break_change_and_slow_down(check):
    assert statuses(check("ALTER TABLE customers RENAME email TO mail;")) == {"select:breaks"}
    assert statuses(check("ALTER TABLE orders ALTER id TYPE bigint;")) == {"select:columns_change"}
    slower = check("DROP INDEX orders_customer_idx;").templates
    assert [(t.status, t.indexes_lost, t.statement) for t in slower] == [("slower", ("orders_customer_idx",), 1)]
    assert slower[0].after > slower[0].before * 5


def test_a_trigger_that_will_fail_breaks_the_update(check):
    assert statuses(check("ALTER TABLE audit RENAME COLUMN what TO words;")) == {"update:breaks"}


def test_a_new_obligation_breaks_the_insert(check):
    file = "ALTER TABLE orders ADD COLUMN due date NOT NULL DEFAULT now(); ALTER TABLE orders ALTER due DROP DEFAULT;"
    assert statuses(check(file)) == {"insert:breaks"}


def test_an_insert_whose_parent_row_goes_breaks(check):
    assert statuses(check("TRUNCATE customers CASCADE;")) == {"insert:breaks"}
    assert statuses(check("DELETE FROM orders WHERE customer_id = 9; DELETE FROM customers WHERE id = 9;")) == set()
    new = "CREATE TABLE kinds (id int PRIMARY KEY); ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (customer_id)"
    assert statuses(check(new + " REFERENCES kinds NOT VALID;")) == {"insert:breaks"}


WRITES = """
UPDATE orders SET total = -1 WHERE id = 7;
UPDATE orders SET customer_id = 0 WHERE id = 8;
DELETE FROM audit WHERE what = 'x';
"""
NEW_RULES = (
    ("ALTER TABLE orders ADD CHECK (total >= 0);", "total = -"),
    ("ALTER TABLE orders ADD CHECK (total >= 0) NOT VALID;", "total = -"),
    ("CREATE UNIQUE INDEX ON orders (total);", None),
    ("CREATE UNIQUE INDEX ON orders ((total * 1)); CREATE UNIQUE INDEX ON orders (customer_id, id);", None),
)


@pytest.mark.parametrize(("text", "broken"), NEW_RULES)
def test_recorded_updates_are_asked_of_the_real_rows(check, text, broken):
    found = [t.sql for t in check(text, workload=WRITES).templates if t.status == "breaks"]
    assert len(found) == (broken is not None) and all("SET total" in sql for sql in found)


def test_a_recorded_delete_that_a_new_key_refuses_breaks(check):
    text = "CREATE TABLE notes (id int PRIMARY KEY, o int REFERENCES orders); INSERT INTO notes VALUES (1, 7), (2, 8);"
    deletes = "DELETE FROM orders WHERE id = 7; DELETE FROM orders WHERE id = 9; DELETE FROM customers WHERE id = 7;"
    found = check(text, workload=deletes).templates
    assert [(t.status, t.error.sqlstate) for t in found] == [("breaks", "23503")]


def test_files_build_on_one_another_and_blame_the_right_one(check):
    result = check("ALTER TABLE customers ADD COLUMN phone text;", "ALTER TABLE customers ALTER phone SET NOT NULL;")
    assert impacts(result, 1) == ["fails"]
    dropped = check("ALTER TABLE customers ADD COLUMN phone text;", "ALTER TABLE customers DROP COLUMN email;")
    assert [(t.file[-5:], t.statement) for t in dropped.templates] == [("1.sql", 1)]


def test_a_file_that_is_no_sql_does_not_keep_the_others_from_review(check):
    result = check("SELEC 1;", "DROP TABLE audit;")
    assert result.files[0].unparsed.line == 1
    assert impacts(result, 1) == ["brief_lock"]


def test_nothing_happens_to_the_database(check, target):
    with psycopg.connect(target) as connection:
        before = connection.execute("SELECT count(*), max(oid::bigint) FROM pg_class").fetchone()
        check("DROP TABLE orders; CREATE TABLE zzz (a int); TRUNCATE customers CASCADE;")
        assert connection.execute("SELECT count(*), max(oid::bigint) FROM pg_class").fetchone() == before
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (60000,)


def test_what_the_server_does_not_have_fails_there_too(check):
    result = check(
        "GRANT SELECT ON orders TO nobody_of_that_name;",
        "CREATE EXTENSION no_such_thing;",
        "LOCK TABLE orders;",
        "BEGIN; LOCK TABLE orders; COMMIT;",
    )
    states = [f.statements[0].verdict.error.sqlstate for f in result.files[:3]]
    assert states == ["42704", "0A000", "25P01"]
    assert impacts(result, 3) == ["no_block", "brief_lock", "no_block"]


def test_a_snapshot_will_do_and_statistics_tell_what_they_can(check, target, tmp_path):
    path = tmp_path / "shop.snapshot"
    snapshot.run(
        SnapshotRequest(
            str(path), Connection(target), WorkloadRequest(queries=("SELECT 1",)), record=Record(enabled=False)
        ),
        Silent(),
    )
    result = check("ALTER TABLE customers ALTER email SET NOT NULL;", dsn="host=/nowhere", snapshot=str(path))
    assert impacts(result) == ["fails"]
    assert result.files[0].statements[0].probes[0].source == "statistics"
    assert statuses(check("DROP INDEX orders_customer_idx;", snapshot=str(path))) == {"select:slower"}


def test_offline_rules_judge_without_any_server(check):
    result = check("CREATE INDEX ON orders (total);", dsn="host=/nowhere", offline=True)
    assert result.files[0].method == "rules"
    assert result.not_checked


def test_a_safer_file_is_written_and_run_again(check):
    file = check("-- an index\nCREATE INDEX orders_total ON orders (total);\n", fix=True).files[0]
    assert "CREATE INDEX CONCURRENTLY orders_total" in file.fixed
    assert file.fixed.startswith("-- an index\n") or "-- an index" in file.fixed
    assert file.fixed_verdict.value == "long_online"


@pytest.fixture
def blind(target):
    """The DSN of a role that may read customers, and knows of the other tables only what the catalogs say."""
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA vault; CREATE TABLE vault.keys (id int PRIMARY KEY, o int REFERENCES orders)")
        connection.execute('ALTER TABLE vault.keys ADD word text COLLATE "C" DEFAULT now()::text, ADD n serial')
        connection.execute("CREATE VIEW rich AS SELECT id FROM orders WHERE total > 9; CREATE ROLE blind LOGIN")
        connection.execute("GRANT SELECT ON customers, rich TO blind; GRANT pg_read_all_stats TO blind")
        yield psycopg.conninfo.make_conninfo(target, user="blind")
        connection.execute("DROP OWNED BY blind; DROP ROLE blind; DROP VIEW rich; DROP SCHEMA vault CASCADE")


def test_what_the_role_may_not_read_is_there_all_the_same(check, blind):
    seen = check(
        "ALTER TABLE orders ADD COLUMN x int; CREATE INDEX ON orders (total); DROP VIEW rich;"
        "ALTER TABLE vault.keys ADD COLUMN y int, ALTER word DROP DEFAULT, ALTER n DROP DEFAULT;"
        "ALTER TABLE orders ALTER total SET NOT NULL;"
        "ALTER TABLE orders DROP COLUMN customer_id;",
        "CREATE TABLE orders (id int);",
        dsn=blind,
    )
    expected = ["brief_lock", "long_blocks_writes", "brief_lock", "brief_lock", "long_blocks_reads", "brief_lock"]
    assert (impacts(seen), impacts(seen, 1)) == (expected, ["fails"])
    assert "F22" not in {f.id for f in seen.findings} and {"W02", "F23"} <= {f.id for f in seen.findings}
    asked = [answer for statement in seen.files[0].statements for answer in statement.probes]
    assert asked and all(answer.found is None for answer in asked)


def test_no_file_is_an_error(check):
    with pytest.raises(UsageError):
        check()


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        # One ALTER TABLE of Prisma's: no value is converted.
        ('ALTER TABLE tickets DROP COLUMN "kind", ADD COLUMN "kind" int NOT NULL DEFAULT 5;', ""),
        ('ALTER TABLE tickets DROP COLUMN "kind", ADD COLUMN "kind" int NOT NULL;', "no value for them"),
        ("ALTER TABLE tickets ALTER COLUMN kind TYPE int USING kind::int;", "does not fit"),
        # Rows that were loaded with their numbers left the sequence behind.
        ("INSERT INTO tickets (kind) VALUES ('x');", "has the number already that its sequence gives next"),
        (
            "SELECT setval('tickets_id_seq', (SELECT max(id) FROM tickets)); INSERT INTO tickets (kind) VALUES ('x');",
            "",
        ),
        ("DELETE FROM tickets; INSERT INTO tickets (kind) VALUES ('x');", ""),
    ],
)
def test_a_column_made_again_and_a_sequence_left_behind(check, text, fails):
    report = check(text).files[0]
    told = " ".join(s.verdict.why for s in report.statements if s.verdict.impact.value == "fails")
    assert (report.verdict.value == "fails", fails in told) == (bool(fails), True), told
