DELETE FROM payments a USING payments b WHERE a.reference = b.reference AND a.id > b.id;
ALTER TABLE payments ADD CONSTRAINT payments_reference_key UNIQUE (reference);
