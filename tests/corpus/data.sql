-- The data: sizes from nothing to 300,000 rows, with the dirt that real tables have.
INSERT INTO plans SELECT n, 'plan-' || n, 'Plan ' || n, n * 10 FROM generate_series(1, 5) n;
INSERT INTO countries SELECT chr(65 + n) || chr(66 + n), 'Country ' || n, 19.00 FROM generate_series(0, 19) n;
INSERT INTO tenants (name, country, plan_id, settings)
SELECT 'Tenant ' || n, CASE WHEN n % 7 > 0 THEN 'DE' END, 1 + n % 5, '{"theme": "dark"}'
FROM generate_series(1, 100) n;

INSERT INTO accounts (tenant_id, email, full_name, nickname, phone, country, birth_year, score, balance, verified,
                      preferences, last_ip, flags, created_at, seen_at)
SELECT 1 + n % 100, 'user' || n || '@example.org',
       CASE WHEN n % 50 > 0 THEN 'Name ' || n END,
       CASE WHEN n % 3 > 0 THEN 'nick' || n % 900 || repeat('x', n % 30) END,
       CASE WHEN n % 4 > 0 THEN '+49' || n ELSE 'none' END,
       CASE WHEN n % 5 > 0 THEN 'DE' ELSE 'FR' END,
       1940 + n % 70, n % 1000 + 0.25, n % 500 - 20, n % 2 = 0,
       json_build_object('n', n % 10), ('10.' || n % 200 || '.0.0/16')::cidr, B'1010',
       timestamp '2024-01-01' + n * interval '1 minute', timestamp '2025-01-01' + n * interval '1 second'
FROM generate_series(1, 40000) n;

INSERT INTO categories SELECT n, CASE WHEN n > 5 THEN n % 5 + 1 END, 'Category ' || n FROM generate_series(1, 40) n;
INSERT INTO products (sku, name, category_id, price, stock, weight, tags, labels, attrs, legacy_code, barcode)
SELECT 'SKU' || lpad(n::text, 8, '0'), 'Product ' || n, CASE WHEN n % 10 > 0 THEN 1 + n % 45 END,
       (n % 5000) / 10.0, n % 300 - 5, n % 40, ARRAY['t' || n % 20, 'all'], ARRAY['l' || n % 7],
       '{"colour": "red"}', CASE WHEN n % 100 > 0 THEN n::text ELSE 'N/A' END, n::text
FROM generate_series(1, 30000) n;

INSERT INTO orders (account_id, status, state, total, discount, currency, coupon, region, note, code, parcels, rating,
                    placed_at, shipped_at)
SELECT 1 + n * 7 % 40000, (ARRAY['new', 'paid', 'shipped', 'cancelled'])[1 + n % 4]::order_status,
       (ARRAY['open', 'done', 'done', 'done', 'returned'])[1 + n % 5],
       n % 900 + 0.55, CASE WHEN n % 3 = 0 THEN 1.50 END, 'EUR',
       CASE WHEN n % 20 = 0 THEN 'C' || n % 500 END, 'region ' || n % 12,
       CASE WHEN n % 6 = 0 THEN repeat('note ', 1 + n % 30) END, 'ord-' || n, n % 4, 1 + n % 5,
       timestamp '2025-01-01' + n * interval '90 seconds',
       CASE WHEN n % 4 > 1 THEN timestamptz '2025-01-02' + n * interval '90 seconds' END
FROM generate_series(1, 200000) n;

INSERT INTO order_items
SELECT 1 + n / 2, 1 + n % 2, 1 + n % 30500, CASE WHEN n = 777 THEN 0 ELSE 1 + n % 4 END, n % 100 + 0.99, n % 9 = 0
FROM generate_series(0, 299999) n;

ALTER TABLE payments DISABLE TRIGGER payments_log;
ALTER TABLE payments DROP CONSTRAINT payments_fee_check;
INSERT INTO payments (order_id, method, amount, reference, external_id, fee, paid_at)
SELECT 1 + n % 200000, (ARRAY['card', 'bank', 'voucher'])[1 + n % 3]::pay_method, n % 700 + 1,
       'ref-' || n % 79000, CASE WHEN n % 8 > 0 THEN gen_random_uuid() END, n % 30 - 1,
       timestamptz '2025-01-01' + n * interval '3 minutes'
FROM generate_series(1, 80000) n;
ALTER TABLE payments ADD CONSTRAINT payments_fee_check CHECK (fee >= 0) NOT VALID;
ALTER TABLE payments ENABLE TRIGGER payments_log;

INSERT INTO events
SELECT n, 1 + n % 40000, 'kind-' || n % 9, '{}', timestamp '2025-01-01' + n * interval '3 minutes'
FROM generate_series(1, 120000) n;
INSERT INTO readings
SELECT CASE WHEN n % 2 = 0 THEN 'north' ELSE 'south' END, timestamptz '2025-01-01' + n * interval '1 minute', n
FROM generate_series(1, 60000) n;
INSERT INTO readings_east SELECT 'east', timestamptz '2025-01-01' + n * interval '1 minute', n
FROM generate_series(1, 50000) n;
INSERT INTO readings_west SELECT 'west', timestamptz '2025-01-01' + n * interval '1 minute', n
FROM generate_series(1, 50000) n;

INSERT INTO audit_log (tag, entry, actor, at)
SELECT 'tag-' || n % 30, json_build_object('n', n), CASE WHEN n % 11 > 0 THEN 'actor' || n % 40 END,
       timestamptz '2025-01-01' + n * interval '1 minute'
FROM generate_series(1, 100000) n;
INSERT INTO sessions
SELECT md5(n::text), CASE WHEN n % 5 > 0 THEN n % 41000 END, '10.0.0.1', 'data ' || n,
       timestamp '2025-01-01' + n * interval '1 minute', n * interval '1 second', n
FROM generate_series(1, 60000) n;
INSERT INTO rooms SELECT n, 'Room ' || n, n * 10 FROM generate_series(1, 30) n;
INSERT INTO bookings
SELECT n, 1 + n % 30, tsrange(timestamp '2025-01-01' + n * interval '1 hour', timestamp '2025-01-01' + (n + 2) * interval '1 hour'), 'guest'
FROM generate_series(1, 12000) n;
INSERT INTO contacts SELECT n, 'address ' || n, 'c' || n || '@example.org', 1 + n % 50 FROM generate_series(1, 30000) n;
INSERT INTO import_rows
SELECT n, CASE WHEN n = 19999 THEN '12,50' ELSE (n % 100)::text END,
       CASE WHEN n = 15000 THEN '2025-02-30' ELSE '2025-02-01' END, 'payload'
FROM generate_series(1, 20000) n;
INSERT INTO kv VALUES ('a', '1', 1), ('b', '2', 1), ('b', '3', 2), (NULL, 'x', NULL);
INSERT INTO billing.invoices
SELECT n, 1 + n % 100, 'INV-' || n, n * 1.5, date '2025-01-01' + n % 300, n % 3 = 0 FROM generate_series(1, 50000) n;
INSERT INTO "Legacy Items" SELECT n, 'item ' || n, n % 10 FROM generate_series(1, 25000) n;
REFRESH MATERIALIZED VIEW sales_daily;
REFRESH MATERIALIZED VIEW top_products;
VACUUM (ANALYZE);
