SELECT p.id, p.created_at, p.plan_json ->> 'estimator' AS estimator,
       jsonb_array_length(p.plan_json -> 'recommendations') AS recommendations,
       jsonb_array_length(p.plan_json -> 'rejections') AS rejections,
       (p.plan_json ->> 'cost_before')::float8 AS cost_before, (p.plan_json ->> 'cost_after')::float8 AS cost_after,
       p.plan_json ->> 'unit' AS unit, (p.plan_json ->> 'size_bytes')::int8 AS size_bytes
FROM {schema}.plans p
WHERE p.plan_json ->> 'estimator' <> %(own)s
ORDER BY p.created_at DESC, p.id
LIMIT %(limit)s
