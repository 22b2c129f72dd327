-- Words without an end.
DO $$ BEGIN FOR i IN 1..1000000 LOOP RAISE NOTICE '%', repeat('x', 1000); END LOOP; END $$;
DO $$ BEGIN RAISE NOTICE '%', repeat('x', 200000000); END $$;
DO $$ BEGIN RAISE INFO USING MESSAGE = 'rewriting table "c"'; END $$;
DO $$ BEGIN RAISE DEBUG 'building index "x" on table "nowhere" serially'; END $$;
DO $$ BEGIN RAISE WARNING E'\x1b]0;title\x07\x1b[2J'; END $$;
SET client_min_messages = debug5;
SELECT count(*) FROM c;
DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_notify('a', i::text); END LOOP; END $$;
LISTEN a;
NOTIFY a, 'b';
SELECT * FROM generate_series(1, 50000000);
DO $$ BEGIN RAISE EXCEPTION '%', repeat('y', 100000000) USING ERRCODE = '42501'; END $$;
