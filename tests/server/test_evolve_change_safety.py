"""P7 to P12 of the feature list: previews, ways back, failures, locks, the log, and what stops a change."""

import subprocess
import sys
import threading
import time
from typing import ClassVar

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.core.command import Silent
from indexpilot_cli.db import locks
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.evolve import impact as evolve_impact
from indexpilot_cli.evolve.change import execute as evolve_execute
from indexpilot_cli.execute import backfill
from indexpilot_cli.execute.signals import Stop
from indexpilot_cli.settings.sections import BypassSettings, MaintenanceWindowSettings, SafeguardSettings, SystemBypass
from tests.server.evolving_change import Ground, assert_same
from tests.server.evolving_tables import PLAIN
from tests.waiting import eventually


@pytest.fixture
def pool(initialised):
    host.init_connection_pool(initialised, 1, 2)
    yield
    host.close_connection_pool()


def test_p7_a_preview_touches_nothing(entangled):
    before = entangled.dump()
    entangled.preview("add_column", "orders", "x", type="int", default="1", not_null=True, unique=False)
    entangled.preview("drop_column", "orders", "note", save=True)
    entangled.preview("alter_type", "orders", "note", type="varchar(5)")
    entangled.preview("rename_column", "orders", "note", new_name="remark")
    assert_same(entangled.dump(), before)
    assert {r[0] for r in entangled.log()} == {"EXPLAIN"}


def test_p8_the_middle_column_comes_back_at_the_end_and_that_is_said(plain):
    outcome = plain.change("drop_column", "plain", "a", force=True, save=True)
    assert any("last column" in note for note in outcome.result.undo.notes)
    plain.rollback()
    assert list(plain.columns("public.plain")) == ["id", "b", "a"]
    assert plain.sql("SELECT count(*) FROM public.plain WHERE a = id") == [(200,)]


def test_p8_what_was_built_since_is_not_dropped_along(plain):
    outcome = plain.change("add_column", "plain", "x", type="int")
    plain.script("CREATE INDEX ON public.plain (x, a)")
    with pytest.raises(RefusedError) as caught:
        plain.rollback(f"M-{outcome.result.id}")
    assert caught.value.code == "takes_along"
    plain.script("CREATE VIEW public.v AS SELECT x FROM public.plain")
    with pytest.raises(RefusedError) as caught:
        plain.rollback(force=True)
    assert caught.value.code == "dependents"
    plain.script("DROP VIEW public.v")
    assert plain.rollback(force=True).result.outcome == "done"


FAULT = """
CREATE FUNCTION public.fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$;
CREATE TRIGGER fault BEFORE INSERT ON indexpilot.mutation_log FOR EACH ROW
    WHEN (NEW.state IN ('DONE', 'REVERTED') AND NEW.op_id IS NOT NULL) EXECUTE FUNCTION public.fault();
"""


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("add_column", {"type": "int", "default": "1", "not_null": True}),
        ("drop_column", {"save": True}),
        ("alter_type", {"type": "varchar(90)"}),
        ("rename_column", {"new_name": "c"}),
    ],
)
def test_p9_a_failure_after_the_ddl_leaves_nothing(plain, kind, more):
    column = "x" if kind == "add_column" else "b"
    plain.change(kind, "plain", column, **more)
    done = plain.dump()
    plain.script(FAULT)
    with_fault = plain.dump()
    failed = plain.rollback()
    assert (failed.result.outcome, failed.exit_code) == ("failed", 7)
    assert_same(plain.dump(), with_fault)
    plain.script("DROP TRIGGER fault ON indexpilot.mutation_log; DROP FUNCTION public.fault")
    assert_same(plain.dump(), done)
    plain.rollback()
    plain.script(FAULT)
    before = plain.dump()
    failed = plain.change(kind, "plain", column, **more)
    assert (failed.result.outcome, failed.exit_code) == ("failed", 7)
    assert_same(plain.dump(), before)
    assert plain.log()[-1][:4] == (plain.log()[-1][0], "FAILED", column, "P0001")


def test_p9_steps_that_stand_are_gone_on_with(plain):
    more = {"type": "int", "default": "(random() * 1e9)::int", "not_null": True, "small_bytes": 0}
    plain.script(
        "CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF OLD.id = 150 THEN RAISE EXCEPTION 'injected'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER stop BEFORE UPDATE ON public.plain FOR EACH ROW EXECUTE FUNCTION public.stop()"
    )
    before = plain.dump()
    first = plain.change("add_column", "plain", "x", **more)
    assert (first.result.outcome, first.exit_code) == ("partial", 7)
    plain.script("ALTER TABLE public.plain DISABLE TRIGGER stop")
    again = plain.change("add_column", "plain", "x", **more)
    assert (again.result.outcome, again.result.resumed) == ("done", True)
    assert again.result.steps[0].outcome == "skipped"
    assert plain.sql("SELECT count(x) FROM public.plain") == [(200,)]
    plain.rollback()
    plain.script("ALTER TABLE public.plain ENABLE TRIGGER stop")
    assert_same(plain.dump(), before)
    plain.change("add_column", "plain", "x", **more)
    assert plain.rollback().result.outcome == "done"
    assert_same(plain.dump(), before)


def test_p10_a_blocker_is_waited_for_briefly_and_named(plain):
    with psycopg.connect(plain.dsn, application_name="long report") as reader:
        reader.execute("SELECT count(*) FROM public.plain")
        outcome = plain.change("add_column", "plain", "x", type="int", lock_timeout=0.5, retries=1)
        assert (outcome.result.outcome, outcome.result.error_code) == ("failed", "lock_timeout")
        (step,) = outcome.result.steps
        assert step.tries == 2
        assert "long report" in step.blockers[0]
        assert any("long report" in text and "holds a lock" in text for text in outcome.result.waiting)
        assert "x" not in plain.columns("public.plain")
    assert plain.log()[-1][1] == "FAILED"
    assert plain.log()[-1][3] == "55P03"


class UntilBusy(Silent):
    """Ends the transaction that is in the way as soon as it is said that the table is busy."""

    def __init__(self, reader):
        self.reader = reader

    def say(self, text):
        if "busy" in text:
            self.reader.commit()


def test_p10_trying_again_gets_through(plain):
    with psycopg.connect(plain.dsn) as reader:
        reader.execute("SELECT count(*) FROM public.plain")
        asked = plain.request("rename_column", "plain", "b", new_name="c", lock_timeout=0.3, retries=3)
        outcome = evolve_execute.run(asked, UntilBusy(reader), None)
    assert outcome.result.outcome == "done"
    assert outcome.result.steps[0].tries == 2


class LateRow(UntilBusy):
    """Locks a row of the last page when the backfill begins."""

    def stage(self, title, total=None):
        if title.startswith("fill"):
            self.reader.execute("SELECT FROM public.plain ORDER BY ctid DESC LIMIT 1 FOR UPDATE")


def test_p10_every_batch_of_a_backfill_has_its_own_tries(plain):
    plain.script("INSERT INTO public.plain SELECT i, i, repeat('x', 50) FROM generate_series(201, 900) i")
    more = {"type": "int", "default": "(random() * 9)::int", "small_bytes": 0, "batch_pages": 1}
    with psycopg.connect(plain.dsn) as writer:
        asked = plain.request("add_column", "plain", "x", **more, lock_timeout=0.3, retries=1)
        outcome = evolve_execute.run(asked, LateRow(writer), None)
    assert outcome.result.outcome == "done", outcome.result
    assert outcome.result.steps[1].tries == 2


class Cancel(Silent):
    """Cancels the statement of the change while it waits for its lock."""

    def __init__(self, ground):
        self.ground = ground
        self.timer = None

    def stage(self, title, total=None):
        if title.startswith("rename"):
            self.timer = threading.Thread(target=self.cancel)
            self.timer.start()

    def cancel(self):
        waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        eventually(lambda: self.ground.sql(waiting))


def test_p10_a_cancelled_statement_is_undone_and_known_to_be(plain):
    before = plain.dump()
    with psycopg.connect(plain.dsn) as reader:
        reader.execute("SELECT count(*) FROM public.plain")
        asked = plain.request("rename_column", "plain", "b", new_name="c", lock_timeout=60.0)
        progress = Cancel(plain)
        outcome = evolve_execute.run(asked, progress, None)
        progress.timer.join()
    assert (outcome.result.outcome, outcome.exit_code) == ("failed", 7)
    assert plain.log()[-1][1:4] == ("FAILED", "b", "57014")
    assert_same(plain.dump(), before)


def test_p11_every_operation_has_its_word_also_when_it_fails(plain):
    plain.change("add_column", "plain", "x", type="int")
    plain.change("rename_column", "plain", "x", new_name="y")
    plain.change("alter_type", "plain", "y", type="bigint")
    plain.change("drop_column", "plain", "y")
    done = [(r[0], r[2]) for r in plain.log() if r[1] == "DONE"]
    assert done == [("ADD_COLUMN", "x"), ("RENAME_COLUMN", "x"), ("ALTER_COLUMN", "y"), ("DROP_COLUMN", "y")]
    for kind in ("drop_column", "alter_type", "rename_column"):
        with pytest.raises(UsageError):
            plain.change(kind, "plain", "nothing", type="int", new_name="z")
    failed = [(r[0], r[2], r[6]["error_code"]) for r in plain.log() if r[1] == "FAILED"]
    assert failed == [(word, "nothing", "column_missing") for word in ("DROP_COLUMN", "ALTER_COLUMN", "RENAME_COLUMN")]


def test_p12_impact_is_kept_for_five_minutes_and_forgotten_after_a_change(plain, pool, monkeypatch):
    host.clear_impact_cache()
    looks = []
    real = evolve_impact._look
    monkeypatch.setattr(evolve_impact, "_look", lambda *given: looks.append(1) or real(*given))
    first = host.analyze_schema_change_impact("plain", "a")
    assert host.analyze_schema_change_impact("plain", "a") == first
    assert len(looks) == 1
    host.clear_impact_cache()
    host.analyze_schema_change_impact("plain", "a")
    assert len(looks) == 2
    host.safe_rename_column("plain", "b", "c", execute=True)
    seen = len(looks)
    host.analyze_schema_change_impact("plain", "a")
    assert len(looks) == seen + 1
    clock = time.monotonic()
    monkeypatch.setattr(evolve_impact.time, "monotonic", lambda: clock + 301)
    host.analyze_schema_change_impact("plain", "a")
    assert len(looks) == seen + 2


def test_the_host_functions(plain, pool):
    assert host.validate_schema_change("drop_column", "plain", "nothing")[0]["code"] == "column_missing"
    assert host.validate_schema_change("add_column", "plain", "x", type="int") == []
    assert host.preview_schema_change("drop_column", "plain", "b")["outcome"] == "planned"
    plan = host.generate_rollback_plan("drop_column", "plain", "b")
    assert plan["statements"] == ["ALTER TABLE public.plain ADD COLUMN b text"]
    assert "DATA LOSS" in plan["loss"]
    assert host.safe_add_column("plain", "x", "int", default="1", execute=True)["outcome"] == "done"
    assert host.safe_alter_column_type("plain", "x", "bigint", execute=True)["outcome"] == "done"
    assert host.safe_drop_column("plain", "x", execute=True)["outcome"] == "done"
    assert host.safe_drop_column("plain", "b")["outcome"] == "planned"
    assert list(plain.columns("public.plain")) == ["id", "a", "b"]


def test_the_bypass_and_the_window_are_obeyed(plain):
    off = BypassSettings(system=SystemBypass(enabled=True, reason="release"))
    with pytest.raises(RefusedError) as caught:
        plain.change("add_column", "plain", "x", type="int", bypass=off)
    assert caught.value.code == "bypass"
    never = SafeguardSettings(
        maintenance_window=MaintenanceWindowSettings(enabled=True, start_hour=3, end_hour=3, days_of_week=())
    )
    with pytest.raises(IndexPilotError):
        plain.change("add_column", "plain", "x", type="int", safeguards=never)
    assert "x" not in plain.columns("public.plain")


def test_before_init_only_previews(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(PLAIN.replace("%", "%%"))
    ground = Ground(database)
    assert ground.preview("add_column", "plain", "x", type="int").result.outcome == "planned"
    with pytest.raises(PrerequisiteError):
        ground.change("add_column", "plain", "x", type="int")


WORKER = """
import sys
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.command import Connection
from indexpilot_cli.evolve.requests import ChangeRequest
from indexpilot_cli.evolve.change import execute as evolve_execute
request = ChangeRequest("add_column", "public.plain", "x", connection=Connection(sys.argv[1]), type="int",
    confirmed=True, default="(random() * 1e9)::int", not_null=True, execute=True, small_bytes=0, batch_pages=1)
evolve_execute.run(request, Silent(), None)
"""


def test_killed_in_the_middle_it_goes_on(plain):
    """The process is killed while it fills the column; what stands is in the log, and the next run does the rest."""
    plain.script(
        "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF OLD.id = 150 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER slow BEFORE UPDATE ON public.plain FOR EACH ROW EXECUTE FUNCTION public.slow()"
    )
    before = plain.dump()
    worker = subprocess.Popen([sys.executable, "-c", WORKER, plain.dsn])
    sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    found = eventually(lambda: plain.sql(sleeping) or worker.poll() is not None)
    assert worker.poll() is None
    with pytest.raises(UsageError) as caught:
        plain.change("add_column", "plain", "x", type="int", default="5")  # another change of the same name
    assert caught.value.code == "column_exists"
    worker.kill()
    worker.wait()
    plain.sql("SELECT pg_terminate_backend(%s, 60000)", found[0][0])
    plain.script("ALTER TABLE public.plain DISABLE TRIGGER slow")
    more = {"type": "int", "default": "(random() * 1e9)::int", "not_null": True, "small_bytes": 0, "batch_pages": 1}
    done = plain.change("add_column", "public.plain", "x", lock_timeout=60.0, **more).result
    assert (done.outcome, done.resumed) == ("done", True)
    assert plain.sql("SELECT count(x) FROM public.plain") == [(200,)]
    plain.script("ALTER TABLE public.plain ENABLE TRIGGER slow")
    assert plain.rollback().result.outcome == "done"
    assert_same(plain.dump(), before)


class Told(Silent):
    """Keeps what is said and staged."""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def test_adding_a_column_waits_for_a_standby_that_is_behind(plain, monkeypatch):
    """Nothing is written while the standby is far behind; what is filled then is read at that very moment."""
    plain.script("INSERT INTO public.plain SELECT i, i, repeat('x', 50) FROM generate_series(201, 2000) i")
    behind = [512 * 1024**2, 128 * 1024**2]
    filled = []

    def lag(_session):
        filled.append(plain.sql("SELECT count(x) FROM public.plain")[0][0])
        return behind.pop(0) if behind else 0.0

    monkeypatch.setattr(backfill, "lag_bytes", lag)
    monkeypatch.setattr(backfill, "_LAG", 0.01)
    progress = Told()
    more = {"type": "int", "default": "(random() * 9)::int", "small_bytes": 0, "batch_pages": 1}
    outcome = evolve_execute.run(plain.request("add_column", "plain", "x", **more), progress, None)
    assert outcome.result.outcome == "done", outcome.result
    assert filled[:3] == [0, 0, 0]
    assert any("waits for a standby that is 512" in text for text in progress.said)
    assert plain.sql("SELECT count(x) FROM public.plain") == [(2000,)]


class Paced(Stop):
    """Remembers the pauses between batches and does not wait."""

    pauses: ClassVar[list] = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        return super().sleep(0)


def test_adding_a_column_leaves_room_between_its_batches(plain, monkeypatch):
    plain.script("INSERT INTO public.plain SELECT i, i, repeat('x', 50) FROM generate_series(201, 2000) i")
    monkeypatch.setattr(evolve_execute, "Stop", Paced)
    monkeypatch.setattr(Paced, "pauses", [])
    ((pages,),) = plain.sql("SELECT pg_relation_size('public.plain') / 8192")
    more = {"type": "int", "default": "(random() * 9)::int", "small_bytes": 0, "batch_pages": 1}
    assert plain.change("add_column", "plain", "x", **more).result.outcome == "done"
    assert len([p for p in Paced.pauses if p > 0]) >= pages


def test_one_change_of_a_table_at_a_time(plain):
    ((relid,),) = plain.sql("SELECT 'public.plain'::regclass::oid::bigint")
    with open_session(plain.dsn, read_only=False) as other:
        assert locks.try_lock(other, relid)
        with pytest.raises(RefusedError) as caught:
            plain.change("add_column", "plain", "x", type="int")
    assert caught.value.code == "locked"
    assert "x" not in plain.columns("public.plain")
