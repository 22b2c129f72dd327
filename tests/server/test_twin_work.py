"""What hypothetical indexes cost the twin, counted."""

from collections import Counter, defaultdict

import pytest

from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.planner.twin.worker import Worker
from indexpilot_cli.snapshot.capture import capture

TABLES, COLUMNS = 6, "abcd"


@pytest.fixture
def twin(database, connection, twin_cache):
    for n in range(TABLES):
        connection.execute(f"CREATE TABLE t{n} (a int, b int, c int, d int)")
        connection.execute(f"INSERT INTO t{n} SELECT i, i % 100, i, i FROM generate_series(1, 5000) i")
    connection.execute("ANALYZE")
    with open_session(database) as session:
        snapshot = capture(session, read_catalog(session), conninfo=database)
    with open_twin(snapshot, cache_dir=twin_cache, workers=1) as twin:
        yield twin


def on(table, *keys):
    return IndexDefinition(QualifiedName("public", f"t{table}"), tuple(keys))


def each(tables):
    return [on(n, IndexKey(column)) for n in tables for column in COLUMNS]


@pytest.fixture
def sent(monkeypatch):
    """What workers were asked for, by the name of the method: how many things at once, in order."""
    found = defaultdict(list)

    def noted(name):
        asked = getattr(Worker, name)

        def note(worker, wanted):
            wanted = list(wanted)
            found[name].append(len(wanted))
            return asked(worker, wanted)

        return note

    for name in ("build", "reach", "show", "explain_all"):
        monkeypatch.setattr(Worker, name, noted(name))
    return found


def test_the_indexes_of_many_tables_are_made_together(twin, sent):
    twin.prepare(each(range(TABLES)))
    assert sent == {"build": [TABLES * len(COLUMNS)]}


def by(column, tables, value=7):
    return [
        WhatIf(Plannable(f"SELECT * FROM t{n} WHERE {column} = {value}"), frozenset({on(n, IndexKey(column))}))
        for n in tables
    ]


def test_questions_about_different_tables_are_asked_together(twin, sent):
    questions = [*by("a", range(TABLES)), *by("b", range(TABLES)), *by("b", [0], 8), *by("a", [0], "random()")]
    together = twin.plan(questions)
    # The table's other index must not be seen by those that ask for one; those that ask for the same one see no other.
    assert (sent["show"], sent["explain_all"]) == ([TABLES, TABLES + 1, 1], [TABLES, TABLES + 1])
    assert sent["reach"] == [len(questions)]
    assert [a.hypothetical for a in together[:TABLES]] == [q.indexes for q in questions[:TABLES]]
    with open_twin(twin._snapshot, cache_dir=twin._cluster.server.home.parent.parent, workers=1) as other:
        assert together == tuple(other.plan([question])[0] for question in questions)


def test_of_questions_asked_together_one_that_cannot_be_planned_costs_itself(twin, sent):
    wrong = WhatIf(Plannable("SELECT * FROM t2 WHERE a = 1 / 0"), frozenset({on(2, IndexKey("a"))}))
    good = [*by("a", [0, 1]), *by("a", [3])]
    answers = twin.plan([*good[:2], wrong, *good[2:]])
    assert [a.ok for a in answers] == [True, True, False, True]
    assert answers[2].error == "division by zero"
    assert twin.calls == 4


def test_questions_that_cannot_be_asked_together_are_asked_alone(twin, monkeypatch):
    def refused(_worker, _statements):
        raise StatementError("one of them")

    expected = twin.plan(by("a", range(TABLES)))
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "explain_all", refused)
        assert [a.total_cost for a in twin.plan(by("a", range(TABLES), 8))] == [a.total_cost for a in expected]


def test_one_that_is_refused_is_found_and_the_others_are_made(twin):
    wrong = on(0, IndexKey(expression="random()"))
    definitions = [*each([0])[:3], wrong, *each([0])[3:]]
    twin.prepare(definitions)
    assert [d for d in definitions if twin.refuses(d) is not None] == [wrong]
    assert twin.size(wrong) == 0
    assert all(twin.size(d) > 0 for d in definitions if d != wrong)


def test_a_question_looks_at_its_own_indexes_only(twin, monkeypatch):
    def hashed(value):
        """How often definitions are hashed for one question that was not asked before."""
        counts, inherited = Counter(), IndexDefinition.__hash__
        question = WhatIf(Plannable(f"SELECT * FROM t0 WHERE a = {value}"), frozenset(each([0])))

        def counted(definition):
            counts["hash"] += 1
            return inherited(definition)

        with monkeypatch.context() as patch:
            patch.setattr(IndexDefinition, "__hash__", counted)
            twin.plan([question])
        return counts["hash"]

    twin.prepare(each([0]))
    hashed(0)
    few = hashed(1)
    twin.prepare(each(range(1, TABLES)))
    assert hashed(2) == few
