-- More disk than a review is worth.
CREATE TABLE big AS SELECT i, repeat(md5(i::text), 20) AS t FROM generate_series(1, 100000000) i;
INSERT INTO loose SELECT i, md5(i::text) FROM generate_series(1, 1000000000) i;
CREATE TEMP TABLE big_too AS SELECT i, repeat('x', 1000) AS t FROM generate_series(1, 100000000) i;
SELECT count(*) FROM (SELECT DISTINCT md5(i::text) FROM generate_series(1, 100000000) i) x;
DO $$ BEGIN FOR i IN 1..100000 LOOP PERFORM lo_from_bytea(0, decode(md5(i::text), 'hex') || convert_to(repeat(i::text, 100000), 'UTF8')); END LOOP; END $$;
DO $$ BEGIN FOR i IN 1..10000000 LOOP PERFORM pg_notify('c' || i, repeat('x', 7000)); END LOOP; END $$;
DO $$ BEGIN FOR i IN 1..1000000 LOOP PERFORM pg_logical_emit_message(true, 'x', repeat(i::text, 100000)); END LOOP; END $$;
DO $$ BEGIN FOR i IN 1..1000000 LOOP EXECUTE format('CREATE TABLE many_%s (id int PRIMARY KEY, t text)', i); END LOOP; END $$;
