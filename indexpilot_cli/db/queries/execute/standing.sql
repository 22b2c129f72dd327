SELECT c.oid::int8 AS oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       tn.nspname::text AS table_schema,
       t.relname::text AS table_name,
       i.indrelid::int8 AS relid,
       i.indisvalid AND i.indisready AND i.indislive AS usable,
       c.relkind = 'I' AS partitioned,
       pn.nspname::text AS parent_schema,
       pc.relname::text AS parent_name,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class pc ON pc.oid = h.inhparent
LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
WHERE i.indrelid = ANY (%(relids)s::oid[])
