"""Cases by lot, for the algorithms that are on: what they decide where nobody arranged that they decide rightly.

    python -m tests.benchmarks.algorithms.cases drawn

Each algorithm gets tables, keys, statements, calls and budgets drawn by a seed from what its experiment lists (design
of each: layouts of keys, widths of ranges, shares of growth, mixes of reads and writes). Growth that comes is not the
growth that was seen; outcomes in the log are those of indexes that the setup builds and measures itself. In
many of them nothing is to be decided.
"""

import random

from indexpilot_cli.log import metadata
from tests.benchmarks.algorithms.alex import KEYS
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.algorithms.fractal_tree import RANGE, TOKEN, WHO, logged
from tests.benchmarks.algorithms.idistance import GISTS, POINTS
from tests.benchmarks.algorithms.pgm_index import LAYOUTS, TYPES
from tests.benchmarks.algorithms.radix_string_spline import COLUMNS

ENTRY = 21.5  # bytes of a B-tree for a key of eight


def _between(draw, low, high):
    """A number by lot, as likely in each of its magnitudes."""
    return low * (high / low) ** draw.random()


def pages(draw):
    """A layout of keys, a type and two or three widths of ranges; less room than a B-tree takes, or all of it."""
    rows, layout = draw.randrange(100_000, 250_000, 1000), draw.choice(sorted(LAYOUTS))
    cast = TYPES.get(kind := draw.choice(("int4", *sorted(TYPES))), "{}")
    key = cast.format(f"({LAYOUTS[layout].format(rows=rows)})")
    setup = (
        f"create table keys as select {key} as k, repeat('x', {draw.randrange(60, 240)}) as pad"
        f" from generate_series(0, {rows - 1}) n; analyze keys"
    )
    workload = []
    for _ in range(draw.choice((1, 2, 3))):
        wide = int(max(1, _between(draw, 0.0003, 0.1) * rows))
        low = draw.randrange(rows - wide)
        first, last = (cast.format(str(n)) for n in (low, low + wide))
        workload.append((f"select count(pad) from keys where k between {first} and {last}", _between(draw, 10, 1000)))
    room = draw.choice((None, int(draw.uniform(0.05, 0.8) * ENTRY * rows)))
    return f"{layout}, {kind}", setup, workload, {"changed": {"budget_bytes": room}}


def times(draw):
    """Events with late ones among them, asked for windows or what is newest; often inserted into, or with little room.

    Below the rows from which ``pgm_index`` looks at a table, which is off here besides.
    """
    rows, late = draw.randrange(20_000, 90_000, 1000), draw.choice((0, 0, 30, 600, 20_000))
    at = f"timestamptz '2026-01-01' + n * interval '1 minute' - {late} * random() ^ 3 * interval '1 minute'"
    setup = (
        f"create table events as select n as id, {at} as at, repeat('x', {draw.randrange(100, 300)}) as pad"
        f" from generate_series(1, {rows}) n; analyze events"
    )
    minutes = int(_between(draw, 60, rows / 5))
    low = draw.choice((draw.randrange(rows - minutes), rows - minutes))
    start = f"timestamptz '2026-01-01' + interval '{low} minutes'"
    end = f" and at < {start} + interval '{minutes} minutes'" if low < rows - minutes else ""
    workload = [(f"select count(pad) from events where at >= {start}{end}", _between(draw, 10, 1000))]
    if draw.random() < 0.4:
        workload.append(("insert into events values (0, now(), 'x')", _between(draw, 100, 100_000)))
    room = draw.choice((None, int(draw.uniform(0.05, 0.8) * ENTRY * rows)))
    name = f"{minutes} minutes of {rows}, up to {late} late" + (", inserts" if len(workload) > 1 else "")
    return name, setup, workload, {"changed": {"budget_bytes": room}}


def places(draw):
    """Points spread in one of three ways, and boxes of some size or nearest ones around a place by lot."""
    points, rows = draw.choice(sorted(POINTS)), draw.randrange(30_000, 100_000, 1000)
    columns = ", ".join(f"({text})::float8 AS {name}" for name, text in zip("xyz", POINTS[points], strict=True))
    setup = (
        f"CREATE TABLE places AS SELECT n AS id, {columns}, repeat('x', 60) AS pad FROM generate_series(1, {rows}) n;"
        " ALTER TABLE places ADD spot point; UPDATE places SET spot = point(x, y); VACUUM ANALYZE places"
    )
    x, y, side = draw.randrange(900), draw.randrange(900), int(_between(draw, 10, 400))
    box = f"x BETWEEN {x} AND {x + side} AND y BETWEEN {y} AND {y + side}"
    near = f"ORDER BY spot <-> point({x}, {y}) LIMIT {draw.choice((1, 10, 100))}"
    name, rest = draw.choice((
        (f"box of {side}", f"WHERE {box}"),
        (f"cube of {side}", f"WHERE {box} AND z BETWEEN {y} AND {y + side}"),
        ("nearest", near),
        ("nearest of some", f"WHERE id % {draw.choice((2, 50))} = 1 {near}"),
        (f"in a box of {side}", f"WHERE spot <@ box '(({x}, {y}), ({x + side}, {y + side}))'"),
    ))  # fmt: skip
    before = draw.choice(("", GISTS))
    return f"{points}, {name}", before + setup, [(f"SELECT id, pad FROM places {rest}", 100.0)], {}


def strings(draw):
    """A column of strings of some kind, looked up, sometimes in order too; half of the tables are written."""
    name, rows = draw.choice(sorted(COLUMNS)), draw.randrange(30_000, 120_000, 1000)
    row = f"SELECT n AS id, {COLUMNS[name]} AS word FROM generate_series"
    setup = f"CREATE TABLE strings AS {row}(1, {rows}) n; ANALYZE strings"
    workload = [("SELECT id FROM strings WHERE word = 'not there'", _between(draw, 10, 1000))]
    if draw.random() < 0.3:
        workload.append(("SELECT id FROM strings ORDER BY word LIMIT 10", _between(draw, 1, 100)))
    if draw.random() < 0.5:
        workload.append((f"INSERT INTO strings {row}({rows + 1}, {rows + 2000}) n", _between(draw, 1, 10)))
    return f"{name}, {len(workload)} statements", setup, workload, {}


def growing(draw):
    """Keys of some kind in a table that grew by one share and then grows by up to twice as much, or half of it."""
    kinds = {**KEYS, "md5": "md5(n::text)", "few": "n * 7919 % 500", "in groups": "n % 40 * 1000000 + n"}
    key, seen, rows = kinds[kind := draw.choice(sorted(kinds))], _between(draw, 0.05, 0.5), 60_000
    comes = seen * _between(draw, 0.5, 2.0)
    row = f"SELECT {key} AS k, n AS seq, repeat('x', 60) AS pad"
    now = round(rows * (1 + seen))
    later = round(now * (1 + comes))
    setup = (
        f"CREATE TABLE grows AS {row} FROM generate_series(1, {rows}) n; SELECT pg_stat_reset();"
        f"INSERT INTO grows {row} FROM generate_series({rows + 1}, {now}) n; ANALYZE grows"
    )
    growth = (
        f"INSERT INTO grows {row} FROM generate_series({now + 1}, {later}) n",
        f"DELETE FROM grows WHERE seq > {now}",
    )
    value = {"uuid": "'6f1ed002-ab15-4b5c-bd5a-e3a1c5a9f1c5'", "md5": "'abc'"}.get(kind, "4711")
    statement = f"SELECT seq FROM grows WHERE k = {value}"
    return f"{kind}, {seen:.0%}, then {comes:.0%}", setup, [(statement, 4.0)], {"growth": growth}


TRIED = """
DO $$
DECLARE statement text; began timestamptz; took float8[]; least float8; field text;
BEGIN
  FOREACH field IN ARRAY ARRAY[{fields}] LOOP
    statement := 'SELECT count(*) FROM notes WHERE ' || field || ' = 5 {rest}';
    took := '{{}}';
    FOR phase IN 1..2 LOOP
      least := 'infinity';
      FOR turn IN 1..5 LOOP
        began := clock_timestamp();
        EXECUTE statement;
        least := least(least, extract(epoch FROM clock_timestamp() - began));
      END LOOP;
      took := took || least;
      IF phase = 1 THEN EXECUTE format('CREATE INDEX tried ON notes (%I)', field); END IF;
    END LOOP;
    DROP INDEX tried;
    INSERT INTO indexpilot.mutation_log (mutation_type, schema_name, table_name, field_name, details_json)
    VALUES ('CREATE_INDEX', 'public', 'notes', field,
            jsonb_build_object('improvement_pct', round((100 * (1 - took[2] / took[1]))::numeric, 2)));
  END LOOP;
END $$
"""


def outcomes(draw):
    """A table of wide rows whose other indexes were built and measured, beside one that is read whole in any case."""
    rows, lines, fields = draw.randrange(300, 3000, 100), int(_between(draw, 3000, 400_000)), draw.randrange(10, 13)
    of = ", ".join(f"(n * {97 + 2 * n}) % {50 * n} AS f{n}" for n in range(1, fields + 1))
    rest = "UNION ALL SELECT sum(amount + tax * 2) FROM lines"
    tried = ", ".join(f"'f{n}'" for n in range(2, fields + 1))
    setup = f"""
CREATE TABLE notes AS SELECT {of}, repeat('x', 100)::text AS body FROM generate_series(1, 0) n;
ALTER TABLE notes ALTER body SET STORAGE PLAIN;
INSERT INTO notes SELECT {of}, repeat('x', {draw.choice((400, 2000, 7000))}) FROM generate_series(1, {rows}) n;
CREATE TABLE lines AS SELECT n AS id, n % 977 AS amount, n % 13 AS tax FROM generate_series(1, {lines}) n;
ANALYZE notes, lines;
{";".join(metadata.statements(metadata.MetadataStatus(metadata.SCHEMA, False, None, metadata.latest_version())))};
{TRIED.format(fields=tried, rest=rest)}"""
    statement = f"SELECT count(*) FROM notes WHERE f1 = {draw.randrange(50)} {rest}"
    return f"{rows} notes, {lines} lines", setup, [(statement, 10.0)], {}


def written(draw):
    """A log of 150,000 rows, each of three statements on it or none, and inserts by the thousand."""
    reads = [(text, _between(draw, 1, 10_000)) for text in draw.sample((WHO, TOKEN, RANGE), draw.choice((1, 2, 3)))]
    rows = _between(draw, 10_000, 1_000_000)
    case = logged(", ".join(f"{calls:.0f}" for _, calls in reads) + f" reads, {rows:.0f} rows", reads, rows)
    return case.name, case.setup, case.workload, {"asked": case.asked}


KINDS = {
    "pgm_index": (pages, 28),
    "bx_tree": (times, 16),
    "idistance": (places, 12),
    "radix_string_spline": (strings, 12),
    "alex": (growing, 28),
    "predictive_indexing": (outcomes, 14),
    "fractal_tree": (written, 14),
}


def drawn(algorithm, seed):
    name, setup, workload, more = KINDS[algorithm][0](random.Random(f"{algorithm} {seed}"))
    return Case(f"{seed}: {name}", algorithm, setup, tuple(workload), **more)


CASES = tuple(drawn(algorithm, seed) for algorithm, (_, count) in KINDS.items() for seed in range(count))
