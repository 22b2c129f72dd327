"""Indexes that look needless and are not, and those that are: each trap with what ``lifecycle`` must offer to drop.

Written from the manual and the catalogs, not from the code that finds them. ``n``, ``m`` are integers, ``t`` is text,
``v`` a varchar; every table has the same columns and rows, so that only the indexes differ.
"""

COLUMNS = """
CREATE SCHEMA w;
CREATE SCHEMA w2;
CREATE FUNCTION w.same(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION w2.same(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE TABLE w.columns (n int, m int, t text, v varchar(40), c char(9), ts timestamp, words tsvector, r int4range,
    bits int[]);
INSERT INTO w.columns SELECT g, g, 't' || g, 'v' || g, 'c' || g, timestamp '2024-01-01' + g * interval '1 h',
    to_tsvector('simple', 'w' || g), int4range(g, g + 1), ARRAY[g] FROM generate_series(1, 1200) g;
CREATE TABLE w.parents (id int PRIMARY KEY, k int NOT NULL, t text UNIQUE);
INSERT INTO w.parents SELECT g, g, 't' || g FROM generate_series(1, 1200) g;
"""
# The table's name, its indexes (after ON table), the names of those that go; by the server's version where it matters.
TRAPS = (
    ("beside_key", ("UNIQUE a (n)", "b (n DESC)", "UNIQUE c (m)"), ("b",)),
    ("prefix", ("a (n, m)", "b (n)", "c (m, n)", "d (n, t)"), ("b",)),
    ("unique_prefix", ("UNIQUE a (n)", "b (n, m)", "UNIQUE c (n, t)"), ()),
    ("includes", ("a (n) INCLUDE (m, t)", "b (n) INCLUDE (t, m)", "c (n) INCLUDE (v)", "d (m) INCLUDE (t)"), ("b",)),
    ("unique_includes", ("UNIQUE a (n) INCLUDE (m)", "UNIQUE b (n)", "UNIQUE c (m)", "d (m) INCLUDE (t)"), ("b",)),
    ("both_ways", ("a (n, m DESC)", "b (n DESC, m)", "c (n, m)"), ("b",)),
    ("nulls", ("a (n)", "b (n DESC NULLS LAST)", "c (n NULLS FIRST)"), ("c",)),
    ("pattern", ("a (t)", "b (t text_pattern_ops)", "c (t text_pattern_ops, n)"), ("b",)),
    ("second_names", ("a (v)", "b (v varchar_ops)", "c (v varchar_pattern_ops)", "d (v text_pattern_ops)"), ("b", "d")),
    ("another_default", ("a (v)", "b (v bpchar_ops)", "c (c)", "d (c bpchar_pattern_ops)"), ()),
    ("collated", ("a (t)", 'b (t COLLATE "C")', 'c (t COLLATE "POSIX")', 'd (t COLLATE "C", n)'), ("b",)),
    ("methods", ("a (n)", "b USING hash (n)", "c USING brin (n)", "d USING hash (n) WITH (fillfactor=50)"), ("d",)),
    ("ranges", ("a USING brin (n) WITH (pages_per_range=2)", "b USING brin (n)", "c USING gist (r)",
                "d USING spgist (r)"), ()),
    ("signatures", ("a USING gist (words tsvector_ops (siglen=32))", "b USING gist (words)",
                    "c USING gist (words tsvector_ops (siglen=32))", "d USING gin (words)"), ("c",)),
    ("gin", ("a USING gin (bits)", "b USING gin (bits, words)", "c USING gin (words) WITH (fastupdate=off)"),
     ("a", "c")),
    ("partial", ("a (n) WHERE m > 5", "b (n) WHERE 5 < m", "c (n) WHERE m >= 5", "d (n) WHERE m > 5 AND t <> ''",
                 "e (n)"), ("b",)),
    ("other_words", ("a (n) WHERE m > 5 AND t > 'a'", "b (n) WHERE t > 'a' AND m > 5", "c (n) WHERE m > 5 OR t > 'a'"),
     ("b",)),
    ("other_types", ("a (n) WHERE ts > date '2024-02-01'", "b (n) WHERE ts > timestamp '2024-02-01'"), ()),
    ("expressions", ("a (lower(t))", "b (lower(t))", "c (upper(t))", "d (lower(t) text_pattern_ops)",
                     'e (lower(t) COLLATE "C")', "f ((n + m))", "g ((m + n))"), ("b",)),
    ("casts", ("a ((n + 1))", "b ((n + 1::bigint))", "c ((c::text))", "d ((c::name))", "e ((n::bigint))", "f (n)"), ()),
    ("synonyms", ("a (char_length(t))", "b (length(t))", "c (t) WHERE char_length(t) > 3", "d (t) WHERE length(t) > 3"),
     ()),
    # One function until 13, two afterwards.
    ("parts_of_time", ("a (date_part('hour', ts))", "b (extract(hour FROM ts))"),
     lambda version: () if version >= 140000 else ("b",)),
    ("schemas", ("a (w.same(n))", "b (w2.same(n))", "c (w.same(n))"), ("c",)),
    ("cc_names", ("a (n)", '"a_ccnew" (n, m)', '"b_ccold" (m)'), ("a",)),
    ("three", ("a (n)", "b (n)", "c (n)", "d (m)", "e (m, t)", "f (m, t, n)"), ("b", "c", "d", "e")),
)  # fmt: skip
SINCE_15 = (("nulls_once", ("UNIQUE a (n)", "UNIQUE b (n) NULLS NOT DISTINCT", "UNIQUE c (n) NULLS NOT DISTINCT"),
             ("a", "c")),)  # fmt: skip
MORE = """
ALTER TABLE w.late ADD CONSTRAINT late_key UNIQUE (n) DEFERRABLE;
CREATE UNIQUE INDEX late_at_once ON w.late (n);
CREATE INDEX late_plain ON w.late (n);
CREATE UNIQUE INDEX early_by_hand ON w.early (n);
ALTER TABLE w.early ADD CONSTRAINT early_key UNIQUE (n);
ALTER TABLE w.twice ADD CONSTRAINT twice_1 UNIQUE (n), ADD CONSTRAINT twice_2 UNIQUE (n);
ALTER TABLE w.apart ADD CONSTRAINT apart_x EXCLUDE USING gist (r WITH &&);
CREATE INDEX apart_r ON w.apart USING gist (r);
CREATE UNIQUE INDEX target_1 ON w.parents (k);
CREATE UNIQUE INDEX target_2 ON w.parents (k);
ALTER TABLE w.children ADD FOREIGN KEY (n) REFERENCES w.parents (k);
CREATE INDEX replicas_1 ON w.replicas (n);
ALTER TABLE w.replicas ALTER n SET NOT NULL;
CREATE UNIQUE INDEX replicas_2 ON w.replicas (n);
CREATE UNIQUE INDEX replicas_3 ON w.replicas (n);
ALTER TABLE w.replicas REPLICA IDENTITY USING INDEX replicas_3;
CREATE INDEX uncovered_n ON w.uncovered (n);
CREATE INDEX uncovered_nm ON w.uncovered (n, m);
CREATE INDEX uncovered_m ON w.uncovered (m);
CREATE INDEX uncovered_mt ON w.uncovered (m, t);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'w.uncovered_nm'::regclass;
UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = 'w.uncovered_mt'::regclass;
CREATE INDEX marked_1 ON w.marked (lower(t), n);
CREATE INDEX "marked ""2"".x" ON w.marked (lower(t)) WITH (fillfactor = 63, deduplicate_items = off);
ALTER INDEX w."marked ""2"".x" ALTER COLUMN 1 SET STATISTICS 777;
COMMENT ON INDEX w."marked ""2"".x" IS 'it''s mine';
ALTER TABLE w.marked CLUSTER ON "marked ""2"".x";
CREATE TABLE w.whole (n int, k int, t text) PARTITION BY RANGE (n);
CREATE TABLE w.half_1 PARTITION OF w.whole FOR VALUES FROM (0) TO (600);
CREATE TABLE w.half_2 PARTITION OF w.whole FOR VALUES FROM (600) TO (9999) PARTITION BY LIST (k);
CREATE TABLE w.quarter PARTITION OF w.half_2 DEFAULT;
INSERT INTO w.whole SELECT n, m, t FROM w.columns;
CREATE INDEX whole_k ON w.whole (k);
CREATE INDEX whole_again ON ONLY w.whole (k) WITH (fillfactor = 80);
CREATE INDEX "half 1, own" ON w.half_1 (k) WITH (fillfactor = 55);
CREATE INDEX half_2_again ON w.half_2 (k);
ALTER INDEX w.whole_again ATTACH PARTITION w."half 1, own";
ALTER INDEX w.whole_again ATTACH PARTITION w.half_2_again;
COMMENT ON INDEX w."half 1, own" IS 'a part of its own';
CREATE INDEX quarter_local ON w.quarter (k);
CREATE INDEX quarter_wider ON w.quarter (k, t);
CREATE TABLE w.refers (k int REFERENCES w.parents, t text REFERENCES w.parents (t)) PARTITION BY RANGE (k);
CREATE TABLE w.refers_1 PARTITION OF w.refers FOR VALUES FROM (0) TO (600);
CREATE TABLE w.refers_2 PARTITION OF w.refers FOR VALUES FROM (600) TO (9999);
INSERT INTO w.refers SELECT n, t FROM w.columns;
CREATE INDEX refers_1_k ON w.refers_1 (k);
CREATE INDEX refers_2_k ON w.refers_2 (k);
CREATE INDEX refers_t ON w.refers (t COLLATE "C");
CREATE TABLE w.above (n int);
CREATE TABLE w.below () INHERITS (w.above);
CREATE INDEX above_n ON w.above (n);
CREATE INDEX below_n ON w.below (n);
ALTER EXTENSION plpgsql ADD TABLE w.owned;
"""
# Tables of the columns above that the statements speak of.
TABLES = ("late", "early", "twice", "apart", "children", "replicas", "uncovered", "marked", "owned")
OWNED = ("a (n)", "b (n)")
DROPS = {
    "w.late_plain": "redundant",
    "w.early_by_hand": "duplicate",
    "w.apart_r": "duplicate",
    "w.target_2": "duplicate",
    "w.replicas_1": "redundant",
    "w.replicas_2": "duplicate",
    "w.uncovered_nm": "invalid",
    "w.uncovered_mt": "invalid",
    'w."marked ""2"".x"': "redundant",
    "w.whole_again": "duplicate",
    "w.quarter_local": "duplicate",
}
MISSING = {"w.children (n)", "w.refers (t)"}


def statements(version):
    """What builds the database, in order."""
    yield COLUMNS
    traps = traps_of(version)
    for table in (*TABLES, *(name for name, _, _ in traps)):
        yield f"CREATE TABLE w.{table} AS TABLE w.columns"
    for table, indexes, _ in (*traps, ("owned", OWNED, ())):
        for index in indexes:
            unique, text = ("UNIQUE ", index[7:]) if index.startswith("UNIQUE ") else ("", index)
            name, _, rest = text.partition(" ")
            yield f"CREATE {unique}INDEX {_named(table, name)} ON w.{table} {rest}"
    yield MORE
    # target_1 is now the younger one, and still the one that the foreign key needs.
    yield "REINDEX INDEX CONCURRENTLY w.target_1"
    yield "ANALYZE"


def traps_of(version):
    """The traps that a server of that version has."""
    found = (*TRAPS, *(SINCE_15 if version >= 150000 else ()))
    return [(t, i, go(version) if callable(go) else go) for t, i, go in found]


def drops(version):
    """Names of all indexes that go."""
    found = set(DROPS)
    for table, _, go in traps_of(version):
        found |= {f"w.{_named(table, name)}" for name in go}
    return found


def _named(table, name):
    return name.strip('"') if name.startswith('"') else f"{table}_{name}"
