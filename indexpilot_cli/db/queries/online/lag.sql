SELECT coalesce(max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), r.replay_lsn)), 0)::float8 AS bytes
FROM pg_catalog.pg_stat_replication r
WHERE r.state = 'streaming' AND r.replay_lsn IS NOT NULL
