-- With row_security off a policy that would hide rows is an error instead. With pg_catalog alone in the path every name
-- of somebody else stands with its schema in the texts of expressions.
SELECT pg_catalog.set_config('row_security', 'off', true) AS policies,
       pg_catalog.set_config('search_path', 'pg_catalog', true) AS path
