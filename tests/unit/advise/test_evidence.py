"""What an explanation says of a condition is what statistics say of it, or that they do not."""

from dataclasses import replace

from indexpilot_cli.advise.explain.query import of_uses
from indexpilot_cli.core.workload import AtomKind
from tests.unit.advise.candidates.builders import atom, catalog, column, eq, index, stats, table, use

DOCS = table(
    "docs",
    column("title", "text", statistics=stats(200)),
    replace(column("bare", "text"), statistics=None),
    rows=10_000.0,
)


def told(condition, relation=DOCS):
    (evidence,) = of_uses((use("docs", condition),), catalog(relation))
    return evidence


def test_a_share_comes_from_the_statistics_of_the_column_or_of_an_index_on_the_expression():
    assert told(eq("title", "'x'")).source == "pg_stats"
    assert "no statistics, the planner assumes 0.50%" in told(eq("bare", "'x'")).fact
    lower = eq("lower(bare)", "'x'")
    assert told(lower).source == "model"
    indexed = replace(index("i", "docs", "(lower(bare))"), statistics=(stats(50),))
    known = told(lower, replace(DOCS, indexes=(indexed,)))
    assert (known.source, "statistics of an index" in known.fact) == ("planner", True)


def test_no_share_is_made_up_for_a_pattern():
    like = atom(AtomKind.LIKE_INFIX, "LIKE", "title", constant="'%x%'", sql="title LIKE '%x%'")
    assert (told(like).source, "%" in told(like).fact.split("'")[-1]) == ("planner", False)
