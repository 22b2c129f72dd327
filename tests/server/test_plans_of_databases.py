"""A plan belongs to the database it was made for: another one never builds it unasked, not even a copy."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from indexpilot_cli.advise import planfile
from indexpilot_cli.advise.explain import explain
from indexpilot_cli.advise.values import ExplainRequest
from indexpilot_cli.apply import kept_plan
from indexpilot_cli.apply.values import ApproveRequest, PlanRequest
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.db.capabilities import database_identity
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.log import plans
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply
from tests.servers import new_database

pytestmark = pytest.mark.rows(200)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def identity(dsn):
    with open_session(dsn) as session:
        return database_identity(session)


def keep_here(dsn, *definitions):
    """The plan as recommend keeps it: with its database, in the metadata schema and among the user's files."""
    plan = replace(keep_plan(dsn, *definitions), database=identity(dsn))
    with open_session(dsn, read_only=False, statement_timeout_ms=30_000) as session:
        plans.store(session, plan)
    planfile.keep(plan)
    return plan


@contextmanager
def copy_of(dsn, pg):
    """A database made with this one as its template: the same tables, oids and plans."""
    with new_database(pg, psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]) as copy:
        yield copy


@pytest.fixture
def copied(shop, pg):
    """The database with a plan, that plan, and a copy that never had one of its own."""
    plan = keep_here(shop, definition("customer_id"))
    with copy_of(shop, pg) as copy:
        yield shop, plan, copy


def test_every_database_has_an_identity_of_its_own_that_any_role_may_see(copied, connection):
    one, plan, copy = copied
    assert identity(one) == plan.database != identity(copy)
    assert identity(one).split("/")[0] == identity(copy).split("/")[0]
    connection.execute("DROP ROLE IF EXISTS nobody_special; CREATE ROLE nobody_special; SET ROLE nobody_special")
    assert connection.execute("SELECT count(*) FROM pg_control_system()").fetchone() == (1,)
    connection.execute("RESET ROLE; DROP ROLE nobody_special")


def test_the_latest_plan_is_that_of_this_database(copied):
    one, plan, copy = copied
    with pytest.raises(UsageError, match="there is no plan yet") as caught:
        run_apply(copy)
    assert (caught.value.code, caught.value.exit_code) == ("no_plan", 2)
    assert look(copy).indexes == {}
    with pytest.raises(UsageError, match="no plan was kept yet"):
        kept_plan.show_plan(PlanRequest(None, Connection(copy), Record(enabled=False)), Silent())
    mine = keep_here(copy, definition("status"))
    assert run_apply(copy, dry_run=True).result.plan == mine.id
    assert run_apply(one, dry_run=True).result.plan == plan.id
    shown = kept_plan.show_plan(PlanRequest(None, Connection(one), Record(enabled=False)), Silent())
    assert shown.result.id == plan.id


@pytest.mark.parametrize("by", ["plan", "recommendation", "file"])
def test_a_plan_of_another_database_is_refused_unless_it_is_adopted(copied, tmp_path, by):
    _, plan, copy = copied
    (tmp_path / "plan.json").write_text(json.dumps(to_json(plan)))
    target = {"plan": plan.id, "recommendation": plan.recommendations[0].id, "file": str(tmp_path / "plan.json")}[by]
    with pytest.raises(RefusedError) as caught:
        run_apply(copy, target)
    assert (caught.value.code, caught.value.exit_code) == ("another_database", 6) and "--adopt" in caught.value.hint
    assert look(copy).indexes == {}
    assert outcomes(run_apply(copy, target, adopt=True)) == ["done"]


def test_a_plan_of_another_database_is_not_approved(copied):
    _, plan, copy = copied
    with pytest.raises(RefusedError, match="another database"):
        kept_plan.approve_plan(ApproveRequest(plan.id, Connection(copy), "", Record(actor="ann")), Silent())


def test_an_id_that_two_databases_share_is_explained_by_the_one_that_is_asked(copied):
    one, plan, copy = copied
    other = replace(plan, id="P-ffffff", database=identity(copy))
    planfile.keep(other)
    subject = plan.recommendations[0].id
    for dsn, wanted in ((one, plan.id), (copy, other.id)):
        told = explain.run(ExplainRequest(Connection(dsn), subject=subject, record=Record(enabled=False)), Silent())
        assert dict(told.result.facts)["plan"] == wanted


def test_a_plan_that_the_database_keeps_goes_before_a_file_of_another(shop):
    plan = replace(keep_plan(shop, definition("customer_id")), database=identity(shop))
    with open_session(shop, read_only=False, statement_timeout_ms=30_000) as session:
        plans.store(session, plan)
    planfile.keep(replace(plan, id="P-ffffff", database="elsewhere", created_at=plan.created_at + timedelta(days=1)))
    asked = ExplainRequest(Connection(shop), subject=plan.recommendations[0].id, record=Record(enabled=False))
    assert dict(explain.run(asked, Silent()).result.facts)["plan"] == plan.id
    nowhere = replace(asked, connection=Connection("host=/nowhere dbname=shop"))
    assert dict(explain.run(nowhere, Silent()).result.facts)["plan"] == "P-ffffff"


def test_plans_of_earlier_versions_are_found_where_they_are_stored_and_by_name(shop):
    plan = keep_plan(shop, definition("customer_id"))
    assert run_apply(shop, dry_run=True).result.plan == run_apply(shop, plan.id, dry_run=True).result.plan == plan.id
