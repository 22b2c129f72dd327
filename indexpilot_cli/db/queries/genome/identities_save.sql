INSERT INTO {schema}.genome_identity (schema_name, table_name, field_name, relid, attnum)
SELECT *
FROM unnest(
    %(schema_name)s::text[], %(table_name)s::text[], %(field_name)s::text[], %(relid)s::oid[], %(attnum)s::smallint[]
)
ON CONFLICT (schema_name, table_name, field_name) DO UPDATE SET relid = EXCLUDED.relid, attnum = EXCLUDED.attnum
WHERE (genome_identity.relid, genome_identity.attnum) IS DISTINCT FROM (EXCLUDED.relid, EXCLUDED.attnum)
