"""A plan's index is one index: what closes a parenthesis, ends the statement or holds a query is refused unasked."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from indexpilot_cli.advise.plan_text import check_text, check_upkeep
from indexpilot_cli.core.ddl import index_name
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import PlannedVacuum, Recommendation, unpriced_plan
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind, StatisticsTarget
from indexpilot_cli.errors import UsageError

PLAIN = IndexDefinition(QualifiedName("Odd", 'or"ders'), (IndexKey("a"), IndexKey("B c", descending=True)))
FINE = [
    PLAIN,
    replace(PLAIN, keys=(IndexKey(expression="lower((email)::text)", operator_class="text_pattern_ops"),)),
    replace(
        PLAIN, keys=(IndexKey(expression="(data ->> 'a;b--c')", collation='"C"'),), predicate="a IN (1, 2) AND NOT b"
    ),
    replace(
        PLAIN,
        method="gin",
        keys=(IndexKey("tags", operator_class="ext.gin_trgm_ops"),),
        options=(("fastupdate", "off"),),
    ),
    replace(PLAIN, include=("x", "y"), unique=True, nulls_not_distinct=True, options=(("fillfactor", "70"),)),
    replace(PLAIN, predicate="((status)::text = 'open'::text)"),
]
BAD = [
    replace(PLAIN, predicate="a > 1; DROP TABLE orders"),
    replace(PLAIN, predicate="a > 1 -- and nothing else\n; DELETE FROM orders"),
    replace(PLAIN, predicate="a IN (SELECT pg_sleep(60))"),
    replace(PLAIN, predicate="EXISTS (SELECT 1)"),
    replace(PLAIN, predicate=""" a = 1 \0"""),
    replace(PLAIN, predicate="a = '\ud800'"),
    replace(PLAIN, keys=(IndexKey(expression="a), (b"),)),
    replace(PLAIN, keys=(IndexKey(expression="a) WHERE (b > 1"),)),
    replace(PLAIN, keys=(IndexKey(expression="a -- "),)),
    replace(PLAIN, keys=(IndexKey(expression="1 INTO stolen"),)),
    replace(PLAIN, keys=(IndexKey(expression="/* */"),)),
    replace(PLAIN, keys=(IndexKey("a", operator_class='"x"), (b'),)),
    replace(PLAIN, keys=(IndexKey("a", collation='"C") INCLUDE (b'),)),
    replace(PLAIN, keys=(IndexKey("a\0b"),)),
    replace(PLAIN, keys=(IndexKey("x" * 64),)),
    replace(PLAIN, keys=(IndexKey(""),)),
    replace(PLAIN, options=(("fillfactor", "70) TABLESPACE other WHERE (true"),)),
    replace(PLAIN, options=(("fillfactor", ""),)),
    replace(PLAIN, table=QualifiedName("public", "o\0")),
]


def advice(definition, name=None):
    facts = {"kind": "", "size_bytes": 0, "size_method": "", "benefit": 0.0, "reduction": 0.0, "write_cost": 0.0}
    return Recommendation(definition.id, definition, name or index_name(definition), "", "", "", **facts)


@pytest.mark.parametrize("definition", FINE, ids=range(len(FINE)))
def test_indexes_pass(definition):
    check_text(advice(definition), "P-1")


@pytest.mark.parametrize("definition", BAD, ids=range(len(BAD)))
def test_what_is_more_or_less_than_an_index_is_refused(definition):
    with pytest.raises(UsageError) as raised:
        check_text(advice(definition, "i"), "P-1")
    assert (raised.value.exit_code, raised.value.code) == (2, "tampered_plan")


@pytest.mark.parametrize("name", ["", "n\0", "n" * 64])
def test_names_are_names(name):
    with pytest.raises(UsageError, match="does not describe an index"):
        check_text(advice(PLAIN, name or "\0"), "P-1")


MADE = ExtendedStatistics(QualifiedName("Odd", 'or"ders_stat'), PLAIN.table, ("a", "B c"), (StatisticsKind.MCV,))
OF_TEXT = replace(MADE, columns=(), kinds=(), expressions=("lower((email)::text)",))
STEPS = unpriced_plan((), datetime(2024, 1, 1, tzinfo=UTC), None, "none")
TAMPERED = [
    replace(MADE, name=QualifiedName("Odd", "n\0")),
    replace(MADE, name=QualifiedName("Odd", "")),
    replace(MADE, name=QualifiedName("Odd", "n" * 64)),
    replace(MADE, table=QualifiedName("public", "o\ud800")),
    replace(MADE, columns=("a", "b" * 64)),
    replace(MADE, columns=(), kinds=()),
    replace(MADE, expressions=("a) FROM x; DROP TABLE orders; --",)),
    replace(MADE, expressions=("a), (b",)),
    replace(MADE, expressions=("a -- ",)),
    replace(MADE, expressions=("(SELECT 1)",)),
    replace(MADE, expressions=("a + 1 \0",)),
    replace(OF_TEXT, expressions=("pg_sleep(60)",)),
    replace(OF_TEXT, expressions=("evil.lower(email)",)),
    replace(OF_TEXT, expressions=("pg_terminate_backend(a)",)),
    replace(OF_TEXT, expressions=("a OPERATOR(evil.+) 1",)),
]


@pytest.mark.parametrize(
    "made", [MADE, OF_TEXT, replace(MADE, kinds=tuple(StatisticsKind), expressions=("a % 10", "date_trunc('day', t)"))]
)
def test_statistics_pass(made):
    check_upkeep(replace(STEPS, statistics=(made,), analyze=(made.table,), vacuum=(PlannedVacuum(made.table),)))


@pytest.mark.parametrize("made", TAMPERED, ids=range(len(TAMPERED)))
def test_statistics_that_carry_or_call_something_else_are_refused(made):
    with pytest.raises(UsageError) as raised:
        check_upkeep(replace(STEPS, statistics=(MADE, made)))
    assert (raised.value.exit_code, raised.value.code) == (2, "tampered_plan")


WANTED = StatisticsTarget(PLAIN.table, "B c", 1000)


def test_a_statistics_target_of_a_column_passes():
    check_upkeep(replace(STEPS, targets=(WANTED,)))


@pytest.mark.parametrize("wrong", [{"target": 0}, {"target": 10_001}, {"column": ""}, {"column": "b" * 64}], ids=str)
def test_no_statistics_target_of_a_column_is_refused(wrong):
    with pytest.raises(UsageError, match="is not what it is called"):
        check_upkeep(replace(STEPS, targets=(WANTED, replace(WANTED, **wrong))))


def test_what_is_vacuumed_and_analyzed_has_a_name():
    bad = QualifiedName("public", "o\0")
    for steps in (replace(STEPS, analyze=(bad,)), replace(STEPS, vacuum=(PlannedVacuum(bad),))):
        with pytest.raises(UsageError, match="is not what it is called"):
            check_upkeep(steps)
