CREATE UNIQUE INDEX CONCURRENTLY audit_log_id_uq ON audit_log (id);
ALTER TABLE audit_log ADD CONSTRAINT audit_log_pkey PRIMARY KEY USING INDEX audit_log_id_uq;
