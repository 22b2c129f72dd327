CREATE UNIQUE INDEX payments_external_uq ON payments (external_id) NULLS NOT DISTINCT;
