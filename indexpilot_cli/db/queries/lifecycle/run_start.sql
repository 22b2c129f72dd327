INSERT INTO {schema}.lifecycle_runs (job, tenant_id, due_at, actor)
VALUES (%(job)s, %(tenant)s, %(due_at)s, %(actor)s)
RETURNING id, started_at
