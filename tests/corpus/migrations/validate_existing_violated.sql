ALTER TABLE payments VALIDATE CONSTRAINT payments_fee_check;
