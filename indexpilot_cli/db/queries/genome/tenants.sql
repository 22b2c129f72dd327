SELECT tenant_id, count(*) AS fields, count(*) FILTER (WHERE coalesce(is_enabled, true)) AS enabled,
       min(created_at) AS since
FROM {schema}.expression_profile
WHERE tenant_id IS NOT NULL
GROUP BY tenant_id
ORDER BY tenant_id
