CREATE UNIQUE INDEX CONCURRENTLY payments_reference_uq ON payments (reference);
