SELECT e.oid::bigint AS oid,
       e.stxrelid::bigint AS table_oid,
       e.stxkeys::int[] AS numbers,
       (SELECT array_agg(t.oid::bigint ORDER BY k.n) FROM unnest(e.stxkeys::int[]) WITH ORDINALITY AS k (number, n)
        JOIN pg_attribute a ON a.attrelid = e.stxrelid AND a.attnum = k.number
        JOIN pg_type d ON d.oid = a.atttypid
        JOIN pg_type t ON t.oid = coalesce(nullif(d.typbasetype, 0), d.oid)) AS types
FROM pg_statistic_ext e
JOIN pg_namespace n ON n.oid = e.stxnamespace
WHERE n.nspname = %(schema)s AND e.stxname = %(name)s
