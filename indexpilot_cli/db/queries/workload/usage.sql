SELECT table_name, field_name, count(*) AS total_queries, count(DISTINCT tenant_id) AS tenant_count,
       avg(duration_ms) AS avg_ms, sum(duration_ms) AS total_ms
FROM {schema}.query_stats
WHERE field_name IS NOT NULL
  AND (%(hours)s::double precision IS NULL OR created_at >= now() - make_interval(secs => %(hours)s * 3600))
GROUP BY table_name, field_name
ORDER BY count(*) DESC, table_name, field_name
