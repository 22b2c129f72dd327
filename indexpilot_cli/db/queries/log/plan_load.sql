SELECT id, plan_json
FROM {schema}.plans
WHERE id = %(id)s OR %(id)s::text IS NULL AND plan_json ->> 'estimator' <> %(own)s
ORDER BY created_at DESC, id
LIMIT %(limit)s
