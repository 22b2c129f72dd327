SELECT template_id, cost, calls, slow + cancelled AS bad
FROM {schema}.interceptor_outcomes
WHERE created_at >= now() - make_interval(days => %(days)s)
ORDER BY id DESC
LIMIT %(most)s
