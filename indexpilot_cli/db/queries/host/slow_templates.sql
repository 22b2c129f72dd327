-- Templates of which so many calls turned out slow or were cancelled, the worst first.
SELECT
    template_id,
    min(template) AS template,
    sum(calls)::bigint AS calls,
    sum(slow + cancelled)::float8 / sum(calls) AS bad_share
FROM {schema}.interceptor_outcomes
WHERE created_at >= now() - make_interval(days => %(days)s)
GROUP BY template_id
HAVING sum(calls) >= %(least)s AND sum(slow + cancelled)::float8 / sum(calls) >= %(share)s
ORDER BY 4 DESC, 3 DESC
LIMIT %(most)s
