SELECT n.nspname::text AS schema, t.relname::text AS table, c.relname::text AS index, size.bytes,
       pg_catalog.pg_stat_get_numscans(c.oid) AS scans,
       pg_catalog.pg_stat_get_tuples_returned(c.oid) AS entries,
       pg_catalog.pg_stat_get_tuples_fetched(c.oid) AS fetched,
       size.table_bytes, CASE WHEN t.reltuples >= 0 THEN t.reltuples::int8 END AS table_rows,
       -- By its key: before 16 the view has no such column, and a name would be an error.
       (pg_catalog.to_jsonb(s) ->> 'last_idx_scan')::timestamptz AS last_scan,
       a.amname::text AS method, i.indisvalid AS valid, i.indisunique AS unique, i.indisprimary AS primary,
       count(*) OVER () AS indexes, sum(size.bytes) OVER () AS all_bytes,
       count(*) FILTER (WHERE NOT i.indisvalid) OVER () AS invalid
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am a ON a.oid = c.relam
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_indexes s ON s.indexrelid = c.oid
-- The exact size asks for a lock, which somebody who changes the table may hold for long.
CROSS JOIN LATERAL (
    SELECT CASE WHEN %(exact)s THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0)
                ELSE c.relpages::int8 * current_setting('block_size')::int8 END AS bytes,
           CASE WHEN %(exact)s THEN coalesce(pg_catalog.pg_relation_size(t.oid), 0)
                ELSE t.relpages::int8 * current_setting('block_size')::int8 END AS table_bytes
) AS size
WHERE c.relkind = 'i' AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %(metadata_schema)s)
ORDER BY size.bytes DESC, c.oid
LIMIT %(limit)s
