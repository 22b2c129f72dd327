WITH odd AS (
    SELECT true AS by_default, p.schema_name, p.table_name, p.field_name, count(*) AS tenants
    FROM {schema}.expression_profile AS p
    WHERE p.tenant_id IS NOT NULL AND NOT p.is_enabled
    GROUP BY p.schema_name, p.table_name, p.field_name
    UNION ALL
    SELECT false, p.schema_name, p.table_name, p.field_name, count(*)
    FROM {schema}.genome_catalog AS g JOIN {schema}.expression_profile AS p USING (schema_name, table_name, field_name)
    WHERE NOT g.default_expression AND p.tenant_id IS NOT NULL AND coalesce(p.is_enabled, true)
    GROUP BY p.schema_name, p.table_name, p.field_name
), fields AS (
    SELECT schema_name, table_name, field_name, coalesce(default_expression, true) AS by_default
    FROM {schema}.genome_catalog
), few AS (
    SELECT f.*, coalesce(o.tenants, 0) AS odd
    FROM fields AS f LEFT JOIN odd AS o USING (by_default, schema_name, table_name, field_name)
    WHERE CASE WHEN f.by_default THEN cardinality(%(tenants)s::int[]) - coalesce(o.tenants, 0)
               ELSE coalesce(o.tenants, 0)
          END <= %(most)s
)
SELECT f.schema_name, f.table_name, f.field_name,
       CASE WHEN f.odd = CASE WHEN f.by_default THEN cardinality(%(tenants)s::int[]) ELSE 0 END THEN ARRAY[]::int[]
            ELSE array(
                SELECT t.id
                FROM unnest(%(tenants)s::int[]) AS t (id) LEFT JOIN {schema}.expression_profile AS p
                    ON p.tenant_id = t.id AND p.schema_name = f.schema_name AND p.table_name = f.table_name
                   AND p.field_name = f.field_name
                WHERE coalesce(p.is_enabled, f.by_default)
                ORDER BY t.id
            )
       END AS users
FROM few AS f
