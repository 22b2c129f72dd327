SELECT c.oid::int8 AS oid,
       pg_catalog.pg_stat_get_numscans(c.oid) AS scans,
       -- By its key: before 16 the view has no such column, and a name would be an error.
       (pg_catalog.to_jsonb(s) ->> 'last_idx_scan')::timestamptz AS last_scan,
       pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int AS pages,
       -- Not the index's own row: VACUUM and ANALYZE rewrite that one.
       CASE WHEN current_setting('track_commit_timestamp') = 'on' AND i.xmin::text::int8 > 2
            THEN pg_catalog.pg_xact_commit_timestamp(i.xmin) END AS made
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_all_indexes s ON s.indexrelid = c.oid
WHERE c.relkind = 'i'
  AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', %(metadata_schema)s)
ORDER BY c.oid
