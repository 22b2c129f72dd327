SELECT r.variant, r.metric, r.look, count(*) AS number, avg(r.value) AS mean, coalesce(var_pop(r.value), 0) AS variance
FROM (
    SELECT o.variant, o.metric, o.value,
           -- The bits of the number of whole first samples before it: 0 for the first, 1 for the second, 2 for two more.
           length(ltrim(((row_number() OVER (PARTITION BY o.variant, o.metric ORDER BY o.id) - 1) / %(first)s)::bit(64)::text,
                        '0')) AS look
    FROM {schema}.ab_experiment_results o
    WHERE o.experiment_id = %(id)s AND o.details_json IS NULL
) r
GROUP BY r.variant, r.metric, r.look
ORDER BY r.metric, r.variant, r.look
