-- Buckets in UTC, whatever the session's time zone.
SELECT date_trunc(%(bucket)s, created_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS at, count(*) AS queries,
       avg(duration_ms) AS avg_ms,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95_ms,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_ms) AS p99_ms
FROM {schema}.query_stats
WHERE created_at >= now() - make_interval(secs => %(hours)s * 3600)
GROUP BY 1
ORDER BY 1
