INSERT INTO {schema}.lifecycle_policies (tenant_id, schedule, components, min_age_seconds, actor)
VALUES (%(tenant)s, %(schedule)s, %(components)s, %(min_age)s, %(actor)s)
ON CONFLICT (tenant_id) DO UPDATE
SET schedule = excluded.schedule, components = excluded.components, min_age_seconds = excluded.min_age_seconds,
    actor = excluded.actor, updated_at = now()
