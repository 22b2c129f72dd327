BEGIN;
TRUNCATE kv;
INSERT INTO kv SELECT 'k' || n, 'v', n FROM generate_series(1, 100) n;
COMMIT;
