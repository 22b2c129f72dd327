"""O: the simulation, on tables small enough for a test and large enough that an index shows."""

from collections import Counter
from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms import registry
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.simulate import phase, simulation
from indexpilot_cli.simulate.arrivals import digest, schedule
from indexpilot_cli.simulate.scenarios import Pattern, SimulationSizes, Spikes
from indexpilot_cli.simulate.values import SimulationMode, SimulationRequest
from tests.server.requesting import TWIN, Interrupting
from tests.servers import new_database

pytestmark = pytest.mark.server
SIZES = SimulationSizes(3, 300, 60, Spikes(0.5, 4), rate=500, interactions=40_000)
TINY = replace(SIZES, tenants=2, contacts=20, queries=10, interactions=100)
GROUPS = (
    "SELECT tenant_id, table_name, field_name, query_type, count(*) FROM indexpilot.query_stats GROUP BY 1, 2, 3, 4"
)
# A machine that stands still for a moment makes late what was due, but longer only what is at the server.
READ_MS = (
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) FROM indexpilot.query_stats"
    " WHERE table_name = 'interactions' AND query_type = 'READ'"
)


@pytest.fixture(scope="module")
def scratch(pg):
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as server:
            server.execute(f"COMMENT ON DATABASE {server.info.dbname} IS 'for simulations'")
        yield dsn


def request(dsn, mode, **changes):
    values = {
        "sizes": SIZES,
        "connection": Connection(dsn),
        "scratch": True,
        "recommend": RecommendRequest(planner=TWIN),
        "record": Record("tester", "1", "simulate"),
        "keep": False,
    } | changes
    return SimulationRequest(mode, **values)


def databases(dsn):
    with psycopg.connect(dsn) as server:
        found = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'indexpilot_simulation%'")
        return found.fetchall()


@pytest.fixture(scope="module")
def seen():
    """What query_stats held at the end of each phase."""
    return {}


@pytest.fixture(scope="module")
def compared(scratch, seen):
    counted = phase.record_stats

    def and_looked_at(dsn, tally):
        counted(dsn, tally)
        with psycopg.connect(dsn) as server:
            seen[dsn] = (
                server.execute(GROUPS).fetchall(),
                server.execute("SELECT mutation_type, count(*) FROM indexpilot.mutation_log GROUP BY 1").fetchall(),
                server.execute(READ_MS).fetchone()[0],
            )

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(phase, "record_stats", and_looked_at)
        return simulation.run(request(scratch, SimulationMode.COMPARE), Silent())


def test_o2_the_advice_makes_the_same_arrivals_faster(compared, seen):
    result = compared.result
    assert (compared.status, compared.exit_code) == ("ok", 0), result.checks
    before, after = result.phases
    assert before.planned == after.planned == before.done == after.done == 180
    assert [(one.by, one.name, one.calls) for one in before.latencies] == [
        (one.by, one.name, one.calls) for one in after.latencies
    ]
    (whole,) = [one for one in result.effects if one.before.by == "all"]
    baseline_ms, autoindex_ms = (one[2] for one in seen.values())
    assert autoindex_ms < baseline_ms
    assert whole.p95_change == whole.after.p95_ms / whole.before.p95_ms - 1
    assert {one.name for one in after.latencies if one.by == "access"} == {"reads", "writes"}
    ddl = [index.ddl for index in result.plan.indexes]
    assert any("interactions (tenant_id, contact_id" in text for text in ddl), ddl
    assert all(index.outcome == "done" and index.size_bytes for index in result.plan.indexes)


def test_o3_personas_and_patterns_are_in_query_stats(compared, seen):
    planned = schedule(SIZES, Pattern.MIXED, 1)
    wanted = Counter((a.tenant.id, a.statement.table, a.statement.field, a.statement.type) for a in planned)
    assert len(seen) == 2
    for groups, *_ in seen.values():
        assert {tuple(key): count for *key, count in groups} == dict(wanted)
    personas = {one.name: one.calls for one in compared.result.phases[0].latencies if one.by == "persona"}
    assert personas == Counter(a.tenant.persona.name for a in planned)
    loads = {one.name: one.calls for one in compared.result.phases[0].latencies if one.by == "load"}
    assert loads == Counter("spike" if a.spike else "calm" for a in planned)
    assert loads.keys() == {"spike", "calm"}


def test_o2_and_o5_what_was_done_is_in_the_log(compared, seen):
    baseline, autoindex = (dict(log) for _, log, _ in seen.values())
    assert baseline == {"INITIALIZE_TENANT": 3, "ENABLE_FIELD": 1}
    assert autoindex["CREATE_INDEX"] >= len(compared.result.plan.indexes) > 0


def test_o1_the_same_seed_gives_the_same_workload_and_plan(scratch, compared):
    again = simulation.run(request(scratch, SimulationMode.AUTOINDEX), Silent())
    assert (again.status, again.exit_code) == ("ok", 0), again.result.checks
    assert again.result.workload == compared.result.workload
    first, second = compared.result.plan, again.result.plan
    assert (first.digest, first.cost_before, first.cost_after) == (second.digest, second.cost_before, second.cost_after)
    assert [(i.id, i.ddl) for i in first.indexes] == [(i.id, i.ddl) for i in second.indexes]
    assert databases(scratch) == []


def test_o4_rows_come_by_copy(compared):
    assert compared.result.seeded_rows == SIZES.rows == 3 + 3 * (300 + 30 + 40_000)


def test_o5_a_simulation_without_algorithms_advice_and_statistics_fails(scratch):
    features = FeatureSettings()
    for one in registry.ALGORITHMS:
        features = registry.switched(features, one.name, on=False)
    advice = RecommendRequest(planner=TWIN, max_indexes=0, features=features)
    outcome = simulation.run(
        request(scratch, SimulationMode.AUTOINDEX, recommend=advice, sizes=TINY, stats=False), Silent()
    )
    assert (outcome.status, outcome.exit_code) == ("failed", simulation.UNPROVEN)
    failed = {check.name for check in outcome.result.checks if not check.passed}
    assert failed == {"algorithms", "indexes", "autoindex query_stats"}


@pytest.mark.parametrize("mode", SimulationMode)
def test_a_database_that_does_not_say_it_is_for_scratch_is_left_alone(pg, mode):
    with new_database(pg) as dsn:
        with pytest.raises(RefusedError, match="scratch") as refusal:
            simulation.run(request(dsn, mode), Silent())
        assert refusal.value.code == "not_scratch"
        with psycopg.connect(dsn) as server:
            assert not server.execute("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall()


@pytest.mark.parametrize("word", ["seeding", "keys", "running"])
def test_an_interrupted_simulation_leaves_nothing(scratch, word):
    with pytest.raises(KeyboardInterrupt):
        simulation.run(request(scratch, SimulationMode.BASELINE, sizes=TINY), Interrupting(word))
    assert databases(scratch) == []


@pytest.fixture
def pool(pg, own_places):
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as server:
            server.execute(f"COMMENT ON DATABASE {server.info.dbname} IS 'Scratch, for simulations'")
            host.init_connection_pool(dsn, 1, 2)
            host.set_metadata_schema("indexpilot")
            assert host.create_metadata_tables()["success"]
            yield server
        host.close_connection_pool()


def test_o4_and_o3_tenants_of_a_host_are_seeded_and_send(pool):
    first = host.seed_tenant_data(7, 60, persona="callcenter", interactions=90)
    second = host.seed_tenant_data(8, 20, seed=2)
    assert (first.rows, second.rows) == (1 + 60 + 6 + 90, 1 + 20 + 2 + 20_000)
    counts = "SELECT tenant_id, count(*), min(id), max(id) FROM contacts GROUP BY tenant_id ORDER BY tenant_id"
    assert pool.execute(counts).fetchall() == [(7, 60, 1, 60), (8, 20, 61, 80)]
    sent = host.simulate_tenant_workload(7, 40, rate=400, pattern="phone")
    assert (sent.persona, sent.queries, sent.errors) == ("callcenter", 40, 0)
    assert sent.digest == host.simulate_tenant_workload(7, 40, rate=400, pattern="phone").digest
    groups = dict(
        pool.execute(
            "SELECT field_name || query_type, count(*) FROM indexpilot.query_stats WHERE tenant_id = 7 GROUP BY 1"
        ).fetchall()
    )
    assert sum(groups.values()) == 80
    assert groups["phoneREAD"] > groups["contact_idWRITE"]
    assert "emailREAD" not in groups
    with pytest.raises(UsageError, match="already"):
        host.seed_tenant_data(7)
    with pytest.raises(UsageError, match="no rows"):
        host.simulate_tenant_workload(9)
    for words in ({"persona": "nobody"}, {"contacts": 0}):
        with pytest.raises(UsageError):
            host.seed_tenant_data(10, **words)


def test_o1_a_host_runs_the_simulation_of_the_command(pool):
    words = {name: getattr(TINY, name) for name in ("tenants", "contacts", "queries", "rate", "interactions")}
    found = host.run_baseline_simulation("medium", scratch=True, spikes=0.5, spike_factor=4, **words)
    assert found.passed, found.checks
    assert found.workload.digest == digest(schedule(TINY, Pattern.MIXED, 1))
    assert pool.execute("SELECT details_json->>'mode' FROM indexpilot.mutation_log ORDER BY id DESC").fetchone() == (
        "baseline",
    )
    with pytest.raises(UsageError, match="tenantz"):
        host.run_autoindex_simulation(tenantz=3)
    with pytest.raises(UsageError, match="scenario"):
        host.run_autoindex_simulation("huge")
