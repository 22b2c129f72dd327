-- In two steps, because count(DISTINCT tenant_id) would sort all rows.
SELECT table_name, field_name, sum(queries)::bigint AS total_queries, count(tenant_id) AS tenant_count,
       sum(ms) / sum(queries)::double precision AS avg_ms, sum(ms) AS total_ms
FROM (
    SELECT table_name, field_name, tenant_id, count(*) AS queries, sum(duration_ms) AS ms
    FROM {schema}.query_stats
    WHERE field_name IS NOT NULL
      AND (%(hours)s::double precision IS NULL OR created_at >= now() - make_interval(secs => %(hours)s * 3600))
    GROUP BY table_name, field_name, tenant_id
) AS by_tenant
GROUP BY table_name, field_name
ORDER BY total_queries DESC, table_name, field_name
