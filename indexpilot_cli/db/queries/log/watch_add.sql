INSERT INTO {schema}.counter_snapshots (kind, stats_since, counters)
VALUES ('verification', %(since)s, %(counters)s)
RETURNING id
