-- Statements without an end; their own limits switched off first.
SET statement_timeout = 0;
DO $$ BEGIN LOOP END LOOP; END $$;
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SELECT count(*) FROM r;
SELECT pg_sleep(1e6);
DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(100); EXCEPTION WHEN query_canceled OR others THEN NULL; END; END LOOP; END $$;
