-- The rows of tables as the planner counts them, by the size they have now, and the partitioned table they belong to.
-- A table that was never analyzed has at least a row on each page.
SELECT
    given.schema_name,
    given.table_name,
    coalesce(root_schema.nspname, given.schema_name) AS root_schema,
    coalesce(root.relname, given.table_name) AS root_name,
    CASE
        WHEN relation.relpages > 0 AND relation.reltuples >= 0
            THEN relation.reltuples::double precision * pages.now / relation.relpages
        ELSE pages.now
    END AS rows
FROM unnest(%(schemas)s::text[], %(tables)s::text[]) AS given (schema_name, table_name)
JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = given.schema_name
JOIN pg_catalog.pg_class AS relation ON relation.relnamespace = namespace.oid AND relation.relname = given.table_name
CROSS JOIN LATERAL (
    SELECT
        coalesce(pg_catalog.pg_relation_size(relation.oid), 0)
        / pg_catalog.current_setting('block_size')::double precision AS now
) AS pages
LEFT JOIN pg_catalog.pg_class AS root ON root.oid = pg_catalog.pg_partition_root(relation.oid)
LEFT JOIN pg_catalog.pg_namespace AS root_schema ON root_schema.oid = root.relnamespace
