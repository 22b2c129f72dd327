-- Whole days only: that of today is not over.
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*)::float8 AS queries
FROM {schema}.query_stats
WHERE table_name = ANY (%(tables)s) AND field_name = %(field)s
  AND created_at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(days => %(days)s)
  AND created_at < date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
GROUP BY day
ORDER BY day
