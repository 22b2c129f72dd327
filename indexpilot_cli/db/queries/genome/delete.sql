WITH gone AS (
    SELECT * FROM unnest(%(schema_name)s::text[], %(table_name)s::text[], %(field_name)s::text[])
        AS g (schema_name, table_name, field_name)
), profiles AS (
    DELETE FROM {schema}.expression_profile AS p USING gone AS g
    WHERE (p.schema_name, p.table_name, p.field_name) = (g.schema_name, g.table_name, g.field_name)
), identities AS (
    DELETE FROM {schema}.genome_identity AS i USING gone AS g
    WHERE (i.schema_name, i.table_name, i.field_name) = (g.schema_name, g.table_name, g.field_name)
)
DELETE FROM {schema}.genome_catalog AS c USING gone AS g
WHERE (c.schema_name, c.table_name, c.field_name) = (g.schema_name, g.table_name, g.field_name)
