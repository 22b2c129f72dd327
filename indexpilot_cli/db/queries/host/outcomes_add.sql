INSERT INTO {schema}.interceptor_outcomes (template_id, template, cost, calls, slow, cancelled, total_ms)
SELECT *
FROM unnest(
    %(template_ids)s::text[], %(templates)s::text[], %(costs)s::float8[], %(calls)s::int[], %(slow)s::int[],
    %(cancelled)s::int[], %(total_ms)s::float8[]
)
