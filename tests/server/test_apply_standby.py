"""Apply and rollback with a standby: refused there, announced on the primary."""

import psycopg
import pytest

from indexpilot_cli.errors import PrerequisiteError
from tests.server import applying
from tests.server.applying import definition, keep_plan, outcomes, run_apply, run_rollback
from tests.server.test_guards_standby import pair  # noqa: F401 - a fixture
from tests.waiting import eventually


def test_f17_f18_a_standby_refuses_and_a_drop_is_announced(pair):  # noqa: F811 - the fixture
    primary, standby = pair
    applying.fill(primary, 1_000)
    plan = keep_plan(primary, definition("customer_id"))
    assert outcomes(run_apply(primary, plan.id)) == ["done"]
    undone = run_rollback(primary, plan.id)
    assert [w.code for w in undone.warnings] == ["standby_queries"]
    other = keep_plan(primary, definition("status"))
    arrived(standby, other.id)
    refused = run_apply(standby, other.id)
    assert refused.exit_code == 6
    assert "writable" in {v.guard for v in refused.result.verdicts if not v.allowed}
    assert run_rollback(standby, plan.id).exit_code in (0, 6)
    with pytest.raises(PrerequisiteError) as elsewhere:  # where init was never run, and cannot be run
        run_apply(psycopg.conninfo.make_conninfo(standby, dbname="template1"), other.id)
    assert (elsewhere.value.code, elsewhere.value.hint) == ("not_initialised", "connect to the primary")


def arrived(standby, plan):
    with psycopg.connect(standby, autocommit=True) as connection:
        eventually(lambda: connection.execute("SELECT 1 FROM indexpilot.plans WHERE id = %s", (plan,)).fetchone())
