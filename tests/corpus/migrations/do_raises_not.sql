DO $$
BEGIN
    IF (SELECT count(*) FROM feature_flags) > 0 THEN
        RAISE EXCEPTION 'feature flags must be empty';
    END IF;
END $$;
