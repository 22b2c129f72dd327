INSERT INTO {schema}.counter_snapshots (kind, taken_at, stats_since, server_started, counters)
VALUES ('usage', %(taken_at)s, %(counters_since)s, %(started)s, %(counters)s)
