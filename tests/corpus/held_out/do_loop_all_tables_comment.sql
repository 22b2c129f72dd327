DO $$
DECLARE r record;
BEGIN
    FOR r IN SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('public', 'billing') AND table_type = 'BASE TABLE' LOOP
        EXECUTE format('COMMENT ON TABLE %I.%I IS %L', r.table_schema, r.table_name, 'kept');
    END LOOP;
END $$;
