ALTER TABLE kv ADD COLUMN n bigint DEFAULT nextval('audit_log_id_seq');
ALTER TABLE audit_log DROP COLUMN id;
