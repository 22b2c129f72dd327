"""When building goes wrong: the code, the document, and what is left, through a real process."""

import signal

import psycopg
import pytest

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.ddl import create_index, drop_index, summary
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from tests.cli.changes import BUILDING
from tests.cli.conftest import LONG_TABLE
from tests.cli.process import Ran
from tests.waiting import LIMIT

LONG = LONG_TABLE.split(".")[1].strip('"')
IDLE = f"SELECT 1 WHERE NOT EXISTS ({BUILDING})"
GONE = (
    "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'indexpilot%')"
)
PATIENT = ("--lock-timeout", "60s")  # what is cleaned up waits so long for the writer that stands in its way


def broken(advice):
    """A recommendation whose build fails at a row: a division by zero."""
    return advised(advice, IndexKey(expression="(1 / (id - 5))"), "orders_broken_ip_idx")


def advised(advice, key, name):
    """The recommendation with another index in it."""
    definition = IndexDefinition(QualifiedName("public", "orders"), (key,))
    return {
        **advice,
        "id": definition.id,
        "table": {"schema": "public", "name": "orders"},
        "keys": [key.expression or key.column],
        "where": None,
        "definition": to_json(definition),
        "name": name,
        "summary": summary(definition),
        "ddl": create_index(definition, name),
        "undo": drop_index(QualifiedName("public", name)),
    }


def invalid(changes):
    return [r[0] for r in changes.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")]


def test_one_failure_among_others_is_7(changes):
    bad = broken(changes.advice[0])
    file = changes.file("plan.json", bad, *changes.advice)
    ran = changes.cli("apply", file, "--yes", "--json", "--retries", "0")
    assert ran.code == 7, ran.out
    value = ran.json("apply")
    assert value["status"] == "partial"
    by_id = {m["recommendation"]: m for m in value["result"]["mutations"]}
    assert by_id[bad["id"]]["outcome"] == "failed"
    assert by_id[bad["id"]]["error"]["message"]
    assert by_id[changes.advice[1]["id"]]["outcome"] == "done"
    assert invalid(changes) == []
    states = changes.rows("SELECT state FROM indexpilot.mutation_log WHERE error LIKE '%division by zero%'")
    assert ("FAILED_CLEAN",) in states
    person = changes.cli("apply", file, "--yes", "--stop-on-error")
    assert person.code == 7
    line = next(line for line in person.out.splitlines() if bad["id"] in line)
    assert "failed" in line
    assert "division by zero" in line
    assert bad["id"] in person.err.splitlines()[-1]


def test_done_but_not_recorded_is_8_and_reconcile_records_it(changes):
    one = changes.advice[0]
    with psycopg.connect(changes.dsn, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION no_valid() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the disk of the log is full' USING ERRCODE = '53100'; END $$"
        )
        admin.execute(
            "CREATE TRIGGER no_valid BEFORE INSERT ON indexpilot.mutation_log FOR EACH ROW"
            " WHEN (new.state = 'VALID') EXECUTE FUNCTION no_valid()"
        )
        try:
            ran = changes.cli("apply", one["id"], "--yes", "--json")
        finally:
            admin.execute("DROP FUNCTION no_valid CASCADE")
    assert ran.code == 8, ran.err
    document = ran.json("apply" if '"indexpilot.apply/1"' in ran.out else "error")
    assert document["status"] == "failed"
    assert "doctor --reconcile" in ran.out
    assert changes.ours() == {one["name"]: True}
    ready = changes.cli("doctor", "--ready", "--json")
    assert ready.code == 5
    assert [c["code"] for c in ready.json("doctor")["result"]["checks"] if c["state"] == "error"] == ["leftover"]
    settled = changes.cli("doctor", "--reconcile", "--json")
    assert settled.code == 0, settled.err
    codes = {c["code"]: c for c in settled.json("doctor")["result"]["checks"]}
    assert codes["settled"]["state"] == "ok"
    assert codes["operations"]["state"] == "ok"
    assert changes.cli("rollback", "--last", "--yes").code == 0
    assert changes.ours() == {}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_build_cleans_up_and_has_its_code(changes, number, code):
    with changes.writer_at_work() as busy:
        process = changes.start("apply", changes.advice[0]["id"], "--yes", "--json", *PATIENT)
        changes.wait_for(BUILDING)
        process.send_signal(number)
        changes.wait_for(IDLE)  # cancelled; what is left can only be dropped when the writer has ended
        busy.rollback()
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == code, err
    assert "Traceback" not in err
    told = Ran(code, out, err).json("apply")
    assert (told["status"], [w["code"] for w in told["warnings"]]) == ("failed", ["interrupted"])
    (stopped,) = told["result"]["mutations"]
    assert (stopped["outcome"], stopped["error"]["code"]) == ("failed", "interrupted")
    assert err.splitlines()[-1].startswith("hint: indexpilot doctor -d ")
    assert changes.ours() == {}
    newest = changes.rows("SELECT state FROM indexpilot.mutation_log WHERE op_id IS NOT NULL ORDER BY id DESC LIMIT 1")
    assert newest == [("FAILED_CLEAN",)]


def test_after_a_signal_a_person_reads_what_was_done_and_what_was_not(changes):
    first, second = (next(r for r in changes.advice if r["table"]["name"] == n) for n in (LONG, "orders"))
    file = changes.file("plan.json", first, second)
    with changes.writer_at_work() as busy:
        process = changes.start("apply", file, "--yes", "--force", *PATIENT)
        changes.wait_for(f"{BUILDING} AND relid = 'orders'::regclass")
        process.send_signal(signal.SIGINT)
        changes.wait_for(IDLE)
        busy.rollback()
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, err
    lines = out.splitlines()
    assert any(first["id"] in line and " built " in line for line in lines)
    assert any(second["id"] in line and " failed " in line and "stopped by a signal" in line for line in lines)
    assert lines[-1] == "1 built, 1 failed"
    error, hint = err.splitlines()[-2:]
    assert error == "error: interrupted" and hint.startswith("hint: indexpilot doctor -d ")
    assert list(changes.ours().values()) == [True]


def test_two_operators_one_builds_and_the_other_is_6(changes):
    one = changes.advice[0]
    with changes.writer_at_work() as busy:
        first = changes.start("apply", one["id"], "--yes", "--json")
        changes.wait_for(BUILDING)
        second = changes.cli("apply", one["id"], "--yes", "--json", "--lock-timeout", "300ms")
        assert second.code == 6, second.out
        document = second.json("apply" if '"indexpilot.apply/1"' in second.out else "error")
        assert document["status"] == "refused"
        shown = changes.cli("doctor", "--ready", "--json").json("doctor")["result"]["checks"]
        assert any(c["code"] == "running" for c in shown)
        busy.rollback()
        out, err = first.communicate(timeout=LIMIT)
    assert first.returncode == 0, out + err
    assert changes.ours() == {one["name"]: True}
    done = changes.rows("SELECT count(*) FROM indexpilot.mutation_log WHERE state = 'VALID'")
    assert done == [(1,)]


def test_a_killed_run_is_found_by_doctor_and_repaired(changes):
    one = changes.advice[0]
    with changes.writer_at_work():
        process = changes.start("apply", one["id"], "--yes")
        ((backend,),) = changes.wait_for(BUILDING)
        process.kill()
        process.communicate(timeout=LIMIT)
        changes.rows("SELECT pg_terminate_backend(%s)", backend)
    changes.wait_for(GONE)  # as long as a session of the run lives, it is one that works on
    told = changes.cli("doctor")
    assert told.code == 0
    line = next(line for line in told.out.splitlines() if line.startswith("error"))
    assert "never closed; invalid index" in line
    assert line.endswith("->  indexpilot doctor --reconcile")
    assert changes.cli("doctor", "--exit-code", "--quiet").code == 3
    settled = changes.cli("doctor", "--reconcile")
    assert settled.code == 0, settled.err
    assert invalid(changes) == []
    assert "none was left open" in settled.out
    assert changes.cli("doctor", "--ready").code == 0


def test_rollback_leaves_an_index_that_somebody_else_put_in_the_place_of_ours(changes):
    one = changes.advice[0]
    assert changes.cli("apply", one["id"], "--yes", "--quiet").code == 0
    with psycopg.connect(changes.dsn, autocommit=True) as admin:
        admin.execute(f"DROP INDEX {one['name']}".encode())
        admin.execute(f"CREATE INDEX {one['name']} ON orders (status, id)".encode())
    ran = changes.cli("rollback", "--last", "--yes", "--json")
    assert ran.code == 2, ran.out + ran.err
    assert ran.json("error")["error"]["code"] == "nothing_named"
    assert changes.ours() == {one["name"]: True}
    assert "somebody else dropped it" in changes.cli("history", "--verbose").out


def test_an_index_that_does_not_pay_is_taken_back_with_9(changes):
    with psycopg.connect(changes.dsn, autocommit=True) as admin:
        if "pg_stat_statements" not in admin.execute("SHOW shared_preload_libraries").fetchone()[0]:
            pytest.skip("the server has no pg_stat_statements")
        admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        for _ in range(3):
            admin.execute("SELECT count(*) FROM orders WHERE status = 'done'")
    useless = advised(changes.advice[0], IndexKey("created_at"), "orders_created_at_ip_idx")
    file = changes.file("plan.json", useless, *changes.advice)
    ran = changes.cli("apply", file, "--max", "1", "--yes", "--verify", "--auto-revert", "--json")
    assert ran.code == 9, ran.out + ran.err
    value = ran.json("apply")
    assert value["status"] == "partial"
    (built,) = [m for m in value["result"]["mutations"] if m["recommendation"] == useless["id"]]
    assert built["outcome"] == "reverted"
    assert built["verification"]["text"]
    assert changes.ours() == {}
    types = {r[0] for r in changes.rows("SELECT mutation_type FROM indexpilot.mutation_log WHERE op_id IS NOT NULL")}
    assert "ROLLBACK_INDEX" in types
    again = changes.cli("apply", changes.file("one.json", useless), "--yes")
    assert (again.code, changes.ours()) == (0, {})
    assert "nothing done: what is not there already did not pay here before" in again.out
    assert f"indexpilot apply {useless['id']} builds it all the same" in again.out
    kept = changes.cli("apply", file, "--max", "1", "--yes", "--force", "--verify", "planner")
    assert kept.code == 0, kept.err
    assert "indexpilot rollback M-" in kept.out
    assert changes.ours() == {useless["name"]: True}
