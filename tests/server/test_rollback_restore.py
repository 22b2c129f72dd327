"""Taking back and bringing back: exactly, and never what is not ours or is needed."""

import subprocess
from contextlib import closing

import psycopg
import pytest

from indexpilot_cli.apply import undo
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.index import IndexKey
from indexpilot_cli.core.mutation import Event, MutationType, OperationKind, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.capabilities import newest_program
from indexpilot_cli.errors import UsageError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import open_context
from indexpilot_cli.execute.signals import Stop
from indexpilot_cli.planner.twin.server import new_home
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply, run_rollback

NOBODY = "no template gets slower (planner estimate)"


pytestmark = pytest.mark.rows(5_000)


def schema_of(dsn):
    program = newest_program("pg_dump")
    if program is None:
        pytest.skip("no pg_dump here")
    command = [program, "--schema-only", "--no-sync", "-N", "indexpilot", "-d", dsn]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in text.splitlines() if "restrict" not in line)


def scalar(dsn, question):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(question).fetchone()[0]


def execute(dsn, *statements):
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_apply_then_rollback_leaves_the_schema_as_it_was(shop):
    before = schema_of(shop)
    plan = keep_plan(
        shop,
        definition("customer_id", IndexKey("created_at", descending=True)),
        definition(IndexKey(expression="lower(note)")),
        definition("status", predicate="status = 'open'", include=("id",)),
    )
    assert outcomes(run_apply(shop, plan.id)) == ["done"] * 3
    assert schema_of(shop) != before
    assert outcomes(run_rollback(shop, plan.id)) == ["done"] * 3
    assert schema_of(shop) == before


def test_a_dropped_index_comes_back_exactly(shop):
    name = "orders_customer_id_ip_idx"
    plan = keep_plan(shop, definition("customer_id", "id", unique=True, options=(("fillfactor", "70"),)))
    name = plan.recommendations[0].name
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    execute(
        shop,
        f"ALTER TABLE public.orders REPLICA IDENTITY USING INDEX {name}",
        f"ALTER TABLE public.orders CLUSTER ON {name}",
    )
    assert outcomes(run_rollback(shop, plan.id)) == ["skipped"]  # the replica identity needs it
    execute(shop, "ALTER TABLE public.orders REPLICA IDENTITY DEFAULT")
    before = schema_of(shop)
    undone = run_rollback(shop, plan.id)
    assert outcomes(undone) == ["done"]
    assert look(shop).indexes == {}
    (drop,) = undone.result.mutations
    back = run_rollback(shop, f"M-{drop.id}")
    assert (back.exit_code, outcomes(back), back.result.mutations[0].notes) == (0, ["done"], ())
    assert schema_of(shop) == before


def test_an_expression_keeps_its_statistics_target(shop):
    plan = keep_plan(shop, definition(IndexKey(expression="lower(note)")))
    name = plan.recommendations[0].name
    run_apply(shop, plan.id)
    execute(shop, f"ALTER INDEX public.{name} ALTER COLUMN 1 SET STATISTICS 500")
    before = schema_of(shop)
    (drop,) = run_rollback(shop, last=True).result.mutations
    assert outcomes(run_rollback(shop, f"M-{drop.id}")) == ["done"]
    assert schema_of(shop) == before


def test_what_changed_needs_force_and_what_is_not_ours_never_goes(shop):
    plan = keep_plan(shop, definition("customer_id"), definition("status"))
    changed, foreign = (r.name for r in plan.recommendations)
    run_apply(shop, plan.id)
    execute(
        shop,
        f"ALTER INDEX public.{changed} SET (fillfactor = 50)",
        f"DROP INDEX public.{foreign}",
        f"CREATE INDEX {foreign} ON public.orders (status)",
    )
    refused = run_rollback(shop, plan.id)
    assert refused.exit_code == 6
    assert {m.error_code for m in refused.result.mutations} == {"changed", None}
    assert "somebody else dropped it" in {note for m in refused.result.mutations for note in m.notes}
    forced = run_rollback(shop, plan.id, force=True)
    assert {m.index: m.outcome for m in forced.result.mutations} == {changed: "done", foreign: "already_done"}
    assert look(shop).indexes == {foreign: True}


def test_what_a_constraint_needs_stays(shop):
    plan = keep_plan(shop, definition("customer_id", "id", unique=True))
    name = plan.recommendations[0].name
    run_apply(shop, plan.id)
    execute(shop, f"ALTER TABLE public.orders ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")
    done = run_rollback(shop, plan.id)
    assert (done.exit_code, done.result.mutations[0].error_code) == (6, "depended_on")
    assert look(shop).indexes == {name: True}


def test_an_index_already_gone_is_closed_in_the_log(shop):
    plan = keep_plan(shop, definition("customer_id"))
    run_apply(shop, plan.id)
    execute(shop, f"DROP INDEX public.{plan.recommendations[0].name}")
    assert outcomes(run_rollback(shop, plan.id)) == ["already_done"]
    assert look(shop).states()[-1] == "REVERTED"
    assert run_rollback(shop, plan.id).result.skipped == "nothing_to_undo"


def test_a_reindexed_index_is_still_ours(shop):
    plan = keep_plan(shop, definition("customer_id"))
    run_apply(shop, plan.id)
    execute(shop, f"REINDEX INDEX CONCURRENTLY public.{plan.recommendations[0].name}")
    assert outcomes(run_rollback(shop, last=True)) == ["done"]


def test_since_takes_all_and_dry_run_none(shop):
    plan = keep_plan(shop, definition("customer_id"), definition("status"))
    run_apply(shop, plan.id)
    since = scalar(shop, "SELECT now() - interval '1 hour'")
    planned = run_rollback(shop, since=since, dry_run=True)
    assert outcomes(planned) == ["planned", "planned"]
    for told in planned.result.mutations:
        assert (told.kind, told.slower_templates) == (OperationKind.DROP, 0)
        assert told.sql.startswith("DROP INDEX CONCURRENTLY public.")
        assert told.undo_sql.startswith("CREATE INDEX ")
        assert (told.size_bytes, told.notes) == (scalar(shop, f"SELECT pg_relation_size('{told.index}')"), (NOBODY,))
    assert len(look(shop).indexes) == 2
    undone = run_rollback(shop, since=since)
    assert [(m.outcome, m.kind) for m in undone.result.mutations] == [("done", OperationKind.DROP)] * 2
    (back, _) = run_rollback(shop, *(f"M-{m.id}" for m in undone.result.mutations), dry_run=True).result.mutations
    assert (back.kind, back.slower_templates, back.notes) == (OperationKind.CREATE, None, ())
    assert back.sql.startswith("CREATE INDEX CONCURRENTLY ") and back.undo_sql.startswith("DROP INDEX ")
    assert look(shop).indexes == {}


def test_a_plan_tells_of_each_index_once_however_often_it_was_built(shop):
    plan = keep_plan(shop, definition("customer_id"), definition("status"))
    first = run_apply(shop, plan.id).result.mutations
    assert outcomes(run_rollback(shop, plan.id)) == ["done", "done"]
    run_apply(shop, plan.id, max_builds=1)
    assert outcomes(run_rollback(shop, plan.id, dry_run=True)) == ["planned", "already_done"]
    old, other = (f"M-{m.id}" for m in first)
    assert outcomes(run_rollback(shop, old, other, dry_run=True)) == ["already_done", "already_done"]
    assert outcomes(run_rollback(shop, plan.id)) == ["done", "already_done"]


def drop(dsn, name):
    """Drop an index that is not ours the way our own are dropped, as a DROP_INDEX of nothing before it."""
    record = Record("tester", "1", "lifecycle")
    with open_context(Connection(dsn), record, Silent(), Stop()) as ctx, closing(ctx.builder("drop")) as session:
        found = build.find_index(session, QualifiedName("public", name))
        event = Event(
            op_id="",
            type=MutationType.DROP_INDEX,
            state=OperationState.INTENT,
            table=found.table,
            index=found.name,
            relid=found.relid,
            columns_fingerprint=build.columns_fingerprint(session, found.relid),
            details={"structure": to_json(found.definition)},
        )
        return undo.drop_found(ctx, session, event, found, "unused")


def test_an_index_somebody_else_made_comes_back_with_all_it_had(shop, pg):
    if pg.local is None:
        pytest.skip("a tablespace needs a directory of the server's machine")
    place = new_home()
    space = f"space_{place.name[-8:].lower()}"
    execute(
        shop,
        f"CREATE TABLESPACE \"{space}\" LOCATION '{place}'",
        f"CREATE UNIQUE INDEX theirs ON public.orders USING btree (lower(note) DESC NULLS LAST, id) INCLUDE (status)"
        f' WITH (fillfactor=60) TABLESPACE "{space}" WHERE (id > 0)',
        "COMMENT ON INDEX public.theirs IS 'it''s theirs'",
        "ALTER INDEX public.theirs ALTER COLUMN 1 SET STATISTICS 321",
    )
    try:
        before = schema_of(shop)
        dropped = drop(shop, "theirs")
        assert (dropped.outcome, look(shop).indexes) == ("done", {})
        assert {row.mutation_type for row in look(shop).log} == {"DROP_INDEX"}
        back = run_rollback(shop, last=True)
        assert (outcomes(back), back.result.mutations[0].notes) == (["done"], ())
        assert schema_of(shop) == before
        assert look(shop).log[-1].state == "REVERTED"
        with pytest.raises(UsageError):
            run_rollback(shop, last=True)  # a rollback is undone only when named
    finally:
        execute(shop, "DROP INDEX public.theirs", f'DROP TABLESPACE "{space}"')
