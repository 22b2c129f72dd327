-- Arrays, because percentile_cont() in the first grouping would sort all rows by four texts; here each group sorts its own.
WITH groups AS MATERIALIZED (
    SELECT tenant_id, table_name, field_name, query_type, count(*) AS count, avg(duration_ms) AS avg_ms,
           array_agg(duration_ms) AS durations
    FROM {schema}.query_stats
    WHERE (%(hours)s::double precision IS NULL OR created_at >= now() - make_interval(secs => %(hours)s * 3600))
      AND (%(table_name)s::text IS NULL OR table_name = %(table_name)s)
      AND (%(field_name)s::text IS NULL OR field_name = %(field_name)s)
    GROUP BY tenant_id, table_name, field_name, query_type
)
SELECT g.tenant_id, g.table_name, g.field_name, g.query_type, g.count, g.avg_ms, p.ms[1] AS p95_ms, p.ms[2] AS p99_ms
FROM groups AS g
CROSS JOIN LATERAL (
    SELECT percentile_cont(ARRAY[0.95, 0.99]) WITHIN GROUP (ORDER BY d) AS ms FROM unnest(g.durations) AS u (d)
) AS p
ORDER BY g.count DESC, g.table_name, g.field_name, g.query_type, g.tenant_id
