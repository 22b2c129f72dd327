DO $$
DECLARE r record;
BEGIN
    FOR r IN SELECT oid::regclass AS rel FROM pg_class WHERE relkind = 'r' AND NOT relispartition AND relnamespace = 'public'::regnamespace AND relname IN ('plans', 'rooms', 'contacts') LOOP
        EXECUTE 'ALTER TABLE ' || r.rel || ' ADD COLUMN touched timestamptz NOT NULL DEFAULT clock_timestamp()';
    END LOOP;
END $$;
