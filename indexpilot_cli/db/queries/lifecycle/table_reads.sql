SELECT coalesce(sum(s.idx_scan), 0)::int8 AS index_scans, coalesce(sum(s.seq_scan), 0)::int8 AS sequential_scans,
       coalesce(sum(io.idx_blks_hit), 0)::int8 AS blocks_hit, coalesce(sum(io.idx_blks_read), 0)::int8 AS blocks_read,
       clock_timestamp() AS now,
       (SELECT d.stats_reset FROM pg_catalog.pg_stat_database d WHERE d.datname = current_database()) AS since
FROM pg_catalog.pg_stat_user_tables s
LEFT JOIN pg_catalog.pg_statio_user_tables io USING (relid)
WHERE s.schemaname <> %(metadata_schema)s
