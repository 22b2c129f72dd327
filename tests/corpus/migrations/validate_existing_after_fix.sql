UPDATE payments SET fee = 0 WHERE fee < 0;
ALTER TABLE payments VALIDATE CONSTRAINT payments_fee_check;
