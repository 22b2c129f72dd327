SELECT s.taken_at, s.stats_since AS counters_since, s.server_started AS started, s.counters
FROM {schema}.counter_snapshots s
WHERE s.kind = 'usage' AND s.counters ->> 'cluster' = %(cluster)s
  AND (s.counters ->> 'database')::oid = (SELECT d.oid FROM pg_catalog.pg_database d
                                          WHERE d.datname = pg_catalog.current_database())
ORDER BY s.taken_at DESC, s.id DESC
LIMIT %(limit)s
