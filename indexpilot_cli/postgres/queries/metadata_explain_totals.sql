SELECT origin, outcome, sum(statements)::bigint AS statements, sum(total_ms) AS total_ms
FROM {schema}.explain_statistics
WHERE %(days)s::integer IS NULL OR day > current_date - %(days)s::integer
GROUP BY origin, outcome
ORDER BY origin, outcome
