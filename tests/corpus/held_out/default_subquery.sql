ALTER TABLE kv ADD COLUMN n bigint DEFAULT (SELECT max(id) FROM orders);
