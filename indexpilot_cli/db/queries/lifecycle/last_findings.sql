SELECT created_at AS at, details_json -> 'findings' AS findings
FROM {schema}.mutation_log
WHERE mutation_type = 'LIFECYCLE_RUN' AND state = 'DONE' AND (details_json ->> 'whole')::bool
ORDER BY id DESC
LIMIT 1
