-- More memory than a review is worth.
SET work_mem = '2000GB';
SET maintenance_work_mem = '2000GB';
SET hash_mem_multiplier = 1000;
SET temp_buffers = '4GB';
SELECT length(repeat('x', 1000000000));
SELECT repeat('x', 1000000000);
SELECT array_fill(1, ARRAY[20000, 10000]);
SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 5000);
SELECT array_agg(i) FROM generate_series(1, 1000000000) i;
SELECT jsonb_agg(i) FROM generate_series(1, 1000000000) i;
SELECT * FROM generate_series(1, 1000000000) i ORDER BY md5(i::text);
DO $$ DECLARE a text := 'x'; BEGIN LOOP a := a || a; END LOOP; END $$;
CREATE FUNCTION deep(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN deep($1 + 1); END $$;
SET max_stack_depth = '100MB';
SELECT deep(1);
