"""When building goes wrong: the code, the document, and what is left, through a real process."""

import signal

import psycopg
import pytest

from tests.cli.changes import BUILDING


def broken(advice, name="orders_broken_ip_idx"):
    """A recommendation whose build fails at a row: a division by zero."""
    expression = "(1 / (id - 5))"
    key = {
        "column": None,
        "expression": expression,
        "operator_class": None,
        "collation": None,
        "descending": False,
        "nulls_first": None,
    }
    table = {"schema": "public", "name": "orders"}
    return {
        **advice,
        "id": "R-00000bad",
        "table": table,
        "keys": [expression],
        "where": None,
        "definition": {**advice["definition"], "table": table, "keys": [key], "predicate": None, "include": []},
        "name": name,
        "summary": f"orders ({expression})",
        "ddl": f"CREATE INDEX CONCURRENTLY {name} ON public.orders ({expression})",
        "undo": f"DROP INDEX CONCURRENTLY public.{name}",
    }


def invalid(changes):
    return [r[0] for r in changes.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")]


def test_one_failure_among_others_is_7(changes):
    file = changes.file("plan.json", broken(changes.advice[0]), changes.advice[1])
    ran = changes.cli("apply", file, "--yes", "--json", "--retries", "0")
    assert ran.code == 7, ran.err
    value = ran.json("apply")
    assert value["status"] == "partial"
    by_id = {m["recommendation"]: m for m in value["result"]["mutations"]}
    assert by_id["R-00000bad"]["outcome"] == "failed"
    assert by_id["R-00000bad"]["error"]["message"]
    assert by_id[changes.advice[1]["id"]]["outcome"] == "done"
    assert invalid(changes) == []
    states = changes.rows("SELECT state FROM indexpilot.mutation_log WHERE error LIKE '%division by zero%'")
    assert ("FAILED_CLEAN",) in states
    person = changes.cli("apply", file, "--yes", "--stop-on-error")
    assert person.code == 7
    line = next(line for line in person.out.splitlines() if "R-00000bad" in line)
    assert "failed" in line
    assert "division by zero" in line
    assert "R-00000bad" in person.err.splitlines()[-1]


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
    with changes.writer_at_work():
        process = changes.start("apply", changes.advice[0]["id"], "--yes", "--json")
        changes.wait_for(BUILDING)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert '"code": "interrupted"' in out
    assert f'"exit_code": {code}' in out
    assert changes.ours() == {}
    newest = changes.rows("SELECT state FROM indexpilot.mutation_log WHERE op_id IS NOT NULL ORDER BY id DESC LIMIT 1")
    assert newest == [("FAILED_CLEAN",)]


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
        out, err = first.communicate(timeout=60)
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
        process.communicate(timeout=30)
        changes.rows("SELECT pg_terminate_backend(%s)", backend)
    changes.wait_for("SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_progress_create_index)")
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


def test_rollback_of_an_index_that_changed_since_is_refused(changes):
    one = changes.advice[0]
    assert changes.cli("apply", one["id"], "--yes", "--quiet").code == 0
    with psycopg.connect(changes.dsn, autocommit=True) as admin:
        admin.execute(f"DROP INDEX {one['name']}".encode())
        admin.execute(f"CREATE INDEX {one['name']} ON orders (status, id)".encode())
    ran = changes.cli("rollback", "--last", "--yes", "--json")
    assert ran.code == 6, ran.out + ran.err
    document = ran.json("rollback" if '"indexpilot.rollback/1"' in ran.out else "error")
    assert document["status"] == "refused"
    assert changes.ours() == {one["name"]: True}
    person = changes.cli("rollback", "--last", "--yes")
    assert person.code == 6
    assert person.err.startswith(("error: ", "Guards"))
