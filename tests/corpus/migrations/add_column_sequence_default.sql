ALTER TABLE audit_log ADD COLUMN ticket bigint DEFAULT nextval('loose_seq');
