DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT conrelid::regclass AS rel, conname FROM pg_constraint WHERE NOT convalidated AND conname = 'payments_amount_check' LOOP
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', r.rel, r.conname);
    END LOOP;
END $$;
