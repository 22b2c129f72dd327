"""Walks that a planner with real sizes does by an index are none."""

from __future__ import annotations

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    MigrationObservation,
    Relation,
    RunState,
    StatementObservation,
    Work,
    WorkKind,
)
from indexpilot_cli.evolve.review.lighten import lightened
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement

T, U = QualifiedName("public", "t"), QualifiedName("public", "u")
WALK = Work(WorkKind.SCAN, Relation(T), source="scans")
OTHER = Work(WorkKind.SCAN, Relation(U), source="scans")
BUILD = Work(WorkKind.BUILD_INDEX, Relation(T), "i")


def kept(rows, *actions, work=(WALK,)):
    statement = MigrationStatement(1, "the statement", 1, 1, 0, 13, actions)
    seen = MigrationObservation("f", "m", (StatementObservation(1, RunState.RAN, 1, work=work),))
    answer = lightened(seen, Migration("f", "", (statement,)), rows, 5000)
    return answer.statements[0].work


def test_few_rows_by_an_index_are_no_walk_and_a_whole_table_is():
    update = Action(Act.UPDATE, table="t")
    assert kept(lambda sql: {T: 1.0}, update) == ()
    (work,) = kept(lambda sql: {T: float("inf")}, update)
    assert (work.kind, work.relation) == (WorkKind.MODIFY, WALK.relation)
    assert kept(lambda sql: {T: float("inf")}, Action(Act.SELECT, table="t")) == (WALK,)


def test_what_cannot_be_planned_stays():
    assert kept(lambda sql: None, Action(Act.UPDATE)) == (WALK,)
    assert kept(lambda sql: {T: 1.0}, Action(Act.ADD_CONSTRAINT)) == (WALK,)


def test_what_the_plan_does_not_mention_was_a_trigger_and_stays():
    assert kept(lambda sql: {T: 1.0}, Action(Act.DELETE), work=(WALK, OTHER)) == (OTHER,)


def test_other_work_is_not_touched():
    assert kept(lambda sql: {T: 1.0}, Action(Act.SELECT), work=(WALK, BUILD)) == (BUILD,)


def test_statements_of_a_block_are_planned_one_by_one_and_added():
    asked = []

    def rows(sql):
        asked.append(sql)
        return {T: 3000.0}

    block = (Action(Act.DO), Action(Act.UPDATE, nested=True, sql="a"), Action(Act.UPDATE, nested=True, sql="b"))
    assert kept(rows, *block) == (WALK,)
    assert asked == ["a", "b"]


def test_a_block_that_changes_rows_before_it_locks_works_beside_its_lock():
    update = Action(Act.UPDATE, table="t", nested=True, sql="a")
    alter = Action(Act.SET_DEFAULT, table="t", nested=True, sql="b")
    everything = {T: float("inf")}
    (work,) = kept(lambda sql: everything, Action(Act.DO), update, alter)
    assert (work.kind, work.online) == (WorkKind.MODIFY, True)
    (work,) = kept(lambda sql: everything, Action(Act.DO), alter, update)
    assert not work.online
