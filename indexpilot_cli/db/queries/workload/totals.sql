SELECT table_name, field_name, query_type, count(*) AS count, sum(duration_ms) AS total_ms,
       min(created_at) AS oldest, max(created_at) AS newest
FROM {schema}.query_stats
WHERE (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
  AND (%(tenants)s::int[] IS NULL OR tenant_id = ANY (%(tenants)s::int[]))
GROUP BY table_name, field_name, query_type
ORDER BY total_ms DESC, table_name, field_name, query_type
