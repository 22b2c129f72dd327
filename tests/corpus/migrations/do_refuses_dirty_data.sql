DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM payments WHERE fee < 0) THEN
        RAISE EXCEPTION 'negative fees';
    END IF;
END $$;
