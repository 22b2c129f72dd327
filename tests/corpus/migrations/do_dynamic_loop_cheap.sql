DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['orders', 'payments'] LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN changed_at timestamptz DEFAULT now()', t);
    END LOOP;
END $$;
