"""A database of indexes whose fate is known: what ``lifecycle`` must say of each, and of which it must say nothing."""

SEED = """
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA sales;
CREATE SCHEMA "Mixed Case";

-- Keys, and what only looks like a second one.
CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, region int, code int NOT NULL, tag text, note text,
    score int, born date, doc jsonb, words text[]);
INSERT INTO customers SELECT g, 'user' || g || '@example.com', g % 7, g, 't' || g % 40, md5(g::text), g % 1000,
    date '1990-01-01' + g % 9000, jsonb_build_object('k', g % 50), ARRAY['w' || g % 9, 'v' || g % 11]
    FROM generate_series(1, 6000) g;
ALTER TABLE customers ADD CONSTRAINT customers_email_key UNIQUE (email);
CREATE UNIQUE INDEX customers_code_target ON customers (code);
CREATE TABLE cards (card int PRIMARY KEY, customer int REFERENCES customers, code int REFERENCES customers (code));
INSERT INTO cards SELECT g, g, g FROM generate_series(1, 5000) g;
CREATE INDEX cards_customer ON cards (customer);
CREATE INDEX cards_code_part ON cards (code) WHERE code IS NOT NULL;
CREATE UNIQUE INDEX customers_id_again ON customers (id);
CREATE UNIQUE INDEX customers_code_again ON customers (code);
CREATE INDEX customers_id_plain ON customers (id);

-- The same in every spelling, and one sign that makes another index of it.
CREATE INDEX c_region ON customers (region);
CREATE INDEX c_region_down ON customers (region DESC NULLS FIRST);
CREATE INDEX c_region_nulls ON customers (region NULLS FIRST);
CREATE INDEX c_region_hash ON customers USING hash (region);
CREATE INDEX c_region_hash_2 ON customers USING hash (region);
CREATE INDEX c_region_brin ON customers USING brin (region);
CREATE INDEX c_region_brin_8 ON customers USING brin (region) WITH (pages_per_range = 8);
CREATE INDEX c_tag ON customers (tag);
CREATE INDEX c_tag_c ON customers (tag COLLATE "C");
CREATE INDEX c_tag_pattern ON customers (tag text_pattern_ops);
CREATE INDEX c_tag_lower ON customers (lower(tag));
CREATE INDEX c_tag_lower_2 ON customers ((lower((tag))));
CREATE INDEX c_tag_upper ON customers (upper(tag));
CREATE INDEX c_tag_trgm ON customers USING gin (tag gin_trgm_ops);
CREATE INDEX c_tag_trgm_gist ON customers USING gist (tag gist_trgm_ops);
CREATE INDEX c_open ON customers (score) WHERE region = 3;
CREATE INDEX c_open_2 ON customers (score) WHERE (3 = region);
CREATE INDEX c_open_4 ON customers (score) WHERE region = 4;
CREATE INDEX c_doc ON customers USING gin (doc);
CREATE INDEX c_doc_path ON customers USING gin (doc jsonb_path_ops);
CREATE INDEX c_doc_2 ON customers USING gin (doc jsonb_ops);

-- Coverings, and what covers nothing.
CREATE INDEX c_born ON customers (born);
CREATE INDEX c_born_score ON customers (born, score);
CREATE INDEX c_score_born ON customers (score, born);
CREATE INDEX c_note_incl ON customers (note) INCLUDE (score, tag);
CREATE INDEX c_note_incl_2 ON customers (note) INCLUDE (tag);
CREATE INDEX c_note_incl_3 ON customers (note) INCLUDE (region);
CREATE UNIQUE INDEX c_note_code ON customers (note, code);
CREATE INDEX c_words ON customers USING gin (words);
CREATE INDEX c_words_doc ON customers USING gin (words, doc);

-- Constraints that are no keys, replication, clustering.
CREATE TABLE rooms (room int NOT NULL, during int4range NOT NULL, guest int NOT NULL, floor int, wing int,
    EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO rooms SELECT g, int4range(g, g + 2), g, g % 5, g % 3 FROM generate_series(1, 3000) g;
CREATE UNIQUE INDEX rooms_identity ON rooms (guest);
CREATE INDEX rooms_identity_again ON rooms (guest);
ALTER TABLE rooms REPLICA IDENTITY USING INDEX rooms_identity;
CREATE INDEX rooms_floor ON rooms (floor);
CREATE INDEX rooms_floor_clustered ON rooms (floor);
CLUSTER rooms USING rooms_floor_clustered;
CREATE INDEX rooms_gist ON rooms USING gist (room, during);

-- The same names in another schema, quoted names.
CREATE TABLE sales.customers (id int PRIMARY KEY, region int, tag text);
INSERT INTO sales.customers SELECT g, g % 9, 't' || g FROM generate_series(1, 3000) g;
CREATE INDEX c_region ON sales.customers (region);
CREATE INDEX c_tag ON sales.customers (tag);
CREATE TABLE "Mixed Case"."Order" ("Id" int PRIMARY KEY, "select" int, "a ""b"" c" text);
INSERT INTO "Mixed Case"."Order" SELECT g, g % 9, 't' || g FROM generate_series(1, 3000) g;
CREATE INDEX "By Select" ON "Mixed Case"."Order" ("select");
CREATE INDEX "By Select, again" ON "Mixed Case"."Order" ("select");
CREATE INDEX "B""q" ON "Mixed Case"."Order" ("a ""b"" c");

-- Partitions.
CREATE TABLE days (day date NOT NULL, n int, k int, PRIMARY KEY (day, n)) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO days SELECT date '2026-01-01' + g % 59, g, g % 100 FROM generate_series(1, 4000) g;
CREATE INDEX days_k ON days (k);
CREATE INDEX days_k_again ON days (k);
CREATE INDEX days_n ON days (n);
CREATE INDEX days_2_own ON days_2 (k, n);
CREATE INDEX days_waiting ON ONLY days (n, k);

-- Foreign keys.
CREATE TABLE lines (id int PRIMARY KEY, customer int REFERENCES customers, region int, room int,
    other int REFERENCES sales.customers, pair_a int, pair_b int);
CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b));
ALTER TABLE lines ADD FOREIGN KEY (pair_a, pair_b) REFERENCES pairs;
INSERT INTO lines (id, customer, region, room, other) SELECT g, 1 + g % 6000, g % 7, g, NULL
    FROM generate_series(1, 4000) g;
CREATE INDEX lines_other ON lines (other) WHERE room > 3;
CREATE INDEX lines_pairs ON lines (pair_b, pair_a);

-- Views and statistics.
CREATE MATERIALIZED VIEW towns AS SELECT region, count(*) AS n FROM customers GROUP BY region;
CREATE MATERIALIZED VIEW towns_keyed AS SELECT region, count(*) AS n FROM customers GROUP BY region;
CREATE UNIQUE INDEX towns_keyed_region ON towns_keyed (region);
CREATE INDEX towns_keyed_n ON towns_keyed (n);
CREATE MATERIALIZED VIEW towns_empty AS SELECT region FROM customers WITH NO DATA;
CREATE TABLE fresh (id int);
INSERT INTO fresh SELECT generate_series(1, 500);
CREATE TABLE moved (id int PRIMARY KEY, v int);
INSERT INTO moved SELECT g, g FROM generate_series(1, 1000) g;
CREATE TABLE torn (v int);
INSERT INTO torn SELECT g / 2 FROM generate_series(1, 1000) g;
"""
ANALYZED = ("customers", "cards", "rooms", "sales.customers", '"Mixed Case"."Order"', "days", "lines", "pairs", "towns",
            "towns_keyed", "moved", "torn")  # fmt: skip
AFTER = ("UPDATE moved SET v = v + 1 WHERE id <= 400",)
FAILING = ("CREATE UNIQUE INDEX CONCURRENTLY torn_once ON torn (v)",
           "CREATE INDEX CONCURRENTLY torn_ratio ON torn ((1 / v))")  # fmt: skip
# Index by its name as SQL text, and why it goes.
DROPS = {
    "customers_id_again": "duplicate",
    "customers_id_plain": "redundant",
    "customers_code_again": "duplicate",
    "c_region_down": "duplicate",
    "c_region_hash_2": "duplicate",
    "c_tag_lower_2": "duplicate",
    "c_open_2": "duplicate",
    "c_doc": "redundant",
    "c_doc_2": "duplicate",
    "c_words": "redundant",
    "c_born": "redundant",
    "c_note_incl_2": "redundant",
    "rooms_identity_again": "redundant",
    "rooms_floor": "duplicate",
    "rooms_gist": "duplicate",
    '"Mixed Case"."By Select, again"': "duplicate",
    "days_k_again": "duplicate",
}
UNUSED = {
    "c_region_nulls", "c_region_brin", "c_region_brin_8", "c_tag", "c_tag_c", "c_tag_pattern", "c_tag_upper",
    "c_tag_trgm", "c_tag_trgm_gist", "c_open_4", "c_doc_path", "c_score_born", "c_note_incl_3",
    "sales.c_region", "sales.c_tag", '"Mixed Case"."B""q"', "days_n", "days_2_own", "lines_other",
    "towns_keyed_n",
}  # fmt: skip
# Read by nobody, and the only ones that a foreign key's check could use.
FOR_KEYS = {"cards_customer", "cards_code_part", "lines_pairs"}
OTHERS = {
    ("invalid", "warning", "drop", "torn_once"),
    ("invalid", "warning", "drop", "torn_ratio"),
    ("invalid", "warning", "report", "days_waiting"),
    ("fk_missing", "warning", "create", "lines (customer)"),
    ("fk_missing", "warning", "create", "lines (other)"),
    ("never_analyzed", "warning", "analyze", "fresh"),
    ("stale_statistics", "warning", "analyze", "moved"),
    ("materialized_view", "info", "report", "towns"),
    ("materialized_view", "warning", "report", "towns_empty"),
}
