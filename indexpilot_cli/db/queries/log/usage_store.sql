WITH forgotten AS (
    DELETE FROM {schema}.algorithm_usage
    WHERE details_json ->> 'plan' = %(plan)s
        OR NOT EXISTS (SELECT FROM {schema}.plans WHERE plans.id = details_json ->> 'plan')
)
INSERT INTO {schema}.algorithm_usage
    (algorithm, schema_name, table_name, field_name, recommendation_id, decision, details_json)
SELECT algorithm, schema_name, table_name, field_name, recommendation_id, decision, details
FROM jsonb_to_recordset(%(decided)s) AS made (
    algorithm text,
    schema_name text,
    table_name text,
    field_name text,
    recommendation_id text,
    decision text,
    details jsonb
)
