-- Snapshots that a dump brought along from another server count something else.
SELECT s.taken_at, s.stats_since AS since, s.counters
FROM {schema}.counter_snapshots s
WHERE s.kind = 'statements' AND s.taken_at > now() - %(days)s * interval '1 day'
  AND s.counters ->> 'cluster' = (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() AS c)
  AND (s.counters ->> 'database')::oid = (SELECT d.oid FROM pg_catalog.pg_database d
                                          WHERE d.datname = pg_catalog.current_database())
ORDER BY s.taken_at, s.id
