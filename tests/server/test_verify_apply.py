"""Verification around real builds: what pays stays, what harms goes, and the log tells."""

from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.db.session import open_session
from indexpilot_cli.log.outcomes import outcomes as read_outcomes
from tests.server import applying
from tests.server.applying import definition, keep_plan, look, outcomes, request, run_apply, run_rollback
from tests.servers import new_database

HELPS = "select count(*) from orders where customer_id = 77"
# with these settings the planner believes that random pages cost nothing, and walks the whole table by the index
DECEIVED = " ".join(
    f"-c {setting}"
    for setting in (
        "random_page_cost=0.0001",
        "cpu_index_tuple_cost=0",
        "cpu_operator_cost=0",
        "enable_bitmapscan=off",
        "max_parallel_workers_per_gather=0",
        "jit=off",
    )
)
HARMS = "select sum(length(note)) from orders where status > 'a'"


pytestmark = pytest.mark.rows(60_000)


def asked(*statements):
    return WorkloadRequest(SourceKind.SQL, queries=tuple(statements))


def verified(dsn, plan, *statements, **more):
    return run_apply(dsn, plan.id, verify="replay", auto_revert=True, workload=asked(*statements), **more)


def learned(dsn):
    with open_session(dsn) as session:
        return read_outcomes(session)


def test_an_index_that_pays_is_kept(shop):
    plan = keep_plan(shop, definition("customer_id"))
    done = verified(shop, plan, HELPS)
    assert (done.exit_code, outcomes(done)) == (0, ["done"])
    assert done.result.mutations[0].verification == "verified"
    assert "really ran faster" in done.result.mutations[0].verification_text
    world = look(shop)
    assert world.states() == ["INTENT", "STARTED", "VALID", "VERIFIED"]
    told = world.log[-1].details_json["verification"]
    assert told["verdict"] == "kept"
    assert told["templates"][0]["after"] < told["templates"][0]["before"]
    (outcome,) = learned(shop)
    assert (outcome.definition, outcome.how, outcome.mutation) == (
        definition("customer_id"),
        "replay",
        world.log[-1].id,
    )
    assert outcome.gain > 0.1 and min(outcome.calls) >= 3
    (undo,) = run_rollback(shop, last=True, dry_run=True).result.mutations
    assert undo.id == done.result.mutations[0].id  # one number for one build, whatever was found out since


def test_an_index_that_harms_is_taken_back(shop):
    deceived = psycopg.conninfo.make_conninfo(shop, options=DECEIVED)
    plan = keep_plan(shop, definition("status"))
    shuffle(shop)
    done = verified(deceived, plan, HARMS)
    assert (done.exit_code, outcomes(done)) == (9, ["reverted"])
    assert done.result.mutations[0].verification == "reverted"
    assert "slower when really run" in done.result.mutations[0].verification_text
    world = look(shop)
    assert world.indexes == {}
    assert world.states() == ["INTENT", "STARTED", "VALID", "INTENT", "STARTED", "VALID", "REVERTED"]
    assert {row.mutation_type for row in world.log[3:]} == {"ROLLBACK_INDEX"}
    assert "slower" in world.log[3].details_json["rollback_reason"]
    (outcome,) = learned(shop)  # what was taken back is what there is to learn from
    assert (outcome.definition, outcome.how) == (definition("status"), "replay") and outcome.gain < 0


def test_what_was_taken_back_is_not_recommended_again(shop):
    from indexpilot_cli.advise.pipeline import without_taken_back
    from indexpilot_cli.core.command import Connection, Silent
    from indexpilot_cli.core.index import Candidate, Proposal
    from indexpilot_cli.snapshot.source import SourceRequest, open_source

    bad, good = definition("note"), definition("customer_id")
    verified(shop, keep_plan(shop, bad, good), HELPS)
    proposal = Proposal((Candidate(bad, "equality"), Candidate(good, "equality")))
    with open_source(SourceRequest(Connection(shop)), Silent()) as source:
        left = without_taken_back(proposal, source)
    assert [c.definition for c in left.candidates] == [good]
    assert [(r.id, r.reason) for r in left.rejections] == [(bad.id, "ignored")]
    assert left.rejections[0].detail.endswith("no plan of the workload uses it")


@pytest.mark.parametrize("mode", ["replay", "planner"])
def test_a_partitioned_index_is_judged_as_one(database, mode):
    applying.fill(database, 1_000)
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in PARTITIONED:
            connection.execute(statement)
    events = QualifiedName("public", "events")
    plan = keep_plan(database, definition("kind", table=events), definition("note", table=events))
    work = asked("select sum(id) from public.events where kind = 7")
    done = run_apply(database, plan.id, verify=mode, auto_revert=True, workload=work)
    assert outcomes(done) == ["done", "reverted"]
    assert [m.verification for m in done.result.mutations] == ["verified", "reverted"]
    assert sorted(look(database).indexes) == ["events_a_kind_ip_idx", "events_b_kind_ip_idx", "events_kind_ip_idx"]


PARTITIONED = (
    "create table public.events (id bigint, day date, kind int, note text) partition by range (day)",
    "create table public.events_a partition of public.events for values from ('2026-01-01') to ('2026-02-01')",
    "create table public.events_b partition of public.events for values from ('2026-02-01') to ('2026-03-01')",
    "insert into public.events select i, date '2026-01-01' + i % 59, i % 5000, md5(i::text)"
    " from generate_series(1, 60000) i",
    "analyze",
)


def shuffle(dsn):
    """The table in an order that has nothing to do with status."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("update orders set status = chr(97 + (hashint4(id::int) & 15)) || note")
        connection.execute("vacuum full orders")
        connection.execute("analyze orders")


def test_without_auto_revert_it_stays_and_says_so(shop):
    plan = keep_plan(shop, definition("note"))
    done = run_apply(shop, plan.id, verify="replay", workload=asked(HELPS))
    assert (done.exit_code, outcomes(done)) == (0, ["done"])
    mutation = done.result.mutations[0]
    assert mutation.verification == "kept"
    assert any("rollback" in note for note in mutation.notes)
    assert look(shop).states()[-1] == "KEPT"


def test_useless_ones_go_after_the_last_build(shop):
    plan = keep_plan(shop, definition("note"), definition("customer_id"))
    done = verified(shop, plan, HELPS)
    assert (done.exit_code, outcomes(done)) == (9, ["reverted", "done"])
    assert list(look(shop).indexes) == [plan.recommendations[1].name]
    assert done.result.mutations[0].verification_text == "no plan of the workload uses it"


def test_nothing_to_run_is_not_enough_evidence(shop):
    plan = keep_plan(shop, definition("customer_id"))
    done = verified(shop, plan, "update orders set note = 'x' where customer_id = 5")
    assert (done.exit_code, outcomes(done)) == (0, ["done"])
    assert done.result.mutations[0].verification == "not_enough_evidence"
    assert look(shop).states()[-1] == "VALID"


def test_planner_mode(shop):
    plan = keep_plan(shop, definition("customer_id"), definition("note"))
    done = run_apply(shop, plan.id, verify="planner", auto_revert=True, workload=asked(HELPS))
    assert (done.exit_code, outcomes(done)) == (9, ["done", "reverted"])
    assert "less cost" in done.result.mutations[0].verification_text


def test_the_clone_gets_the_index_and_the_trial(shop, pg):
    from indexpilot_cli.apply import apply
    from indexpilot_cli.core.command import Silent

    name = psycopg.conninfo.conninfo_to_dict(shop)["dbname"]
    with new_database(pg, name) as clone:
        plan = keep_plan(shop, definition("customer_id"))
        wanted = request(shop, plan.id, verify="replay", replay_conninfo=clone, workload=asked(HELPS))
        done = apply.run(wanted, Silent(), applying.refuse)
        assert done.result.mutations[0].verification == "verified"
        with psycopg.connect(clone) as connection:
            found = "select count(*) from pg_indexes where indexname = %s"
            assert connection.execute(found, (plan.recommendations[0].name,)).fetchone() == (1,)


def statistics(dsn, count):
    with psycopg.connect(dsn, autocommit=True) as connection:
        for n in range(count):
            connection.execute(f"select count(*) from orders where customer_id = {n}")
            connection.execute(f"select count(*) from public.other where id = {n}")


def with_statements(connection):
    """The extension these tests watch; the embedded server does not have it."""
    try:
        connection.execute("create extension pg_stat_statements")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("pg_stat_statements is not on this server")


def test_statistics_are_watched_and_settled_later(shop):
    from indexpilot_cli.apply.verify.verify import look_again
    from indexpilot_cli.core.command import Silent
    from indexpilot_cli.execute.context import open_context
    from indexpilot_cli.execute.signals import Stop

    with psycopg.connect(shop, autocommit=True) as connection:
        with_statements(connection)
        connection.execute("create table public.other as select n as id from generate_series(1, 5000) n")
        connection.execute("select pg_stat_statements_reset()")
    statistics(shop, 120)
    plan = keep_plan(shop, definition("customer_id"))
    wanted = replace(request(shop, plan.id), verify="statistics", auto_revert=True)
    done = run_apply(shop, plan.id, verify="statistics", auto_revert=True)
    assert done.result.mutations[0].verification == "not_enough_evidence"
    with open_context(wanted.connection, wanted.record, Silent(), Stop()) as ctx:
        statistics(shop, 20)
        assert look_again(ctx, auto_revert=True) == ()
        statistics(shop, 120)
        settled = look_again(ctx, auto_revert=True)
        assert [m.verification for m in settled] == ["verified"]
        assert look_again(ctx, auto_revert=True) == ()
    assert look(shop).states()[-1] == "VERIFIED"


def test_the_next_apply_takes_back_what_did_not_pay(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        with_statements(connection)
        connection.execute("create table public.other as select n as id from generate_series(1, 5000) n")
        connection.execute("select pg_stat_statements_reset()")
    statistics(shop, 110)
    plan = keep_plan(shop, definition("note"))
    run_apply(shop, plan.id, verify="statistics")
    assert "not enough evidence yet" in observed(shop)
    statistics(shop, 110)
    assert "no query has used the index" in observed(shop)
    again = run_apply(shop, plan.id, verify="statistics", auto_revert=True)
    assert again.exit_code == 9
    assert [m.verification for m in again.result.reconciled] == ["reverted"]
    assert (outcomes(again), look(shop).indexes) == (["skipped"], {})  # and not built once more by the same run
    assert look(shop).states()[-1] == "REVERTED"


def test_counters_that_are_off_or_reset_prove_nothing(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        with_statements(connection)
        connection.execute("create table public.other as select n as id from generate_series(1, 5000) n")
        connection.execute("select pg_stat_statements_reset()")
        statistics(shop, 110)
        plan = keep_plan(shop, definition("customer_id"))
        run_apply(shop, plan.id, verify="statistics")
        name = psycopg.conninfo.conninfo_to_dict(shop)["dbname"]
        connection.execute(f"alter database {name} set track_counts = off")
        statistics(shop, 110)
        assert "1 of 1 faster" in observed(shop)
        connection.execute(f"alter database {name} reset track_counts")
        connection.execute("select pg_stat_reset()")
        assert "1 of 1 faster" in observed(shop)


def test_what_did_not_pay_is_built_again_only_by_name_or_force(shop):
    plan = keep_plan(shop, definition("note"))
    assert outcomes(verified(shop, plan, HELPS)) == ["reverted"]
    later = run_apply(shop, plan.id)
    assert (later.exit_code, later.status, later.result.skipped) == (0, "skipped", "did_not_pay")
    (told,) = later.result.mutations
    assert told.error.endswith("no plan of the workload uses it")
    assert told.notes == (f"indexpilot apply {plan.recommendations[0].id} builds it all the same",)
    assert outcomes(run_apply(shop, plan.recommendations[0].id)) == ["done"]
    assert outcomes(run_rollback(shop, last=True)) == ["done"]
    assert outcomes(run_apply(shop, plan.id, force=True)) == ["done"]


def test_after_seventy_two_hours_a_person_is_asked(shop):
    from indexpilot_cli.apply.verify.verify import look_again
    from indexpilot_cli.core.command import Silent
    from indexpilot_cli.execute.context import open_context
    from indexpilot_cli.execute.signals import Stop

    with psycopg.connect(shop, autocommit=True) as connection:
        with_statements(connection)
        plan = keep_plan(shop, definition("note"))
        run_apply(shop, plan.id, verify="statistics")
        connection.execute("update indexpilot.counter_snapshots set taken_at = taken_at - interval '73 hours'")
    assert "72 hours are over" in observed(shop)
    wanted = replace(request(shop, plan.id), auto_revert=True)
    with open_context(wanted.connection, wanted.record, Silent(), Stop()) as ctx:
        (told,) = look_again(ctx, auto_revert=True)
        assert told.verification == "not_enough_evidence"
        assert "indexpilot rollback" in told.verification_text
        assert look_again(ctx, auto_revert=True) == ()
    assert list(look(shop).indexes) == [plan.recommendations[0].name]


def observed(dsn):
    from indexpilot_cli.admin.doctor import observation_checks
    from indexpilot_cli.core.command import Connection, Silent
    from indexpilot_cli.snapshot.source import SourceRequest, open_source

    with open_source(SourceRequest(Connection(dsn)), Silent()) as source:
        (check,) = observation_checks(source)
    return check.text


def test_statistics_without_the_extension_stop_before_anything_is_built(shop):
    from indexpilot_cli.errors import PrerequisiteError

    plan = keep_plan(shop, definition("customer_id"))
    with pytest.raises(PrerequisiteError):
        run_apply(shop, plan.id, verify="statistics")
    assert look(shop).indexes == {}
    assert look(shop).log == []
