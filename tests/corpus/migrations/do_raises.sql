DO $$
BEGIN
    IF (SELECT count(*) FROM plans) > 0 THEN
        RAISE EXCEPTION 'plans must be empty';
    END IF;
END $$;
