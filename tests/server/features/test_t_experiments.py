"""Experiments: two variants in turn, measured, judged, and the better one left; and what a host assigns and records."""

import os
import random
import signal

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.apply.experiments.run import start, step, stop
from indexpilot_cli.apply.experiments.status import status
from indexpilot_cli.apply.experiments.values import (
    ExperimentStart,
    ExperimentStatusRequest,
    ExperimentStep,
    ExperimentStop,
)
from indexpilot_cli.apply.verify import statistics
from indexpilot_cli.apply.verify.windows import StatWindow
from indexpilot_cli.core.command import Connection, PlannerRequest, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import RefusedError, UnreachableError, UsageError
from indexpilot_cli.host import experiments
from indexpilot_cli.log import intents
from tests.server import applying
from tests.server.applying import outcomes, refuse, request, sql
from tests.server.test_apply_kill import child, exit_code
from tests.servers import new_database

CALLS = 110


@pytest.fixture(scope="module")
def shop(pg):
    """A database with our tables and counters; each test makes a table of its own."""
    with new_database(pg) as dsn:
        applying.fill(dsn, 10)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
        yield dsn


def table(dsn, name, rows=10):
    sql(dsn, f'CREATE TABLE public."{name}" (id int PRIMARY KEY, customer_id int NOT NULL, status text, note text)')
    made = f"SELECT i, i % 997, 's' || i % 3, md5(i::text) FROM generate_series(1, {rows}) i"
    sql(dsn, f'INSERT INTO public."{name}" {made}')
    sql(dsn, f'VACUUM ANALYZE public."{name}"')


def work(dsn, name):
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number in range(CALLS):
            connection.execute(f'SELECT count(note) FROM public."{name}" WHERE customer_id = {number}')


def indexes(dsn, name):
    found = sql(dsn, f"SELECT indexname FROM pg_indexes WHERE tablename = '{name}' AND indexname NOT LIKE '%_pkey'")
    return {index for (index,) in found}


def asked(dsn, planner="hypopg", **more):
    """Without the extension there is no prediction, and no twin to start for it."""
    return request(dsn, planner=PlannerRequest(planner), **more)


def begin(dsn, name, a=(), b=(), rounds=1, **more):
    facts = ExperimentStart(name, a, b, asked(dsn, **more), 0.0, rounds)
    return start(facts, Silent(), refuse)


def go_on(dsn, name=None, **more):
    return step(ExperimentStep(name, asked(dsn, **more)), Silent(), refuse)


def end(dsn, name, keep="winner", **more):
    return stop(ExperimentStop(name, keep, asked(dsn, **more)), Silent(), refuse)


def shown(dsn, name):
    (one,) = status(ExperimentStatusRequest(name, Connection(dsn)), Silent()).result.experiments
    return one


def test_t9_the_better_variant_is_found_by_windows_and_stays(shop, monkeypatch):
    # A millisecond a page, so that no moment in which the machine is busy stands in a window.
    monkeypatch.setattr(statistics, "_window", lambda t: StatWindow(t.id, t.calls, t.blocks, t.blocks, t.blocks))
    table(shop, "T9 Better", 5_000)
    useful = 'CREATE INDEX ON "T9 Better" (customer_id)'
    dry = begin(shop, "better", (), (useful,), dry_run=True)
    assert (outcomes(dry), indexes(shop, "T9 Better")) == ([], set())
    work(shop, "T9 Better")
    begun = begin(shop, "better", (), (useful,), planner="twin")
    assert (begun.status, begun.exit_code, indexes(shop, "T9 Better")) == ("ok", 0, set())
    assert "less cost" in shown(shop, "better").predicted
    with pytest.raises(RefusedError, match="runs on"):
        begin(shop, "second", (), ('CREATE INDEX ON "T9 Better" (status)',))
    work(shop, "T9 Better")
    swapped = go_on(shop, "better")
    assert (outcomes(swapped), len(indexes(shop, "T9 Better"))) == (["done"], 1), swapped
    assert (shown(shop, "better").in_place, shown(shop, "better").windows) == ("b", 1)
    work(shop, "T9 Better")
    assert go_on(shop).next == ("indexpilot experiment stop better",)
    found = shown(shop, "better")
    assert (found.status, found.winner, found.windows, found.in_place) == ("running", "b", 2, "b"), found
    assert found.verdict.templates[0].p < 0.01
    assert [w for w in go_on(shop).result.what if "measured" in w]
    ended = end(shop, "better")
    assert (ended.exit_code, outcomes(ended), len(indexes(shop, "T9 Better"))) == (0, [], 1)
    assert (shown(shop, "better").status, shown(shop, "better").winner) == ("stopped", "b")
    with pytest.raises(UsageError, match="ended before"):
        end(shop, "better")


def test_t9_what_was_there_before_comes_back_as_it_was(shop):
    table(shop, "t9_before")
    sql(shop, "CREATE INDEX mine ON public.t9_before (customer_id) WITH (fillfactor = 70)")
    sql(shop, "COMMENT ON INDEX public.mine IS 'by hand'")
    a, b = ("CREATE INDEX ON t9_before (status)",), ("CREATE INDEX ON t9_before (customer_id)",)
    begun = begin(shop, "before", a, b, rounds=2)
    assert (begun.exit_code, outcomes(begun)) == (0, ["done", "done"]), begun  # a is built, then mine goes
    assert indexes(shop, "t9_before") == {"t9_before_status_ip_idx"}
    assert shown(shop, "before").verdict.answer == "not_enough_evidence"
    go_on(shop, "before")
    assert indexes(shop, "t9_before") == {"mine"}
    go_on(shop, "before")  # a b b a: it stays for the next window
    assert indexes(shop, "t9_before") == {"mine"}
    go_on(shop, "before")
    assert indexes(shop, "t9_before") == {"t9_before_status_ip_idx"}
    told = go_on(shop, "before").result.what[-1]
    assert told.startswith("before: not enough evidence yet: ")
    assert shown(shop, "before").winner == "not_enough_evidence"
    end(shop, "before")
    assert indexes(shop, "t9_before") == {"mine"}
    ((comment, text),) = sql(
        shop, "SELECT obj_description('public.mine'::regclass), pg_get_indexdef('public.mine'::regclass)"
    )
    assert (comment, "fillfactor" in text) == ("by hand", True)


def test_t9_refused_or_stopped_half_way_leaves_what_can_be_ended(shop):
    table(shop, "t9_refused")
    one = ("CREATE INDEX ON t9_refused (customer_id)",)
    with pytest.raises(UsageError, match="same indexes"):
        begin(shop, "refused", one, one)
    advice = applying.keep_plan(shop, applying.definition("note", table=QualifiedName("public", "t9_refused")))
    declined = start(
        ExperimentStart("refused", one, (), asked(shop, confirmed=False), 0.0, 1), Silent(), lambda _planned: False
    )
    assert (declined.status, declined.exit_code, indexes(shop, "t9_refused")) == ("refused", 6, set())
    assert sql(shop, "SELECT count(*) FROM indexpilot.ab_experiments WHERE name = 'refused'") == [(0,)]
    # Whoever says only `apply` means advice, not what an experiment was about to build.
    assert applying.run_apply(shop, dry_run=True).result.plan == advice.id
    begin(shop, "refused", one, ())
    held = go_on(shop, "refused", budget_bytes=None, dry_run=True)
    assert (held.exit_code, len(indexes(shop, "t9_refused"))) == (0, 1)
    sql(shop, "DROP INDEX public.t9_refused_customer_id_ip_idx")  # somebody disturbs the window
    disturbed = go_on(shop, "refused")
    assert "does not count" in disturbed.result.what[0]
    assert (shown(shop, "refused").windows, len(indexes(shop, "t9_refused"))) == (0, 1)
    end(shop, "refused", "before")
    assert (shown(shop, "refused").winner, indexes(shop, "t9_refused")) == ("undecided", set())


def test_t9_killed_in_the_swap_and_finished_by_the_next_step(shop, monkeypatch):
    table(shop, "t9_killed")
    sql(shop, "CREATE INDEX kept ON public.t9_killed (customer_id) WITH (fillfactor = 70)")
    begin(shop, "killed", ("CREATE INDEX ON t9_killed (customer_id)",), ("CREATE INDEX ON t9_killed (status)",))
    append, writes = intents.append, iter(range(4))  # the build's three rows, and what the drop is meant to do

    def killing(*arguments, **more):
        if next(writes, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return append(*arguments, **more)

    monkeypatch.setattr(intents, "append", killing)
    with child(lambda: go_on(shop, "killed")) as pid:
        assert exit_code(pid) == -signal.SIGKILL
    monkeypatch.undo()
    assert indexes(shop, "t9_killed") == {"kept", "t9_killed_status_ip_idx"}
    go_on(shop, "killed", lock_timeout=60.0)
    assert (indexes(shop, "t9_killed"), shown(shop, "killed").in_place) == ({"t9_killed_status_ip_idx"}, "b")
    end(shop, "killed", "before")
    assert indexes(shop, "t9_killed") == {"kept"}


@pytest.fixture
def pooled(shop):
    """The host's pool on that database."""
    host.init_connection_pool(shop, 1, 3)
    yield shop
    host.close_connection_pool()


def play(name, *, faster=1.0, count=400):
    """So many users, each measured once; b takes ``faster`` times as long."""
    chance = random.Random(name)
    kept = {"a": [], "b": []}
    for user in range(count):
        variant = host.assign_variant(name, user)
        kept[variant].append(chance.lognormvariate(1.0, 0.5) * (faster if variant == "b" else 1.0))
    return {variant: host.record_outcome(name, variant, values) for variant, values in kept.items()}


def test_t9_a_host_assigns_and_records_and_the_known_effect_is_found(pooled, monkeypatch):
    def gone():
        raise UnreachableError("nobody answers")

    table(pooled, "t9_host")
    made = host.create_experiment("checkout", "t9_host", {"query": "old"}, {"query": "new"}, split=0.4)
    assert (made["status"], made["verdict"]["answer"]) == ("running", "not_enough_evidence")
    kept = play("checkout", faster=0.6)
    assert sum(kept.values()) == 400
    assert 100 < kept["b"] < 220  # 40 %
    assert host.assign_variant("checkout", 7) == host.assign_variant("checkout", 7)
    (told,) = host.get_experiment_status("checkout")
    assert (told["verdict"]["answer"], told["metrics"]["duration_ms"]["answer"]) == ("b", "b")
    before = [host.assign_variant("checkout", user) for user in range(50)]
    monkeypatch.setattr(experiments.place, "session", gone)
    experiments._known.clear()  # as after a minute
    assert [host.assign_variant("checkout", user) for user in range(50)] == before
    monkeypatch.undo()
    ended = host.stop_experiment("checkout")
    assert (ended["winner"], ended["status"]) == ("b", "stopped")
    assert {host.assign_variant("checkout", user) for user in range(50)} == {"b"}
    assert host.record_outcome("checkout", "a", 1.0) == 0
    assert shown(pooled, "checkout").winner == "b"  # as the command line sees it
    made = host.create_experiment("equal", "t9_host")
    play("equal")
    assert host.get_experiment_status("equal")[0]["verdict"]["answer"] == "undecided"
    for wrong in (float("nan"), "12", b"1", None, [1.0, "2"], 10**400, object()):
        with pytest.raises(UsageError, match="finite number"):
            host.record_outcome("equal", "a", wrong)
    with pytest.raises(UsageError, match="a or b"):
        host.record_outcome("equal", "c", 1.0)
    odd = host.create_experiment(
        "odd", "t9_other", "nul\0 and \ud800", {"dsn": "postgresql://me:hunter2@db/shop", "n": {2}}
    )
    assert odd["variants"]["a"] == ["nul and ?"]
    assert "hunter2" not in str(odd)
    host.stop_experiment("odd")
    assert host.stop_experiment("equal")["winner"] == "undecided"
    with pytest.raises(UsageError):
        host.assign_variant("nothing", 1)


def test_t9_a_name_and_a_table_have_one_experiment(pooled):
    table(pooled, "t9_twice")
    host.create_experiment("once", "t9_twice")
    with pytest.raises(UsageError, match="there was an experiment 'once' already"):
        host.create_experiment("once", "t9_other")
    with pytest.raises(RefusedError, match="an experiment runs on t9_twice already"):
        host.create_experiment("another", "t9_twice")
    for name in (" ", "x" * 201):
        with pytest.raises(UsageError, match="an experiment's name has 1 to 200 letters"):
            host.create_experiment(name, "t9_other")
    host.stop_experiment("once")
    assert host.create_experiment("another", "t9_twice")["status"] == "running"


def test_t9_what_keeps_rows_right_is_in_both_variants(shop):
    table(shop, "t9_unique")
    sql(shop, "CREATE UNIQUE INDEX one_each ON public.t9_unique (customer_id)")
    plain, unique = "CREATE INDEX ON t9_unique (customer_id)", "CREATE UNIQUE INDEX ON t9_unique (customer_id)"
    for a, b in (((plain,), (unique,)), ((unique,), ()), ((unique,), (plain,))):
        with pytest.raises(RefusedError, match="without one_each: it keeps values unique"):
            begin(shop, "unique", a, b)
    assert indexes(shop, "t9_unique") == {"one_each"}
    begun = begin(shop, "unique", (unique,), (unique, plain))
    assert (begun.exit_code, indexes(shop, "t9_unique")) == (0, {"one_each"})
    end(shop, "unique")
    assert indexes(shop, "t9_unique") == {"one_each"}


def test_t9_an_experiment_ends_whatever_happened_to_its_table(shop):
    for name in ("t9_gone", "t9_narrow"):
        table(shop, name)
        begin(shop, name, (f"CREATE INDEX ON {name} (status)",), (f"CREATE INDEX ON {name} (customer_id)",))
    sql(shop, "DROP TABLE public.t9_gone; ALTER TABLE public.t9_narrow DROP COLUMN customer_id")
    told = go_on(shop).result.what  # neither keeps the other from being looked at
    assert any("t9_gone: table t9_gone is gone" in text for text in told), told
    assert any("t9_narrow: column customer_id of t9_narrow is gone" in text for text in told), told
    ended = end(shop, "t9_gone", "a")
    assert (ended.exit_code, shown(shop, "t9_gone").status) == (0, "stopped")
    assert "not t9_gone (status), table t9_gone is gone" in ended.result.what[-1]
    assert (end(shop, "t9_narrow").exit_code, indexes(shop, "t9_narrow")) == (0, set())
