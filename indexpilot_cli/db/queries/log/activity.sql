SELECT mutation_type AS type, coalesce(details_json ->> 'command', '') AS command,
       CASE WHEN details_json ? 'guards' THEN 'refused' ELSE lower(state) END AS outcome,
       op_id IS NOT NULL AS operation,
       count(*) AS number, max(created_at) AS last
FROM {schema}.mutation_log
GROUP BY 1, 2, 3, 4
