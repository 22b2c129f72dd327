SELECT no ->> 'guard' AS guard, count(*) AS number
FROM {schema}.mutation_log, jsonb_array_elements(details_json -> 'guards') AS no
WHERE state = 'FAILED' AND jsonb_typeof(details_json -> 'guards') = 'array'
GROUP BY 1
