"""Designed cases of CERT: statistics that are old, of one column where two hang together, or missing.

    python -m tests.benchmarks.algorithms.cases cert

Each case leaves the planner's statistics as they are in the field, and the plan that mends them first is measured
against the one that believes them. Old statistics do not stay: both plans are measured as they are after autovacuum's
next ANALYZE, when an index chosen by the old ones has to do without them.
"""

from tests.benchmarks.algorithms.cases import Case

ROWS = 40_000
# All is in memory: with random_page_cost = 4 the planner would shun an index that is faster, whatever it expects.
CACHED = "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET random_page_cost = 1.1', current_database()); END$$;\n"
PAD = "repeat('x', 150) AS pad"
FROM = f"FROM generate_series(1, {ROWS}) g"
SMALL = "FROM generate_series(1, 2000) g"


def grown(before, after):
    """A table of old statistics: few rows with one kind of values were analyzed, the others came later."""
    return f"""{CACHED}CREATE TABLE t AS SELECT g AS id, {before} AS state, {PAD} {SMALL};
ANALYZE t;
INSERT INTO t SELECT g, {after}, repeat('x', 150) {FROM}"""


def table(columns):
    return f"{CACHED}CREATE TABLE t AS SELECT g AS id, {columns}, {PAD} {FROM};\nVACUUM ANALYZE t"


def joined(columns, each=1, parents=10_000):
    """The table, and a smaller one that it is joined to; ``each`` rows of it for one row of the table."""
    return f"""{CACHED}CREATE TABLE t AS SELECT g AS id, {columns}, {PAD} FROM generate_series(1, {parents}) g;
CREATE TABLE lines AS SELECT g AS line, g * 7919::bigint % {parents} + 1 AS t_id, repeat('y', 40) AS note
    FROM generate_series(1, {parents * each}) g;
VACUUM ANALYZE t;
VACUUM ANALYZE lines"""


ANALYZED = ("ANALYZE t",)
ONE = "SELECT count(pad) FROM t WHERE state = '{}'"
JOIN = "SELECT count(l.note) FROM t JOIN lines l ON l.t_id = t.id WHERE {}"
# A hundred values that are listed, and as common ones that are not.
BEYOND = "CASE WHEN g % 10 < 9 THEN g % 130 ELSE 1000 + g END AS k"

CASES = (
    Case(
        "a state that came after ANALYZE, rare",
        "cert",
        grown("'s' || g % 3", "CASE WHEN g % 500 = 0 THEN 'new' ELSE 's' || g % 3 END"),
        ((ONE.format("new"), 100.0),),
        growth=ANALYZED,
    ),
    Case(
        "rare when analyzed, common now",
        "cert",
        grown(
            "CASE WHEN g % 500 = 0 THEN 'done' ELSE 's' || g % 3 END", "CASE WHEN g % 10 < 8 THEN 'done' ELSE 's1' END"
        ),
        ((ONE.format("done"), 100.0),),
        growth=ANALYZED,
    ),
    Case(
        "common when analyzed, rare now",
        "cert",
        grown("CASE WHEN g % 2 = 0 THEN 'open' ELSE 's1' END", "CASE WHEN g % 1000 = 0 THEN 'open' ELSE 's1' END"),
        ((ONE.format("open"), 100.0),),
        growth=ANALYZED,
    ),
    Case(
        "a twelfth by two columns that say the same",
        "cert",
        table("'c' || g % 12 AS city, 'z' || g % 12 AS zip"),
        (("SELECT count(pad) FROM t WHERE city = 'c3' AND zip = 'z3'", 100.0),),
    ),
    Case(
        "four flags that go together, joined",
        "cert",
        joined(", ".join(f"g % 2 = 0 AS {flag}" for flag in "abcd"), each=4),
        ((JOIN.format("t.a AND t.b AND t.c AND t.d"), 100.0),),
    ),
    Case(
        "a fifth by two that say the same, joined",
        "cert",
        joined("g % 5 AS a, g % 5 AS b", each=4),
        ((JOIN.format("t.a = 3 AND t.b = 3"), 100.0),),
    ),
    Case(
        "an expression that holds for a fifth, joined",
        "cert",
        joined("g % 5 AS a", each=4),
        ((JOIN.format("abs(t.a) = 3"), 100.0),),
    ),
    Case(
        "an expression that holds for half",
        "cert",
        table("CASE WHEN g % 2 = 0 THEN 'A' ELSE 'B' END AS kind"),
        (("SELECT count(pad) FROM t WHERE lower(kind) = 'a'", 100.0),),
    ),
    Case(
        "an expression that holds for most, joined",
        "cert",
        joined("CASE WHEN g % 10 < 7 THEN 3 ELSE g % 50 END AS a", each=4),
        ((JOIN.format("abs(t.a) = 3"), 100.0),),
    ),
    Case(
        "common values beyond the list, joined",
        "cert",
        joined(BEYOND, parents=20_000),
        ((JOIN.format("t.k = 117"), 100.0), (JOIN.format("t.k = 121"), 100.0)),
    ),
    Case(
        "statistics that are right",
        "cert",
        table("g % 1000 AS k"),
        (("SELECT count(pad) FROM t WHERE k = 5", 100.0), ("SELECT count(pad) FROM t WHERE id < 200", 10.0)),
    ),
    Case(
        "columns that have nothing to do with each other",
        "cert",
        table("g % 10 AS a, g / 10 % 10 AS b"),
        (("SELECT count(pad) FROM t WHERE a = 3 AND b = 3", 100.0),),
    ),
)
