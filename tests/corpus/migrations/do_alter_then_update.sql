DO $$
BEGIN
    ALTER TABLE accounts ADD COLUMN initials text;
    UPDATE accounts SET initials = left(full_name, 1);
END $$;
