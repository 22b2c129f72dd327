"""Designed cases of QPG: templates whose best plan depends on the values that their parameters come with.

    python -m tests.benchmarks.algorithms.cases qpg

The workload are texts with parameters, as pg_stat_statements keeps them; measured are the statements with the values
that the application really sends.
"""

from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.algorithms.cert import CACHED

ROWS = 60_000
PAD = "repeat('x', 120) AS pad"
FROM = f"FROM generate_series(1, {ROWS}) g"
STATUS = "CASE WHEN g % 200 = 0 THEN 'new' WHEN g % 20 = 0 THEN 'error' ELSE 'done' END AS status"


def table(columns):
    return f"{CACHED}CREATE TABLE t AS SELECT g AS id, {columns}, {PAD} {FROM};\nVACUUM ANALYZE t"


def asked(text, *values):
    """The statement with each value (SQL) and its calls."""
    return tuple((text.replace("$1", value), calls) for value, calls in values)


ONE = "SELECT count(pad) FROM t WHERE status = $1"
TWO = "SELECT count(pad) FROM t WHERE k = $1"
SINCE = "SELECT count(pad) FROM t WHERE at > $1"
NEWEST = "SELECT id, pad FROM t WHERE status = $1 ORDER BY id DESC LIMIT 20"
# Half of the rows have one of two values, the others one each.
MODES = "CASE WHEN g % 4 = 0 THEN 1 WHEN g % 4 = 1 THEN 2 ELSE g END AS k"
TIMES = "timestamptz '2024-01-01' + (g * 7919::bigint % 60000) * interval '1 minute' AS at"
OPEN, NARROW = "timestamptz '2024-01-01 00:00+00'", "timestamptz '2024-02-11 12:00+00'"

# One value that no index is good for, the others are worth one.
LEVEL = "CASE WHEN g % 10 < {} THEN 0 ELSE 1 + g % {} END AS k"


def case(name, columns, text, *values):
    return Case(name, "qpg", table(columns), ((text, 100.0),), asked=asked(text, *values))


CASES = (
    case("a status with one rare value, asked mostly", STATUS, ONE, ("'new'", 95.0), ("'done'", 5.0)),
    case("a status with one rare value, asked rarely", STATUS, ONE, ("'new'", 5.0), ("'done'", 95.0)),
    case("a status, each value asked alike", STATUS, ONE, ("'new'", 33.0), ("'error'", 33.0), ("'done'", 34.0)),
    case("a status, newest first", STATUS, NEWEST, ("'new'", 50.0), ("'done'", 50.0)),
    case("two modes and many single values", MODES, TWO, ("1", 10.0), ("4711", 90.0)),
    case("two modes, asked mostly", MODES, TWO, ("1", 50.0), ("2", 40.0), ("4711", 10.0)),
    case("a range that is open or narrow", TIMES, SINCE, (OPEN, 10.0), (NARROW, 90.0)),
    case("a range that is mostly open", TIMES, SINCE, (OPEN, 90.0), (NARROW, 10.0)),
    case("forty per cent of one value", LEVEL.format(4, 30), TWO, ("0", 20.0), ("7", 40.0), ("19", 40.0)),
    case("forty per cent, asked mostly", LEVEL.format(4, 30), TWO, ("0", 90.0), ("7", 10.0)),
    case("seventy per cent of one value", LEVEL.format(7, 50), TWO, ("0", 20.0), ("7", 40.0), ("18", 40.0)),
    case("seventy per cent, asked never", LEVEL.format(7, 50), TWO, ("7", 50.0), ("18", 50.0)),
    case("one value as good as the other", "g % 1000 AS k", TWO, ("5", 50.0), ("500", 50.0)),
    case("a key", "g AS k", TWO, ("5", 50.0), ("30000", 50.0)),
)
