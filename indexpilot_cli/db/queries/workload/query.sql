SELECT tenant_id, table_name, field_name, query_type, count(*) AS count, avg(duration_ms) AS avg_ms,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95_ms,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_ms) AS p99_ms
FROM {schema}.query_stats
WHERE (%(hours)s::double precision IS NULL OR created_at >= now() - make_interval(secs => %(hours)s * 3600))
  AND (%(table_name)s::text IS NULL OR table_name = %(table_name)s)
  AND (%(field_name)s::text IS NULL OR field_name = %(field_name)s)
GROUP BY tenant_id, table_name, field_name, query_type
ORDER BY count(*) DESC, table_name, field_name, query_type, tenant_id
