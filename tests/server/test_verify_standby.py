"""A trial on a standby: nothing but the build happens on the primary."""

from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.core.workload import SourceKind
from tests.server import applying
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply
from tests.server.test_guards_standby import pair as _pair

pair = _pair  # the fixture: a primary and its standby, as DSNs


def test_statements_run_on_the_standby_after_it_has_the_index(pair):
    primary, standby = pair
    applying.fill(primary, 60_000)
    plan = keep_plan(primary, definition("customer_id"), definition("note"))
    work = WorkloadRequest(SourceKind.SQL, queries=("select count(*) from public.orders where customer_id = 77",))
    done = run_apply(
        primary, plan.id, verify="replay", replay_conninfo=standby, auto_revert=True, workload=work, force=True
    )
    assert outcomes(done) == ["done", "reverted"]
    assert done.result.mutations[0].verification == "verified"
    assert list(look(primary).indexes) == [plan.recommendations[0].name]
