DO $$
BEGIN
    CREATE TYPE order_status AS ENUM ('new');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
