INSERT INTO {schema}.plans (id, created_at, plan_json)
VALUES (%(id)s, %(created_at)s, %(plan)s)
ON CONFLICT (id) DO UPDATE SET created_at = EXCLUDED.created_at, plan_json = EXCLUDED.plan_json
