SELECT id, plan_json
FROM {schema}.plans
WHERE (%(id)s::text IS NULL OR id = %(id)s)
ORDER BY created_at DESC, id
LIMIT %(limit)s
