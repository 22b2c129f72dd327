ALTER TABLE audit_log ADD COLUMN row_id serial PRIMARY KEY;
