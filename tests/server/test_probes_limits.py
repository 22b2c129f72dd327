"""Probes on production: what they must not do, what they cannot know, and what they then say."""

from dataclasses import replace

import psycopg
import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import open_session
from indexpilot_cli.evolve.review.probes.ask import from_statistics, run_probes
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeKind
from tests.server import probing

T = QualifiedName("public", "children")
STRANGERS = """
ALTER TABLE children ADD CHECK (boom(id));
CREATE UNIQUE INDEX ON children ((boom(email)));
ALTER TABLE children ALTER word TYPE boolean USING boom(word);
UPDATE children SET label = 'x' WHERE boom(id);
ALTER TABLE children ADD UNIQUE (label);
DELETE FROM kept WHERE boom(id);
ALTER TABLE kept ALTER parent_id SET NOT NULL;
"""


@pytest.fixture(scope="module")
def dirty(dirty):
    """With a role that may read the parents only."""
    with psycopg.connect(dirty, autocommit=True) as connection:
        connection.execute("CREATE ROLE prober LOGIN")
        connection.execute("GRANT SELECT ON parents TO prober")
        yield dirty
        connection.execute("DROP OWNED BY prober")
        connection.execute("DROP ROLE prober")


def by_question(found):
    return {(a.probe.statement, a.probe.kind.value): a for a in found}


def test_nobodys_function_is_called(dirty):
    found = probing.answers(dirty, probing.migration(STRANGERS))
    assert all(a.found is None for a in found) and len(found) >= 5
    assert not any("boom" in (a.probe.sql or "") + (a.probe.sample_sql or "") for a in found)
    assert all("not checked" in a.note for a in found)


def test_values_of_the_data_are_nowhere(dirty):
    found = probing.answers(dirty, probing.migration("ALTER TABLE children ALTER word TYPE int USING word::int"))
    assert [a.found for a in found] == [True] and "n/a" not in repr(found)
    assert found[0].probe.sqlstate == "22P02"


def test_a_role_without_privileges_is_told(dirty):
    read = probing.migration(
        "ALTER TABLE children ALTER email SET NOT NULL; ALTER TABLE parents ALTER code SET NOT NULL"
    )
    made = probing.asked(dirty, read)
    with open_session(psycopg.conninfo.make_conninfo(dirty, user="prober")) as session:
        first, second = run_probes(session, made)
    assert first.found is None and "may not read" in first.note and first.source == "none"
    assert second.found is False and second.source == "data"


def test_hidden_rows_are_no_answer(dirty):
    with psycopg.connect(dirty, autocommit=True) as connection:
        connection.execute("GRANT SELECT ON kept TO prober")
        connection.execute("ALTER TABLE kept ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY p ON kept USING (id = 1)")
    made = probing.asked(dirty, probing.migration("ALTER TABLE kept ALTER parent_id SET NOT NULL"))
    with open_session(psycopg.conninfo.make_conninfo(dirty, user="prober")) as session:
        (answer,) = run_probes(session, made)
    assert answer.found is None and answer.note.startswith("not checked")


def test_what_takes_too_long_is_not_known(dirty):
    many = "children a, children b, children c, children d, children e"
    slow = f"SELECT 1 FROM {many} WHERE a.id + b.id + c.id + d.id + e.id < 0"
    made = Probe(1, ProbeKind.CHECK, "23514", T, "slow", slow)
    quick = Probe(2, ProbeKind.CHECK, "23514", T, "quick", "SELECT 1", estimated_rows=-1)
    with open_session(dirty) as session:
        found = run_probes(session, (made, quick), statement_timeout_ms=1000)
        assert [a.found for a in found] == [None, True] and "too long" in found[0].note
        late = run_probes(session, (made,), budget_seconds=0)
        assert late[0].found is None and "used up" in late[0].note
        assert session.value("SHOW statement_timeout") == "5s"


def test_a_probe_cannot_write(dirty):
    wrote = Probe(1, ProbeKind.CHECK, "23514", T, "writes", "WITH x AS (DELETE FROM kept RETURNING 1) SELECT * FROM x")
    with open_session(dirty, read_only=False) as session:
        (answer,) = run_probes(session, (wrote,))
        assert answer.found is None and session.value("SELECT count(*) FROM kept") == 2


def test_large_tables_are_sampled_first(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE big (id int, v text, c text) WITH (fillfactor = 10)")
        connection.execute("INSERT INTO big SELECT g, NULL, repeat('x', 500) FROM generate_series(1, 6000) g")
        connection.execute("UPDATE big SET c = 'y' WHERE id = 3")
        connection.execute("ANALYZE big")
    read = probing.migration("ALTER TABLE big ALTER v SET NOT NULL; ALTER TABLE big ALTER c SET NOT NULL")
    first, second = probing.answers(database, read)
    assert "TABLESAMPLE" in first.probe.sample_sql and "TABLESAMPLE" not in first.probe.sql
    assert first.found is True and second.found is False
    read = probing.migration(
        "CREATE UNIQUE INDEX ON big (c); ALTER TABLE big ALTER c TYPE varchar(3); ALTER TABLE big ADD CHECK (id < 0)"
    )
    made = probing.asked(database, read)
    with open_session(database) as session:
        alone = run_probes(session, [replace(p, sql="SELECT nothing") for p in made])
    assert [a.found for a in alone] == [True, True, True]
    blind = Probe(1, ProbeKind.NULLS, "23502", T, "only the sample can say", "SELECT x", sample_sql="SELECT 1")
    with open_session(database) as session:
        assert run_probes(session, (blind,))[0].found is True


def test_rows_that_nobody_can_foresee(dirty):
    read = probing.migration(
        "INSERT INTO children (id, email) SELECT g, NULL FROM generate_series(500, 510) g",
        "ALTER TABLE children ALTER label SET NOT NULL",
        "ALTER TABLE children ALTER email SET NOT NULL",
        "DELETE FROM children WHERE boom(id)",
        "ALTER TABLE children ALTER day SET NOT NULL",
    )
    found = by_question(probing.answers(dirty, read))
    assert found[2, "nulls"].found is None and "cannot be foreseen" in found[2, "nulls"].note
    assert found[3, "nulls"].found is True
    assert found[5, "nulls"].found is None


def test_statistics_alone(dirty):
    read = probing.migration(
        "ALTER TABLE children ALTER email SET NOT NULL; ALTER TABLE children ALTER label SET NOT NULL",
        "ALTER TABLE children ADD UNIQUE (email); ALTER TABLE children ADD UNIQUE (label)",
        "ALTER TABLE children ALTER label TYPE varchar(5); ALTER TABLE children ALTER word TYPE int USING word",
        "ALTER TABLE parents ADD must int NOT NULL; ALTER TABLE nobody ADD must int NOT NULL",
    )
    said = [(a.probe.statement, a.found) for a in from_statistics(probing.asked(dirty, read)) if a.found is not None]
    assert said == [(1, True), (3, True), (5, True), (7, True), (8, False)]
    assert all(a.source in ("statistics", "none") and a.note for a in from_statistics(probing.asked(dirty, read)))
