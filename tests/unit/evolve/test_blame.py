"""Which statement a suffering query is blamed on."""

from __future__ import annotations

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    CatalogChange,
    CatalogObject,
    ChangeKind,
    MigrationObservation,
    RunState,
    SqlError,
    StatementObservation,
)
from indexpilot_cli.evolve.review.queries import Blame, dropped_indexes, touched_tables
from indexpilot_cli.evolve.review.values import TemplateImpact
from indexpilot_cli.sql.ddl.action import Migration, MigrationStatement

ORDERS = QualifiedName("public", "orders")


def written(path, count):
    return Migration(path, "", tuple(MigrationStatement(n, f"SELECT {n}", n, 1, 0, 0) for n in range(1, count + 1)))


FILES = (written("a.sql", 4), written("b.sql", 4))


def thing(kind, *path):
    return CatalogObject(kind, f"{kind}:1", path, "", ORDERS)


def observed(path, *changes):
    statements = (
        StatementObservation(number, RunState.RAN, number, changes=(change,))
        for number, change in enumerate(changes, 1)
    )
    return MigrationObservation(path, "clone/16", tuple(statements))


def dropped(kind, *path):
    return CatalogChange(ChangeKind.DROPPED, thing(kind, *path), None, ORDERS)


ADDED = CatalogChange(ChangeKind.CREATED, None, thing("column", "public", "orders", "extra"), ORDERS)
COLUMN = dropped("column", "public", "orders", "note")
INDEX = dropped("index", "public", "orders_note_idx")
SEEN = (observed("a.sql", ADDED), observed("b.sql", INDEX, COLUMN))


def blamed(impact, files, seen, replay=lambda _: {}):
    return Blame(files, seen, replay).blamed(impact)


def place(impact):
    found = blamed(impact, FILES, SEEN)
    return found.file, found.statement


def test_the_statement_that_took_away_what_the_error_names():
    error = SqlError("42703", 'column "note" does not exist')
    assert place(TemplateImpact("q", "SELECT note FROM orders", "breaks", error=error)) == ("b.sql", 2)
    unquoted = SqlError("42703", "column o.note does not exist")
    assert place(TemplateImpact("q", "SELECT o.note FROM orders o", "breaks", error=unquoted)) == ("b.sql", 2)


def test_a_part_of_a_name_is_not_the_name():
    error = SqlError("42703", 'column "extras" does not exist')
    first, last = observed("a.sql", dropped("column", "public", "other", "extras")), observed("b.sql", COLUMN, ADDED)
    found = blamed(TemplateImpact("q", "SELECT 1", "breaks", error=error), FILES, (first, last))
    assert (found.file, found.statement) == ("a.sql", 1)


def test_a_lost_index_is_the_fault_of_its_drop():
    impact = TemplateImpact("q", "SELECT 1 FROM orders", "slower", indexes_lost=("orders_note_idx",))
    assert place(impact) == ("b.sql", 1)


def test_without_any_change_it_is_the_last_file():
    found = blamed(TemplateImpact("q", "x", "breaks"), FILES, ())
    assert (found.file, found.statement) == ("b.sql", None)


def test_an_error_that_names_nothing_is_searched_by_running_the_files_again():
    seen = (observed("a.sql", ADDED, ADDED), observed("b.sql", ADDED, ADDED, ADDED, ADDED))
    runs = []

    def replay(files):
        runs.append(tuple(len(f.statements) for f in files))
        done = sum(runs[-1])
        return {name: "breaks" for name, at in (("early", 2), ("late", 7)) if done >= at}

    blame = Blame(FILES, seen, replay)
    operator = SqlError("42883", "operator does not exist: integer = text")
    found = [blame.blamed(TemplateImpact(name, "SELECT 1", "breaks", error=operator)) for name in ("early", "late")]
    assert [(f.file, f.statement) for f in found] == [("a.sql", 2), ("b.sql", 3)]
    assert len(runs) == len(set(runs)) <= 5  # what was run once serves all queries


def test_what_gets_slower_is_not_searched_and_too_many_statements_neither():
    def replay(_):
        raise AssertionError

    many = (written("a.sql", 500),)
    seen = (observed("a.sql", *[ADDED] * 500),)
    assert Blame(many, seen, replay).blamed(TemplateImpact("q", "SELECT 1", "slower")).statement == 500
    ended = Blame(many, seen, lambda _: {}).blamed(TemplateImpact("q", "SELECT 1", "breaks"))
    assert ended.statement == 500


def test_what_was_touched():
    assert touched_tables(SEEN) == {ORDERS}
    assert dropped_indexes(SEEN) == {"orders_note_idx"}
