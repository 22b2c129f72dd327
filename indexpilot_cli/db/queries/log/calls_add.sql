INSERT INTO {schema}.counter_snapshots (kind, taken_at, stats_since, counters)
VALUES ('statements', %(taken_at)s, %(since)s, %(counters)s)
