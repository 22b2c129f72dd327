-- The tables with a field that the tenant uses, by its profile where it has one, else by default.
SELECT DISTINCT n.nspname AS schema_name, c.relname AS table_name
FROM {schema}.genome_catalog g
LEFT JOIN {schema}.expression_profile p
    ON p.tenant_id = %(tenant)s AND p.schema_name = g.schema_name AND p.table_name = g.table_name
   AND p.field_name = g.field_name
JOIN pg_catalog.pg_namespace n ON n.nspname = g.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = g.table_name AND c.relkind IN ('r', 'p', 'm')
WHERE coalesce(p.is_enabled, g.default_expression)
ORDER BY 1, 2
