CREATE UNIQUE INDEX payments_reference_uq ON payments (reference);
