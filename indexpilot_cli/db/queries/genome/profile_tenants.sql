WITH RECURSIVE ids AS (
    SELECT min(tenant_id) AS id FROM {schema}.expression_profile
    UNION ALL
    SELECT (SELECT min(tenant_id) FROM {schema}.expression_profile WHERE tenant_id > ids.id) FROM ids
    WHERE ids.id IS NOT NULL
)
SELECT id FROM ids WHERE id IS NOT NULL ORDER BY id
