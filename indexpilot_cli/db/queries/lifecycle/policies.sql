SELECT p.tenant_id, p.schedule, p.components, p.min_age_seconds, p.actor, p.updated_at
FROM {schema}.lifecycle_policies p
ORDER BY p.tenant_id
