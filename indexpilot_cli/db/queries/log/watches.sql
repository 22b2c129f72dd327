SELECT s.id, s.taken_at, s.stats_since, s.counters, s.taken_at + %(hours)s * interval '1 hour' < now() AS expired
FROM {schema}.counter_snapshots s
WHERE s.kind = 'verification'
ORDER BY s.id
