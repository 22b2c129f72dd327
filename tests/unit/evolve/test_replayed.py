"""Recorded queries before and after: what breaks, what gives other columns, what gets slower."""

from __future__ import annotations

from indexpilot_cli.core.observation import Played, Priced, Seen, SqlError
from indexpilot_cli.evolve.review.queries import compare

GONE = SqlError("42703", "column x does not exist")
NO_PARENT = SqlError("23503", "key is not present")
NULL = SqlError("23502", "null value")


def outcome(before, after, dropped=frozenset()):
    found = compare("q-1", "SELECT 1", 0.5, before, after, dropped)
    return found.status if found else None


def played(*items):
    return Seen(tuple(items))


def test_a_new_error_breaks():
    assert outcome(played(Played()), played(Played(GONE))) == "breaks"
    assert outcome(played(Played()), played(Played(NULL))) == "breaks"


def test_an_error_it_had_before_is_not_the_migrations():
    assert outcome(played(Played(GONE)), played(Played(GONE))) is None
    assert outcome(played(Played(NO_PARENT)), played(Played(NO_PARENT))) is None
    assert outcome(played(Played(NULL)), played(Played(NO_PARENT))) is None


def test_an_error_of_rows_before_does_not_hide_an_error_of_names_after():
    assert outcome(played(Played(NO_PARENT)), played(Played(GONE))) == "breaks"


def test_any_variant_that_breaks_breaks_the_template():
    assert outcome(played(Played(), Played()), played(Played(), Played(GONE))) == "breaks"


def test_other_columns_are_told():
    before, after = Played(columns=("id integer",)), Played(columns=("id bigint",))
    assert outcome(played(before), played(after)) == "columns_change"


def test_costs_decide_slower_and_faster_only_where_it_matters():
    def costs(old, new):
        return outcome(Seen((Played(),), Priced(old)), Seen((Played(),), Priced(new)))

    assert costs(1000, 1300) == "slower"
    assert costs(1300, 1000) == "faster"
    assert costs(1000, 1100) is None
    assert costs(2, 50) is None
    assert costs(None, 5000) is None


def test_the_index_it_used_and_lost_is_named():
    found = compare(
        "q-1",
        "SELECT 1",
        0.1,
        Seen((Played(),), Priced(100, frozenset({"i", "j"}))),
        Seen((Played(),), Priced(9000)),
        frozenset({"i", "k"}),
    )
    assert (found.status, found.indexes_lost) == ("slower", ("i",))
