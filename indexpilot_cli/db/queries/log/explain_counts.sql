SELECT origin, outcome, sum(statements)::bigint AS statements
FROM {schema}.explain_statistics
WHERE day > current_date - %(days)s::int
GROUP BY origin, outcome
ORDER BY origin, outcome
