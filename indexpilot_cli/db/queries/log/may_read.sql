SELECT r.oid AS is_there,
       coalesce(bool_and(has_schema_privilege(r.oid, n.oid, 'USAGE')), false)
       AND coalesce(bool_and(c.oid IS NULL OR has_table_privilege(r.oid, c.oid, 'SELECT')), false) AS reads
FROM (SELECT 1) AS one
LEFT JOIN pg_roles AS r ON r.rolname = %(role)s
LEFT JOIN pg_namespace AS n ON n.nspname = %(schema)s
LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind = 'r'
GROUP BY r.oid
