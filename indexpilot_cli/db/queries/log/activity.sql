SELECT mutation_type AS type,
       -- A run of a timer that left a row is among those that are counted: without its command it is no second one.
       CASE WHEN details_json ? 'idle' THEN '' ELSE coalesce(details_json ->> 'command', '') END AS command,
       CASE WHEN details_json ? 'guards' THEN 'refused' ELSE lower(state) END AS outcome,
       op_id IS NOT NULL AS operation,
       count(*) AS number, max(created_at) AS last
FROM {schema}.mutation_log
GROUP BY 1, 2, 3, 4
