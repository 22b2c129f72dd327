-- One database for all designed workloads: every table plants one opportunity or one trap.
SELECT setseed(0.42);

CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, name text NOT NULL, city text);
INSERT INTO customers
SELECT i, 'User' || i || '@Example' || i % 50 || '.com', 'name ' || md5(i::text), 'city' || i % 300
FROM generate_series(1, 20000) i;

CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    total numeric(12, 2) NOT NULL,
    reference text NOT NULL,
    paid boolean NOT NULL,
    flagged boolean NOT NULL,
    priority int NOT NULL,
    deleted_at timestamptz,
    note text
);
INSERT INTO orders
SELECT i, 1 + (random() * 19999)::int,
       CASE WHEN i % 200 = 0 THEN 'failed' WHEN i % 40 = 1 THEN 'open' ELSE 'done' END,
       timestamptz '2025-01-01 00:00+00' + (random() * 300 * 86400) * interval '1 second',
       (random() * 1000)::numeric(12, 2), 'REF-' || upper(md5(i::text)), i % 2 = 0, i % 250 = 0, (i % 5),
       CASE WHEN i % 33 = 0 THEN timestamptz '2025-06-01 00:00+00' END, repeat('x', 60)
FROM generate_series(1, 120000) i;

CREATE TABLE order_items (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
                          product_id int NOT NULL, quantity int NOT NULL);
INSERT INTO order_items SELECT i, 1 + (random() * 119999)::int, (random() * 3000)::int, i % 9
FROM generate_series(1, 240000) i;

-- Append-only, physically in the order of time.
CREATE TABLE readings (id bigint NOT NULL, at timestamptz NOT NULL, value double precision NOT NULL, pad text);
INSERT INTO readings SELECT i, timestamptz '2025-01-01 00:00+00' + i * interval '10 seconds', random(), repeat('p', 80)
FROM generate_series(1, 300000) i;

CREATE TABLE documents (id int PRIMARY KEY, title text NOT NULL, body text NOT NULL, attributes jsonb NOT NULL,
                        tags text[] NOT NULL, search tsvector NOT NULL, valid tstzrange NOT NULL, place point NOT NULL,
                        raw json NOT NULL);
INSERT INTO documents
SELECT i, 'Document ' || md5(i::text), md5(i::text) || ' ' || md5((i * 7)::text),
       jsonb_build_object('kind', 'k' || i % 1000, 'owner', i % 5000, 'x', md5(i::text)),
       ARRAY['t' || i % 700, 't' || i % 901, 'g' || i % 3],
       to_tsvector('english', 'word' || i % 2000 || ' term' || i % 777 || ' common'),
       tstzrange(timestamptz '2025-01-01 00:00+00' + i * interval '10 minutes',
                 timestamptz '2025-01-01 00:00+00' + i * interval '10 minutes' + interval '3 hours'),
       point(random() * 1000, random() * 1000), json_build_object('a', i)
FROM generate_series(1, 40000) i;

-- The tenant column is "org"; nothing calls it tenant.
CREATE TABLE orgs (id int PRIMARY KEY, label text NOT NULL);
INSERT INTO orgs SELECT i, 'org ' || i FROM generate_series(1, 200) i;
CREATE TABLE contacts (id bigint PRIMARY KEY, org int NOT NULL REFERENCES orgs, email text NOT NULL, stage int NOT NULL,
                       touched timestamptz NOT NULL, pad text);
INSERT INTO contacts
SELECT i, 1 + (200 * power(random(), 3))::int % 200, 'c' || i % 4000 || '@x.org', i % 12,
       timestamptz '2025-01-01 00:00+00' + (random() * 1e7) * interval '1 second', repeat('c', 50)
FROM generate_series(1, 100000) i;
CREATE TABLE deals (id bigint PRIMARY KEY, org int NOT NULL REFERENCES orgs, code text NOT NULL, amount int NOT NULL);
INSERT INTO deals SELECT i, 1 + (200 * power(random(), 3))::int % 200, 'D' || i % 5000, (random() * 1e5)::int
FROM generate_series(1, 80000) i;

CREATE TABLE tiny (id int PRIMARY KEY, code text NOT NULL);
INSERT INTO tiny SELECT i, 'c' || i FROM generate_series(1, 60) i;

CREATE SCHEMA "Mixed Case";
CREATE TABLE "Mixed Case"."Select" ("Id" int PRIMARY KEY, "Order" int NOT NULL, "group" text NOT NULL, pad text);
INSERT INTO "Mixed Case"."Select" SELECT i, i % 9000, 'g' || i % 70, repeat('m', 40) FROM generate_series(1, 60000) i;

CREATE TABLE pages (id bigint PRIMARY KEY, url text NOT NULL, hits int NOT NULL);
INSERT INTO pages SELECT i, 'https://www.example.com/a/long/common/prefix/of/the/path/' || md5(i::text) || '/' || md5((i + 1)::text)
       || '/' || md5((i + 2)::text), i % 100 FROM generate_series(1, 60000) i;

-- An index that exists, an invalid one, and a unique one.
CREATE TABLE stock (id bigint PRIMARY KEY, sku text NOT NULL, warehouse int NOT NULL, quantity int NOT NULL, batch int NOT NULL);
INSERT INTO stock SELECT i, 'sku' || i, i % 400, i % 50, i % 6000 FROM generate_series(1, 60000) i;
CREATE INDEX stock_warehouse_quantity ON stock (warehouse, quantity);
CREATE UNIQUE INDEX stock_sku ON stock (sku);
CREATE INDEX stock_batch_broken ON stock (batch);

-- Written far more often than read.
CREATE TABLE counters (id int PRIMARY KEY, key int NOT NULL, value int NOT NULL) WITH (fillfactor = 50);
INSERT INTO counters SELECT i, i % 2500, 0 FROM generate_series(1, 5000) i;

CREATE TABLE measures (at date NOT NULL, sensor int NOT NULL, value int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE measures_h1 PARTITION OF measures FOR VALUES FROM ('2025-01-01') TO ('2025-07-01');
CREATE TABLE measures_h2 PARTITION OF measures FOR VALUES FROM ('2025-07-01') TO ('2026-01-01');
INSERT INTO measures SELECT date '2025-01-01' + i % 360, (i * 7919) % 3000, i FROM generate_series(1, 120000) i;

CREATE MATERIALIZED VIEW order_totals AS
SELECT customer_id, count(*) AS orders, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE VIEW open_orders AS SELECT id, customer_id, created_at FROM orders WHERE status = 'open';

UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'stock_batch_broken'::regclass;
VACUUM (ANALYZE);
