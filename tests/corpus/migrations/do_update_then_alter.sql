DO $$
BEGIN
    UPDATE accounts SET balance = balance + 1;
    ALTER TABLE accounts ALTER COLUMN balance SET DEFAULT 1;
END $$;
