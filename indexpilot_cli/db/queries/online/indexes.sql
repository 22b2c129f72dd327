SELECT c.oid::int8 AS oid,
       c.relname::text AS name,
       tn.nspname::text AS table_schema,
       t.relname::text AS table_name,
       pg_catalog.pg_get_indexdef(c.oid) AS definition,
       i.indisunique AS is_unique,
       i.indisvalid AND i.indisready AND i.indislive AS usable,
       i.indisclustered AS clustered,
       i.indisreplident AS replica_identity,
       k.contype::text AS constraint_kind,
       coalesce(k.condeferrable, false) AS is_deferrable,
       coalesce(k.condeferred, false) AS is_deferred,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       pg_catalog.obj_description(k.oid, 'pg_constraint') AS constraint_comment,
       s.spcname::text AS tablespace,
       (SELECT array_agg(ARRAY[a.attnum::int, a.attstattarget::int] ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) >= 0) AS targets,
       pg_catalog.pg_relation_filenode(c.oid)::int8 AS filenode,
       (SELECT p.pid FROM pg_catalog.pg_stat_progress_create_index p
        WHERE p.index_relid = c.oid AND p.datname = pg_catalog.current_database() LIMIT 1) AS builder
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = c.oid AND k.contype IN ('p', 'u', 'x')
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
WHERE i.indrelid = %(relid)s::oid
ORDER BY c.oid
