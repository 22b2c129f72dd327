SELECT p.tenant_id, p.schedule, p.components, p.min_age_seconds
FROM {schema}.lifecycle_policies p
ORDER BY p.tenant_id
