-- The newest row of each index that has numbers of verification; other work on the table between its build and then.
WITH verified AS (
    SELECT DISTINCT ON (coalesce(m.details_json ->> 'reverts', m.op_id::text))
           m.id, m.created_at, m.schema_name, m.table_name, m.details_json AS details,
           coalesce(m.details_json ->> 'reverts', m.op_id::text) AS op_id
    FROM {schema}.mutation_log m
    WHERE m.details_json ? 'verification' AND m.op_id IS NOT NULL
    ORDER BY coalesce(m.details_json ->> 'reverts', m.op_id::text), m.id DESC
)
SELECT v.id, v.created_at, v.details,
       EXISTS (
           SELECT FROM {schema}.mutation_log other
           WHERE other.schema_name = v.schema_name AND other.table_name = v.table_name AND other.state = 'VALID'
             AND other.op_id IS NOT NULL AND other.op_id::text <> v.op_id AND other.id < v.id
             AND other.id > (SELECT min(own.id) FROM {schema}.mutation_log own WHERE own.op_id::text = v.op_id)
       ) AS disturbed
FROM verified v
ORDER BY v.id DESC
LIMIT %(most)s
