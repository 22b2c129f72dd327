-- What each algorithm did in the plans that are kept; of the indexes it did it to, how many were built, how many stand.
SELECT u.algorithm, u.decision, count(*) AS decisions, count(DISTINCT u.details_json ->> 'plan') AS plans,
       count(DISTINCT u.recommendation_id) AS indexes,
       count(DISTINCT b.recommendation) AS built,
       count(DISTINCT b.recommendation) FILTER (WHERE b.standing) AS standing,
       max(u.created_at) AS last
FROM {schema}.algorithm_usage u
LEFT JOIN (
    SELECT m.details_json ->> 'recommendation' AS recommendation, bool_or(v.is_current) AS standing
    FROM {schema}.index_versions v
    JOIN {schema}.mutation_log m ON m.op_id = v.op_id AND m.index_name IS NOT NULL
    GROUP BY 1
) b ON b.recommendation = u.recommendation_id
WHERE (%(table)s::text IS NULL OR u.table_name = %(table)s)
  AND (%(table_schema)s::text IS NULL OR u.schema_name = %(table_schema)s)
  AND (%(since)s::timestamptz IS NULL OR u.created_at >= %(since)s)
GROUP BY u.algorithm, u.decision
ORDER BY u.algorithm, u.decision
