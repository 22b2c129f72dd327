CREATE FUNCTION broken() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM ordres); END $$;
