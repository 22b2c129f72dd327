INSERT INTO {schema}.query_stats (tenant_id, table_name, field_name, query_type, duration_ms, created_at)
SELECT t, n, f, q, d, to_timestamp(s)
FROM unnest(
    %(tenant_id)s::integer[], %(table_name)s::text[], %(field_name)s::text[], %(query_type)s::text[],
    %(duration_ms)s::double precision[], %(at)s::double precision[]
) AS r (t, n, f, q, d, s)
